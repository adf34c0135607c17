"""An author who has much gives way: each further post of one counts less, and no author comes too often in a row."""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

GIVES_WAY = 0.75  # of its score is left to each further post of an author
IN_A_ROW_MAX = 2

T = TypeVar("T")


def spread_out(groups: Iterable[Sequence[T]], author: Callable[[T], str], score: Callable[[T], float]) -> list[T]:
    """All of them, group after group, each with the best first as far as authors allow.

    Within a group they come as they are ranked, scores 0 or more. Nobody has more than IN_A_ROW_MAX in a row while the
    group still has somebody else.
    """
    had: Counter[str] = Counter()
    made: list[T] = []
    for group in groups:
        _spread(group, author, score, had, made)
    return made


def _spread(
    group: Sequence[T], author: Callable[[T], str], score: Callable[[T], float], had: Counter[str], made: list[T]
) -> None:
    waiting: dict[str, list[T]] = {}  # an author's, the best last
    for one in reversed(group):
        waiting.setdefault(author(one), []).append(one)
    ranks = {id(one): rank for rank, one in enumerate(group)}

    def entry(who: str) -> tuple[float, int, str]:
        best = waiting[who][-1]
        return -score(best) * GIVES_WAY ** had[who], ranks[id(best)], who

    best_of = [entry(who) for who in waiting]
    heapq.heapify(best_of)
    while best_of:
        next_one = heapq.heappop(best_of)
        if best_of and _has_enough(next_one[2], made, author):
            next_one = heapq.heapreplace(best_of, next_one)
        who = next_one[2]
        made.append(waiting[who].pop())
        had[who] += 1
        if waiting[who]:
            heapq.heappush(best_of, entry(who))


def _has_enough(who: str, made: list[T], author: Callable[[T], str]) -> bool:
    last = made[-IN_A_ROW_MAX:]
    return len(last) == IN_A_ROW_MAX and all(author(one) == who for one in last)
