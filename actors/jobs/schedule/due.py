"""Due: which ticks of a schedule are taken now, and which are passed over because nobody was there in time.

`missed` says what becomes of ticks that are more than GRACE_MS late: of all of them the last is taken, or all, or none.
What is later than `catch_up_s` is never taken. Temporal calls that the catch-up window, and always takes all in it.
"""

from typing import Literal

from msgspec import Struct

from greenroom.actors.jobs.schedule.timing import Timing
from greenroom.actors.model.schedule import GRACE_MS

Missed = Literal["last", "all", "skip"]
TAKEN_MAX = 10  # at once: others follow a moment later
COUNTED_MAX = 100  # of those passed over


class Due(Struct, frozen=True):
    """What one look at the time comes to."""

    ticks: list[int]  # taken, in order
    missed: int  # passed over; COUNTED_MAX stands for as many or more
    last_ms: int  # the newest tick that was looked at; 0: none was due
    next_ms: int | None  # the tick that is next


def due(timing: Timing, name: str, next_ms: int, now_ms: int, missed: Missed, catch_up_ms: int) -> Due:
    """`next_ms`: the first tick that was not looked at yet. Ticks go in order: what jitter has moved behind a later
    one holds that up."""
    late_ms = now_ms - GRACE_MS  # what was due before that is late
    window_ms = now_ms - max(catch_up_ms, GRACE_MS)
    jitter_ms = int(timing.jitter_s * 1000)
    start = timing.latest((window_ms if missed == "all" else late_ms) - jitter_ms - 1, next_ms)
    first = next_ms if start is None else start
    ticks: list[int] = []
    newest_late: int | None = None
    last_ms = 0
    at_ms: int | None = first
    while at_ms is not None and len(ticks) < TAKEN_MAX:
        due_ms = timing.due_ms(at_ms, name)
        if due_ms > now_ms:
            break
        if due_ms >= late_ms or (missed == "all" and due_ms >= window_ms):
            ticks.append(at_ms)
        elif missed == "last" and due_ms >= window_ms:
            newest_late = at_ms
        last_ms = at_ms
        at_ms = timing.after(at_ms)
    if newest_late is not None:
        ticks.insert(0, newest_late)
    return Due(ticks, _passed_over(timing, next_ms, at_ms, ticks), last_ms, at_ms)


def _passed_over(timing: Timing, from_ms: int, end_ms: int | None, taken: list[int]) -> int:
    """Ticks before `end_ms` that are not taken."""
    count = 0
    at_ms: int | None = from_ms
    while at_ms is not None and at_ms != end_ms and count < COUNTED_MAX:
        count += at_ms not in taken
        at_ms = timing.after(at_ms)
    return count
