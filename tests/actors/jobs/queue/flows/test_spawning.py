"""Children that a job adds while it is worked on: once, in the append that remembers them, and waited for."""

from typing import Any

import pytest
from msgspec import Raw

from greenroom import Job, Refused, Unique, Work
from greenroom.actors.jobs.options import ARGUMENTS_MAX, decode_options
from greenroom.actors.jobs.queue.control import Why
from greenroom.actors.jobs.queue.flows import spawning
from greenroom.actors.jobs.queue.flows.messages import Spawn, SpawnJob
from greenroom.actors.jobs.queue.messages import Add, Finished, Take, Taken
from greenroom.actors.jobs.queue.single.steering import CancelJob, RetryJob
from greenroom.store.jobs.filter import state_of
from greenroom.store.jobs.sealing import ARGUMENTS, CannotOpen, Place, keys_for, opened
from greenroom.supervisors.testing.reads import KitReads
from greenroom.testing import JobKit


class Part(Job, queue="q", tag="job.part"):
    number: int = 0

    async def run(self, work: Work) -> int:
        if self.number < 0:
            raise ValueError("none")
        return self.number


class Elsewhere(Job, queue="b", tag="job.elsewhere"):
    async def run(self, work: Work) -> str:
        return "there"


class Whole(Job, queue="q", tag="job.whole"):
    parts: int
    elsewhere: bool = False

    async def run(self, work: Work) -> Any:
        await work.spawn("parts", [Part(number=n) for n in range(self.parts)])
        if self.elsewhere:
            await work.spawn("elsewhere", [Elsewhere()])
        return [one.result for one in await work.children()]


KEY = Unique("number").key_of(Part(number=1))


def kit() -> JobKit:
    return JobKit(Part, Whole, Elsewhere)


class Hands:
    """A worker of one's own, of the queue `q`."""

    def __init__(self) -> None:
        self.jobs = kit()
        self.queue = self.jobs.queue("q")

    def take(self) -> Taken:
        return self.queue.ask_later(Take(worker="w")).reply

    def spawn(self, taken: Taken, group: str = "g", *numbers: int, job: int = 0, **how: Any) -> list[str]:
        jobs = [SpawnJob(job="job.part", **how) for _ in numbers or (0,)]
        spawn = Spawn(worker="w", id=taken.jobs[job].id, token=taken.token, group=group, jobs=jobs)
        return list(self.queue.ask_later(spawn).reply.ids)

    def spawn_none(self, taken: Taken, group: str) -> list[str]:
        spawn = Spawn(worker="w", id=taken.jobs[0].id, token=taken.token, group=group, jobs=[])
        return list(self.queue.ask_later(spawn).reply.ids)

    def finish(self, taken: Taken, **how: Any) -> None:
        (job,) = taken.jobs
        self.queue.ask(Take(worker="w", most=0, finished=[Finished(job.id, taken.token, **how)]))

    def parent(self) -> Taken:
        self.jobs.add(Whole(parts=1))
        return self.take()

    def state(self, job_id: str) -> str:
        tables = self.jobs._tables
        if job_id in tables.done:
            return tables.done[job_id][1].state
        known = self.queue.actor.desk.jobs[job_id]
        stored = state_of(tables.jobs[job_id], self.queue.actor.now_ms, is_taken=bool(known.token))
        assert stored == self.queue.actor.desk.stands(known, self.queue.actor.now_ms)
        return stored

    def lose(self) -> None:
        """The next life begins with what is stored."""
        del self.jobs._queues["q"]
        self.queue = self.jobs.queue("q")


def test_a_job_rests_while_its_children_are_worked_on_and_is_begun_again() -> None:
    jobs = kit()
    outcome = jobs.run(Whole(parts=3))
    assert (outcome.state, outcome.result, outcome.begun, outcome.errors) == ("completed", [0, 1, 2], 2, [])


def test_children_of_other_queues_too() -> None:
    jobs = kit()
    jobs.add(Whole(parts=1, elsewhere=True))
    jobs.drain("q")
    jobs.drain("b")
    (outcome,) = jobs.drain("q")
    assert outcome.result == [0, "there"]


def test_what_an_attempt_has_added_the_next_one_is_told_of() -> None:
    one = Hands()
    parent = one.parent()
    ids = one.spawn(parent, "g", 1, 2)
    assert one.spawn(parent, "g", 1) == ids, "said twice, as after an answer that was lost"
    one.finish(parent, error="no", retry_s=0.0)
    one.lose()
    again = one.take()
    while again.jobs[0].id != parent.jobs[0].id:
        again = one.take()
    assert one.spawn(again, "g") == ids and one.spawn(again, "h") != ids


