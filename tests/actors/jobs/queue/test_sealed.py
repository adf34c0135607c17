"""What was added in the clear of a class that is encrypted is so no longer once its queue has found it."""

from typing import Any

import pytest
from msgspec import Raw
from msgspec.structs import replace

from greenroom import Job, Unique, WaitFor, Work
from greenroom.actors.jobs.ids import new_id
from greenroom.actors.jobs.installed import Jobs as InstalledJobs
from greenroom.actors.jobs.options import Options, UniqueKey
from greenroom.actors.jobs.queue import actor
from greenroom.actors.jobs.queue.desk import known
from greenroom.actors.jobs.queue.flows.messages import AddFlow, FlowJob
from greenroom.actors.jobs.queue.found import ReadClear
from greenroom.actors.jobs.queue.messages import Add, Finished, Found, Take
from greenroom.actors.jobs.queue.sealed import AGAIN_MS, CLEAR_MAX, ToRead, may_be_clear
from greenroom.actors.jobs.queue.single.steering import EditJob
from greenroom.store.jobs.jobs import LONG
from greenroom.store.jobs.sealing import ARGUMENTS, CannotOpen, Place, is_sealed, keys_for, opened, seal
from greenroom.store.journal.consequences.consequence import Tables
from greenroom.store.journal.consequences.jobs import JobRow, Jobs
from greenroom.supervisors.testing.reads import KitReads
from greenroom.testing import JobKit

IN_THE_CLEAR = b'{"account": "acme"}'


class Pay(Job, queue="money", tag="job.pay", encrypted=True):
    account: str
    note: str = ""

    async def run(self, work: Work) -> str:
        return self.account


def given_to(job: str) -> Place:
    return Place("job.pay", job, ARGUMENTS)


def added(jobs: JobKit, arguments: bytes = IN_THE_CLEAR, **fields: Any) -> str:
    """As SQL does."""
    row = replace(Pay(account="").to_row(now_ms=int(jobs.now * 1000)), arguments=arguments, **fields)
    jobs._start([row])
    return row.id


@pytest.mark.parametrize("awake", [True, False])
def test_it_is_encrypted_as_it_is_found_and_done(awake: bool) -> None:
    with keys_for(bytes(32)):
        jobs = JobKit(Pay)
        if awake:
            jobs.queue("money")
        job = added(jobs)
        jobs.advance(2.0)
        jobs.queue("money").tell(Found())
        stored = jobs._tables.jobs[job].arguments
        assert stored is not None and is_sealed(stored) and opened(stored, given_to(job)) == IN_THE_CLEAR
        (outcome,) = jobs.drain("money")
        assert outcome.result == "acme"


def test_what_is_long_is_encrypted_as_it_is_handed_out() -> None:
    with keys_for(bytes(32)):
        jobs = JobKit(Pay)
        text = b'{"account":"acme","note":"%s"}' % (b"x" * LONG)
        job = added(jobs, text)
        taken = jobs.queue("money").ask_later(Take(worker="w")).reply
        assert opened(taken.jobs[0].arguments, given_to(job)) == text
        stored = jobs._tables.jobs[job].arguments
        assert stored is not None and opened(stored, given_to(job)) == text
        jobs.queue("money").ask(Take(worker="w", most=0, finished=[Finished(job, taken.token, Raw(b"1"))]))


def test_so_it_is_behind_more_with_keys_than_are_settled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actor, "SETTLED_AT_ONCE", 2)
    with keys_for(bytes(32)):
        jobs = JobKit(Pay)
        first = [_keyed(jobs, n, job="job.elsewhere") for n in range(5)]
        last = _keyed(jobs, 5)
        Jobs(started=[*first, last]).land(Tables(), jobs._database)
        kit = jobs.queue("money")
        for _ in range(4):
            kit.tell(Found())
        assert kit.actor.desk.jobs.keys() == {row.id for row in (*first, last)}
        stored = jobs._tables.jobs[last.id].arguments
        assert stored is not None and opened(stored, given_to(last.id)) == IN_THE_CLEAR


def _keyed(jobs: JobKit, n: int, **fields: Any) -> JobRow:
    row = replace(Pay(account="").to_row(now_ms=int(jobs.now * 1000) + n), arguments=IN_THE_CLEAR, **fields)
    return replace(row, options=Options(unique=UniqueKey(f"k{n}")).encode(), unique_key=f"k{n}")


def test_without_a_key_it_stays_as_it_is() -> None:
    with keys_for(bytes(32)):
        jobs = JobKit(Pay)
        row = Pay(account="").to_row(now_ms=int(jobs.now * 1000))
    row.arguments = IN_THE_CLEAR
    with keys_for():
        jobs._start([row])
        assert jobs._tables.jobs[row.id].arguments == IN_THE_CLEAR


