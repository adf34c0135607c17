"""Whom else to follow: those whom many of the followed follow. Decided from their newest follows alone."""

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence

from greenroom.actors.social.follows.messages import Suggestion

ASKED_MAX = 20  # of the followed, those followed last
EACH_MAX = 50  # of whom each of these follows, the newest
CANDIDATES_MAX = 200  # kept for the while that an answer is
SOME = 3  # of the followed who follow a candidate, named


def candidates(follows: Mapping[str, Iterable[str]]) -> list[Suggestion]:
    """`follows`: whom each of the followed follows. Whom most follow comes first, equal ones by their names."""
    counts = Counter[str]()
    some = defaultdict[str, list[str]](list)
    for user, authors in follows.items():
        for author in authors:
            counts[author] += 1
            if len(some[author]) < SOME:
                some[author].append(user)
    first = sorted(counts, key=lambda author: (-counts[author], author))[:CANDIDATES_MAX]
    return [Suggestion(author, counts[author], some[author]) for author in first]


def chosen(found: Sequence[Suggestion], known: Iterable[Container[str]], limit: int) -> list[Suggestion]:
    """The first `limit` that are in none of `known`."""
    known = list(known)
    return [one for one in found if not any(one.user in those for those in known)][:limit]
