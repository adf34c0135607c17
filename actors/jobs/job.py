"""The class of a job: its fields are the arguments, its attributes say where and how it is worked on.

    class Transcode(Job, queue="media", tag="job.transcode"):
        video: str
        height: Annotated[int, Meta(ge=144, le=4320)] = 720
        retry = Retry(attempts=5, first_s=2.0, max_s=600.0)

        async def run(self, work: Work) -> dict[str, str]:
            ...
            return {"url": url}

It runs outside every mailbox and may do I/O; at least once, and a worker that ended with it in hand counts as well.
What it returns is its result, as JSON.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, dataclass_transform

import msgspec
from msgspec import Meta, Struct, StructMeta, field

from greenroom.actors.jobs.ids import new_id
from greenroom.actors.jobs.limits import JobQueue
from greenroom.actors.jobs.options import ARGUMENTS_MAX, ExpiresS, JobWeight, Options, expires_ms, until
from greenroom.actors.jobs.retry import Retry
from greenroom.actors.jobs.texts import NameOrNone
from greenroom.actors.jobs.unique import Unique
from greenroom.actors.jobs.waits import WaitFor, waits_for
from greenroom.actors.model.errors import Refused
from greenroom.store.jobs.sealing import ARGUMENTS, NoKeys, Place, seal
from greenroom.store.journal.consequences.jobs import JobRow

CHUNK_MAX = 1_000
CHUNK_WAIT_MAX_S = 60.0
NO_QUEUES: Mapping[str, str] = MappingProxyType({})


class JobLimits(Struct, frozen=True, kw_only=True):
    """What one attempt may take, and how long it may be until the first."""

    timeout_s: Annotated[float, Meta(gt=0)] = 900.0  # then it has failed
    grace_s: Annotated[float, Meta(ge=0)] = 10.0  # from a cancel until it is given up
    heartbeat_s: Annotated[float, Meta(gt=0)] | None = None  # without progress, line or step it has failed; None: never
    expires_s: ExpiresS | None = None  # from when it was added: not begun by then, it is not done any more
    weight: JobWeight = 1  # as so many jobs it counts in its queue's limits


class Chunks(Struct, frozen=True):
    """Several jobs of a class, and of one key, are worked on by one call of `run_many`."""

    most: Annotated[int, Meta(ge=2, le=CHUNK_MAX)]
    wait_s: Annotated[float, Meta(ge=0, le=CHUNK_WAIT_MAX_S)] = 0.0  # for more of them, from the first


class Bounded(Struct):
    """What may be said of one job."""

    delay_s: Annotated[float, Meta(ge=0, le=366 * 86_400)]
    priority: Annotated[int, Meta(ge=0, le=9)]
    partition: NameOrNone
    attempts: Annotated[int, Meta(ge=1, le=1_000)]
    about: Annotated[str, Meta(max_length=1_000)]
    expires_s: ExpiresS | None
    weight: JobWeight


class FrozenJob(StructMeta):
    """Makes every subclass frozen with fields given by name, and takes beside the tag the queue, or its name,
    whether arguments and results are encrypted, and how many jobs one call works on."""

    def __new__(
        mcls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        /,
        *,
        queue: str | JobQueue | None = None,
        encrypted: bool | None = None,
        chunk: int | None = None,
        chunk_wait_s: float = 0.0,
        frozen: bool = True,
        kw_only: bool = True,
        **config: Any,
    ) -> "FrozenJob":
        cls = super().__new__(mcls, name, bases, namespace, frozen=frozen, kw_only=kw_only, **config)
        if isinstance(queue, JobQueue):
            cls.queue, cls.declared = queue.name, queue  # type: ignore[attr-defined]
        elif queue is not None:
            cls.queue, cls.declared = queue, None  # type: ignore[attr-defined]
        if encrypted is not None:
            cls.encrypts = encrypted  # type: ignore[attr-defined]
        if chunk is not None:
            cls.chunks = Chunks(chunk, chunk_wait_s)  # type: ignore[attr-defined]
        return cls


def sealed(arguments: bytes | msgspec.Raw, tag: str, job_id: str) -> bytes:
    """Of a class that is encrypted. Raises: Refused `job.no_keys`."""
    try:
        return seal(arguments, Place(tag, job_id, ARGUMENTS))
    except NoKeys as error:
        raise Refused("job.no_keys", str(error), status=503) from None


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
class Job(Struct, metaclass=FrozenJob, frozen=True, kw_only=True, tag_field="job"):
    """A piece of work. Subclass it, name `queue` and `tag`, and write `run`."""

    queue: ClassVar[str]
    declared: ClassVar[JobQueue | None] = None  # the queue, where more is said of it than its name
    retry: ClassVar[Retry] = Retry()
    limits: ClassVar[JobLimits] = JobLimits()
    partition: ClassVar[str] = ""  # the field by whose value jobs take turns; "" where all are one
    priority: ClassVar[Annotated[int, Meta(ge=0, le=9)]] = 4  # 0 goes first
    unique: ClassVar[Unique | None] = None  # which others it is one with
    encrypts: ClassVar[bool] = False  # arguments, results and steps are stored sealed: see GREENROOM_JOBS_KEYS
    chunks: ClassVar[Chunks | None] = None  # how many are worked on by one call of `run_many`; None: `run` is called
    before_forgetting: ClassVar[str] = ""  # a kind whose key is a user's: done with `user` before one is forgotten
    process: ClassVar[bool] = False  # a `def run` in a process of its own, where a thread would hold the others up

    def run(self, work: Any) -> Any:
        """Do it, and return what came of it, as JSON: an `async def` that is given a Work; or a `def`, which is called
        in a thread, or with `process` in a process, and is given a ThreadWork.

        Raises: Snooze, Cancel, Discard to say what is to become of it; anything else is a failed attempt.
        """
        raise NotImplementedError

    @classmethod
    async def run_many(cls, jobs: Sequence[Any], works: Sequence[Any]) -> Sequence[Any] | None:
        """In place of `run`, where the class says `chunk=`: do them all, each with its Work in `works`.

        Returns what came of each, in their order: its result, or a Snooze, Cancel, Discard or other exception as if it
        had been raised by that one. None: nothing came of all of them. What this raises counts for each.
        """
        raise NotImplementedError

    def to_row(
        self,
        *,
        now_ms: int,
        origin: str = "",
        about: str = "",
        delay_s: float = 0.0,
        priority: int | None = None,
        partition: str | None = None,
        attempts: int | None = None,
        expires_s: float | None = None,
        weight: int | None = None,
        after: Iterable[str | WaitFor] = (),
        children: Iterable[str | WaitFor] = (),
        when: str = "",
        queues: Mapping[str, str] = NO_QUEUES,
        trace: str = "",
        by: str = "",
        in_the_clear: bool = False,
    ) -> JobRow:
        """As it is stored: as `Actor.start_job`, which calls this, is given it.

        `queues`: of jobs that it waits for, by their ids, as far as they are known. `in_the_clear`: its arguments are
        encrypted by who knows which id it is to have.
        Raises: Refused `job.arguments_too_long`, `job.out_of_bounds`, `job.unique_waits`, and `job.no_keys`.
        """
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        try:
            arguments = msgspec.json.encode(fields)
        except UnicodeEncodeError as error:  # half of a pair
            raise Refused("job.out_of_bounds", f"its arguments: {error}", status=422) from None
        job_id = new_id(now_ms)
        if self.encrypts and not in_the_clear:
            arguments = sealed(arguments, str(self.__struct_config__.tag), job_id)
        if len(arguments) > ARGUMENTS_MAX:
            raise Refused("job.arguments_too_long", f"its arguments have more than {ARGUMENTS_MAX} bytes", status=413)
        if partition is None:
            partition = str(fields[self.partition]) if self.partition else ""
        try:
            given = msgspec.convert(
                {
                    "delay_s": delay_s,
                    "priority": self.priority if priority is None else priority,
                    "partition": partition,
                    "attempts": self.retry.attempts if attempts is None else attempts,
                    "about": about,
                    "expires_s": self.limits.expires_s if expires_s is None else expires_s,
                    "weight": self.limits.weight if weight is None else weight,
                },
                Bounded,
            )
            (given.partition + given.about).encode()
        except (msgspec.ValidationError, UnicodeEncodeError) as error:
            raise Refused("job.out_of_bounds", str(error), status=422) from None
        unique = self.unique.key_of(self) if self.unique is not None else None
        waits = waits_for(after, children, when, queues)
        if unique is not None and waits is not None:
            raise Refused("job.unique_waits", "a job with a `unique` waits for no others", status=422)
        due_ms = now_ms + int(given.delay_s * 1000)
        if unique is not None:
            due_ms = max(due_ms, unique.due_ms(now_ms))
        return JobRow(
            id=job_id,
            queue=self.queue,
            job=str(self.__struct_config__.tag),
            arguments=arguments,
            added_ms=now_ms,
            due_ms=due_ms,
            partition=given.partition,
            priority=given.priority,
            attempts_max=given.attempts,
            options=until(
                Options(
                    unique=unique,
                    origin=origin if about else "",
                    about=about,
                    by=by,
                    waits=waits,
                    trace=trace,
                    expires_ms=expires_ms(now_ms, given.expires_s),
                    weight=given.weight,
                ),
                due_ms,
                now_ms,
            ).encode(),
            unique_key=unique.key if unique is not None else None,
        )
