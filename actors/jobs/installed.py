"""The jobs installed in this process: each class checked once."""

import inspect
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
import msgspec.inspect as inspect_types

from greenroom.actors.jobs.job import Chunks, Job, JobLimits, sealed
from greenroom.actors.jobs.limits import JobQueue, QueueLimits
from greenroom.actors.jobs.retry import Retry
from greenroom.actors.jobs.texts import is_name
from greenroom.actors.model.errors import InvalidCommand, Refused
from greenroom.actors.model.kinds import BadEntityClass
from greenroom.actors.personal.redaction import shape_of
from greenroom.actors.personal.secrets import has_secrets
from greenroom.store.jobs.sealing import ARGUMENTS, CannotOpen, Place, is_sealed, opened_if_sealed

KEY_MAX = 255  # characters


class InstalledJob:
    """One job's class."""

    def __init__(self, job: type[Job]) -> None:
        """Raises: BadEntityClass."""
        where = f"{job.__module__}.{job.__qualname__}"
        tag = job.__struct_config__.tag
        if not isinstance(tag, str) or not tag.startswith("job.") or not is_name(tag):
            raise BadEntityClass(f"{where}: needs tag='job.something', not {tag!r:.300}")
        if not isinstance(getattr(job, "queue", None), str) or not job.queue:
            raise BadEntityClass(f"{where}: needs queue='name' beside its tag")
        if not is_name(job.queue):
            raise BadEntityClass(f"{where}: queue={job.queue!r:.300} can be no name")
        if job.declared is not None:
            _check(job.declared, f"{where}: its queue {job.declared.name!r}")
        if job.chunks is not None:
            _check(job.chunks, f"{where}: `chunk`")
            if not inspect.iscoroutinefunction(job.run_many) or _is_own(job, "run_many"):
                raise BadEntityClass(
                    f"{where}: with `chunk` needs `async def run_many(cls, jobs, works)`, a classmethod"
                )
        elif job.run is Job.run:
            raise BadEntityClass(f"{where}: needs `async def run(self, work)`, or `def run(self, work)` for a thread")
        if not isinstance(job.retry, Retry):
            raise BadEntityClass(f"{where}: `retry` must be Retry(...), not {job.retry!r:.80}")
        if not isinstance(job.limits, JobLimits):
            raise BadEntityClass(f"{where}: `limits` must be JobLimits(...), not {job.limits!r:.80}")
        _check(job.retry, f"{where}: `retry`")
        _check(job.limits, f"{where}: `limits`")
        if job.partition and job.partition not in job.__struct_fields__:
            raise BadEntityClass(f"{where}: `partition` names {job.partition!r}, which is none of its fields")
        if job.partition and has_secrets(_type_of(job, job.partition)):  # lists, limits and logs name keys
            raise BadEntityClass(f"{where}: `partition` names {job.partition!r}, which is Secret: all see keys")
        if job.unique is not None and (unknown := [n for n in job.unique.fields if n not in job.__struct_fields__]):
            raise BadEntityClass(f"{where}: `unique` names {unknown[0]!r}, which is none of its fields")
        if job.before_forgetting and not _takes_a_user(job):
            raise BadEntityClass(
                f"{where}: with `before_forgetting` it needs a field `user`, and no other without default"
            )
        self.job = job
        self.tag = tag
        self.queue = job.queue
        self.is_async = job.chunks is not None or inspect.iscoroutinefunction(job.run)
        self._decode = msgspec.json.Decoder(job).decode
        self._decode_key = _key_decoder(job)

    @property
    def has_secrets(self) -> bool:
        """Is any of its arguments one that operators are not shown?"""
        return has_secrets(shape_of(self.job))

    def decode(self, arguments: bytes | msgspec.Raw, job_id: str = "") -> Job:
        """`job_id`: of the job that has them; "": of none yet, so that nothing encrypted can be its own.

        Raises: InvalidCommand, naming the field.
        """
        if not job_id and is_sealed(arguments):
            raise InvalidCommand(f"{self.tag}: the arguments are encrypted, as those of a job alone are")
        try:
            return self._decode(self.opened(arguments, job_id))
        except CannotOpen as error:
            raise InvalidCommand(f"{self.tag}: {error}") from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidCommand(f"{self.tag}: {error}") from None

    def opened(self, arguments: bytes | msgspec.Raw, job_id: str) -> bytes | msgspec.Raw:
        """As they were given to that job. Raises: CannotOpen."""
        return opened_if_sealed(arguments, Place(self.tag, job_id, ARGUMENTS))

    def opened_or(self, arguments: bytes | msgspec.Raw, job_id: str) -> bytes | msgspec.Raw:
        """The same; or as they are, where they can't be opened."""
        try:
            return self.opened(arguments, job_id)
        except CannotOpen:
            return arguments

    def sealed(self, arguments: bytes | msgspec.Raw, job_id: str) -> bytes:
        """As they are stored with that job. What a job has added is so already. Raises: Refused."""
        if not self.job.encrypts or is_sealed(arguments):
            return bytes(arguments)
        return sealed(arguments, self.tag, job_id)

    def sealed_for(self, other_id: str, arguments: bytes, job_id: str) -> bytes:
        """What this job was given, as another one has it. Raises: Refused; CannotOpen, never of what is of here."""
        if not is_sealed(arguments):
            return arguments
        return sealed(self.opened(arguments, job_id), self.tag, other_id)

    def key_of(self, arguments: bytes | msgspec.Raw) -> str:
        """The key by which jobs with these arguments take turns; "" where all are one, or they do not say.

        Raises: Refused for one that is too long.
        """
        if self._decode_key is None:
            return ""
        try:
            value = self._decode_key(arguments).value
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return ""  # the worker says what is wrong with them
        key = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        if len(key) > KEY_MAX:
            raise Refused(
                "queue.key_too_long", f"`{self.job.partition}` has more than {KEY_MAX} characters", status=422
            )
        if not key.isprintable() and not is_name(key):
            raise Refused("queue.key", f"`{self.job.partition}` has control characters", status=422)
        return key


