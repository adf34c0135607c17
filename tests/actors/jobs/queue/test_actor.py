"""A queue alone, in the kit: who may do what, who waits for jobs, and what time does."""

from typing import Any

import msgspec
import pytest
from msgspec import Raw
from msgspec.structs import replace

from greenroom import Ask, Job, Refused, Work
from greenroom.actors.jobs.installed import Jobs as InstalledJobs
from greenroom.actors.jobs.options import ARGUMENTS_MAX
from greenroom.actors.jobs.queue import Queue, queue_of
from greenroom.actors.jobs.queue.actor import BACK_MS, ClockSetBack
from greenroom.actors.jobs.queue.desk import LEASE_MS
from greenroom.actors.jobs.queue.flows.messages import AddFlow, FlowJob, Spawn, SpawnJob
from greenroom.actors.jobs.queue.messages import (
    Add,
    AddMany,
    Beat,
    Complete,
    Fail,
    Finished,
    Leave,
    NewJob,
    Take,
    Taken,
)
from greenroom.actors.jobs.queue.single.beats import SILENT_MS
from greenroom.actors.jobs.queue.single.steering import EditJob
from greenroom.actors.jobs.queue.single.telling import StepDone
from greenroom.store.jobs.sealing import ARGUMENTS, Place, as_step, keys_for, opened, seal
from greenroom.store.journal.consequences.jobs import Jobs
from greenroom.testing import Kit


def queue() -> Kit[Queue]:
    return Kit(Queue, key="media")


def given_to(job: str) -> Place:
    return Place("job.pay", job, ARGUMENTS)


def add(kit: Kit[Queue], *numbers: int, **fields: Any) -> list[str]:
    return [kit.ask(Add(job="job.x", arguments=Raw(b'{"n":%d}' % number), **fields)).id for number in numbers]


def arguments(taken: Taken) -> list[int]:
    return [msgspec.json.decode(job.arguments)["n"] for job in taken.jobs]


def test_jobs_come_out_in_the_order_in_which_they_went_in() -> None:
    kit = queue()
    add(kit, 1, 2)
    kit.ask(AddMany(jobs=[NewJob("job.x", Raw(b'{"n":3}')), NewJob("job.x", Raw(b'{"n":4}'))]))
    assert arguments(kit.ask(Take(worker="w", most=3))) == [1, 2, 3]
    assert arguments(kit.ask(Take(worker="v", most=3))) == [4]
    assert kit.ask(Take(worker="u", most=3)) == Taken(), "nothing is left, and nobody waits"


NO_JSON = [b'{"n":1e999}', b'{"n":"\xff"}']


@pytest.mark.parametrize("wrong", [*NO_JSON, b"1", b"[]", b"null"], ids=lambda wrong: repr(wrong[:20]))
def test_arguments_that_are_no_json_object_are_refused_and_none_of_the_others_is_added(wrong: bytes) -> None:
    kit = queue()
    with pytest.raises(Refused, match=r"queue\.arguments"):
        kit.ask(AddMany(jobs=[NewJob("job.x"), NewJob("job.x", Raw(wrong))]))
    assert kit.view()["unfinished"] == 0


@pytest.mark.parametrize("wrong", NO_JSON, ids=lambda wrong: repr(wrong[:20]))
def test_a_result_that_is_no_json_is_not_kept_and_holds_up_none_of_the_others(wrong: bytes) -> None:
    kit = queue()
    ids = add(kit, 1, 2)
    token = kit.ask(Take(worker="w", most=2)).token
    with pytest.raises(Refused, match=r"queue\.result"):
        kit.ask(StepDone(worker="w", id=ids[0], token=token, name="a", result=Raw(wrong)))
    writes = Jobs()
    finished = [Finished(ids[0], token, Raw(wrong)), Finished(ids[1], token, Raw(b"1"))]
    assert kit.actor.desk.finish("w", finished, int(kit.now * 1000), writes) == []
    assert [(writes.ended[id].state, writes.ended[id].result) for id in ids] == [("failed", None), ("completed", b"1")]
    assert b"its result is no JSON: " in (writes.ended[ids[0]].error or b"")


