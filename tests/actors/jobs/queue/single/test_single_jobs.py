"""What a queue does about single jobs, in the kit: cancels, retries, edits, steps, progress, and lost workers."""

from typing import Any

import pytest
from msgspec import Raw

from greenroom import Refused
from greenroom.actors.jobs.options import Options
from greenroom.actors.jobs.queue import Queue
from greenroom.actors.jobs.queue.desk import LEASE_MS, LOST_MAX, RESULT_MAX
from greenroom.actors.jobs.queue.messages import Add, Beat, Beaten, Complete, Fail, Finished, Leave, Said, Take, Taken
from greenroom.actors.jobs.queue.single import single_jobs
from greenroom.actors.jobs.queue.single.shown import LOOK_MS, SELDOM_S, SOON_S
from greenroom.actors.jobs.queue.single.steering import CancelJob, EditJob, RetryJob
from greenroom.actors.jobs.queue.single.telling import JobChanged, Look, Progress, Standing, StepDone, Steps
from greenroom.actors.model.errors import Forgotten
from greenroom.store.jobs.jobs import JobFound
from greenroom.store.journal.consequences.jobs import JobRow
from greenroom.testing import Kit


def queue() -> Kit[Queue]:
    return Kit(Queue, key="media")


def add(kit: Kit[Queue], **fields: Any) -> str:
    return kit.ask(Add(job="job.x", **fields)).id


def take(kit: Kit[Queue], worker: str = "w", **fields: Any) -> Taken:
    return kit.ask(Take(worker=worker, **fields))


def look(kit: Kit[Queue], job: str) -> Standing:
    found = kit.ask(Look(id=job)).standing
    assert found is not None
    return found


def told(kit: Kit[Queue], job: str) -> list[JobChanged]:
    """What the job's channel has been told; once."""
    messages = [one.message for one in kit.told if one.entity == f"job:{job}"]
    kit.told.clear()
    return [one for one in messages if isinstance(one, JobChanged)]


# Cancelling.


def test_a_job_that_waits_is_cancelled_at_once() -> None:
    kit = queue()
    job = add(kit)
    assert kit.ask(CancelJob(id=job, reason="enough")).state == "cancelled"
    assert take(kit) == Taken() and kit.actor.may_sleep()
    kit._world.jobs.by_id[job] = JobFound(JobRow(job, "media", "job.x", b"{}", 5, 7), "cancelled")
    with pytest.raises(Refused, match="has ended"):
        kit.ask(CancelJob(id=job))


@pytest.mark.parametrize("state", ["unfinished", "failed", None])
def test_a_job_that_the_queue_does_not_know_is_there_or_was_erased(state: str | None) -> None:
    """One that it has yet to find is asked for again; of one that was erased nobody ever hears."""
    kit = queue()
    job = "0" * 32
    if state is not None:
        kit._world.jobs.by_id[job] = JobFound(JobRow(job, "media", "job.x", b"{}", 5, 7), state)
    with pytest.raises(Forgotten if state is None else Refused) as caught:
        kit.ask(CancelJob(id=job))
    expected = ("forgotten", 410) if state is None else ("queue.no_such_job", 404)
    assert (caught.value.name, caught.value.status) == expected
    assert kit.ask(Take(worker="w")) == Taken(), "and the queue goes on"


def test_whether_a_job_is_there_is_for_those_who_may_cancel_it() -> None:
    with pytest.raises(Refused, match="forbidden"):
        queue().ask(CancelJob(id="0" * 32), user="ann")


def test_the_worker_of_a_job_hears_of_its_cancel_at_once_and_it_is_not_tried_again() -> None:
    kit = queue()
    job = add(kit)
    token = take(kit).token
    beat = kit.ask_later(Beat(worker="w", tokens=[token], wait_s=3.0))
    assert not beat.is_answered
    assert kit.ask(CancelJob(id=job, reason="enough")).state == "cancelling"
    assert beat.reply == Beaten(cancel=[job])
    assert look(kit, job).state == "cancelling" and look(kit, job).reason == "enough"
    kit.ask(Fail(worker="w", id=job, token=token, error="stopped", retry_s=0.0))
    assert take(kit) == Taken() and kit.view()["unfinished"] == 0


