"""Training: files that the sink of exposures wrote into a model file. Offline; it needs `greenroom[ranking]`.

    python -m greenroom.actors.social.ranking.train exposures/*.jsonl model.txt

An example is a post that a reader was shown, with the values that it was scored by then; it is a good one if the reader
clicked, stayed with it, liked, commented or shared within a day, and did not hide it. What was shown twice counts once,
as it was first shown, so files may overlap and come in any order. A fifth of the readers are kept to judge by: the area
under the curve over what they were shown, beside that of the light score. A model that is hardly better than chance is
not written. The file is put in its place whole, so a server that watches it may go on meanwhile.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct, field

from greenroom.actors.social.ranking.events import Shown
from greenroom.actors.social.ranking.light import explained_light
from greenroom.actors.social.ranking.values import FEATURES, packed_again

if TYPE_CHECKING:
    import numpy as np

EXAMPLES_MAX = 2_000_000  # what is shown beyond that is passed over: about a gigabyte
LINE_BYTES_MAX = 4 << 20
WITHIN_MS = 86_400_000
DWELT_MS = 10_000  # so long is a good sign
HELD_OUT = 5  # one reader in so many is kept for the judgement
EXAMPLES_MIN = 200
AUC_MIN = 0.55
ROUNDS_MAX = 300
PARAMETERS = {
    "objective": "binary",
    "metric": "auc",
    "learning_rate": 0.05,
    "num_leaves": 15,
    "min_data_in_leaf": 20,
    "verbosity": -1,
    "seed": 1,
    "deterministic": True,
    "force_row_wise": True,
}


class Line(Struct, frozen=True):
    """What the sink writes, as far as it is read here."""

    entity: str
    type: str
    at: int
    data: msgspec.Raw


class Engagement(Struct, frozen=True):
    """Of `features.engaged_with`."""

    post: str


class Example(Struct):
    """A post that a reader was shown."""

    shown_ms: int
    values: bytes


class Examples(Struct):
    """What readers were shown and what they did, whichever came first."""

    shown: dict[tuple[str, str], Example] = field(default_factory=dict)  # by reader and post
    engaged: dict[tuple[str, str], list[int]] = field(default_factory=dict)  # when, Unix ms
    hid: set[tuple[str, str]] = field(default_factory=set)
    skipped: int = 0  # lines that were none of ours, or torn

    def add(self, text: bytes) -> None:
        """One line."""
        try:
            line = msgspec.json.decode(text, type=Line)
            reader = line.entity.removeprefix("features:")
            match line.type:
                case "features.exposed":
                    for item in msgspec.json.decode(line.data, type=_Items).items:
                        self._add_shown(reader, line.at, item)
                case "features.engaged_with":
                    self._engage(reader, msgspec.json.decode(line.data, type=Engagement).post, line.at)
                case _:
                    self.skipped += 1
        except (msgspec.DecodeError, UnicodeDecodeError):
            self.skipped += 1

    def _add_shown(self, reader: str, at_ms: int, item: Shown) -> None:
        name = reader, item.post
        match item.did:
            case "seen":
                before = self.shown.get(name)
                if item.features and (before is None or at_ms < before.shown_ms):
                    if before is None and len(self.shown) >= EXAMPLES_MAX:
                        return
                    self.shown[name] = Example(at_ms, packed_again(item.features))
            case "clicked":
                self._engage(reader, item.post, at_ms)
            case "dwelt" if item.ms >= DWELT_MS:
                self._engage(reader, item.post, at_ms)
            case "hid":
                self.hid.add(name)

    def _engage(self, reader: str, post: str, at_ms: int) -> None:
        if len(self.engaged) < EXAMPLES_MAX or (reader, post) in self.engaged:
            self.engaged.setdefault((reader, post), []).append(at_ms)

    def labelled(self) -> Iterator[tuple[str, bytes, bool]]:
        """(reader, values, was it good?), in an order that follows from what was added, not from when."""
        for name, example in sorted(self.shown.items()):
            began = example.shown_ms
            good = any(began <= at <= began + WITHIN_MS for at in self.engaged.get(name, ()))
            yield name[0], example.values, good and name not in self.hid


class _Items(Struct, frozen=True):
    """Of `features.exposed`, whose tag the line has as its `type`."""

    items: list[Shown]


class Report(Struct, frozen=True, kw_only=True):
    """What training came to."""

    examples: int
    good: int
    held_out: int
    skipped: int
    auc: float
    auc_light: float
    features: list[str]  # those that say most first
    written: bool


class CantTrain(Exception):
    """There is too little to learn from; the text says what."""


def is_held_out(reader: str) -> bool:
    return blake2b(reader.encode(), digest_size=4).digest()[0] % HELD_OUT == 0


def auc(good: Sequence[bool], scores: Sequence[float]) -> float:
    """The chance that a good one stands above one that is not; ties count half. Raises: ZeroDivisionError."""
    order = sorted(range(len(scores)), key=lambda at: scores[at])
    ranks, first = 0.0, 0
    while first < len(order):
        last = first
        while last + 1 < len(order) and scores[order[last + 1]] == scores[order[first]]:
            last += 1
        ranks += sum(good[order[at]] for at in range(first, last + 1)) * ((first + last) / 2 + 1)
        first = last + 1
    goods = sum(good)
    return (ranks - goods * (goods + 1) / 2) / (goods * (len(order) - goods))


def train(lines: Iterable[bytes], to: Path, *, auc_min: float = AUC_MIN, threads: int = 0) -> Report:
    """`threads`: 0 are as many as there are processors. Raises: CantTrain; ImportError without LightGBM; OSError."""
    import lightgbm
    import numpy as np

    examples = Examples()
    for line in lines:
        examples.add(line)
    taught, judged = _split(examples.labelled())
    for part in (taught, judged):
        goods = sum(part.good)
        if len(part.good) < EXAMPLES_MIN / HELD_OUT or not 0 < goods < len(part.good):
            raise CantTrain(
                f"{len(examples.shown)} posts were shown: too few, or all or none of them good, to learn and to judge"
            )
    names = list(FEATURES)
    data = lightgbm.Dataset(taught.matrix(), label=taught.good, feature_name=names, free_raw_data=True)
    booster = lightgbm.train(
        {**PARAMETERS, "num_threads": threads},
        data,
        num_boost_round=ROUNDS_MAX,
        valid_sets=[data.create_valid(judged.matrix(), label=judged.good)],
        callbacks=[lightgbm.early_stopping(20, verbose=False)],
    )
    reached = auc(judged.good, np.asarray(booster.predict(judged.matrix())).tolist())
    light = auc(judged.good, [_light_margin(row) for row in judged.rows])
    gains = sorted(zip(booster.feature_importance("gain").tolist(), names, strict=True), reverse=True)
    if reached >= auc_min:
        beside = to.with_name(f".{to.name}.{os.getpid()}")
        beside.write_text(booster.model_to_string(), encoding="utf-8")
        beside.replace(to)
    return Report(
        examples=len(examples.shown),
        good=sum(taught.good) + sum(judged.good),
        held_out=len(judged.good),
        skipped=examples.skipped,
        auc=reached,
        auc_light=light,
        features=[name for gain, name in gains if gain > 0][:10],
        written=reached >= auc_min,
    )


class _Part(Struct):
    """Some of the readers'."""

    rows: list[bytes] = field(default_factory=list)
    good: list[bool] = field(default_factory=list)

    def matrix(self) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
        import numpy as np

        return np.frombuffer(b"".join(self.rows), dtype="<f4").reshape(len(self.rows), len(FEATURES))