def test_whoever_waits_has_the_next_job_as_soon_as_it_is_added() -> None:
    kit = queue()
    first, second = (kit.ask_later(Take(worker=name, wait_s=10.0)) for name in "vw")
    assert not first.is_answered and not second.is_answered
    add(kit, 1)
    assert arguments(first.reply) == [1] and not second.is_answered
    add(kit, 2)
    assert arguments(second.reply) == [2]


@pytest.mark.parametrize(("set_s", "waited_s"), [(3.0, 3.0), (3_600.0, 10.0), (-1.0, 0.0)])
def test_who_has_waited_while_the_clock_was_set_has_waited_no_longer_than_it_wanted_to(
    set_s: float, waited_s: float
) -> None:
    """A worker counts from when it asked: its lease would lie in the future."""
    kit = queue()
    waiting = kit.ask_later(Take(worker="w", wait_s=10.0))
    kit._world.now_s += set_s
    add(kit, 1)
    assert waiting.reply.waited_s == pytest.approx(waited_s)


def test_whoever_has_waited_long_enough_hears_so_and_is_given_nothing_later() -> None:
    kit = queue()
    waiting = kit.ask_later(Take(worker="w", wait_s=10.0))
    kit.advance(9.0)
    assert not waiting.is_answered
    kit.advance(2.0)
    assert waiting.reply == Taken()
    add(kit, 1)
    assert arguments(kit.ask(Take(worker="v"))) == [1]


def test_a_job_for_later_comes_when_it_is_due() -> None:
    kit = queue()
    waiting = kit.ask_later(Take(worker="w", wait_s=30.0))
    add(kit, 1, delay_s=5.0)
    kit.advance(4.9)
    assert not waiting.is_answered
    kit.advance(0.2)
    assert arguments(waiting.reply) == [1]


def test_a_worker_says_what_became_of_one_job_as_it_takes_the_next() -> None:
    kit = queue()
    ids = add(kit, 1, 2)
    taken = kit.ask(Take(worker="w"))
    again = kit.ask(Take(worker="w", finished=[Finished(ids[0], taken.token, Raw(b"1")), Finished(ids[1], 5)]))
    assert arguments(again) == [2] and again.refused == [ids[1]]
    assert kit.view()["unfinished"] == 1


def test_one_at_a_time_as_workers_over_http_do() -> None:
    kit = queue()
    ids = add(kit, 1, 2)
    taken = kit.ask(Take(worker="w", most=2))
    kit.ask(Complete(worker="w", id=ids[0], token=taken.token, result={"url": "x"}))
    kit.ask(Fail(worker="w", id=ids[1], token=taken.token, error="no", retry_s=1.0))
    with pytest.raises(Refused, match="does not have that job"):
        kit.ask(Complete(worker="w", id=ids[0], token=taken.token))
    kit.advance(1.1)
    (job,) = kit.ask(Take(worker="w")).jobs
    assert (job.id, job.attempt) == (ids[1], 2)


def test_a_worker_that_falls_silent_loses_its_jobs_and_one_that_beats_does_not() -> None:
    kit = queue()
    ids = add(kit, 1)
    taken = kit.ask(Take(worker="w"))
    for _ in range(5):
        kit.advance(LEASE_MS / 2_000)
        assert kit.ask(Beat(worker="w", tokens=[taken.token])).void == []
    waiting = kit.ask_later(Take(worker="v", wait_s=30.0))
    kit.advance(LEASE_MS / 1_000 + 1)
    assert [job.id for job in waiting.reply.jobs] == ids
    assert kit.ask(Beat(worker="w", tokens=[taken.token])).void == [taken.token]


def test_a_worker_that_leaves_gives_back_what_it_has_and_waits_no_more() -> None:
    kit = queue()
    add(kit, 1)
    kit.ask(Take(worker="w"))
    waiting = kit.ask_later(Take(worker="w", wait_s=30.0))
    kit.ask(Leave(worker="w"))
    assert waiting.reply == Taken()
    (job,) = kit.ask(Take(worker="v")).jobs
    assert job.attempt == 1


def test_a_worker_is_given_what_it_can_work_on() -> None:
    kit = queue()
    kit.ask(Add(job="job.y", arguments=Raw(b'{"n":1}')))
    waiting = kit.ask_later(Take(worker="w", knows=["job.x"], wait_s=30.0))
    assert not waiting.is_answered
    add(kit, 2)
    assert arguments(waiting.reply) == [2]
    assert arguments(kit.ask(Take(worker="v"))) == [1]


