"""One job, as whoever watches or steers it meets it: `job:ID`. It has no journal; its queue is who knows.

Awake while somebody watches. It reads the job's row, asks the queue how it stands, and is told what changes for as long
as it goes on asking: so a job that nobody watches costs its queue nothing. What it shows are events, so offsets,
resuming and the way to other nodes are those of every entity.
"""

from typing import Any, ClassVar

import msgspec
from msgspec import Raw, Struct

from greenroom.actors.jobs.ids import ID
from greenroom.actors.jobs.options import decode_options
from greenroom.actors.jobs.queue.messages import LINES_MAX, NULL
from greenroom.actors.jobs.queue.single.steering import CancelJob, EditJob, RetryJob
from greenroom.actors.jobs.queue.single.telling import WAITS_SHOWN_MAX, JobChanged, Look, Standing
from greenroom.actors.jobs.queue.waiting import Waiting
from greenroom.actors.jobs.single.messages import (
    Cancel,
    Edit,
    Errors,
    ErrorsKnown,
    JobView,
    Logged,
    LookAgain,
    Progressed,
    Retry,
    StateChanged,
)
from greenroom.actors.model.actor import Actor, KindLimits, Runtime
from greenroom.actors.model.errors import ActorError, Refused
from greenroom.actors.model.message import Ask, Event, Message
from greenroom.actors.model.principal import STAFF_ROLES, SYSTEM
from greenroom.store.errors import StoreUnavailable
from greenroom.store.jobs.jobs import JobFound

LOOK_S = 10.0  # between two looks, for a third as long as one counts
OF_STAFF = ("worker", "trace")  # of an error: whom a job is for is not shown how the system is inside
LOOKS_MAX = 3  # while it goes from one place to another


class Nothing(Struct):
    """Nothing that outlives the entity."""