def _type_of(job: type[Job], field: str) -> inspect_types.Type:
    (found,) = (one.type for one in msgspec.structs.fields(job) if one.name == field)
    return shape_of(found)


def _takes_a_user(job: type[Job]) -> bool:
    try:
        return "user" in job.__struct_fields__ and bool(msgspec.convert({"user": "ann"}, job))
    except msgspec.ValidationError:
        return False


def _key_decoder(job: type[Job]) -> Callable[[bytes | msgspec.Raw], Any] | None:
    """Of the one field."""
    if not job.partition:
        return None
    (one,) = (one for one in msgspec.structs.fields(job) if one.name == job.partition)
    default = "" if one.default is msgspec.NODEFAULT else one.default
    shape = msgspec.defstruct("Keyed", [("value", Any, default)], rename={"value": one.encode_name})
    decode: Callable[[bytes | msgspec.Raw], Any] = msgspec.json.Decoder(shape).decode
    return decode


def _is_own(job: type[Job], name: str) -> bool:
    """Is it what Job itself has?"""
    return next(cls for cls in job.__mro__ if name in vars(cls)) is Job


def _check(declared: JobQueue | Retry | JobLimits | Chunks, where: str) -> None:
    """Whoever makes a Struct may give it anything. Raises: BadEntityClass."""
    try:
        fields = msgspec.to_builtins(declared)
        msgspec.convert(fields, type(declared))
    except (msgspec.ValidationError, TypeError) as error:
        raise BadEntityClass(f"{where}: {error}") from None
    for name, value in fields.items():
        if isinstance(value, float) and math.isnan(value):
            raise BadEntityClass(f"{where}: `{name}` is not a number")


class Jobs:
    """By tag."""

    def __init__(self, jobs: Iterable[type[Job]] = ()) -> None:
        """Raises: BadEntityClass."""
        self._jobs: dict[str, InstalledJob] = {}
        self._limits: dict[str, JobQueue] = {}  # by the queue's name
        for job in jobs:
            installed = InstalledJob(job)
            if installed.tag in self._jobs:
                raise BadEntityClass(f"two jobs have the tag {installed.tag!r}")
            self._jobs[installed.tag] = installed
            declared = job.declared
            if declared is not None and self._limits.setdefault(declared.name, declared) != declared:
                raise BadEntityClass(f"the queue {declared.name!r} is declared twice, with other limits")

    def get(self, tag: str) -> InstalledJob | None:
        return self._jobs.get(tag)

    def of_queue(self, queue: str) -> frozenset[str]:
        """Tags of those that go into that queue."""
        return frozenset(tag for tag, one in self._jobs.items() if one.queue == queue)

    def limits_of(self, queue: str) -> QueueLimits | None:
        """What the code declares of that queue."""
        return self._limits.get(queue)

    def __iter__(self) -> Iterator[InstalledJob]:
        return iter(self._jobs.values())

    def __len__(self) -> int:
        return len(self._jobs)


def jobs_among(classes: Iterable[type[Any]]) -> list[type[Job]]:
    """Those that are jobs, and no bases of some."""
    return [item for item in classes if issubclass(item, Job) and isinstance(item.__struct_config__.tag, str)]
