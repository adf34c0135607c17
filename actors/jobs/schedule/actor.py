"""One schedule: `schedule:nightly`, the one owner of when it fires next.

Its next tick is a durable timer. The job starts in the append of the event that says so, which also moves the timer: so
a tick has its job once, whoever is killed and however clocks jump. It hears what becomes of its jobs, and decides by
that what becomes of ticks that come meanwhile.
"""

from typing import Any, ClassVar

import structlog

from greenroom.actors.jobs.installed import Jobs
from greenroom.actors.jobs.queue.single.steering import CancelJob
from greenroom.actors.jobs.schedule.book.messages import BOOK, Enter, Note, Strike
from greenroom.actors.jobs.schedule.due import due
from greenroom.actors.jobs.schedule.messages import (
    Advanced,
    Backfill,
    BackfillBegan,
    Backfilling,
    BackfillMoved,
    BackfillsEnded,
    Declare,
    Drop,
    Dropped,
    EndBackfills,
    Ended,
    Fired,
    Orphan,
    Orphaned,
    Pause,
    Paused,
    Resume,
    Resumed,
    Set,
    Skipped,
    Standing,
    Step,
    Tick,
    Trigger,
    Triggered,
    Waited,
    WasSet,
    Why,
)
from greenroom.actors.jobs.schedule.overlap import Overlap, decide
from greenroom.actors.jobs.schedule.shown import ScheduleView, entry_of, view_of
from greenroom.actors.jobs.schedule.spec import Scheduled, Spec, checked, require_whole
from greenroom.actors.jobs.schedule.state import ScheduleState
from greenroom.actors.jobs.texts import is_name
from greenroom.actors.model.actor import Actor, KindLimits
from greenroom.actors.model.errors import ActorError, Refused
from greenroom.actors.model.lifecycle import Answered, Undelivered
from greenroom.actors.model.message import Done, Event, Message
from greenroom.actors.model.principal import STAFF_ROLES

log = structlog.get_logger("greenroom.schedules")

SCHEDULE_KIND = "schedule"
TICK, STEP = "tick", "step"  # its durable timers
STEP_S = 1.0  # between two steps of what is made up for side by side
AT_ONCE = 10  # ticks in one step
BACKFILLS_MAX = 10
BACKFILL_TICKS_MAX = 1_000
BACKFILL_MS_MAX = 366 * 86_400_000
RUN, CANCEL = "run", "cancel"  # about what it is told
AGAIN_S = 2.0  # until a cancel that came before the queue knew of the job is sent again
DETAIL_MAX = 500  # characters
OUTCOMES = {"job.cancelled": "cancelled", "job.duplicate": "duplicate"}


