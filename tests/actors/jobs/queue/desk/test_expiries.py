"""Jobs that are not to be begun any more after a moment of their own."""

from greenroom.actors.jobs.options import Options
from greenroom.actors.jobs.queue.desk.expiries import SPARE, Expiries
from greenroom.actors.jobs.queue.waiting import Waiting
from tests.actors.jobs.queue.some_jobs import a_job


def known(expiries: Expiries, *expires_ms: int) -> dict[str, Waiting]:
    jobs = {}
    for number, at_ms in enumerate(expires_ms):
        job = a_job(number)
        job.options = Options(expires_ms=at_ms)
        jobs[job.id] = job
        expiries.add(job)
    return jobs


def test_each_is_due_once_at_its_moment_and_no_more_than_asked_for() -> None:
    expiries = Expiries()
    jobs = known(expiries, 10, 5, 7, 20)
    assert expiries and expiries.next_ms() == 5 and expiries.due(4, jobs, 9) == []
    assert [job.expires_ms for job in expiries.due(10, jobs, 2)] == [5, 7]
    assert [job.expires_ms for job in expiries.due(10, jobs, 2)] == [10]
    assert expiries.due(10, jobs, 2) == [] and expiries.next_ms() == 20


def test_one_that_somebody_has_is_not_and_comes_back_with_it() -> None:
    expiries = Expiries()
    jobs = known(expiries, 10, 10, 10)
    for job in jobs.values():
        job.token = 7
    assert expiries.due(11, jobs, 9) == [] and expiries.next_ms() is None
    first, second, third = jobs.values()
    for job in jobs.values():
        job.token = 0
    second.attempts, third.lost = 1, 1  # these were begun
    for job in jobs.values():
        expiries.add(job)
        expiries.add(job)
    assert expiries.due(12, jobs, 9) == [first] and not expiries


def test_what_is_forgotten_does_not_pile_up() -> None:
    expiries = Expiries()
    for number in range(10 * SPARE):
        job = a_job(number)
        job.options = Options(expires_ms=10**9 + number)
        expiries.add(job)
        expiries.forget(job.id)
    assert not expiries and len(expiries._heap) <= SPARE + 1
    assert expiries.next_ms() is None
