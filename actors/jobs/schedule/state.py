"""What a schedule remembers, and how each event changes it."""

from typing import Any, assert_never

from msgspec import Struct, field

from greenroom.actors.jobs.schedule import messages as told
from greenroom.actors.jobs.schedule.overlap import Overlap
from greenroom.actors.jobs.schedule.spec import Spec

RECENT_MAX = 20


class Run(Struct):
    """A job that was started."""

    tick_ms: int
    why: told.Why
    job: str
    started_ms: int
    ended_ms: int | None = None
    outcome: str = ""  # once it has ended
    detail: str = ""
    queue: str = ""


class Waiting(Struct):
    """A tick whose job is started once others have ended."""

    tick_ms: int
    why: told.Why
    replaces: bool = False  # others are cancelled for it


class Range(Struct):
    """Ticks that are made up for."""

    next_ms: int
    until_ms: int
    overlap: Overlap


class Counts(Struct):
    """Since it was made."""

    fired: int = 0
    skipped: int = 0
    missed: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    duplicate: int = 0
    lost: int = 0


class ScheduleState(Struct):
    """`spec` is None where there is no schedule."""

    spec: Spec | None = None
    declared: bool = False
    digest: str = ""
    turn: int = 0
    orphaned: bool = False
    paused: bool = False
    pause_note: str = ""
    next_ms: int | None = None
    last_ms: int = 0  # the newest tick that was looked at: none before it is ever due again
    running: dict[str, Run] = field(default_factory=dict)  # by the job's id
    waiting: list[Waiting] = field(default_factory=list)
    backfills: list[Range] = field(default_factory=list)
    recent: list[Run] = field(default_factory=list)  # newest last; those under way too
    counts: Counts = field(default_factory=Counts)

    @property
    def is_held(self) -> bool:
        """Does it start nothing of itself?"""
        return self.spec is None or self.paused or self.orphaned

    def apply(self, event: Any, at_ms: int) -> None:
        match event:
            case told.WasSet():
                self.spec, self.next_ms = event.spec, event.next_ms
                self.declared, self.digest, self.turn = event.declared, event.digest, event.turn
                self.orphaned = False
            case told.Paused():
                self.paused, self.pause_note, self.next_ms = True, event.note, None
            case told.Resumed():
                self.paused, self.pause_note, self.next_ms = False, "", event.next_ms
            case told.Orphaned():
                self.orphaned, self.turn, self.next_ms = True, event.turn, None
            case told.Dropped():
                for name, value in zip(self.__struct_fields__, _fields_of(ScheduleState()), strict=True):
                    setattr(self, name, value)
            case told.Fired():
                run = Run(event.tick_ms, event.why, event.job, at_ms, queue=event.queue)
                self.running[event.job] = run
                self.recent = [*self.recent, run][-RECENT_MAX:]
                self.counts.fired += 1
                self._unwait(event.tick_ms, event.why)
            case told.Waited():
                if event.replaces:
                    self.counts.skipped += len(self.waiting)
                    self.waiting = []
                self.waiting.append(Waiting(event.tick_ms, event.why, event.replaces))
            case told.Skipped():
                self.counts.skipped += 1
                self._unwait(event.tick_ms, event.why)
            case told.Advanced():
                self.last_ms = max(self.last_ms, event.last_ms)
                self.next_ms = event.next_ms
                self.counts.missed += event.missed
            case told.Ended():
                self._end(event, at_ms)
            case told.BackfillBegan():
                self.backfills.append(Range(event.from_ms, event.until_ms, event.overlap))
            case told.BackfillMoved():
                if event.next_ms is None:
                    del self.backfills[0]
                else:
                    self.backfills[0].next_ms = event.next_ms
            case told.BackfillsEnded():
                self.backfills = []
                self.waiting = [one for one in self.waiting if one.why != "backfill"]
            case _:
                assert_never(event)

    def _unwait(self, tick_ms: int, why: told.Why) -> None:
        for number, one in enumerate(self.waiting):
            if (one.tick_ms, one.why) == (tick_ms, why):
                del self.waiting[number]
                return

    def _end(self, event: told.Ended, at_ms: int) -> None:
        run = self.running.pop(event.job)
        for one in (run, *(one for one in self.recent if one.job == event.job)):  # two, where it comes of a snapshot
            one.ended_ms, one.outcome, one.detail = at_ms, event.outcome, event.detail
        setattr(self.counts, event.outcome, getattr(self.counts, event.outcome) + 1)


def _fields_of(state: ScheduleState) -> list[Any]:
    return [getattr(state, name) for name in state.__struct_fields__]