class Schedule(Actor[ScheduleState]):
    """One schedule; the key is its name."""

    kind = SCHEDULE_KIND
    commands: ClassVar[tuple[type[Message], ...]] = (Set, Pause, Resume, Trigger, Backfill, EndBackfills, Drop)
    internal: ClassVar[tuple[type[Message], ...]] = (Declare, Orphan, Tick, Step)
    events: ClassVar[tuple[type[Event], ...]] = (
        WasSet, Paused, Resumed, Orphaned, Dropped, Fired, Waited, Skipped, Advanced, Ended, BackfillBegan,
        BackfillMoved, BackfillsEnded,
    )  # fmt: skip
    limits = KindLimits(history_events=1_000)
    installed: ClassVar[Jobs] = Jobs()  # what is known here of jobs' classes: see `schedule_of`

    def handle(self, message: Any) -> Any:
        match message:
            case Tick():
                self._tick()
            case Step():
                self._go_on(steps=True)
            case Answered() if message.about == RUN:
                self._end(message.entity, "completed", "")
            case Undelivered() if message.about == RUN:
                self._end(message.entity, OUTCOMES.get(message.name, "failed"), message.detail[:DETAIL_MAX])
            case Undelivered() if message.about.startswith(CANCEL):
                if message.about.removeprefix(f"{CANCEL} ") in self.state.running:  # its queue has yet to find it
                    self.set_timer(STEP, Step(), after=AGAIN_S)
            case Answered() | Undelivered():
                pass
            case Orphan():
                self._orphan(message)
            case Declare():
                return self._declare(message)
            case Set():
                return self._set(message)
            case _:
                return self._steer(message)
        return None

    # What it is.

    def _set(self, message: Set) -> Any:
        self._require_staff()
        spec = checked(message.spec, self.installed)
        if not is_name(self.key):
            raise Refused("schedule.name", "its name has control characters", status=422)
        if self.state.declared and not self.state.orphaned:
            text = "the code declares it: change it there; it may be paused, triggered and backfilled"
            raise Refused("schedule.declared", text, status=409)
        once_ms = spec.when.once_ms
        if once_ms is not None and once_ms <= self._now_ms and spec != self.state.spec:
            raise Refused("schedule.once_ms", "`once_ms` must be in the future", status=422)
        if self.state.spec is None:
            return self._make(spec)
        return self._put(spec)

    async def _make(self, spec: Spec) -> Standing:
        """The book counts them. Raises: Refused `schedules.too_many`."""
        await self.ask(BOOK, Enter(entry=entry_of(self.key, spec)))
        return self._put(spec)

    def _declare(self, message: Declare) -> Standing:
        if message.turn < self.state.turn:
            return Standing(self.state.next_ms)  # a node's that has been overtaken by another
        return self._put(checked(message.spec, self.installed), message)

    def _put(self, spec: Spec, declared: Declare | None = None) -> Standing:
        state = self.state
        is_same = spec == state.spec and not state.orphaned
        if not is_same or state.declared != (declared is not None):
            is_moved = state.spec is None or state.spec.when != spec.when or state.is_held
            next_ms = self._following(spec) if is_moved else state.next_ms
            self.record(
                WasSet(
                    spec=spec,
                    next_ms=None if state.paused else next_ms,
                    declared=declared is not None,
                    digest=declared.digest if declared is not None else "",
                    turn=max(state.turn, declared.turn if declared is not None else 0),
                    by=self.principal.user,
                )
            )
            self._time()
            self._note()
            self._go_on(steps=True)
        elif declared is not None and declared.turn > state.turn:
            self.record(
                WasSet(spec=spec, next_ms=state.next_ms, declared=True, digest=declared.digest, turn=declared.turn)
            )
            self._note()
        return Standing(self.state.next_ms)

    def _orphan(self, message: Orphan) -> None:
        if self.state.declared and not self.state.orphaned and message.turn > self.state.turn:
            self.record(Orphaned(turn=message.turn))
            self._time()
            self._note()

    def _following(self, spec: Spec) -> int | None:
        """The first tick from now. Where the clock was set back, none that has been already."""
        return spec.when.after(max(self._now_ms, self.state.last_ms))

    # What people do.

    def _steer(self, message: Any) -> Any:
        self._require_staff()
        spec = self._spec
        by = self.principal.user
        match message:
            case Pause():
                require_whole("note", message.note)
                if not self.state.paused or self.state.pause_note != message.note:
                    self.record(Paused(note=message.note, by=by))
                    self._time()
                    self._note()
            case Resume():
                if self.state.paused:
                    self.record(Resumed(next_ms=None if self.state.orphaned else self._following(spec), by=by))
                    self._time()
                    self._note()
                    self._go_on(steps=True)
                return Standing(self.state.next_ms)
            case Trigger():
                return self._begin(self._now_ms, "trigger", message.overlap or spec.overlap)
            case Backfill():
                return self._backfill(message, spec)
            case EndBackfills():
                if self.state.backfills or any(one.why == "backfill" for one in self.state.waiting):
                    self.record(BackfillsEnded(by=by))
            case Drop():
                if self.state.declared and not self.state.orphaned:
                    text = "the code declares it: remove it there, or pause it"
                    raise Refused("schedule.declared", text, status=409)
                self.record(Dropped(by=by))
                self._time()
                self.cancel_timer(STEP)
                self.tell(BOOK, Strike(name=self.key))
        return Done()

    def _backfill(self, message: Backfill, spec: Spec) -> Backfilling:
        if message.from_ms > message.until_ms:
            raise Refused("schedule.from_ms", "`from_ms` must not be later than `until_ms`", status=422)
        if message.until_ms > self._now_ms:
            raise Refused("schedule.until_ms", "`until_ms` must not be later than now", status=422)
        if message.until_ms - message.from_ms > BACKFILL_MS_MAX:
            raise Refused("schedule.from_ms", "`from_ms` is more than 366 days before `until_ms`", status=422)
        if len(self.state.backfills) >= BACKFILLS_MAX:
            raise Refused("schedule.too_many_backfills", f"{BACKFILLS_MAX} are under way", status=429)
        first_ms, count = None, 0
        for tick_ms in spec.when.between(message.from_ms, message.until_ms):
            first_ms = tick_ms if first_ms is None else first_ms
            count += 1
            if count > BACKFILL_TICKS_MAX:
                text = f"more than {BACKFILL_TICKS_MAX} ticks lie between `from_ms` and `until_ms`"
                raise Refused("schedule.too_many_ticks", text, status=422)
        if first_ms is not None:
            self.record(
                BackfillBegan(
                    from_ms=first_ms,
                    until_ms=message.until_ms,
                    overlap=message.overlap,
                    by=self.principal.user,
                )
            )
            self._go_on(steps=True)
        return Backfilling(count)

    # Ticks.

    def _tick(self) -> None:
        state = self.state
        if state.spec is None or state.next_ms is None:
            return
        spec = state.spec
        now_ms = self._now_ms
        if self.fired is not None:  # the clock may have been set back since it was found due
            now_ms = max(now_ms, int(self.fired.due_s * 1000))
        found = due(spec.when, self.key, state.next_ms, now_ms, spec.missed, int(spec.catch_up_s * 1000))
        if found.last_ms:
            self.record(Advanced(next_ms=found.next_ms, last_ms=found.last_ms, missed=found.missed))
        for tick_ms in found.ticks:
            self._begin(tick_ms, "tick", spec.overlap)
        self._time()
        if self.state.next_ms is None:
            self._note()

    def _begin(self, tick_ms: int, why: Why, overlap: Overlap) -> Triggered:
        state = self.state
        match decide(overlap, running=len(state.running), waiting=len(state.waiting)):
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
        job = Scheduled(spec, self.installed.get(spec.job))
        try:
            job_id = self.start_job(job, about=RUN)
        except ActorError as error:
            reason = f"{error.name}: {getattr(error, 'detail', '') or error}"[:DETAIL_MAX]
            self.record(Skipped(tick_ms=tick_ms, why=why, reason=reason))
            log.warning("schedule_job_refused", schedule=self.key, job=spec.job, reason=error.name)
            return Triggered("skipped")
        self.record(Fired(tick_ms=tick_ms, why=why, job=job_id))
        return Triggered("started", job_id)

    def _cancel_running(self) -> None:
        for job_id in self.state.running:
            cancel = CancelJob(id=job_id, reason=f"the next tick of schedule:{self.key} has come")
            self.tell(f"queue:{self._spec.queue}", cancel, about=f"{CANCEL} {job_id}")

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
                return
            if started >= AT_ONCE or (state.running and not side_by_side):
                break
            self._begin(first.next_ms, "backfill", first.overlap)
            following = self._spec.when.after(first.next_ms)
            is_last = following is None or following > first.until_ms
            self.record(BackfillMoved(next_ms=None if is_last else following))
            started += 1
        if state.backfills and (state.backfills[0].overlap == "allow" or not state.running):
            self.set_timer(STEP, Step(), after=STEP_S)

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

    # Who may, and what they see.

    def view(self) -> ScheduleView:
        return view_of(self.key, self._spec, self.state)

    def may_watch(self) -> None:
        """Raises: Refused."""
        self._require_staff()
        self._require_made()

    def _require_staff(self) -> None:
        """Raises: Refused."""
        if not self.principal.system and STAFF_ROLES.isdisjoint(self.principal.roles):
            raise Refused("forbidden", "schedules are for the roles service and admin", status=403)

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


def schedule_of(jobs: Jobs) -> type[Schedule]:
    """The kind, where these classes are known."""
    body = {"__doc__": Schedule.__doc__, "__module__": __name__, "installed": jobs}
    return type(Schedule.__name__, (Schedule,), body)