@pytest.mark.parametrize(
    "message",
    [
        Add(job="job.x"),
        AddMany(jobs=[]),
        Take(worker="w"),
        Beat(worker="w"),
        Complete(worker="w", id="0" * 32, token=1),
        Fail(worker="w", id="0" * 32, token=1),
        Leave(worker="w"),
    ],
    ids=lambda message: type(message).__name__,
)
def test_only_services_and_admins_speak_to_it(message: Any) -> None:
    kit = queue()
    with pytest.raises(Refused, match="only the roles"):
        kit.ask(message, user="ann")
    if not isinstance(message, (Complete, Fail)):
        kit.ask(message, user="svc", roles=("service",))


def test_too_long_arguments_are_refused_and_nothing_of_them_is_added() -> None:
    kit = queue()
    long = NewJob("job.x", Raw(b'"' + b"x" * ARGUMENTS_MAX + b'"'))
    with pytest.raises(Refused, match="more than"):
        kit.ask(AddMany(jobs=[NewJob("job.x"), long]))
    assert kit.view()["unfinished"] == 0


def test_it_stays_awake_while_it_has_jobs_or_somebody_waits() -> None:
    kit = queue()
    assert kit.actor.may_sleep()
    ids = add(kit, 1)
    assert not kit.actor.may_sleep()
    taken = kit.ask(Take(worker="w"))
    assert not kit.actor.may_sleep()
    kit.ask(Complete(worker="w", id=ids[0], token=taken.token))
    assert kit.actor.may_sleep()
    kit.ask_later(Take(worker="w", wait_s=30.0))
    assert not kit.actor.may_sleep()


@pytest.mark.bound("workers that wait at one queue")
def test_one_worker_too_many_is_refused_before_anything_it_says_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("greenroom.actors.jobs.queue.actor.TAKERS_MAX", 2)
    kit = queue()
    ids = add(kit, 1)
    taken = kit.ask(Take(worker="u"))
    waiting = [kit.ask_later(Take(worker=name, wait_s=10.0)) for name in "vw"]
    with pytest.raises(Refused, match="wait already"):
        kit.ask(Take(worker="u", wait_s=10.0, finished=[Finished(ids[0], taken.token)]))
    assert kit.view()["unfinished"] == 1 and not any(one.is_answered for one in waiting)


def test_workers_that_can_do_nothing_here_are_not_asked_one_by_one() -> None:
    """Of those that know the same, one is enough to find out."""
    kit = queue()
    for number in range(50):
        kit.ask_later(Take(worker=f"w{number}", knows=["job.y", "job.z"], wait_s=30.0))
    asked: list[str] = []
    take = kit.actor.desk.take

    def counted(worker: str, *others: Any) -> Any:
        asked.append(worker)
        return take(worker, *others)

    kit.actor.desk.take = counted  # type: ignore[method-assign,assignment]
    add(kit, 1)
    assert len(asked) == 1


def test_looks_at_time_do_not_multiply() -> None:
    """Each job that is due before all others has it looked at time once more, and not for ever after."""
    kit = queue()
    kit.ask_later(Take(worker="w", most=1, wait_s=30.0))
    for _ in range(20):
        waiting = [kit.ask_later(Take(worker="w", most=1, wait_s=30.0)) for _ in range(9)]
        for number in range(9):
            add(kit, number, delay_s=0.09 - number / 100)
        kit.advance(0.1)
        assert sum(one.is_answered for one in waiting) >= 8
    kit.advance(1.0)
    assert kit.actor.afters == 1


def test_there_are_never_too_many_looks_at_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("greenroom.actors.jobs.queue.actor.TICKS_MAX", 5)
    kit = queue()
    waiting = kit.ask_later(Take(worker="w", most=1, wait_s=30.0))
    for number in range(20):
        add(kit, number, delay_s=0.4 - number / 100)
        assert kit.actor.afters <= 5
    kit.advance(0.37)
    assert arguments(waiting.reply) == [19], "with the first that was on its way"


