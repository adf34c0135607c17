"""Takes whose jobs' arguments are being read, since they are not in memory: decided first, read after.

One that comes to nothing, since its worker has lost the jobs meanwhile, is forgotten with them. Pure.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import islice, takewhile

from msgspec import Raw, Struct, field

from greenroom.actors.jobs.queue.messages import Taken, TakenJob
from greenroom.actors.jobs.queue.waiting import TAKE_BYTES, Waiting
from greenroom.actors.model.message import Later

READ_LEAST = 32  # jobs whose arguments are asked for at once: one answer's, where they are as long as may be
READ_MOST = 256
AGAIN_MS = 1_000  # after which what has not come is asked for again: its job may not have been written yet


class Unread(Struct):
    """One take."""

    token: int
    jobs: list[Waiting]
    arguments: dict[str, bytes]
    refused: list[str]
    asked_ms: int
    waited_s: float
    asked: set[str] = field(default_factory=set)  # ids, last

    def known(self) -> list[Waiting]:
        """The jobs before the first whose arguments are missing."""
        return list(takewhile(lambda job: job.arguments is not None or job.id in self.arguments, self.jobs))

    @property
    def size(self) -> int:
        """Of the arguments of those."""
        return sum(len(self.arguments.get(job.id, job.arguments or b"")) for job in self.known())

    def next_ids(self) -> list[str]:
        """To be read next: as many as an answer may hold, going by those that are there, and not all to find that it
        holds some of them."""
        read = self.arguments.values()
        mean = max(1, sum(map(len, read)) // len(read)) if read else TAKE_BYTES
        count = min(READ_MOST, max(READ_LEAST, TAKE_BYTES // mean + 1))
        ids = list(islice(_missing(self), count))
        self.asked = set(ids)
        return ids


class Reading:
    """Of one queue: as many as its workers may have waiting."""

    def __init__(self) -> None:
        self._takes: dict[Later, Unread] = {}

    def __len__(self) -> int:
        return len(self._takes)

    def wait(
        self, later: Later, token: int, jobs: list[Waiting], refused: list[str], now_ms: int, waited_s: float
    ) -> list[str]:
        """The answer `later` waits for these jobs' arguments: the ids of those that are to be read first."""
        take = self._takes[later] = Unread(token, jobs, {}, refused, now_ms, waited_s)
        return take.next_ids()

    def came(
        self,
        arguments: Mapping[str, bytes],
        now_ms: int,
        with_steps: Collection[str] = (),
        lineage: str | None = None,
    ) -> tuple[list[tuple[Later, Taken, list[str]]], list[str]]:
        """Who can be answered by these, each with ids of jobs that are more than an answer holds; and what is to be
        read next."""
        whole: list[tuple[Later, Taken, list[str]]] = []
        wanted: list[str] = []
        for later, take in list(self._takes.items()):
            new = [job.id for job in take.jobs if job.id in arguments and job.id not in take.arguments]
            take.arguments.update((one, arguments[one]) for one in new)
            known = take.known()
            if len(known) == len(take.jobs) or take.size >= TAKE_BYTES:
                del self._takes[later]
                had = taken(
                    take.token,
                    known,
                    take.refused,
                    take.waited_s,
                    read=take.arguments,
                    with_steps=with_steps,
                    lineage=lineage,
                )
                answer, others = within(had)
                whole.append((later, answer, others + [job.id for job in take.jobs[len(known) :]]))
            elif new and take.asked.isdisjoint(_missing(take)):
                take.asked_ms = now_ms
                wanted += take.next_ids()
        return whole, wanted

    def again(self, now_ms: int, holds: Callable[[Waiting, int], bool]) -> list[str]:
        """Ids to be asked for once more. `holds`: has the worker that job still, by that token?"""
        missing: list[str] = []
        for later, take in list(self._takes.items()):
            if now_ms < take.asked_ms + AGAIN_MS:
                continue
            if not any(holds(job, take.token) for job in take.jobs):
                del self._takes[later]
                continue
            take.asked_ms = now_ms
            missing += take.next_ids()
        return missing


def _missing(take: Unread) -> Iterable[str]:
    return (job.id for job in take.jobs if job.arguments is None and job.id not in take.arguments)


def taken(
    token: int,
    jobs: Sequence[Waiting],
    refused: list[str],
    waited_s: float,
    *,
    read: Mapping[str, bytes] | None = None,
    with_steps: Collection[str] = (),
    lineage: str | None = None,
) -> Taken:
    """The answer, with arguments that are in memory, or were `read`. `with_steps`: jobs of which steps are through.
    `lineage`: the history in which they are taken."""
    return Taken(
        token,
        [
            _taken(
                job,
                job.arguments if job.arguments is not None else (read or {})[job.id],
                job.id in with_steps,
                lineage,
            )
            for job in jobs
        ],
        refused,
        waited_s if jobs else None,
    )


def within(answer: Taken) -> tuple[Taken, list[str]]:
    """As much of it as one take has, now that it is known how long its arguments are; and the ids of the others."""
    size = 0
    for number, job in enumerate(answer.jobs):
        if size >= TAKE_BYTES:
            return Taken(answer.token, answer.jobs[:number], answer.refused, answer.waited_s), [
                one.id for one in answer.jobs[number:]
            ]
        size += len(job.arguments)
    return answer, []


def _taken(job: Waiting, arguments: bytes, has_steps: bool, lineage: str | None) -> TakenJob:
    trace = job.options.trace if job.options is not None else ""
    return TakenJob(
        job.id, job.job, Raw(arguments), job.attempts + 1, job.attempts_max, has_steps, trace, job.lost, lineage
    )