def _split(labelled: Iterable[tuple[str, bytes, bool]]) -> tuple[_Part, _Part]:
    """(to learn from, to judge by), no reader in both."""
    taught, judged = _Part(), _Part()
    for reader, values, good in labelled:
        part = judged if is_held_out(reader) else taught
        part.rows.append(values)
        part.good.append(good)
    return taught, judged


def _light_margin(values: bytes) -> float:
    base, added = explained_light(values)
    return base + sum(added.values())


def lines_of(paths: Iterable[Path]) -> Iterator[bytes]:
    """A line that is longer than LINE_BYTES_MAX comes in pieces, which are none of ours. Raises: OSError."""
    for path in paths:
        with path.open("rb") as file:
            while line := file.readline(LINE_BYTES_MAX):
                yield line


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints what it came to as JSON. 1: nothing was written."""
    parser = argparse.ArgumentParser(prog="python -m greenroom.actors.social.ranking.train", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("exposures", nargs="+", type=Path, help="files of JSON lines")
    parser.add_argument("model", type=Path, help="the file to write; its name ends in .txt")
    parser.add_argument("--auc-min", type=float, default=AUC_MIN, help="write none that judges worse (%(default)s)")
    parser.add_argument("--threads", type=int, default=0, help="0: as many as there are processors")
    given = parser.parse_args(arguments)
    if given.model.suffix != ".txt":
        parser.error("the model's name must end in .txt")
    try:
        report = train(lines_of(given.exposures), given.model, auc_min=given.auc_min, threads=given.threads)
    except (CantTrain, ImportError, OSError) as error:
        print(f"nothing was written: {error}", file=sys.stderr)
        return 1
    print(json.dumps(msgspec.to_builtins(report), indent=2))
    return 0 if report.written else 1


if __name__ == "__main__":
    sys.exit(main())
