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

from typing import Annotated, Any, ClassVar, dataclass_transform

from msgspec import Meta, Struct, StructMeta, field

from greenroom.actors.jobs.retry import Retry
from greenroom.actors.jobs.work import Work


class JobLimits(Struct, frozen=True, kw_only=True):
    """What one attempt may take."""

    timeout_s: Annotated[float, Meta(gt=0)] = 900.0  # then it has failed
    grace_s: Annotated[float, Meta(ge=0)] = 10.0  # from a cancel until it is given up


class FrozenJob(StructMeta):
    """Makes every subclass frozen with fields given by name, and takes the queue's name beside the tag."""

    def __new__(
        mcls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        /,
        *,
        queue: str | None = None,
        frozen: bool = True,
        kw_only: bool = True,
        **config: Any,
    ) -> "FrozenJob":
        cls = super().__new__(mcls, name, bases, namespace, frozen=frozen, kw_only=kw_only, **config)
        if queue is not None:
            cls.queue = queue  # type: ignore[attr-defined]
        return cls


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
class Job(Struct, metaclass=FrozenJob, frozen=True, kw_only=True, tag_field="job"):
    """A piece of work. Subclass it, name `queue` and `tag`, and write `run`."""

    queue: ClassVar[str]
    retry: ClassVar[Retry] = Retry()
    limits: ClassVar[JobLimits] = JobLimits()
    partition: ClassVar[str] = ""  # the field by whose value jobs take turns; "" where all are one
    priority: ClassVar[Annotated[int, Meta(ge=0, le=9)]] = 4  # 0 goes first
    process: ClassVar[bool] = False  # a `def run` in a process of its own, where a thread would hold the others up

    async def run(self, work: Work) -> Any:
        """Do it, and return what came of it, as JSON. A `def run` instead is called in a thread.

        Raises: Snooze, Cancel, Discard to say what is to become of it; anything else is a failed attempt.
        """
        raise NotImplementedError
