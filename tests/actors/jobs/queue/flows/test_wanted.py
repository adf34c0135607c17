"""Jobs that a job adds, as their queue is told: as their classes say, and encrypted before they leave."""

import pytest
from msgspec import Raw

from greenroom import Job, Refused, Unique
from greenroom.actors.jobs.installed import InstalledJob
from greenroom.actors.jobs.queue.flows.wanted import spawn_jobs
from greenroom.store.jobs.sealing import keys_for, opened


class Pay(Job, queue="money", tag="job.pay", encrypted=True):
    account: str
    partition = "account"
    priority = 2

    def run(self, work: object) -> None: ...


class Once(Job, queue="money", tag="job.once"):
    account: str
    unique = Unique("account")


def test_what_is_encrypted_is_so_once_and_before_it_is_sent() -> None:
    with keys_for(bytes(32)):
        (job,) = spawn_jobs([Pay(account="acme")], "ignore")
        assert (job.queue, job.partition, job.priority, job.on_failure) == ("money", "acme", 2, "ignore")
        stored = InstalledJob(Pay).sealed(job.arguments)
        assert opened(Raw(stored), "job.pay") == b'{"account":"acme"}'


def test_what_is_one_with_others_is_no_child() -> None:
    with pytest.raises(Refused, match="Once has a `unique`"):
        spawn_jobs([Once(account="acme")], "fail")