def test_what_has_succeeded_in_spite_of_its_cancel_has_succeeded() -> None:
    kit = queue()
    job = add(kit)
    token = take(kit).token
    kit.ask(CancelJob(id=job))
    kit.ask(Complete(worker="w", id=job, token=token, result=7))
    assert kit.view()["unfinished"] == 0


def test_a_worker_is_told_once_at_once_and_then_with_each_beat() -> None:
    """Else one that waits for its job's grace would beat and be answered again and again."""
    kit = queue()
    job = add(kit)
    token = take(kit).token
    kit.ask(CancelJob(id=job))
    assert kit.ask(Beat(worker="w", tokens=[token], wait_s=3.0)) == Beaten(cancel=[job])
    beat = kit.ask_later(Beat(worker="w", tokens=[token], wait_s=3.0))
    assert not beat.is_answered
    kit.advance(3.6)
    assert beat.reply == Beaten(cancel=[job])


@pytest.mark.parametrize("how", ["leaves", "is lost"])
def test_a_job_that_is_not_wanted_is_given_to_nobody_when_its_worker_is_gone(how: str) -> None:
    kit = queue()
    job = add(kit)
    take(kit)
    kit.ask(CancelJob(id=job))
    if how == "leaves":
        kit.ask(Leave(worker="w"))
    else:
        kit.advance(LEASE_MS / 1000 + 1)
    assert take(kit, "v") == Taken() and kit.view()["unfinished"] == 0


# Retrying and editing.


def test_a_job_that_rests_is_tried_now() -> None:
    kit = queue()
    job = add(kit, delay_s=100.0)
    assert take(kit) == Taken()
    kit.ask(RetryJob(id=job))
    assert [one.id for one in take(kit).jobs] == [job]
    with pytest.raises(Refused, match="cancel it first"):
        kit.ask(RetryJob(id=job))


def test_a_job_that_has_ended_begins_anew_with_all_its_attempts() -> None:
    kit = queue()
    job = "0" * 32
    row = JobRow(job, "media", "job.x", b'{"n":1}', 5, 7, attempts=5, attempts_max=5, lost=2, cancel="enough")
    kit._world.jobs.by_id[job] = JobFound(row, "failed")
    kit.ask(RetryJob(id=job))
    (taken,) = kit.ask(Take(worker="w")).jobs
    assert (taken.id, taken.attempt, bytes(taken.arguments)) == (job, 1, b'{"n":1}')


def test_one_that_a_saga_has_given_up_begins_anew_only_where_that_is_said() -> None:
    kit = queue()
    job = "0" * 32
    options = Options(origin="checkout:1", about="do:pack").encode()
    row = JobRow(job, "media", "job.x", b"{}", 5, 7, attempts=5, attempts_max=5, options=options)
    kit._world.jobs.by_id[job] = JobFound(row, "failed")
    with pytest.raises(Refused, match="checkout:1 has started it") as caught:
        kit.ask(RetryJob(id=job))
    assert caught.value.name == "queue.settled" and kit.view()["unfinished"] == 0
    kit.ask(RetryJob(id=job, detached=True))
    assert [one.id for one in kit.ask(Take(worker="w")).jobs] == [job]


@pytest.mark.parametrize("found", [None, "of another queue", "not finished"])
def test_no_job_of_this_queue_that_has_ended_is_tried_again(found: str | None) -> None:
    kit = queue()
    job = "0" * 32
    if found is not None:
        row = JobRow(job, "other" if found == "of another queue" else "media", "job.x", b"{}", 5, 7)
        kit._world.jobs.by_id[job] = JobFound(row, "unfinished" if found == "not finished" else "failed")
    with pytest.raises(Refused):
        kit.ask(RetryJob(id=job))
    assert kit.view()["unfinished"] == 0