@pytest.mark.parametrize("how", ["one life", "another life", "tried again by hand"])
def test_that_it_has_added_nothing_the_next_attempt_is_told_too(how: str) -> None:
    one = Hands()
    parent = one.parent()
    assert one.spawn_none(parent, "g") == []
    one.finish(parent, error="no", retry_s=0.0, final=how == "tried again by hand")
    if how == "tried again by hand":
        one.queue.ask(RetryJob(id=parent.jobs[0].id))
    elif how == "another life":
        one.lose()
    again = one.take()
    assert one.spawn(again, "g", 1, 2) == [], "whatever it finds by now"
    assert one.spawn(again, "h") != []
    one.finish(again, refund=True, rests=True)
    assert one.state(parent.jobs[0].id) == "blocked"


@pytest.mark.bound("groups without children that one job remembers")
def test_of_so_many_groups_without_children_the_next_attempt_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spawning, "EMPTY_MAX", 2)
    one = Hands()
    parent = one.parent()
    assert [one.spawn_none(parent, group) for group in "aabbc"] == [[]] * 5
    options = one.queue.actor.desk.jobs[parent.jobs[0].id].options
    assert options is not None and options.empty == ("a", "b")
    assert one.spawn(parent, "c") != [] and one.spawn(parent, "b") == []


@pytest.mark.parametrize("lost", [False, True], ids=["one life", "another life"])
def test_one_that_rests_has_no_worker_and_is_blocked_also_in_another_life(lost: bool) -> None:
    one = Hands()
    parent = one.parent()
    (child,) = one.spawn(parent)
    one.finish(parent, refund=True, rests=True)
    if lost:
        one.lose()
    (parent_id,) = [job.id for job in parent.jobs]
    assert one.state(parent_id) == "blocked"
    assert one.queue.ask(Why(id=parent_id)).why == f"it waits for 1 others: {child}"
    taken = one.take()
    assert [job.id for job in taken.jobs] == [child] and not one.take().jobs
    one.finish(taken)
    if lost:
        one.lose()
    again = one.take()
    assert [(job.id, job.attempt) for job in again.jobs] == [(parent_id, 1)], "it was no attempt"
    one.finish(again)
    assert one.state(parent_id) == "completed"


def test_one_that_returns_is_not_completed_before_its_children() -> None:
    one = Hands()
    parent = one.parent()
    one.spawn(parent)
    one.finish(parent)
    assert one.state(parent.jobs[0].id) == "blocked"
    one.finish(one.take())
    one.finish(one.take())
    assert one.state(parent.jobs[0].id) == "completed"


@pytest.mark.parametrize(("on_failure", "then"), [("fail", "failed"), ("ignore", "waiting"), ("continue", "waiting")])
def test_what_a_childs_failing_means_is_said_for_each(on_failure: Any, then: str) -> None:
    one = Hands()
    parent = one.parent()
    ids = one.spawn(parent, "g", 1, 2, on_failure=on_failure)
    one.finish(parent, refund=True, rests=True)
    one.finish(one.take(), error="no", final=True)
    parent_id = parent.jobs[0].id
    if on_failure == "ignore":
        assert one.state(parent_id) == "blocked"
        one.finish(one.take())
    assert one.state(parent_id) == then
    if on_failure == "fail":
        assert [one.state(child) for child in ids] == ["failed", "cancelled"]
    if on_failure == "continue":
        again = one.take()
        while again.jobs[0].id != parent_id:
            again = one.take()
        one.finish(again)
        assert one.state(parent_id) == "completed", "it does not rest for the other one"


def test_cancelled_it_takes_its_children_with_it_also_those_that_it_has_gone_on_without() -> None:
    one = Hands()
    parent = one.parent()
    first = one.spawn(parent, "g", 1, 2, on_failure="continue")
    one.finish(parent, refund=True, rests=True)
    one.finish(one.take(), error="no", final=True)
    again = one.take()
    while again.jobs[0].id != parent.jobs[0].id:
        again = one.take()
    second = one.spawn(again, "h")
    one.finish(again, refund=True, rests=True)
    assert one.queue.ask(CancelJob(id=parent.jobs[0].id)).state == "cancelled"
    left = {one.state(child) for child in first + second}
    assert left <= {"failed", "cancelled", "cancelling"} and "waiting" not in left


def test_tried_again_it_waits_for_children_that_are_tried_again_with_it() -> None:
    one = Hands()
    parent = one.parent()
    (child,) = one.spawn(parent)
    one.finish(parent, refund=True, rests=True)
    one.finish(one.take(), error="no", final=True)
    parent_id = parent.jobs[0].id
    assert one.state(parent_id) == "failed"
    one.queue.ask_later(RetryJob(id=parent_id))
    assert one.state(parent_id) == "blocked"
    taken = one.take()
    assert [job.id for job in taken.jobs] == [child]
    one.finish(taken)
    again = one.take()
    assert [job.id for job in again.jobs] == [parent_id] and one.spawn(again) == [child]


