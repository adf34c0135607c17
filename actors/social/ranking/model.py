"""A model file: what scores, and why. By its suffix: `.json` is linear, `.txt` is LightGBM's own text.

    {"intercept": -3.0, "weights": {"recency": 2.0, "pair_rate_7d": 1.5}}

Both give a margin, and its logistic function as the score, which is between 0 and 1; both can say what each feature has
added to the margin. A feature of a file that this release does not compute is refused: it would be scored as 0.
"""

import hashlib
import math
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec
from msgspec import Struct

from greenroom.actors.social.ranking.trees import BadTrees, checked_trees
from greenroom.actors.social.ranking.values import FEATURES, unpacked

if TYPE_CHECKING:
    import numpy as np

FILE_BYTES_MAX = 64 << 20
DIGEST_CHARS = 8
WEIGHT_MAX = 1e6  # so that no sum of them is infinite

Contributions = dict[str, float]


class BadModel(Exception):
    """A file can't be scored with; the text says why."""


class NoScores(Exception):
    """A model that was read does not score these; the text says why."""


class Model(Protocol):
    """What scores posts, and can say why."""

    version: str  # of the file: its name and a digest of its bytes

    def scores(self, rows: Sequence[bytes]) -> list[float]:
        """Of packed values, see values.py; in their order. Raises: NoScores."""

    def explained(self, row: bytes) -> tuple[float, Contributions]:
        """What the margin begins with, and what each feature adds to it. Raises: NoScores."""


def logistic(margin: float) -> float:
    if margin >= 0:
        return 1.0 / (1.0 + math.exp(-margin))
    up = math.exp(margin)  # the other way round a great one is no float
    return up / (1.0 + up)


class LinearFile(Struct, frozen=True, forbid_unknown_fields=True):
    """What a file of weights holds, by the features' names."""

    weights: dict[str, float]
    intercept: float = 0.0


class Linear:
    """Weights, added up."""

    def __init__(self, version: str, weights: Mapping[str, float], intercept: float) -> None:
        """Raises: BadModel."""
        self.version = version
        _check_names(weights)
        if not all(abs(weight) <= WEIGHT_MAX for weight in (*weights.values(), intercept)):
            raise BadModel(f"a weight is no number from {-WEIGHT_MAX:g} to {WEIGHT_MAX:g}")
        self._intercept = intercept
        self._weights = [(FEATURES.index(name), weight) for name, weight in weights.items()]

    def scores(self, rows: Sequence[bytes]) -> list[float]:
        return [logistic(self._margin(unpacked(row))) for row in rows]

    def _margin(self, values: tuple[float, ...]) -> float:
        return self._intercept + sum(weight * values[place] for place, weight in self._weights)

    def explained(self, row: bytes) -> tuple[float, Contributions]:
        values = unpacked(row)
        return self._intercept, {FEATURES[place]: weight * values[place] for place, weight in self._weights}


class Boosted:
    """Trees, scored by LightGBM in this thread: so few rows are not worth others."""

    def __init__(self, version: str, text: str) -> None:
        """Raises: BadModel."""
        try:
            import lightgbm
        except (ImportError, OSError) as error:  # the latter without libgomp
            raise BadModel(f"a model of trees needs LightGBM: install greenroom[ranking] ({error})") from error
        self.version = version
        try:
            self._booster = lightgbm.Booster(model_str=checked_trees(text))
        except (BadTrees, lightgbm.basic.LightGBMError) as error:
            raise BadModel(f"LightGBM is not to read it: {error}") from error
        self._names = self._booster.feature_name()
        _check_names(self._names)
        self._columns = [FEATURES.index(name) for name in self._names]

    def scores(self, rows: Sequence[bytes]) -> list[float]:
        found: list[float] = self._predicted(rows).tolist()
        return found

    def explained(self, row: bytes) -> tuple[float, Contributions]:
        *added, base = self._predicted([row], pred_contrib=True)[0].tolist()
        return base, dict(zip(self._names, added, strict=True))

    def _predicted(self, rows: Sequence[bytes], **how: bool) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
        import lightgbm
        import numpy as np

        try:
            return np.asarray(self._booster.predict(self._matrix(rows), num_threads=1, **how))
        except lightgbm.basic.LightGBMError as error:
            raise NoScores(str(error)) from error

    def _matrix(self, rows: Sequence[bytes]) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
        import numpy as np

        values = np.frombuffer(b"".join(rows), dtype="<f4").reshape(len(rows), len(FEATURES))
        return np.ascontiguousarray(values[:, self._columns])


def read_model(path: Path) -> Model:
    """Blocks. Raises: BadModel; OSError."""
    with path.open("rb") as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode) or about.st_size > FILE_BYTES_MAX:
            raise BadModel(f"it is no file of at most {FILE_BYTES_MAX} bytes")
        data = file.read(FILE_BYTES_MAX + 1)
    version = f"{path.stem}@{hashlib.blake2b(data).hexdigest()[:DIGEST_CHARS]}"
    match path.suffix:
        case ".json":
            try:
                found = msgspec.json.decode(data, type=LinearFile)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise BadModel(f"it is no linear model: {error}") from error
            return Linear(version, found.weights, found.intercept)
        case ".txt":
            try:
                return Boosted(version, data.decode())
            except UnicodeDecodeError as error:
                raise BadModel("it is no text") from error
        case suffix:
            raise BadModel(f"its name ends in {suffix!r}, and not in .json or .txt")


def _check_names(names: Mapping[str, float] | Sequence[str]) -> None:
    """Raises: BadModel."""
    if not names:
        raise BadModel("it reads no feature")
    if unknown := sorted(set(names).difference(FEATURES)):
        raise BadModel(f"it reads {unknown[0]!r}, which is no feature of this release")
