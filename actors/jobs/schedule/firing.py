"""Firing: what a schedule does of itself. It looks at the time, starts jobs, hears what becomes of them, and goes on
with what waits and with what is made up for.

`Schedule` is made of it, and has what people say.
"""

from contextlib import suppress
from typing import Any, ClassVar

import structlog

from greenroom.actors.jobs.installed import Jobs
from greenroom.actors.jobs.queue.single.steering import CancelJob
from greenroom.actors.jobs.schedule.book.messages import BOOK, Note
from greenroom.actors.jobs.schedule.due import due
from greenroom.actors.jobs.schedule.messages import (
    Advanced,
    BackfillMoved,
    Ended,
    Fired,
    Skipped,
    Step,
    Tick,
    Triggered,
    Waited,
    Why,
)
from greenroom.actors.jobs.schedule.overlap import Overlap, decide
from greenroom.actors.jobs.schedule.shown import entry_of
from greenroom.actors.jobs.schedule.spec import Scheduled, Spec
from greenroom.actors.jobs.schedule.state import ScheduleState
from greenroom.actors.model.actor import Actor, Runtime
from greenroom.actors.model.errors import ActorError, HandlerStuck, Refused
from greenroom.store.errors import StoreUnavailable

log = structlog.get_logger("greenroom.jobs")

TICK, STEP = "tick", "step"  # its durable timers
STEP_S = 1.0  # between two steps of what is made up for side by side
AT_ONCE = 10  # ticks in one step
LATER_S = 60.0  # until a time that could not be worked out is looked for again
RUN, CANCEL = "run", "cancel"  # about what it is told
DOUBT_MS = 600_000  # after so long one looks whether a job still runs
DETAIL_MAX = 500  # characters