class SingleJob(Actor[Nothing]):
    """One job; the key is its id."""

    kind = "job"
    commands: ClassVar[tuple[type[Message], ...]] = (Cancel, Retry, Edit, Errors)
    internal: ClassVar[tuple[type[Message], ...]] = (JobChanged, LookAgain)
    events: ClassVar[tuple[type[Event], ...]] = (StateChanged, Progressed, Logged)
    durable = False
    publishes_info = False
    limits = KindLimits(idle_s=2.0, async_handler_s=10.0)

    def __init__(self, entity: str, runtime: Runtime) -> None:
        super().__init__(entity, runtime)
        self._found: JobFound | None = None
        self._standing: Standing | None = None  # None: it has ended, or its queue does not know of it yet
        self._lines: list[str] = []
        self._line = 0  # the number of the next one
        self._looks = False

    async def begin(self) -> None:
        """Raises: StoreUnavailable."""
        if ID.fullmatch(self.key):
            await self._look()
            if self._standing is not None:
                self._keep_lines(self._standing.lines, self._standing.first_line)

    async def _look(self) -> None:
        """Raises: StoreUnavailable."""
        for _ in range(LOOKS_MAX):
            self._found = await self.runtime.jobs.find(self.key)
            self._standing = None
            if self._found is None or _has_ended(self._found):
                return
            try:
                looked = await self.runtime.ask(
                    f"queue:{self._found.row.queue}", Look(id=self.key), chain=(self.entity,), principal=SYSTEM
                )
            except ActorError as error:
                raise StoreUnavailable(f"the queue of {self.entity} does not answer") from error
            self._standing = looked.standing
            if self._standing is not None:
                return

    def handle(self, message: Message) -> Any:
        self._look_later()
        match message:
            case JobChanged():
                if self._has_news(message.standing):
                    return self._read(message)
                self._log(message.last_lines, message.last_line)
                before, self._standing = self._standing, message.standing
                self._say(before)
                return None
            case LookAgain():
                self._looks = False
                return self._look_and_say() if len(self.audience) else None
        return self._steer(message)

    def audience_changed(self, who: Any, joined: bool) -> None:
        self._look_later()

    def _look_later(self) -> None:
        if not self._looks and len(self.audience) and (self._found is None or not _has_ended(self._found)):
            self._looks = True
            self.after(LOOK_S, LookAgain())

    def _has_news(self, now: Standing | None) -> bool:
        """Is there something in its row that was not read yet? An error, other arguments, how it has ended."""
        if now is None or now.state not in ("active", "cancelling") or self._found is None:
            return True
        return (now.attempts, now.lost) != (self._found.row.attempts, self._found.row.lost)

    async def _read(self, message: JobChanged) -> None:
        self._log(message.last_lines, message.last_line)
        await self._look_and_say()

    async def _look_and_say(self) -> None:
        before, found = self._standing, self._found
        try:
            await self._look()
        except StoreUnavailable:  # later, then
            self._standing = before
            return
        if self._found is not None and (before is not None or found is None or found.state != self._found.state):
            self._say(before)

    # What its people do.

    def _steer(self, message: Message) -> Any:
        if self._found is None:
            raise Refused("job.not_found", "there is none, or none any more", status=404)
        match message:
            case Cancel():
                self._require(self._is_its_users or self._is_staff)
                return self._ask(CancelJob(id=self.key, reason=message.reason))
            case Retry():
                self._require(self._is_staff)
                return self._ask(RetryJob(id=self.key, detached=message.detached))
            case Errors():
                self._require(self._is_staff)
                return ErrorsKnown(_list_of(self._found.errors))
            case Edit():
                self._require(self._is_staff)
                return self._ask(
                    EditJob(
                        id=self.key, arguments=message.arguments, priority=message.priority, delay_s=message.delay_s
                    )
                )

    async def _ask(self, message: Ask[Any]) -> Any:
        assert self._found is not None
        reply = await self.ask(f"queue:{self._found.row.queue}", message)
        await self._look_and_say()
        return reply

    def may_watch(self) -> None:
        """Raises: Refused."""
        if self._found is None:
            raise Refused("job.not_found", "there is none, or none any more", status=404)
        self._require(self._is_its_users or self._is_staff)

    def _require(self, may: bool) -> None:
        if not may:
            raise Refused(
                "forbidden", "jobs are for the roles service and admin, and whom they were added for", status=403
            )

    @property
    def _is_staff(self) -> bool:
        return self.principal.system or not STAFF_ROLES.isdisjoint(self.principal.roles)

    @property
    def _is_its_users(self) -> bool:
        return bool(self.principal.user) and self.principal.user == self._by

    @property
    def _by(self) -> str:
        options = decode_options(self._found.row.options) if self._found is not None else None
        return options.by if options is not None else ""

    @property
    def _children(self) -> list[str]:
        options = decode_options(self._found.row.options) if self._found is not None else None
        waits = options.waits if options is not None else None
        return [one.id for one in waits.jobs if one.is_child][:WAITS_SHOWN_MAX] if waits is not None else []

    # What is shown.

    def _say(self, before: Standing | None) -> None:
        """To watchers: what differs."""
        now, found = self._standing, self._found
        if now is None:
            assert found is not None
            errors = _list_of(found.errors)
            error = str(errors[-1].get("error", "")) if errors and found.state != "completed" else ""
            result = Raw(found.result) if found.result is not None else NULL
            self.record(
                StateChanged(
                    state=self._state,
                    attempt=0,
                    attempts=found.row.attempts,
                    due_ms=found.row.due_ms,
                    result=result,
                    error=error,
                )
            )
            return
        if before is None or _stage(before) != _stage(now):
            if before is None or before.started_ms != now.started_ms:
                self._lines, self._line = [], 0
            self.record(StateChanged(state=now.state, attempt=now.attempt, attempts=now.attempts, due_ms=now.due_ms))
        if now.share is not None and (before is None or (before.share, before.note) != (now.share, now.note)):
            self.record(Progressed(share=now.share, note=now.note))
        self._log(now.lines, now.first_line)

    def _log(self, lines: list[str], first: int) -> None:
        if new := self._keep_lines(lines, first):
            self.record(Logged(lines=new))

    def _keep_lines(self, lines: list[str], first: int) -> list[str]:
        """Those that are new; `first`: the number of the first of them in their attempt."""
        end = first + len(lines)
        new = lines[max(0, self._line - first) :] if end > self._line else []
        self._line = max(self._line, end)
        self._lines = [*self._lines, *new][-LINES_MAX:]
        return new

    def apply(self, event: Event) -> None:
        pass  # it shows what its queue knows

    @property
    def _state(self) -> str:
        assert self._found is not None
        if self._standing is not None:
            return self._standing.state
        return self._found.state if _has_ended(self._found) else "waiting"

    def view(self) -> JobView:
        found, now = self._found, self._standing
        assert found is not None  # nobody may watch one that is not
        row = found.row
        waiting = Waiting.of(row)
        return JobView(
            id=row.id,
            queue=row.queue,
            job=row.job,
            arguments=Raw(row.arguments or b"null"),
            state=self._state,
            attempt=now.attempt if now is not None else 0,
            attempts=now.attempts if now is not None else row.attempts,
            attempts_max=row.attempts_max,
            lost=now.lost if now is not None else row.lost,
            priority=now.priority if now is not None else row.priority,
            partition=row.partition,
            added_ms=row.added_ms,
            due_ms=now.due_ms if now is not None else row.due_ms,
            started_ms=now.started_ms if now is not None else found.started_ms,
            ended_ms=found.ended_ms,
            worker=now.worker if now is not None else found.worker,
            by=self._by,
            share=now.share if now is not None else None,
            note=now.note if now is not None else "",
            log=self._lines,
            result=Raw(found.result) if found.result is not None else None,
            errors=[_shown(error) for error in _list_of(found.errors)],
            reason=now.reason if now is not None else "",
            waits_for=now.waits_for if now is not None else [],
            children=self._children,
            weight=waiting.weight,
            expires_ms=waiting.expires_ms or None,
        )

    def may_sleep(self) -> bool:
        return not len(self.audience)


def _stage(standing: Standing) -> tuple[object, ...]:
    """What is another when its watchers are to hear of it."""
    return standing.state, standing.attempt, standing.due_ms, standing.started_ms


def _has_ended(found: JobFound) -> bool:
    return found.state in ("completed", "failed", "cancelled")


def _shown(error: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in error.items() if name not in OF_STAFF}


def _list_of(errors: bytes | None) -> list[Any]:
    return msgspec.json.decode(errors) if errors is not None else []
