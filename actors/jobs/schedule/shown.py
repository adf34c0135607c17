"""What is shown of a schedule, to who watches it and in the book."""

from typing import Any, Literal

from msgspec import Struct

from greenroom.actors.jobs.schedule.book.messages import Entry
from greenroom.actors.jobs.schedule.spec import Arguments, Spec
from greenroom.actors.jobs.schedule.state import Counts, Range, Run, ScheduleState, Waiting
from greenroom.actors.jobs.schedule.timing import Timing

NEXT_SHOWN = 5
State = Literal["active", "paused", "orphaned", "over"]


class Upcoming(Struct):
    """A tick to come: with jitter it is due later."""

    tick_ms: int
    due_ms: int


class ScheduleView(Struct, kw_only=True):
    """All that is known of it."""

    name: str
    state: State
    note: str
    pause_note: str
    declared: bool
    job: str
    queue: str
    arguments: Arguments
    tick_as: str
    when: Timing
    overlap: str
    missed: str
    catch_up_s: float
    priority: int | None
    partition: str | None
    attempts: int | None
    next: list[Upcoming]
    last_ms: int  # the newest tick that was looked at; 0: none was
    running: list[Run]
    waiting: list[Waiting]
    backfills: list[Range]
    recent: list[Run]
    counts: Counts


def view_of(name: str, spec: Spec, state: ScheduleState) -> ScheduleView:
    shown: dict[str, Any] = {
        field: getattr(spec, field)
        for field in ("note", "job", "queue", "arguments", "when", "overlap", "missed", "catch_up_s", "priority",
                      "tick_as", "partition", "attempts")
    }  # fmt: skip
    return ScheduleView(
        name=name,
        state=standing(state),
        pause_note=state.pause_note,
        declared=state.declared,
        next=_upcoming(name, spec.when, state.next_ms),
        last_ms=state.last_ms,
        running=list(state.running.values()),
        waiting=state.waiting,
        backfills=state.backfills,
        recent=state.recent,
        counts=state.counts,
        **shown,
    )


def standing(state: ScheduleState) -> State:
    if state.orphaned:
        return "orphaned"
    if state.paused:
        return "paused"
    return "active" if state.next_ms is not None else "over"


def entry_of(name: str, spec: Spec, state: ScheduleState | None = None) -> Entry:
    """`state`: None where it is only to be."""
    return Entry(
        name=name,
        job=spec.job,
        queue=spec.queue,
        when=spec.when,
        state=standing(state) if state is not None else "over",
        declared=state is not None and state.declared,
        digest=state.digest if state is not None else "",
        note=spec.note,
    )


def _upcoming(name: str, when: Timing, next_ms: int | None) -> list[Upcoming]:
    ticks: list[Upcoming] = []
    while next_ms is not None and len(ticks) < NEXT_SHOWN:
        ticks.append(Upcoming(next_ms, when.due_ms(next_ms, name)))
        next_ms = when.after(next_ms)
    return ticks