class Firing(Actor[ScheduleState]):
    """What is decided by the time, and by what becomes of jobs."""

    installed: ClassVar[Jobs] = Jobs()  # what is known here of jobs' classes: see `schedule_of`

    def __init__(self, entity: str, runtime: Runtime) -> None:
        super().__init__(entity, runtime)
        self._looked_ms: dict[str, int] = {}  # by the job's id: when one last looked whether it still runs
        self._stored: set[str] = set()  # jobs that are, by the time of the next tick

    async def begin(self) -> None:
        self._stored = set(self.state.running)

    def _doubted(self) -> list[str]:
        """Jobs that run for long, and of which one looks now whether they still do.

        None whose row may be on its way to where one looks, though the clock has been set ahead since.
        """
        if self.state.spec is None:
            return []
        now_ms = self._now_ms
        long = [
            one.job
            for one in list(self.state.running.values())[:AT_ONCE]
            if one.job in self._stored and now_ms - max(one.started_ms, self._looked_ms.get(one.job, 0)) >= DOUBT_MS
        ]
        self._looked_ms = {one: at_ms for one, at_ms in self._looked_ms.items() if one in self.state.running}
        self._looked_ms.update(dict.fromkeys(long, now_ms))
        return long

    async def _look_and_tick(self, doubted: list[str]) -> None:
        """A job of which nobody says any more what became of it would hold the schedule up for ever."""
        with suppress(StoreUnavailable):  # at a later tick, then
            for job_id in doubted:
                found = await self.runtime.jobs.find(job_id)
                if found is None:
                    self._end(f"job:{job_id}", "lost", "it is gone, and nobody has said what became of it")
                elif found.ended_ms is not None:
                    self._end(f"job:{job_id}", found.state, "")
        self._tick()

    def _tick(self) -> None:
        state = self.state
        if state.spec is None or state.next_ms is None:
            return
        spec = state.spec
        now_ms = self._now_ms
        if self.fired is not None:  # the clock may have been set back since it was found due
            now_ms = max(now_ms, int(self.fired.due_s * 1000))
        try:
            found = due(spec.when, self.key, state.next_ms, now_ms, spec.missed, int(spec.catch_up_s * 1000))
        except HandlerStuck:
            raise
        except Exception:  # as where its time zone has gone: given up, it would have no timer any more
            log.exception("schedule_time_unknown", schedule=self.key)
            self.set_timer(TICK, Tick(), after=LATER_S)
            return
        if found.last_ms:
            self.record(Advanced(next_ms=found.next_ms, last_ms=found.last_ms, missed=found.missed))
        for tick_ms in found.ticks:
            self._begin(tick_ms, "tick", spec.overlap)
        self._time()
        self._stored = set(self.state.running)  # with the timer that the next tick comes by, or before it
        if self.state.next_ms is None:
            self._note()

    def _begin(self, tick_ms: int, why: Why, overlap: Overlap) -> Triggered:
        state = self.state
        running = self._in_the_way if why == "backfill" and overlap != "allow" else len(state.running)
        match decide(overlap, running=running, waiting=len(state.waiting)):
            case "start":
                return self._start(tick_ms, why)
            case "skip":
                self.record(Skipped(tick_ms=tick_ms, why=why, reason="an earlier one has not ended"))
                return Triggered("skipped")
            case "wait":
                self.record(Waited(tick_ms=tick_ms, why=why))
            case "replace":
                self.record(Waited(tick_ms=tick_ms, why=why, replaces=True))
                self._cancel_running()
        return Triggered("waits")

    def _start(self, tick_ms: int, why: Why) -> Triggered:
        spec = self._spec
        job = Scheduled(spec, tick_ms, self.installed.get(spec.job))
        try:
            job_id = self.start_job(job, about=RUN)
        except HandlerStuck:
            raise
        except Exception as error:  # the class's own code makes the row: a tick that is given up would be the last one
            name = error.name if isinstance(error, ActorError) else type(error).__name__
            reason = f"{name}: {getattr(error, 'detail', '') or error}"[:DETAIL_MAX]
            self.record(Skipped(tick_ms=tick_ms, why=why, reason=reason))
            is_bug = not isinstance(error, ActorError)
            log.warning("schedule_job_refused", schedule=self.key, job=spec.job, reason=name, exc_info=is_bug)
            return Triggered("skipped")
        self.record(Fired(tick_ms=tick_ms, why=why, job=job_id, queue=spec.queue))
        return Triggered("started", job_id)

    def _cancel_running(self) -> None:
        for job_id, run in self.state.running.items():
            cancel = CancelJob(id=job_id, reason=f"the next tick of schedule:{self.key} has come")
            queue = run.queue or self._spec.queue  # it may have been set anew since, for another one
            self.tell(f"queue:{queue}", cancel, about=f"{CANCEL} {job_id}")

    def _end(self, entity: str, outcome: str, detail: str) -> None:
        job_id = entity.partition(":")[2]
        if job_id in self.state.running:
            self.record(Ended(job=job_id, outcome=outcome, detail=detail))
            self._go_on()

    def _go_on(self, *, steps: bool = False) -> None:
        """With what waits, then with what is made up for. `steps`: the moment for more side by side."""
        state = self.state
        if state.is_held:
            return
        if steps and state.running and any(one.replaces for one in state.waiting):
            self._cancel_running()
        while state.waiting and not state.running:
            self._start(state.waiting[0].tick_ms, state.waiting[0].why)
        started = 0
        while state.backfills:
            first = state.backfills[0]
            side_by_side = first.overlap == "allow"
            if side_by_side and not steps:
                if STEP not in self.timers:  # it has become the first just now
                    self.set_timer(STEP, Step(), after=STEP_S)
                return
            if started >= AT_ONCE or (self._in_the_way and not side_by_side):
                break
            self._begin(first.next_ms, "backfill", first.overlap)
            following = self._spec.when.after(first.next_ms)
            is_last = following is None or following > first.until_ms
            self.record(BackfillMoved(next_ms=None if is_last else following))
            started += 1
        if state.backfills and (state.backfills[0].overlap == "allow" or not self._in_the_way):
            self.set_timer(STEP, Step(), after=STEP_S)

    @property
    def _in_the_way(self) -> int:
        """Jobs that what is made up for one after the other waits for. Where ticks may overlap, theirs are not among
        them: some of these may always run."""
        if self._spec.overlap != "allow":
            return len(self.state.running)
        return sum(run.why == "backfill" for run in self.state.running.values())

    def _heal(self) -> None:
        """A timer is gone with a message that was given up."""
        if not self.state.is_held and self.state.next_ms is not None and TICK not in self.timers:
            self._time()

    def _time(self) -> None:
        """Its timer as its state is."""
        if self.state.next_ms is None:
            self.cancel_timer(TICK)
        else:
            self.set_timer(TICK, Tick(), at=self._spec.when.due_ms(self.state.next_ms, self.key) / 1000)

    def _note(self) -> None:
        """The book shows how it stands."""
        self.tell(BOOK, Note(entry=entry_of(self.key, self._spec, self.state)))

    def apply(self, event: Any) -> None:
        self.state.apply(event, self.at_ms)

    def _require_made(self) -> Spec:
        """Raises: Refused."""
        if self.state.spec is None:
            raise Refused("schedule.not_found", f"there is no schedule {self.key!r}", status=404)
        return self.state.spec

    @property
    def _spec(self) -> Spec:
        return self._require_made()

    @property
    def _now_ms(self) -> int:
        return int(self.now * 1000)
