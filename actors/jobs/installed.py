"""The jobs installed in this process: each class checked once."""

import inspect
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from greenroom.actors.jobs.job import Job
from greenroom.actors.jobs.retry import Retry
from greenroom.actors.model.errors import InvalidCommand
from greenroom.actors.model.kinds import BadEntityClass


class InstalledJob:
    """One job's class."""

    def __init__(self, job: type[Job]) -> None:
        """Raises: BadEntityClass."""
        where = f"{job.__module__}.{job.__qualname__}"
        tag = job.__struct_config__.tag
        if not isinstance(tag, str) or not tag.startswith("job."):
            raise BadEntityClass(f"{where}: needs tag='job.something', not {tag!r}")
        if not isinstance(getattr(job, "queue", None), str) or not job.queue:
            raise BadEntityClass(f"{where}: needs queue='name' beside its tag")
        if job.run is Job.run:
            raise BadEntityClass(f"{where}: needs `async def run(self, work)`, or `def run(self, work)` for a thread")
        if not isinstance(job.retry, Retry):
            raise BadEntityClass(f"{where}: `retry` must be Retry(...), not {job.retry!r:.80}")
        if job.partition and job.partition not in job.__struct_fields__:
            raise BadEntityClass(f"{where}: `partition` names {job.partition!r}, which is none of its fields")
        if job.unique is not None and (unknown := [n for n in job.unique.fields if n not in job.__struct_fields__]):
            raise BadEntityClass(f"{where}: `unique` names {unknown[0]!r}, which is none of its fields")
        self.job = job
        self.tag = tag
        self.queue = job.queue
        self.is_async = inspect.iscoroutinefunction(job.run)
        self._decode = msgspec.json.Decoder(job).decode

    def decode(self, arguments: bytes | msgspec.Raw) -> Job:
        """Raises: InvalidCommand, naming the field."""
        try:
            return self._decode(arguments)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidCommand(f"{self.tag}: {error}") from None


class Jobs:
    """By tag."""

    def __init__(self, jobs: Iterable[type[Job]] = ()) -> None:
        """Raises: BadEntityClass."""
        self._jobs: dict[str, InstalledJob] = {}
        for job in jobs:
            installed = InstalledJob(job)
            if installed.tag in self._jobs:
                raise BadEntityClass(f"two jobs have the tag {installed.tag!r}")
            self._jobs[installed.tag] = installed

    def get(self, tag: str) -> InstalledJob | None:
        return self._jobs.get(tag)

    def of_queue(self, queue: str) -> frozenset[str]:
        """Tags of those that go into that queue."""
        return frozenset(tag for tag, one in self._jobs.items() if one.queue == queue)

    def __iter__(self) -> Iterator[InstalledJob]:
        return iter(self._jobs.values())

    def __len__(self) -> int:
        return len(self._jobs)


def jobs_among(classes: Iterable[type[Any]]) -> list[type[Job]]:
    """Those that are jobs, and no bases of some."""
    return [item for item in classes if issubclass(item, Job) and isinstance(item.__struct_config__.tag, str)]
