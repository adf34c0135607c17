"""The models in use: files that are read when they have changed, while readers go on with what there was.

A file is looked at no more than every LOOK_S, when somebody reads a feed, and in a thread. One that can't be used is
said in the log, once, and the model before it stays; where there was none, the light score does. So it does where a
model that was read does not score, until its file is another.
"""

from functools import cache
from pathlib import Path
from typing import Literal

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
        self.stamp: Stamp | None = None  # None: it is read, whatever it is
        self.error = ""  # why it can't be used, as it was last; "" where it can
        self.is_busy = False


class Models:
    """Of one node. The files are those of the settings, so they are few."""

    def __init__(self, model: Path | None = None, experiment: Experiment | None = None) -> None:
        self._control = model
        self._experiment = experiment
        paths = [model, *(arm.model for arm in experiment.arms)] if experiment is not None else [model]
        self._files = {path: _File(path) for path in paths if path is not None}
        self._threads = trio.CapacityLimiter(1)
        self._failing: set[str] = set()  # versions that don't score, of those that files have

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
            self._failing &= {one.model.version for one in self._files.values() if one.model is not None}
            self._show(file)
        return Chosen(None if self._is_failing(file) else file.model, label)

    def gave_none(self, version: str, error: str) -> None:
        """That model was read, and does not score: it is chosen no more, and that is said in the log, once."""
        RANKING.failed("scores")
        if version not in self._failing:
            self._failing.add(version)
            log.warning("ranking_scores_failed", version=version, error=error)
            for file in self._files.values():
                self._show(file)

    def _is_failing(self, file: _File) -> bool:
        return file.model is not None and file.model.version in self._failing

    def _show(self, file: _File) -> None:
        """In the metrics, what is so of it now."""
        path, is_failing = str(file.path), self._is_failing(file)
        RANKING.uses(path, file.model.version if file.model is not None and not is_failing else "")
        RANKING.lacks(path, "model", is_so=bool(file.error))
        RANKING.lacks(path, "scores", is_so=is_failing)


def _look(file: _File) -> bool:
    """Read it where it is another, or could not be read. False: it can't be used, and that was not said before. In a
    thread, and for one file never twice at once."""
    stamp = _stamp(file.path)
    if stamp == file.stamp:
        return True
    file.stamp = stamp
    try:
        file.model = read_model(file.path)
    except BadModel as error:
        return _refused(file, error)
    except OSError as error:
        file.stamp = None  # it may be by chance, and then the file will not be another
        return str(error) == file.error or _refused(file, error)
    file.error = ""
    log.info("ranking_model_loaded", path=str(file.path), version=file.model.version)
    return True


def _refused(file: _File, error: Exception) -> Literal[False]:
    file.error = str(error)
    log.warning("ranking_model_refused", path=str(file.path), error=file.error)
    return False


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
