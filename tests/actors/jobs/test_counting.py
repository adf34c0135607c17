"""What a queue counts, of what it hands out and writes, and by what it is asked."""

from collections.abc import Collection
from typing import Any

import pytest
import trio
from msgspec import Raw

from greenroom import Refused
from greenroom.actors.jobs.counting import count_taken, count_written, is_limited
from greenroom.actors.jobs.options import UniqueKey
from greenroom.actors.jobs.queue import Queue
from greenroom.actors.jobs.queue.control import Limit
from greenroom.actors.jobs.queue.desk import LEASE_MS
from greenroom.actors.jobs.queue.messages import Add, AddMany, Fail, Finished, NewJob, Take
from greenroom.actors.testing.world import KitJobs
from greenroom.config.telemetry.job_instruments import JobInstruments, QueueCounts
from greenroom.store.jobs.jobs import Seen
from greenroom.store.journal.consequences.jobs import BackRow, EndRow, JobRow, Jobs
from greenroom.testing import Kit
from tests.actors.jobs.queue.some_jobs import a_job

Q = ("q",)


def counts() -> tuple[JobInstruments, Any]:
    instruments = JobInstruments()
    return instruments, instruments.of("q")


def test_those_that_are_handed_out_have_waited_since_they_were_due() -> None:
    instruments, of_q = counts()
    count_taken(of_q, [a_job(1, due_ms=500), a_job(2, due_ms=500), a_job(3, due_ms=900), a_job(4, due_ms=1_500)], 1_000)
    waits = instruments.job_wait_s[Q]
    assert waits.count == 4
    assert waits.sum == pytest.approx(1.1), "none has waited for less than nothing"
    assert waits.quantile(0.5) == pytest.approx(0.256)


def test_what_is_written_says_what_became_of_them() -> None:
    instruments, of_q = counts()
    writes = Jobs(
        added=[JobRow(f"{number}", "q", "job.x", b"{}", 0, 0) for number in range(3)],
        ended={
            "a": EndRow("a", "completed", 3_000, "w", 1_000),
            "b": EndRow("b", "completed", 3_000, "w", 1_000),
            "c": EndRow("c", "failed", 3_000, "w", 2_000),
            "d": EndRow("d", "cancelled", 3_000),  # nobody has begun it
        },
        back={"e": BackRow("e", 0, 1, 0, b"{}"), "f": BackRow("f", 0, 0, 0)},
        over=[(JobRow("g", "q", "job.x", b"{}", 0, 0), EndRow("g", "cancelled", 3_000))],
        revived=[JobRow("h", "q", "job.x", b"{}", 0, 0)],
    )
    count_written(of_q, writes)
    assert instruments.jobs_added == {Q: 5}, "one that is tried again ends twice"
    assert instruments.jobs_ended == {("q", "completed"): 2, ("q", "failed"): 1, ("q", "cancelled"): 2}
    runs = instruments.job_run_s[Q]
    assert (runs.count, runs.sum) == (3, 5.0)
    assert instruments.job_retries == {Q: 1}, "what was put back without an error was no attempt"


@pytest.mark.parametrize(
    ("ready", "classes", "knows", "limited"),
    [
        (0, [], None, False),
        (2, ["job.a"], None, True),
        (2, ["job.a"], ["job.a", "job.b"], True),
        (2, ["job.a"], ["job.b"], False),
    ],
)
def test_whoever_finds_nothing_of_what_it_knows_is_limited_only_where_there_is_some(
    ready: int, classes: Collection[str], knows: Collection[str] | None, limited: bool
) -> None:
    assert is_limited(ready, classes, knows) is limited


class Counted:
    """A queue in the kit, with what it counts."""

    def __init__(self) -> None:
        self.kit = Kit(Queue, key="q")
        self.instruments = JobInstruments()
        self.kit.actor._counts = self.instruments.of("q")

    def add(self, many: int = 1) -> None:
        self.kit.ask(AddMany(jobs=[NewJob("job.x", Raw(b"{}")) for _ in range(many)]))


def test_a_job_is_counted_from_being_added_to_its_end() -> None:
    one = Counted()
    one.add(2)
    one.kit.advance(2.0)
    taken = one.kit.ask(Take(worker="w", most=2))
    one.kit.advance(1.0)
    one.kit.ask(Take(worker="w", most=0, finished=[Finished(taken.jobs[0].id, taken.token)]))
    one.kit.ask(Fail(worker="w", id=taken.jobs[1].id, token=taken.token, error="no"))
    assert one.instruments.jobs_added == {Q: 2}
    assert one.instruments.job_wait_s[Q].sum == pytest.approx(4.0)
    assert one.instruments.jobs_ended == {("q", "completed"): 1}
    assert one.instruments.job_run_s[Q].sum == pytest.approx(1.0)
    assert one.instruments.job_retries == {Q: 1}


def test_a_worker_that_is_not_heard_of_is_lost_with_what_it_had() -> None:
    one = Counted()
    one.add(3)
    one.kit.ask(Take(worker="w", most=3))
    for _ in range(LEASE_MS // 500 + 2):
        one.kit.advance(0.5)
    assert (one.instruments.job_workers_lost, one.instruments.job_rescues) == ({Q: 1}, {Q: 3})


def test_a_worker_that_limits_leave_nothing_counts_once() -> None:
    one = Counted()
    one.kit.ask(Limit(concurrency=1))
    one.add(2)
    assert len(one.kit.ask(Take(worker="w", most=2)).jobs) == 1
    assert one.instruments.job_limits_hit == {}, "it has got one"
    assert one.kit.ask(Take(worker="v", most=2)).jobs == []
    assert one.kit.ask(Take(worker="u", most=1, knows=["job.other"])).jobs == []
    assert one.instruments.job_limits_hit == {Q: 1}


def test_what_is_not_added_is_counted_too() -> None:
    one = Counted()
    for _ in range(3):
        one.kit.ask(Add(job="job.x", unique=UniqueKey("k")))
    with pytest.raises(Refused):
        one.kit.ask(Add(job="job.x", arguments=Raw(b"[]")))
    with pytest.raises(Refused):
        one.kit.ask(Fail(worker="w", id="0" * 32, token=3))
    assert one.instruments.jobs_added == {Q: 1}
    assert one.instruments.job_duplicates == {Q: 2}
    assert one.instruments.job_adds_refused == {Q: 1}


class Left(KitJobs):
    """A life before has left one job."""

    def __init__(self) -> None:
        super().__init__()
        self.instruments = JobInstruments()

    def counts(self, queue: str) -> QueueCounts:
        return self.instruments.of(queue)

    async def page(self, queue: str, seen: Seen, after: str, *, arguments: bool) -> list[JobRow]:
        await trio.lowlevel.checkpoint()
        return [] if after else [JobRow("0" * 32, queue, "job.x", b"{}", 0, 0)]


def test_a_queue_that_wakes_with_jobs_is_told_apart_at_once() -> None:
    kit = Kit(Queue, key="q")
    kit._world.jobs = left = Left()
    kit.restart()
    assert Q in left.instruments.job_wait_s
    with pytest.raises(Refused):
        kit.ask(Add(job="job.x", arguments=Raw(b"[]")))
    assert [*left.instruments.job_wait_s] == [Q]
