"""Spec: all that is said of a schedule: which job, when, and what becomes of ticks that come too soon or too late."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, field

from greenroom.actors.jobs.ids import new_id
from greenroom.actors.jobs.installed import InstalledJob, Jobs
from greenroom.actors.jobs.options import Options
from greenroom.actors.jobs.schedule.due import Missed
from greenroom.actors.jobs.schedule.overlap import Overlap
from greenroom.actors.jobs.schedule.timing import Timing
from greenroom.actors.jobs.texts import TEXT_PATTERN, Name, NameOrNone
from greenroom.actors.model.errors import InvalidCommand, Refused
from greenroom.store.jobs.sealing import is_sealed
from greenroom.store.journal.consequences.jobs import JobRow

ARGUMENTS_MAX = 16 << 10  # bytes: they are in each event that sets them
CATCH_UP_MIN_S = 10.0
CATCH_UP_S = 86_400.0
PRIORITY = 4
ATTEMPTS = 5
Note = Annotated[str, Meta(max_length=500, pattern=TEXT_PATTERN)]
Priority = Annotated[int, Meta(ge=0, le=9)]
Attempts = Annotated[int, Meta(ge=1, le=1_000)]
CatchUp = Annotated[float, Meta(ge=CATCH_UP_MIN_S, le=366 * 86_400)]
Arguments = dict[str, Any]


class Spec(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """As it is stored."""

    job: Name  # the tag of its class
    queue: Name
    when: Timing
    arguments: Arguments = field(default_factory=dict)
    overlap: Overlap = "skip"
    missed: Missed = "last"
    catch_up_s: CatchUp = CATCH_UP_S
    priority: Priority | None = None  # None, as below: as its class says
    partition: NameOrNone | None = None
    attempts: Attempts | None = None
    note: Note = ""
    tick_as: NameOrNone = ""  # the argument that is given the tick, Unix ms

    def body(self, tick_ms: int) -> bytes:
        """Its arguments at that tick. Raises: UnicodeEncodeError for half of a pair."""
        return msgspec.json.encode({**self.arguments, self.tick_as: tick_ms} if self.tick_as else self.arguments)


def checked(spec: Spec, installed: Jobs) -> Spec:
    """With the queue of its class, where it names none. Raises: Refused, named by the field."""
    for name in ("job", "queue", "partition", "note", "tick_as"):
        require_whole(name, getattr(spec, name) or "")
    for name in ("cron", "tz"):
        require_whole(name, getattr(spec.when, name))
    spec.when.check()
    try:
        body = spec.body(0)
    except UnicodeEncodeError:
        raise Refused("schedule.arguments", "`arguments` is not valid Unicode", status=422) from None
    if len(body) > ARGUMENTS_MAX:
        raise Refused("schedule.arguments", f"`arguments` has more than {ARGUMENTS_MAX} bytes", status=413)
    _require_in_the_clear(body)
    known = installed.get(spec.job)
    if known is None:
        if not spec.queue:
            text = f"`job`: no class {spec.job!r} is known here; name its `queue` if it is worked on elsewhere"
            raise Refused("schedule.job", text, status=422)
        return spec
    if spec.queue not in ("", known.queue):
        raise Refused("schedule.queue", f"`queue`: {spec.job} goes into {known.queue!r}", status=422)
    if spec.tick_as and spec.tick_as not in {one.encode_name for one in msgspec.structs.fields(known.job)}:
        raise Refused("schedule.tick_as", f"`tick_as`: {spec.job} has no such argument", status=422)
    if known.has_secrets or known.job.encrypts:
        text = f"`job`: {spec.job} has Secret arguments, or is encrypted, and all that a schedule keeps is shown"
        raise Refused("schedule.job", text, status=422)
    try:
        known.decode(body)
        known.key_of(body)
    except InvalidCommand as error:
        raise Refused("schedule.arguments", f"`arguments`: {error}", status=422) from None
    return msgspec.structs.replace(spec, queue=known.queue)


def _require_in_the_clear(body: bytes) -> None:
    """What is encrypted was given to a job, and is somebody's copy. Raises: Refused."""
    if is_sealed(body):
        raise Refused("schedule.arguments", "`arguments` are encrypted: give them in the clear", status=422)


def require_whole(name: str, text: str) -> None:
    """Of a character that JSON gives in two halves, one alone can be stored nowhere. Raises: Refused."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Refused(f"schedule.{name}", f"`{name}` is not valid Unicode", status=422) from None


class Scheduled:
    """A job as a schedule starts it: what `Actor.start_job` takes."""

    def __init__(self, spec: Spec, tick_ms: int, installed: InstalledJob | None) -> None:
        """`installed`: its class, where that is known here, as it is not on each node while releases change."""
        self._spec = spec
        self._body = spec.body(tick_ms)
        self._installed = installed

    def to_row(self, *, now_ms: int, origin: str, about: str, **given: Any) -> JobRow:
        """Raises: InvalidCommand, Refused: the class takes other arguments by now, or they are encrypted."""
        spec = self._spec
        _require_in_the_clear(self._body)
        if self._installed is not None:
            return self._installed.decode(self._body).to_row(
                now_ms=now_ms,
                origin=origin,
                about=about,
                priority=spec.priority,
                partition=spec.partition,
                attempts=spec.attempts,
            )
        return JobRow(
            id=new_id(now_ms),
            queue=spec.queue,
            job=spec.job,
            arguments=self._body,
            added_ms=now_ms,
            due_ms=now_ms,
            partition=spec.partition or "",
            priority=PRIORITY if spec.priority is None else spec.priority,
            attempts_max=spec.attempts or ATTEMPTS,
            options=Options(origin=origin, about=about).encode(),
        )