def test_while_nobody_works_the_view_is_seldom_made_anew() -> None:
    kit = queue()
    add(kit, 1, delay_s=1_000.0)
    for _ in range(10):
        kit.advance(60.0)
        assert kit.actor.afters == 1
    assert kit.view()["delayed"] == 1
    kit.advance(500.0)
    assert (kit.view()["waiting"], kit.view()["oldest_ms"]) == (1, 100_000)


def test_a_worker_that_asks_anew_does_not_stand_behind_itself() -> None:
    kit = queue()
    cut_off = kit.ask_later(Take(worker="w", wait_s=30.0))
    again = kit.ask_later(Take(worker="w", wait_s=30.0))
    assert cut_off.reply == Taken()
    add(kit, 1)
    assert arguments(again.reply) == [1]


def test_time_goes_on_though_a_message_of_the_clock_was_lost() -> None:
    kit = queue()
    waiting = kit.ask_later(Take(worker="w", wait_s=5.0))
    kit._afters.clear()  # as where the mailbox was full
    kit.actor.afters = 0
    kit.ask(Beat(worker="v"))
    kit.advance(6.0)
    assert waiting.reply == Taken()


def test_a_clock_that_is_set_costs_no_worker_its_jobs() -> None:
    kit = queue()
    ids = add(kit, 1)
    taken = kit.ask(Take(worker="w"))
    kit.advance(1.0)
    kit._world.now_s += 3_600.0
    kit.advance(1.0)
    kit.ask(Complete(worker="w", id=ids[0], token=taken.token))
    assert kit.view()["unfinished"] == 0


def test_a_clock_that_is_set_ahead_costs_no_worker_what_is_on_its_way_to_it() -> None:
    kit = queue()
    ids = add(kit, 1)
    taken = kit.ask(Take(worker="w"))
    kit._world.now_s += 3_600.0
    kit.ask(Beat(worker="w"))  # which was sent before that had come
    kit.ask(Complete(worker="w", id=ids[0], token=taken.token))
    assert kit.view()["unfinished"] == 0


def test_who_has_ceased_to_beat_is_given_nothing_that_it_waits_for() -> None:
    """It has ended, on another host: what it were given would wait for its lease to end."""
    kit = queue()
    waiting = kit.ask_later(Take(worker="w", wait_s=30.0))
    kit.ask(Beat(worker="w"))
    kit.advance(SILENT_MS / 1000 - 0.1)
    assert not waiting.is_answered
    kit.advance(0.7)
    assert waiting.reply == Taken()
    add(kit, 1)
    assert arguments(kit.ask(Take(worker="v"))) == [1]


def test_a_clock_that_is_set_back_ends_a_life() -> None:
    """What waits in memory would wait for times that have gone."""
    kit = queue()
    add(kit, 1)
    kit._world.now_s -= BACK_MS / 1000
    assert kit.ask(Beat(worker="w")).void == []
    kit._world.now_s -= BACK_MS / 1000 + 0.01
    with pytest.raises(ClockSetBack):
        kit.ask(Beat(worker="w"))


def test_a_clock_that_is_set_back_before_the_first_message_ends_a_life() -> None:
    """What it has read counts from the time that was: workers would have had their jobs just now for all that long."""
    kit = queue()
    add(kit, 1)
    kit.ask(Take(worker="w"))
    kit.restart()
    kit._world.now_s -= 60.0
    with pytest.raises(ClockSetBack):
        kit.ask(Beat(worker="w"))


class Pay(Job, queue="money", tag="job.pay", encrypted=True):
    account: str
    partition = "account"

    async def run(self, work: Work) -> None: ...


def test_what_is_given_to_one_that_is_encrypted_is_nowhere_in_the_clear() -> None:
    kit = Kit(queue_of(InstalledJobs([Pay])), key="money")
    arguments = Raw(b'{"account": "acme"}')
    with keys_for(bytes(32)):
        id = kit.ask(Add(job="job.pay", arguments=arguments)).id
        job = kit.actor.desk.jobs[id]
        first = job.arguments
        assert first is not None and b"acme" not in first and opened(first, given_to(id)) == bytes(arguments)
        assert job.partition == "acme"
        kit.ask(EditJob(id=id, arguments=Raw(b'{"account": "acme ltd"}')))
        [taken] = kit.ask(Take(worker="w")).jobs
        assert (
            b"acme" not in bytes(taken.arguments)
            and opened(taken.arguments, given_to(id)) == b'{"account": "acme ltd"}'
        )
    with keys_for(), pytest.raises(Refused, match="GREENROOM_JOBS_KEYS is unset"):
        kit.ask(Add(job="job.pay", arguments=arguments))


