"""A job in memory is small: there may be a million."""

import gc
import tracemalloc

from greenroom.actors.jobs.ids import new_id
from greenroom.actors.jobs.queue.desk import Desk
from greenroom.actors.jobs.queue.waiting import Waiting
from greenroom.store.journal.consequences.jobs import JobRow
from tests.actors.jobs.queue.some_jobs import a_job

JOBS = 50_000
BYTES_MAX = 300


def test_a_waiting_job_costs_less_than_300_bytes_beside_its_arguments() -> None:
    """Each added in a millisecond of its own, with texts of its own, as requests bring them."""
    gc.collect()
    tracemalloc.start()
    try:
        desk = Desk("q")
        for number in range(1_000_000_000_000, 1_000_000_000_000 + JOBS):
            tag, key = "job.{}".format("encode"), "key {}".format("a")
            row = JobRow(new_id(number), "q", tag, None, number, int(str(number)), key)
            desk.add([row], number)
        gc.collect()
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(desk.order) == JOBS
    assert used / JOBS < BYTES_MAX


def test_one_goes_before_another_by_its_place_and_then_by_its_id() -> None:
    first, second = a_job(1), a_job(2)
    assert first < second
    first.place = 5
    assert second < first


def test_of_a_row() -> None:
    row = JobRow("0" * 32, "q", "job.a", b"{}", 1 << 40, int(str(1 << 40)), "k", 3, 1, 7, 2)
    job = Waiting.of(row)
    assert (job.partition, job.priority, job.attempts, job.attempts_max, job.lost, job.token) == ("k", 3, 1, 7, 2, 0)
    assert job.due_ms is job.added_ms
    row.due_ms += 1
    assert Waiting.of(row).due_ms == (1 << 40) + 1
