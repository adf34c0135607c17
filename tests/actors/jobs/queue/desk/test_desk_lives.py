"""Desks one after the other over the same rows: what limits and order promise holds over workers that fail, fall silent
and leave, and over lives of the queue that are lost at any moment."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from greenroom.actors.jobs.ids import new_id
from greenroom.actors.jobs.limits import OnRetry, QueueLimits
from greenroom.actors.jobs.queue.desk import LEASE_MS, Desk
from greenroom.actors.jobs.queue.messages import Finished
from greenroom.store.journal.consequences.consequence import Tables
from greenroom.store.journal.consequences.jobs import JobRow, Jobs, JobTables

KEYS = ("a", "b", "c")
WORKERS = ("v", "w")


class Queue:
    """A desk and its rows."""

    def __init__(self, limits: QueueLimits) -> None:
        self.limits = limits
        self.tables = Tables()
        self.now_ms = 1_000_000
        self.attempts: list[str] = []  # jobs in the order in which they were handed out
        self.added: dict[str, list[str]] = {key: [] for key in KEYS}
        self.done: dict[str, list[str]] = {key: [] for key in KEYS}
        self.begin()

    @property
    def rows(self) -> JobTables:
        return self.tables.of(JobTables)

    def begin(self) -> None:
        self.desk = Desk("q")
        self.desk.order.limit(self.limits, self.now_ms)
        jobs = [replace(row) for row in self.rows.jobs.values()]
        takes = [replace(take, ids=list(take.ids)) for take in self.rows.takes.values()]
        self.desk.begin(sorted(jobs, key=lambda row: row.id), takes, self.now_ms)

    def land(self, writes: Jobs) -> None:
        for one, end in writes.ended.items():
            assert end.state == "completed"
            self.done[self.rows.jobs[one].partition].append(one)
        writes.land(Tables(), self.tables)

    def add(self, key: str) -> None:
        row = JobRow(new_id(self.now_ms), "q", "job.a", b"{}", self.now_ms, self.now_ms, key, attempts_max=1_000)
        self.added[key].append(row.id)
        writes = Jobs(added=[row])
        self.land(writes)
        self.desk.add([row], self.now_ms)

    def take(self, worker: str, most: int) -> None:
        writes = Jobs()
        _, jobs = self.desk.take(worker, most, None, self.now_ms, writes)
        self.attempts += [job.id for job in jobs]
        self.land(writes)
        self.check()

    def held(self) -> list[tuple[str, str, int]]:
        """Worker, job, token."""
        return [
            (held.worker, one, held.token)
            for hand in self.desk.hands.values()
            for held in hand.held.values()
            for one in held.jobs
        ]

    def finish(self, number: int, *, error: str | None) -> None:
        held = self.held()
        if held:
            worker, one, token = held[number % len(held)]
            writes = Jobs()
            finished = Finished(one, token, error=error, retry_s=number / 100 if error else None)
            assert self.desk.finish(worker, [finished], self.now_ms, writes) == []
            self.land(writes)

    def check(self) -> None:
        """No limit is exceeded, by what the rows say."""
        running = Counter(self.rows.jobs[one].partition for _, one, _ in self.held())
        assert self.limits.concurrency is None or running.total() <= self.limits.concurrency
        assert self.limits.per_key is None or max(running.values(), default=0) <= self.limits.per_key


limits = st.builds(
    QueueLimits,
    concurrency=st.none() | st.integers(1, 3),
    per_key=st.just(1),
    on_retry=st.sampled_from(["block", "overtake"]),
)
doings = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from(KEYS)),
        st.tuples(st.just("add"), st.sampled_from(KEYS)),
        st.tuples(st.just("take"), st.sampled_from(WORKERS), st.integers(1, 3)),
        st.tuples(st.just("take"), st.sampled_from(WORKERS), st.integers(1, 3)),
        st.tuples(st.just("done"), st.integers(0, 9)),
        st.tuples(st.just("failed"), st.integers(0, 9)),
        st.tuples(st.just("left"), st.sampled_from(WORKERS)),
        st.tuples(st.just("restart")),
        st.tuples(st.just("wait"), st.sampled_from([1, 30, 100])),
    ),
    max_size=50,
)


def play(limits: QueueLimits, steps: list[tuple[object, ...]]) -> Queue:
    queue = Queue(limits)
    for step in steps:
        match step:
            case ("add", str(key)):
                queue.add(key)
            case ("take", str(worker), int(most)):
                queue.take(worker, most)
            case ("done", int(number)):
                queue.finish(number, error=None)
            case ("failed", int(number)):
                queue.finish(number, error="no")
            case ("left", str(worker)):
                writes = Jobs()
                queue.desk.left(worker, queue.now_ms, writes)
                queue.land(writes)
            case ("restart",):
                queue.begin()
            case ("wait", int(some_ms)):
                queue.now_ms += some_ms
    for _ in range(10_000):  # until all is done
        if not queue.rows.jobs:
            break
        while queue.held():
            queue.finish(0, error=None)
        queue.take("last", 3)
        if queue.rows.jobs and not queue.held():
            next_ms = queue.desk.next_ms(queue.now_ms)
            assert next_ms is not None, "jobs wait for nothing"
            queue.now_ms = next_ms
    assert not queue.rows.jobs and not queue.rows.takes and not queue.desk.order.keys
    return queue


@given(limits, doings)
def test_all_jobs_are_done_once_and_with_block_in_the_order_of_their_key(
    limits: QueueLimits, steps: list[tuple[object, ...]]
) -> None:
    queue = play(limits, steps)
    for key in KEYS:
        assert sorted(queue.done[key]) == queue.added[key]
        if limits.on_retry == "block":
            assert queue.done[key] == queue.added[key]
            firsts = list(dict.fromkeys(one for one in queue.attempts if one in queue.added[key]))
            assert firsts == queue.added[key]


def silent(on_retry: OnRetry) -> list[int]:
    """Which of two of a key is handed out first, once the worker that had the first has fallen silent."""
    queue = Queue(QueueLimits(per_key=1, on_retry=on_retry))
    queue.add("a")
    queue.add("a")
    queue.take("w", 2)
    queue.begin()
    queue.take("v", 2)
    queue.now_ms += LEASE_MS
    writes = Jobs()
    assert queue.desk.expire(queue.now_ms, writes) == ["w"]
    queue.land(writes)
    queue.begin()
    queue.take("v", 2)
    return [queue.added["a"].index(one) for one in queue.attempts]


def test_a_job_whose_worker_is_lost_goes_first_in_its_key() -> None:
    assert silent("block") == silent("overtake") == [0, 0]


def test_what_is_taken_again_is_held_in_the_next_life_also_where_the_clock_has_stood_still() -> None:
    play(QueueLimits(), [("add", "a"), ("take", "v", 1), ("failed", 0), ("restart",), ("take", "v", 1), ("restart",)])
