"""What must be true of one schedule in the world `plans`, by what it has recorded, in the order in which it was: it
takes each tick that it has looked at, once and in order, as its overlap allows; what waits goes as soon as it may."""

from typing import Any

from msgspec import Struct, field

from greenroom.actors.jobs.schedule.overlap import RUNNING_MAX, WAITING_MAX, Overlap

EVERY_MS = 7_000
WAIT: tuple[Overlap, ...] = ("buffer_one", "buffer_all", "cancel_other")
Tick = tuple[int, str]  # which, and why


class Timed(Struct):
    """Every one of these takes all that it has missed."""

    overlap: Overlap
    is_held: bool = True
    next_ms: int | None = None
    running: dict[str, str] = field(default_factory=dict)  # jobs -> why
    replaced: set[str] = field(default_factory=set)  # those of them that are to be cancelled
    waiting: list[Tick] = field(default_factory=list)
    due: list[int] = field(default_factory=list)  # ticks that were looked at in this append, and not taken yet
    backfills: list[list[int]] = field(default_factory=list)  # ticks of each that are not taken yet

    def committed(self, events: list[Any]) -> None:
        """Raises: AssertionError."""
        for event in events:
            self._turned(event)
        assert not self.due, f"{self.due} were looked at, and nothing came of them"
        assert self.is_held or self.running or not self.waiting, f"{self.waiting} wait for nothing"

    def _turned(self, event: Any) -> None:
        match event:
            case {"type": "schedule.was_set" | "schedule.resumed", "next_ms": next_ms}:
                self.is_held, self.next_ms = False, next_ms
            case {"type": "schedule.paused"}:
                self.is_held, self.next_ms = True, None
                self.replaced.clear()  # one that its queue did not know of is cancelled again once it goes on
            case {"type": "schedule.advanced", "next_ms": next_ms, "last_ms": last_ms, "missed": missed}:
                assert self.next_ms is not None and not missed, f"{missed} are missed up to {last_ms}"
                self.due += range(self.next_ms, last_ms + 1, EVERY_MS)
                assert next_ms == last_ms + EVERY_MS, f"after {last_ms} comes {next_ms}"
                self.next_ms = next_ms
            case {"type": "schedule.backfill_began", "from_ms": from_ms, "until_ms": until_ms}:
                self.backfills.append(list(range(from_ms, until_ms + 1, EVERY_MS)))
            case {"type": "schedule.backfill_moved", "next_ms": next_ms}:
                left = self.backfills[0]
                assert left[:1] == ([] if next_ms is None else [next_ms]), f"{left} are to come, and {next_ms} does"
                if not left:
                    del self.backfills[0]
            case {"type": "schedule.fired", "tick_ms": tick_ms, "job": job, "why": why}:
                self._fired((tick_ms, why), job)
            case {"type": "schedule.waited", "tick_ms": tick_ms, "why": why, "replaces": replaces}:
                self._waits((tick_ms, why), replaces=replaces)
            case {"type": "schedule.skipped", "tick_ms": tick_ms, "why": why}:
                self._skips((tick_ms, why))
            case {"type": "schedule.ended", "job": job, "outcome": outcome}:
                assert job in self.running, f"{job} has ended, which it has not started or has heard of before"
                del self.running[job]
                assert outcome != "completed" or job not in self.replaced, f"{job} was to be cancelled, and is done"

    def _taken(self, tick: Tick) -> None:
        """It is the next one of those that are to come."""
        at_ms, why = tick
        if why == "trigger":
            return
        to_come = self.due if why == "tick" else self.backfills[0]
        assert to_come[:1] == [at_ms], f"{tick} is taken, and {to_come} are to come"
        del to_come[0]

    def _fired(self, tick: Tick, job: str) -> None:
        if tick in self.waiting:
            assert tick == self.waiting.pop(0), f"{tick} goes before {self.waiting}"
        else:
            self._taken(tick)
        assert self.overlap == "allow" or not self.running, f"{job} starts, and {self.running} have not ended"
        self.running[job] = tick[1]

    def _waits(self, tick: Tick, *, replaces: bool) -> None:
        self._taken(tick)
        assert self.running and self.overlap in WAIT, f"{tick} waits for {self.running}"
        assert replaces is (self.overlap == "cancel_other"), f"{tick} replaces what runs: {replaces}"
        if replaces:
            self.replaced |= self.running.keys()
            self.waiting = []
        assert self.overlap != "buffer_one" or not self.waiting, f"{tick} waits beside {self.waiting}"
        self.waiting.append(tick)

    def _skips(self, tick: Tick) -> None:
        self._taken(tick)
        if self.overlap == "allow":
            assert len(self.running) >= RUNNING_MAX, f"{tick} is left out"
            return
        may = {"skip": 0, "buffer_one": 1, "buffer_all": WAITING_MAX}.get(self.overlap)
        assert self.running and may is not None and len(self.waiting) >= may, f"{tick} is left out"