def test_a_job_that_waits_is_changed_and_one_under_way_is_not() -> None:
    kit = queue()
    first, second = add(kit), add(kit)
    kit.ask(EditJob(id=second, arguments=Raw(b'{"n":2}'), priority=0))
    kit.ask(EditJob(id=first, delay_s=5.0))
    (taken,) = take(kit, most=2).jobs
    assert (taken.id, bytes(taken.arguments)) == (second, b'{"n":2}')
    with pytest.raises(Refused, match="cancel it first"):
        kit.ask(EditJob(id=second, priority=3))
    with pytest.raises(Refused, match="JSON object"):
        kit.ask(EditJob(id=first, arguments=Raw(b"3")))
    kit.advance(5.1)
    assert [one.id for one in take(kit, most=2).jobs] == [first]


# Steps.


def test_a_step_is_kept_of_a_job_that_the_worker_has() -> None:
    kit = queue()
    job = add(kit)
    taken = take(kit)
    assert not taken.jobs[0].steps
    kit.ask(StepDone(worker="w", id=job, token=taken.token, name="upload", result=Raw(b"1")))
    with pytest.raises(Refused, match="does not have that job"):
        kit.ask(StepDone(worker="v", id=job, token=taken.token, name="other", result=Raw(b"1")))
    with pytest.raises(Refused, match="more than"):
        long = Raw(b'"' + b"x" * RESULT_MAX + b'"')
        kit.ask(StepDone(worker="w", id=job, token=taken.token, name="long", result=long))
    kit.ask(Leave(worker="w"))
    again = take(kit, "v")
    assert again.jobs[0].steps, "and so its worker asks for them"
    with pytest.raises(Refused, match="does not have that job"):
        kit.ask(Steps(worker="w", id=job, token=taken.token))


@pytest.mark.bound("steps of a job that are through")
def test_a_job_has_so_many_steps_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(single_jobs, "STEPS_MAX", 2)
    kit = queue()
    job = add(kit)
    token = take(kit).token
    for name in "ab":
        kit.ask(StepDone(worker="w", id=job, token=token, name=name, result=Raw(b"1")))
    with pytest.raises(Refused, match="2 steps at most"):
        kit.ask(StepDone(worker="w", id=job, token=token, name="c", result=Raw(b"1")))


# Progress.


def test_what_a_job_says_is_told_only_where_somebody_looks() -> None:
    kit = queue()
    job = add(kit)
    token = take(kit).token
    assert kit.ask(Progress(worker="w", said=[Said(job, 0.25, "a", ["one"])])).again_s == SELDOM_S
    assert told(kit, job) == []
    beat = kit.ask_later(Beat(worker="w", tokens=[token], wait_s=3.0))
    standing = look(kit, job)
    assert (standing.state, standing.share, standing.note, standing.lines) == ("active", 0.25, "a", ["one"])
    assert beat.reply == Beaten(watched=True), "so that its worker says more at once"
    assert kit.ask(Progress(worker="w", said=[Said(job, 0.5, "b", ["two"])])).again_s == SOON_S
    (changed,) = told(kit, job)
    assert changed.standing is not None
    assert (changed.standing.share, changed.standing.note) == (0.5, "b")
    kit.advance(LOOK_MS / 1000 + 1)
    job = add(kit)
    assert kit.ask(Progress(worker="w", said=[Said(job, 0.5)])).again_s == SELDOM_S


def test_what_a_job_says_last_comes_with_its_end() -> None:
    kit = queue()
    job = add(kit)
    token = take(kit).token
    look(kit, job)
    kit.ask(Take(worker="w", most=0, said=[Said(job, lines=["last"])], finished=[Finished(job, token)]))
    (changed,) = told(kit, job)
    assert changed.standing is None and changed.last_lines == ["last"]


def test_only_who_has_a_job_says_how_far_it_is() -> None:
    kit = queue()
    job = add(kit)
    take(kit)
    kit.ask(Progress(worker="v", said=[Said(job, 0.9)]))
    assert look(kit, job).share is None