def test_what_was_edited_while_it_was_read_stays_as_it_was_edited(monkeypatch: pytest.MonkeyPatch) -> None:
    text = b'{"account":"before","note":"%s"}' % (b"x" * LONG)
    asked: list[str] = []
    with keys_for(bytes(32)):
        jobs = JobKit(Pay)
        kit = jobs.queue("money")
        with monkeypatch.context() as patched:
            patched.setattr(KitReads, "read_clear", lambda self, queue, ids: asked.extend(ids))
            job = added(jobs, text)
            assert asked == [job] and kit.actor.desk.jobs[job].arguments is None
            kit.ask_later(EditJob(id=job, arguments=Raw(b'{"account":"after"}')))
        kit.bring(ReadClear(ids=asked, arguments={job: text}))
        stored = jobs._tables.jobs[job].arguments
        assert stored is not None and opened(stored, given_to(job)) == b'{"account":"after"}'
        (outcome,) = jobs.drain("money")
        assert outcome.result == "after"


@pytest.mark.bound("jobs that may be in the clear whose arguments are read at once")
def test_what_is_long_is_read_a_few_at_a_time_and_the_next_once_that_is_handled() -> None:
    jobs = dict.fromkeys(map(str, range(2 * CLEAR_MAX)))
    to_read = ToRead()
    to_read.add(jobs)
    first, last = list(jobs)[:CLEAR_MAX], list(jobs)[CLEAR_MAX:]
    assert to_read.next_ids(0, jobs) == first and to_read.next_ids(1, jobs) == []
    to_read.came(["0"])
    assert to_read.next_ids(2, jobs) == [], "which nobody has asked for"
    to_read.came(first)
    assert to_read.next_ids(3, jobs) == last
    to_read.came(last)
    assert to_read.next_ids(AGAIN_MS * 2, jobs) == []


def test_what_does_not_come_is_asked_for_again_unless_it_has_ended() -> None:
    to_read = ToRead()
    to_read.add(["a", "b"])
    assert to_read.next_ids(0, ["a", "b"]) == ["a", "b"]
    assert to_read.next_ids(AGAIN_MS - 1, ["b"]) == []
    assert to_read.next_ids(AGAIN_MS, ["b"]) == ["b"]
    assert to_read.next_ids(2 * AGAIN_MS, []) == [] == to_read.next_ids(2 * AGAIN_MS, ["b"])


def test_what_was_read_and_got_lost_is_encrypted_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the mailbox was full just then."""
    lost: list[object] = []
    text = b'{"account":"acme","note":"%s"}' % (b"x" * LONG)
    with keys_for(bytes(32)):
        jobs = JobKit(Pay)
        jobs.pause("money")
        with monkeypatch.context() as patched:
            patched.setattr(KitReads, "read_clear", lambda self, queue, ids: lost.append(ids))
            job = added(jobs, text)
        assert lost == [[job]] and jobs._tables.jobs[job].arguments == text
        jobs.advance(2 * AGAIN_MS / 1000)
        stored = jobs._tables.jobs[job].arguments
        assert stored is not None and opened(stored, given_to(job)) == text


@pytest.mark.parametrize("how", ["cancelled", "expired", "a duplicate", "begun at once"])
@pytest.mark.parametrize("is_long", [True, False])
def test_nothing_stays_in_the_clear_of_one_that_ends_before_it_is_encrypted(
    monkeypatch: pytest.MonkeyPatch, how: str, is_long: bool
) -> None:
    """As where more are found than are encrypted at once."""
    monkeypatch.setattr(actor, "SETTLED_AT_ONCE", 0)
    monkeypatch.setattr(JobKit, "_decode", lambda self, row: Pay(account=""))  # of one that has ended it shows them
    text = b'{"account":"acme","note":"%s"}' % (b"x" * LONG) if is_long else IN_THE_CLEAR
    with keys_for(bytes(32)):
        jobs = JobKit(Pay)
        kit = jobs.queue("money")
        options = Options(
            expires_ms=int(jobs.now * 1000) + 5_000 if how == "expired" else 0,
            unique=UniqueKey("k", "keep_last") if how == "a duplicate" else None,
        )
        job = added(jobs, text, options=options.encode(), unique_key="k" if how == "a duplicate" else None)
        kit.tell(Found())
        assert jobs._tables.jobs[job].arguments == text
        match how:
            case "cancelled":
                jobs.cancel(job)
            case "expired":
                jobs.advance(6.0)
            case "a duplicate":
                added(jobs, text, options=options.encode(), unique_key="k")
                kit.tell(Found())
            case _:
                taken = kit.ask_later(Take(worker="w")).reply
                kit.ask(Take(worker="w", most=0, finished=[Finished(job, taken.token, Raw(b"1"))]))
        stored = jobs._tables.done[job][0].arguments
        assert stored is not None and is_sealed(stored)
        if is_long and how != "begun at once":  # which it was encrypted for
            with pytest.raises(CannotOpen, match="removed when its job had ended"):
                opened(stored, given_to(job))
        else:
            assert opened(stored, given_to(job)) == text


def test_what_is_long_and_encrypted_stays_as_it_ends() -> None:
    with keys_for(bytes(32)):
        jobs = JobKit(Pay)
        job = new_id(int(jobs.now * 1000))
        sealed = seal(b'{"account":"%s"}' % (b"x" * LONG), given_to(job))
        added(jobs, sealed, id=job)
        jobs.queue("money").tell(Found())
        jobs.cancel(job)
        assert jobs._tables.done[job][0].arguments == sealed


@pytest.mark.parametrize("is_long", [True, False])
def test_what_was_added_before_its_class_was_encrypted_is_not_lost_as_it_ends(
    monkeypatch: pytest.MonkeyPatch, is_long: bool
) -> None:
    monkeypatch.setattr(JobKit, "_decode", lambda self, row: Pay(account=""))  # of one that has ended it shows them
    text = b'{"account":"acme","note":"%s"}' % (b"x" * LONG) if is_long else IN_THE_CLEAR
    with keys_for(bytes(32)):
        jobs = JobKit(Pay)
        row = replace(Pay(account="").to_row(now_ms=int(jobs.now * 1000)), arguments=text)
        jobs._tables.jobs[row.id] = row
        jobs.queue("money")
        jobs.cancel(row.id)
        stored = jobs._tables.done[row.id][0].arguments
        assert stored is not None and (stored if is_long else opened(stored, given_to(row.id))) == text


class Latest(Job, queue="money", tag="job.latest", encrypted=True):
    account: str
    n: int
    unique = Unique("account", mode="keep_last")

    async def run(self, work: Work) -> int:
        return self.n


def test_what_a_job_is_given_in_place_of_another_opens_there() -> None:
    """Of those with one key the first one's id stays, with what the last one was given."""
    with keys_for(bytes(32)):
        jobs = JobKit(Latest)
        kit, unique = jobs.queue("money"), UniqueKey("k", "keep_last")
        first, last = (
            kit.ask(Add(job="job.latest", arguments=Raw(b'{"account":"acme","n":%d}' % n), unique=unique)).id
            for n in (1, 2)
        )
        stored = jobs._tables.jobs[first].arguments
        assert first == last and stored is not None
        assert opened(stored, Place("job.latest", first, ARGUMENTS)) == b'{"account":"acme","n":2}'
        (outcome,) = jobs.drain("money")
        assert outcome.result == 2