@pytest.mark.parametrize("tag", ["job.pay", "job.unknown"])
def test_what_others_have_encrypted_is_refused_whoever_gives_it(tag: str) -> None:
    """They have copied it, and do not know what they ask for."""
    kit = Kit(queue_of(InstalledJobs([Pay])), key="money")
    with keys_for(bytes(32)):
        copied = Raw(seal(b'{"account": "acme"}', Place(tag, "a" * 32, ARGUMENTS)))
        id = kit.ask(Add(job=tag, arguments=Raw(b'{"account": "acme"}'))).id
        edit = EditJob(id=id, arguments=copied)
        new = NewJob(job=tag, arguments=copied)
        flow = AddFlow(jobs=[FlowJob(name="a", job=tag, arguments=copied)])
        messages: list[Ask[Any]] = [edit, Add(job=tag, arguments=copied), AddMany(jobs=[new]), flow]
        for message in messages:
            with pytest.raises(Refused, match="are encrypted already: give them in the clear"):
                kit.ask(message)
        taken = kit.ask(Take(worker="w"))
        spawn = Spawn(worker="w", id=id, token=taken.token, group="g", jobs=[SpawnJob(job=tag, arguments=copied)])
        by_class = Raw(b'{"$sealed":"1.x.y","of":"%s"}' % tag.encode())  # by a worker of the release before
        kept = SpawnJob(job=tag, arguments=by_class)
        (child,) = kit.ask(replace(spawn, jobs=[kept])).ids
        assert kit.actor.desk.jobs[child].arguments == bytes(by_class), "which the worker has encrypted"
        for job in (*spawn.jobs, SpawnJob(job="job.other", arguments=by_class)):
            with pytest.raises(Refused, match="are encrypted already"):
                kit.ask(replace(spawn, group="h", jobs=[job]))


def test_what_is_stored_may_be_sent_back_with_what_is_changed() -> None:
    """As an admin's page of the release before does."""
    kit = Kit(queue_of(InstalledJobs([Pay])), key="money")
    with keys_for(bytes(32)):
        id = kit.ask(Add(job="job.pay", arguments=Raw(b'{"account": "acme"}'))).id
        stored = kit.actor.desk.jobs[id].arguments
        assert stored is not None
        kit.ask(EditJob(id=id, arguments=Raw(stored), priority=1))
        job = kit.actor.desk.jobs[id]
        assert (job.arguments, job.priority) == (stored, 1)


@pytest.mark.parametrize("what", [ARGUMENTS, as_step("b")])
def test_what_others_have_encrypted_is_neither_a_step_nor_a_result(what: str) -> None:
    kit = queue()
    (id,) = add(kit, 1)
    token = kit.ask(Take(worker="w")).token
    with keys_for(bytes(32)):
        copied = Raw(seal(b"4111", Place("job.x", id, what)))
    with pytest.raises(Refused, match="marked as encrypted, and not by this job"):
        kit.ask(StepDone(worker="w", id=id, token=token, name="a", result=copied))
    writes = Jobs()
    kit.actor.desk.finish("w", [Finished(id, token, copied)], int(kit.now * 1000), writes)
    end = writes.ended[id]
    assert end.state == "failed" and b"its result is marked as encrypted" in (end.error or b"")


def test_a_job_that_was_taken_before_a_failover_is_done_again() -> None:
    kit = queue()
    (id,) = add(kit, 1)
    taken = kit.ask(Take(worker="w"))
    (job,) = taken.jobs
    assert job.lineage == ""
    kit._life.actor.lineage = ".2"
    again = kit.ask(Take(worker="w", finished=[Finished(id, taken.token, Raw(b"1"), lineage=job.lineage)]))
    assert again.refused == [] and [(one.id, one.attempt, one.lineage) for one in again.jobs] == [(id, 1, ".2")]
