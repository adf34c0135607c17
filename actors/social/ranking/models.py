"""The models in use: files that are read when they have changed, while readers go on with what there was.

A file is looked at no more than every LOOK_S, when somebody reads a feed, and in a thread. One that can't be used is
said in the log, once, and the model before it stays; where there was none, the light score does.
"""

from functools import cache
from pathlib import Path

import structlog
import trio
from msgspec import Struct

from greenroom.actors.social.ranking.experiments import CONTROL, Experiment, experiment_of
from greenroom.actors.social.ranking.model import BadModel, Model, read_model
from greenroom.config.settings import Settings, load_settings
from greenroom.config.telemetry.ranking_instruments import RANKING

LOOK_S = 5.0

log = structlog.get_logger("greenroom.social")

Stamp = tuple[int, int, int]  # of a file, as it was: another means that it may be another
NOWHERE: Stamp = (-1, -1, -1)


class Chosen(Struct, frozen=True):
    """What one reader's feed is ranked by."""

    model: Model | None  # None: the light score
    experiment: str = ""  # `autumn/bold`, for exposures; "" where there is none


class _File:
    """One model file, and what was last read of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.model: Model | None = None
        self.looked_s = float("-inf")
        self.stamp: Stamp | None = None
        self.is_busy = False


class Models:
    """Of one node. The files are those of the settings, so they are few."""

    def __init__(self, model: Path | None = None, experiment: Experiment | None = None) -> None:
        self._control = model
        self._experiment = experiment
        paths = [model, *(arm.model for arm in experiment.arms)] if experiment is not None else [model]
        self._files = {path: _File(path) for path in paths if path is not None}
        self._threads = trio.CapacityLimiter(1)
        self._failing = ""  # the version of which that was said last

    async def choose(self, user: str, now_s: float) -> Chosen:
        """For one reader, at any clock's time that rises. Waits for a thread where a file is due to be looked at, and
        whoever comes meanwhile does not."""
        path, label = self._control, ""
        if self._experiment is not None:
            arm = self._experiment.arm_of(user)
            label = f"{self._experiment.name}/{arm.name if arm is not None else CONTROL}"
            path = arm.model if arm is not None else path
        if path is None:
            return Chosen(None, label)
        file = self._files[path]
        if not file.is_busy and now_s - file.looked_s >= LOOK_S:
            file.is_busy, file.looked_s = True, now_s
            try:
                is_good = await trio.to_thread.run_sync(_look, file, limiter=self._threads)
            finally:
                file.is_busy = False
            if not is_good:
                RANKING.failed("model")
            elif file.model is not None:
                RANKING.uses(file.path.name, file.model.version)
        return Chosen(file.model, label)

    def gave_none(self, version: str, error: str) -> None:
        """That model was read, and does not score: said in the log once, and counted each time."""
        RANKING.failed("scores")
        if version != self._failing:
            self._failing = version
            log.warning("ranking_scores_failed", version=version, error=error)


def _look(file: _File) -> bool:
    """Read it where it is another. False: it can't be used, and was not known to be such. In a thread, and for one file
    never twice at once."""
    stamp = _stamp(file.path)
    if stamp == file.stamp:
        return True
    file.stamp = stamp
    try:
        file.model = read_model(file.path)
    except (BadModel, OSError) as error:
        log.warning("ranking_model_refused", path=str(file.path), error=str(error))
        return False
    log.info("ranking_model_loaded", path=str(file.path), version=file.model.version)
    return True


def _stamp(path: Path) -> Stamp:
    try:
        about = path.stat()
    except OSError:
        return NOWHERE
    return about.st_mtime_ns, about.st_size, about.st_ino


def models_of(settings: Settings) -> Models:
    return Models(settings.ranking_model, experiment_of(settings.ranking_experiment, settings.ranking_arms))


@cache
def models() -> Models:
    """Those of this process, as its settings say."""
    return models_of(load_settings())
