"""Jobs that a job adds, as their queue is told: as their classes say, and encrypted before they leave."""

import pytest

from greenroom import Job, JobLimits, Refused, Retry, Unique
from greenroom.actors.jobs.ids import ID
from greenroom.actors.jobs.queue.flows.wanted import child_id, encrypted, wanted
from greenroom.store.jobs.sealing import ARGUMENTS, Place, is_for, keys_for, named, opened


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
    some = wanted([Light(), Pay(account="acme")], "ignore")  # in a process of its own, say, which has no key
    assert [one.encrypts for one in some] == [False, True]
    with keys_for(bytes(32)):
        light, job = encrypted(some, "a" * 32, 7 << 10, "g")
        assert light == some[0].job and b"acme" not in bytes(job.arguments)
        assert (job.queue, job.partition, job.priority, job.on_failure) == ("money", "acme", 2, "ignore")
        place = Place("job.pay", child_id("a" * 32, 7 << 10, "g", 1), ARGUMENTS)
        assert opened(named(job.arguments, "job.pay"), place) == b'{"account":"acme"}'
        assert not is_for(job.arguments, place), "a queue of the release before, which gives it another id, refuses it"
    with keys_for(), pytest.raises(Refused, match="GREENROOM_JOBS_KEYS is unset"):
        encrypted(some, "a" * 32, 7 << 10, "g")


def test_the_id_of_an_encrypted_child_follows_from_who_adds_it() -> None:
    ids = [child_id("a" * 32, 7 << 10, "g", number) for number in range(3)]
    assert ids == sorted(ids) and ids[0] == child_id("a" * 32, 7 << 10, "g", 0)
    others = (("b" * 32, 7 << 10, "g"), ("a" * 32, 8 << 10, "g"), ("a" * 32, 7 << 10, "h"))
    assert len({*ids, *(child_id(*one, 0) for one in others)}) == 6
    assert all(ID.fullmatch(one) and int(one, 16) >> 80 == 7 for one in ids)


def test_they_are_as_their_classes_say() -> None:
    first, second = (one.job for one in wanted([Heavy(), Light()], "continue"))
    assert (first.job, first.attempts, first.expires_s, first.weight) == ("job.heavy", 7, 60.0, 3)
    assert (second.job, second.expires_s, second.weight, second.partition) == ("job.light", None, 1, "")
    assert bytes(first.arguments) == b'{"n":1}' and first.unique is None


def test_what_is_one_with_others_is_no_child() -> None:
    with pytest.raises(Refused, match="Once has a `unique`"):
        wanted([Once(account="acme")], "fail")