def test_each_change_of_a_job_that_is_looked_at_is_told() -> None:
    kit = queue()
    job = add(kit, delay_s=5.0)
    assert look(kit, job).state == "delayed"
    kit.ask(RetryJob(id=job))
    token = take(kit).token
    kit.ask(Fail(worker="w", id=job, token=token, error="no", retry_s=60.0))
    kit.ask(CancelJob(id=job))
    states = [one.standing.state if one.standing is not None else "ended" for one in told(kit, job)]
    assert states == ["waiting", "active", "retrying", "ended"]


# Workers that are gone.


def test_a_worker_whose_process_has_ended_loses_what_it_has_and_is_given_nothing_more() -> None:
    """Its message that waits for jobs is still there: what it was given would be lost again."""
    kit = queue()
    job = add(kit)
    take(kit, process="host/1 5")
    kit.ask_later(Take(worker="w", wait_s=30.0, process="host/1 5"))
    kit._world.ended.add("host/1 5")
    waiting = kit.ask_later(Take(worker="v", wait_s=30.0, process="host/2 5"))
    kit.advance(1.0)
    assert [one.id for one in waiting.reply.jobs] == [job]


def test_a_worker_whose_process_ended_while_it_waited_is_given_nothing() -> None:
    kit = queue()
    dead = kit.ask_later(Take(worker="w", wait_s=30.0, process="host/1 5"))
    kit._world.ended.add("host/1 5")
    kit.advance(1.0)
    assert dead.reply == Taken()
    job = add(kit)
    assert [one.id for one in take(kit, "v").jobs] == [job]


def test_a_worker_that_fell_silent_is_given_nothing_while_it_is() -> None:
    kit = queue()
    job = add(kit)
    take(kit)
    dead = kit.ask_later(Take(worker="w", wait_s=30.0))
    kit.advance(LEASE_MS / 1000 + 1)
    assert dead.reply == Taken()
    assert [one.id for one in take(kit, "v").jobs] == [job]


def test_a_job_that_ends_its_worker_again_and_again_has_failed() -> None:
    kit = queue()
    job = add(kit)
    for number in range(LOST_MAX):
        taken = take(kit, process=f"host/{number} 5")
        assert [one.id for one in taken.jobs] == [job]
        kit._world.ended.add(f"host/{number} 5")
        kit.advance(1.0)
    assert kit.view()["unfinished"] == 0


def test_a_job_that_ends_its_process_again_and_again_has_failed() -> None:
    kit = queue()
    job = add(kit)
    for _ in range(LOST_MAX):
        token = take(kit).token
        kit.ask(Take(worker="w", most=0, finished=[Finished(job, token, error="killed", retry_s=0.0, lost=True)]))
    assert kit.view()["unfinished"] == 0


def test_after_a_stall_the_token_of_before_holds_nothing() -> None:
    """Who was taken for dead, and was not: another has the job, and only what that says counts."""
    kit = queue()
    job = add(kit)
    stalled = take(kit)
    kit.advance(LEASE_MS / 1000 + 1)
    present = take(kit, "v")
    with pytest.raises(Refused, match="does not have that job"):
        kit.ask(Complete(worker="w", id=job, token=stalled.token, result="late"))
    assert kit.ask(Take(worker="w", most=0, finished=[Finished(job, stalled.token)])).refused == [job]
    kit.ask(Complete(worker="v", id=job, token=present.token, result="right"))


def test_a_worker_that_is_about_to_end_keeps_what_it_has_and_waits_no_more() -> None:
    kit = queue()
    job = add(kit)
    token = take(kit).token
    waiting = kit.ask_later(Take(worker="w", wait_s=30.0))
    kit.ask(Leave(worker="w", keeps=True))
    assert waiting.reply == Taken() and take(kit, "v") == Taken()
    kit.ask(Complete(worker="w", id=job, token=token))


def test_a_result_that_is_too_long_is_no_result() -> None:
    kit = queue()
    job = add(kit)
    token = take(kit).token
    kit.ask(Complete(worker="w", id=job, token=token, result="x" * RESULT_MAX))
    assert kit.view()["unfinished"] == 0