def test_one_that_has_no_children_to_wait_for_has_failed_an_attempt() -> None:
    one = Hands()
    parent = one.parent()
    one.finish(parent, refund=True, rests=True)
    (row,) = one.jobs._tables.jobs.values()
    assert row.attempts == 1
    (error,) = one.jobs._errors[row.id]
    assert error["error"].startswith("it is to wait for jobs that it has added, and there are none")


def test_one_that_was_begun_does_not_expire_while_it_rests() -> None:
    one = Hands()
    one.jobs.add(Whole(parts=1), expires_s=5.0)
    parent = one.take()
    one.spawn(parent)
    one.finish(parent, refund=True, rests=True)
    one.jobs.advance(10.0)
    assert one.state(parent.jobs[0].id) == "blocked"


def refusal(one: Hands, taken: Taken, *numbers: int, **how: Any) -> str:
    before = set(one.jobs._tables.jobs)
    with pytest.raises(Refused) as caught:
        one.spawn(taken, "g", *numbers, **how)
    assert set(one.jobs._tables.jobs) == before
    return str(caught.value.name)


@pytest.mark.bound("jobs above one, each of which has added the next while it ran")
def test_only_so_deep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spawning, "SPAWN_DEPTH_MAX", 1)
    one = Hands()
    one.spawn(one.parent())
    child = one.take()
    assert refusal(one, child) == "queue.too_deep"


@pytest.mark.bound("arguments of the children that a job adds at once")
def test_only_so_many_and_so_much_and_none_that_are_one_with_others(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Hands()
    parent = one.parent()
    assert refusal(one, parent, unique=KEY) == "queue.unique_in_flow"
    with monkeypatch.context() as patched:
        patched.setattr(spawning, "WAITS_MAX", 1)
        assert refusal(one, parent, 1, 2) == "queue.too_many_children"
    with monkeypatch.context() as patched:
        patched.setattr(spawning, "SPAWN_BYTES_MAX", 1)
        assert refusal(one, parent) == "queue.group_too_long"
    assert refusal(one, parent, queue="é" * 200) == "queue.no_such_queue"
    assert refusal(one, parent, arguments=Raw(b'"%b"' % (b"x" * ARGUMENTS_MAX))) == "queue.arguments_too_long"
    assert refusal(one, parent, arguments=Raw(b"[]")) == "queue.arguments"
    one.finish(parent)
    assert refusal(one, parent) == "queue.lease_over"


def test_what_counts_is_all_that_it_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spawning, "WAITS_MAX", 2)
    one = Hands()
    parent = one.parent()
    one.spawn(parent, "f", 1)
    assert refusal(one, parent, 1, 2) == "queue.too_many_children"
    one.spawn(parent, "g", 1)


def test_one_that_is_one_with_others_adds_none() -> None:
    one = Hands()
    one.queue.ask(Add(job="job.whole", arguments=Raw(b'{"parts":1}'), unique=KEY))
    assert refusal(one, one.take()) == "queue.unique_in_flow"


def test_none_are_added_to_a_queue_that_was_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    async def is_forgotten(_: object, queues: list[str]) -> list[str]:
        return queues

    one = Hands()
    parent = one.parent()
    with monkeypatch.context() as patched:
        patched.setattr(KitReads, "forgotten", is_forgotten)
        assert refusal(one, parent, queue="b") == "queue.no_such_queue"
    one.spawn(parent, queue="b")


def test_children_are_for_whom_their_parent_is() -> None:
    one = Hands()
    row = Whole(parts=1).to_row(now_ms=int(one.jobs.now * 1000), by="ann")
    one.jobs._start([row])
    (child,) = one.spawn(one.take())
    options = decode_options(one.jobs._tables.jobs[child].options)
    assert options is not None and (options.by, options.depth) == ("ann", 1)


class Pays(Job, queue="b", tag="job.pays", encrypted=True):
    account: str

    async def run(self, work: Work) -> str:
        return self.account


class Settles(Job, queue="q", tag="job.settles"):
    async def run(self, work: Work) -> Any:
        await work.spawn("pay", [Pays(account=name) for name in ("ann", "bob")])
        return [one.result for one in await work.children()]


def test_children_that_are_encrypted_are_so_for_themselves_alone() -> None:
    with keys_for(bytes(32)):
        jobs = JobKit(Settles, Pays)
        jobs.add(Settles())
        jobs.drain("q")
        rows = [row for row in jobs._tables.jobs.values() if row.job == "job.pays"]
        first, second = rows
        for row, other in ((first, second), (second, first)):
            assert row.arguments is not None and opened(row.arguments, Place("job.pays", row.id, ARGUMENTS))
            with pytest.raises(CannotOpen):
                opened(row.arguments, Place("job.pays", other.id, ARGUMENTS))
        jobs.drain("b")
        (outcome,) = jobs.drain("q")
        assert outcome.result == ["ann", "bob"]
