"""An author who has much gives way: each further post of one counts less, and no author comes too often in a row."""

from collections import deque
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
    had: dict[str, int] = {}
    made: list[T] = []
    for group in groups:
        _spread(group, author, score, had, made)
    return made


def _spread(
    group: Sequence[T], author: Callable[[T], str], score: Callable[[T], float], had: dict[str, int], made: list[T]
) -> None:
    """Sorted once by what is left of the scores; then whoever would come too often in a row waits for another."""
    order: list[tuple[float, int, str]] = []
    stands: dict[str, float] = {}  # where an author's last one stands: no further one stands before it
    for rank, one in enumerate(group):
        who = author(one)
        count = had.get(who, 0)
        had[who] = count + 1
        place = -score(one)
        if count:
            place = max(place * GIVES_WAY**count, stands.get(who, place))
        stands[who] = place
        order.append((place, rank, who))
    order.sort()
    last, in_a_row = _end_of(made, author)
    waiting: deque[T] = deque()  # of the one author who has enough just now, the best first
    waits = ""
    for _, rank, who in order:
        if who == last and in_a_row >= IN_A_ROW_MAX:
            waiting.append(group[rank])
            waits = who
            continue
        last, in_a_row = who, in_a_row + 1 if who == last else 1
        made.append(group[rank])
        if waiting:
            last, in_a_row = waits, 0
            while waiting and in_a_row < IN_A_ROW_MAX:
                made.append(waiting.popleft())
                in_a_row += 1
    made += waiting


def _end_of(made: Sequence[T], author: Callable[[T], str]) -> tuple[str, int]:
    """Whose the last ones are, and how many of them: IN_A_ROW_MAX are looked at."""
    if not made:
        return "", 0
    last, in_a_row = author(made[-1]), 1
    while in_a_row < min(IN_A_ROW_MAX, len(made)) and author(made[-1 - in_a_row]) == last:
        in_a_row += 1
    return last, in_a_row
