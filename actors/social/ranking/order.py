"""In which order: candidates, the light score, the model's, and who gives way to whom. No I/O, no chance, no clock."""

from collections.abc import Callable, Iterable
from heapq import nlargest

from msgspec import Struct

from greenroom.actors.social.ranking.candidates import CANDIDATES_MAX, Candidate, Reason
from greenroom.actors.social.ranking.diversity import spread_out
from greenroom.actors.social.ranking.light import light_margin
from greenroom.actors.social.ranking.messages import FeaturesShown
from greenroom.actors.social.ranking.model import Model, logistic
from greenroom.actors.social.ranking.values import Reader

SCORED_MAX = 100  # by the model
LIGHT = "light"  # the version where there is no model
NOTHING_KNOWN = FeaturesShown({}, {})


class Ranked(Struct, frozen=True, gc=False):
    """A post in its place."""

    post: str
    author: str
    score: float
    values: bytes = b""  # that it was scored by, see values.py; b"" beyond the first SCORED_MAX
    reason: Reason = "following"


def ranked(
    candidates: Iterable[Candidate],
    known: FeaturesShown = NOTHING_KNOWN,
    *,
    now_ms: int,
    model: Model | None = None,
    filters: Iterable[Callable[[Candidate], bool]] = (),
) -> list[Ranked]:
    """At most CANDIDATES_MAX, each post once (followed, where it is suggested as
    well): the best SCORED_MAX as the model has them, then the others.

    The same candidates come in the same order, whichever way they are handed in. Of more than CANDIDATES_MAX the newest
    are looked at. `filters`: True keeps one. They are asked first: what nobody may see is to take nobody's place.
    """
    keeps = tuple(filters)
    wanted: dict[str, Candidate] = {}
    for one in candidates:
        before = wanted.get(one.post)
        if (before is None or (before.is_suggested and not one.is_suggested)) and all(keep(one) for keep in keeps):
            wanted[one.post] = one
    newest: Iterable[Candidate] = wanted.values()
    if len(wanted) > CANDIDATES_MAX:
        newest = nlargest(CANDIDATES_MAX, newest, key=lambda one: (one.at_ms, one.post))
    reader = Reader(known.mine, known.with_authors, now_ms)
    lightly = [(-light_margin(one, reader), -one.at_ms, one.post, one) for one in newest]
    lightly.sort()  # no two posts alike
    best, others = lightly[:SCORED_MAX], lightly[SCORED_MAX:]
    rows = [reader.packed(one) for _, _, _, one in best]
    scores = model.scores(rows) if model is not None and rows else [logistic(-margin) for margin, _, _, _ in best]
    first = [
        Ranked(one.post, one.author, score, row, one.reason)
        for (_, _, _, one), score, row in zip(best, scores, rows, strict=True)
    ]
    if model is not None:
        first.sort(key=lambda one: -one.score)  # where the model finds no difference, as the light score had it
    rest = [Ranked(one.post, one.author, logistic(-margin), b"", one.reason) for margin, _, _, one in others]
    return spread_out((first, rest), _author, _score)


def _author(one: Ranked) -> str:
    return one.author


def _score(one: Ranked) -> float:
    return one.score
