"""Jobs that a job adds, as their queue is told: as their classes say, and encrypted before they leave."""

import pytest
from msgspec import Raw

from greenroom import Job, JobLimits, Refused, Retry, Unique
from greenroom.actors.jobs.installed import InstalledJob
from greenroom.actors.jobs.queue.flows.wanted import spawn_jobs
from greenroom.store.jobs.sealing import keys_for, opened


class Pay(Job, queue="money", tag="job.pay", encrypted=True):
    account: str
    partition = "account"
    priority = 2

    def run(self, work: object) -> None: ...


class Heavy(Job, queue="money", tag="job.heavy"):
    n: int = 1
    retry = Retry(attempts=7)
    limits = JobLimits(expires_s=60.0, weight=3)


class Light(Job, queue="money", tag="job.light"): ...


class Once(Job, queue="money", tag="job.once"):
    account: str
    unique = Unique("account")


def test_what_is_encrypted_is_so_once_and_before_it_is_sent() -> None:
    with keys_for(bytes(32)):
        (job,) = spawn_jobs([Pay(account="acme")], "ignore")
        assert (job.queue, job.partition, job.priority, job.on_failure) == ("money", "acme", 2, "ignore")
        stored = InstalledJob(Pay).sealed(job.arguments)
        assert opened(Raw(stored), "job.pay") == b'{"account":"acme"}'


def test_they_are_as_their_classes_say() -> None:
    first, second = spawn_jobs([Heavy(), Light()], "continue")
    assert (first.job, first.attempts, first.expires_s, first.weight) == ("job.heavy", 7, 60.0, 3)
    assert (second.job, second.expires_s, second.weight, second.partition) == ("job.light", None, 1, "")
    assert bytes(first.arguments) == b'{"n":1}' and first.unique is None


def test_what_is_one_with_others_is_no_child() -> None:
    with pytest.raises(Refused, match="Once has a `unique`"):
        spawn_jobs([Once(account="acme")], "fail")