class Sums(Job, queue="money", tag="job.sums"):
    async def run(self, work: Work) -> list[Any]:
        return [one.result for one in await work.children()]


def test_who_waits_for_one_that_was_replaced_opens_what_the_other_has_come_to() -> None:
    with keys_for(bytes(32)):
        jobs = JobKit(Latest, Sums)
        first, last = (Latest(account="a", n=n).to_row(now_ms=int(jobs.now * 1000)) for n in (1, 2))
        jobs._start([first])
        flow = AddFlow(jobs=[FlowJob(name="sums", job="job.sums", after=[WaitFor(first.id)])])
        sums = jobs.queue("money").ask(flow).ids["sums"]
        jobs._start([last])
        assert {one.id: one.result for one in jobs.drain("money")}[sums] == [2]


@pytest.mark.parametrize("is_of_others", [True, False])
@pytest.mark.parametrize("is_laden", [True, False])
def test_what_is_long_is_encrypted_before_anybody_is_handed_it_and_so_not_lost(
    monkeypatch: pytest.MonkeyPatch, is_of_others: bool, is_laden: bool
) -> None:
    """Nor left in the clear, of what the queue itself has added before its class was encrypted: it ends as it likes."""
    monkeypatch.setattr(JobKit, "_decode", lambda self, row: Pay(account=""))  # of one that has ended it shows them
    text = b'{"account":"acme","note":"%s"}' % (b"x" * LONG) if not is_laden else IN_THE_CLEAR
    if is_laden:
        monkeypatch.setattr(known, "ARGUMENTS_BYTES_MAX", 0)
    with keys_for(bytes(32)):
        jobs = JobKit(Pay)
        row = replace(Pay(account="").to_row(now_ms=int(jobs.now * 1000)), arguments=text)
        if is_of_others:
            Jobs(started=[row]).land(Tables(), jobs._database)
        else:
            jobs._tables.jobs[row.id] = row
        jobs.queue("money").tell(Found())
        stored = jobs._tables.jobs[row.id].arguments
        assert stored is not None and opened(stored, given_to(row.id)) == text
        jobs.cancel(row.id)
        assert jobs._tables.done[row.id][0].arguments == stored


def test_only_what_may_be_in_the_clear_is_looked_at() -> None:
    with keys_for(bytes(32)):
        row = Pay(account="").to_row(now_ms=5)
        installed = InstalledJobs([Pay])
        assert not may_be_clear(row, installed) and not may_be_clear(replace(row, job="job.other"), installed)
        assert may_be_clear(replace(row, arguments=None), installed)
        assert may_be_clear(replace(row, arguments=IN_THE_CLEAR), installed)
