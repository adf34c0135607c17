"""One schedule: `schedule:nightly`, the one owner of when it fires next.

Its next tick is a durable timer. The job starts in the append of the event that says so, which also moves the timer: so
a tick has its job once, whoever is killed and however clocks jump. It hears what becomes of its jobs, and decides by
that what becomes of ticks that come meanwhile.
"""

from typing import Any, ClassVar

from greenroom.actors.jobs.installed import Jobs
from greenroom.actors.jobs.schedule.book.messages import BOOK, Enter, Strike
from greenroom.actors.jobs.schedule.firing import CANCEL, DETAIL_MAX, RUN, STEP, Firing
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
    Gone,
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
    Waited,
    WasSet,
)
from greenroom.actors.jobs.schedule.shown import ScheduleView, entry_of, view_of
from greenroom.actors.jobs.schedule.spec import Spec, checked, require_whole
from greenroom.actors.jobs.texts import is_name
from greenroom.actors.model.actor import KindLimits
from greenroom.actors.model.errors import Forgotten, Refused
from greenroom.actors.model.lifecycle import Answered, Undelivered
from greenroom.actors.model.message import Done, Event, Message
from greenroom.actors.model.principal import STAFF_ROLES

SCHEDULE_KIND = "schedule"
BACKFILLS_MAX = 10
BACKFILL_TICKS_MAX = 1_000
BACKFILL_MS_MAX = 366 * 86_400_000
AGAIN_S = 2.0  # until a cancel that came before the queue knew of the job is sent again
OUTCOMES = {"job.cancelled": "cancelled", "job.duplicate": "duplicate", "job.expired": "cancelled"}


class Schedule(Firing):
    """One schedule; the key is its name."""

    kind = SCHEDULE_KIND
    commands: ClassVar[tuple[type[Message], ...]] = (Set, Pause, Resume, Trigger, Backfill, EndBackfills, Drop)
    internal: ClassVar[tuple[type[Message], ...]] = (Declare, Orphan, Tick, Step)
    events: ClassVar[tuple[type[Event], ...]] = (
        WasSet, Paused, Resumed, Orphaned, Dropped, Fired, Waited, Skipped, Advanced, Ended, BackfillBegan,
        BackfillMoved, BackfillsEnded,
    )  # fmt: skip
    limits = KindLimits(history_events=1_000)

    def handle(self, message: Any) -> Any:
        if type(message) is not Tick:
            self._heal()
        match message:
            case Tick():
                doubted = self._doubted()
                return self._look_and_tick(doubted) if doubted else self._tick()
            case Step():
                self._go_on(steps=True)
            case Answered() if message.about == RUN:
                self._end(message.entity, "completed", "")
            case Undelivered() if message.about == RUN:
                self._end(message.entity, OUTCOMES.get(message.name, "failed"), message.detail[:DETAIL_MAX])
            case Undelivered() if message.about.startswith(CANCEL):
                job_id = message.about.removeprefix(f"{CANCEL} ")
                if message.name == Forgotten.name:  # else the next tick would wait for what nobody tells
                    self._end(f"job:{job_id}", "lost", "it was erased")
                elif job_id in self.state.running:  # its queue has yet to find it
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
        if self.state.spec is None and type(message) is Drop:  # the book may have one that came to nothing
            self.tell(BOOK, Strike(name=self.key))
            return Gone(False)
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
                return Gone(True)
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


def schedule_of(jobs: Jobs) -> type[Schedule]:
    """The kind, where these classes are known."""
    body = {"__doc__": Schedule.__doc__, "__module__": __name__, "installed": jobs}
    return type(Schedule.__name__, (Schedule,), body)
