"""Flows that have failed, tried again: parents with their children, in whichever order, over queues and lives."""

from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from greenroom.actors.jobs.options import Options
from greenroom.actors.jobs.queue.flows.again import asked_of, behind, ending_of
from greenroom.actors.jobs.queue.flows.messages import OthersEnded, RetryChildren
from greenroom.actors.jobs.queue.flows.others import LONG_MS
from greenroom.actors.jobs.queue.single.single_jobs import RETRIED_AT_ONCE
from greenroom.actors.jobs.waits import Awaited, WaitFor, Waits
from greenroom.store.jobs.jobs import JobOutcome
from greenroom.store.journal.consequences.jobs import FREED, JobRow
from tests.actors.jobs.queue.flows.flow_world import FAILS, World, job

ALL: Mapping[str, Mapping[str, Any]] = {}


def settle(one: World) -> None:
    for life in one.lives.values():
        life.look()
        life.commit()
    while any(one.deliver(key) for key in one.lives):
        pass


def failed(second: str = "a") -> tuple[World, dict[str, str]]:
    """A parent whose first child has failed, so that the other one was cancelled with it, with what that had waited
    for."""
    one = World(["a", "b"])
    ids = one.add(
        "a",
        job("c1"),
        job("deep", queue="b"),
        job("c2", queue=second, children=[WaitFor("deep")]),
        job("p", children=[WaitFor("c1"), WaitFor("c2")]),
    )
    settle(one)
    life = one.lives["a"]
    life.take(1)
    life.commit()
    life.finish(ids["c1"], dict(one.held("a"))[ids["c1"]], **FAILS)
    settle(one)
    one.wait(LONG_MS)
    settle(one)
    assert {name: one.state(ids[name]) for name in ids} == {
        "c1": "failed", "c2": "cancelled", "deep": "cancelled", "p": "failed",
    }  # fmt: skip
    return one, ids


@pytest.mark.parametrize("second", ["a", "b"])
@pytest.mark.parametrize("order", [["p"], ["c1", "p"], ["p", "c1"], ["c1", "c2", "p"]])
@pytest.mark.parametrize("lost", ["", "a", "b"])
def test_a_parent_that_is_tried_again_is_so_with_its_children(second: str, order: list[str], lost: str) -> None:
    one, ids = failed(second)
    for name in order:
        key = second if name == "c2" else "a"
        if one.state(ids[name]) != "unfinished":
            one.lives[key].retry(ids[name])
            one.lives[key].commit()
    if lost:
        one.lose(lost)
    one.run_out(ALL)
    assert {one.state(job_id) for job_id in ids.values()} == {"completed"}


def test_what_a_queue_had_said_before_it_was_tried_again_does_not_count() -> None:
    one, ids = failed("b")
    one.lives["a"].retry(ids["p"])
    one.lives["a"].commit()
    one.lives["a"].handle(OthersEnded(states={ids["c2"]: "cancelled"}))
    one.lives["a"].commit()
    one.run_out(ALL)
    assert one.state(ids["p"]) == "completed"


def test_a_child_that_fails_again_fails_its_parent_again() -> None:
    one, ids = failed("b")
    one.lives["a"].retry(ids["p"])
    one.wait(1)
    one.run_out({ids["c2"]: FAILS})
    assert (one.state(ids["p"]), one.state(ids["c2"]), one.state(ids["c1"])) == ("failed", "failed", "completed")


def test_one_that_was_told_to_be_tried_again_before_is_not_so_twice() -> None:
    one, ids = failed()
    ended_ms = one.store.rows.done[ids["c1"]][1].ended_ms
    one.lives["a"].retry(ids["c1"])
    one.wait(1)
    one.run_out({ids["c1"]: FAILS})
    one.lives["a"].handle(RetryChildren(ends={ids["c1"]: ended_ms}))
    one.lives["a"].commit()
    assert one.state(ids["c1"]) == "failed"


def tried_again(one: World) -> list[int]:
    """How many jobs each message that is under way tries again."""
    return [len(message.ends) for _, message in one.store.told if isinstance(message, RetryChildren)]


@pytest.mark.bound("children that one message tries again")
def test_children_are_tried_again_so_many_with_a_message_and_each_message_reads_twice() -> None:
    one = World(["a", "b"])
    most = RETRIED_AT_ONCE
    children = [
        job(f"c{number}", queue="b", children=[WaitFor(f"deep{number}")] if number < 3 else [])
        for number in range(most + 7)
    ]
    deep = [job(f"deep{number}") for number in range(3)]
    ids = one.add("a", *deep, *children, job("p", children=[WaitFor(child.name) for child in children]))
    settle(one)
    one.lives["a"].cancel(ids["p"])
    settle(one)
    assert {one.state(job_id) for job_id in ids.values()} == {"cancelled"}
    one.wait(1)
    one.lives["a"].retry(ids["p"])
    one.lives["a"].commit()
    assert tried_again(one) == [most, 7]
    one.lives["b"].reads.clear()
    one.deliver("b")
    assert one.lives["b"].reads == [("ended", most), ("outcomes", 3)], "of all at once"
    assert len(one.lives["b"].desk.jobs) == most and tried_again(one) == [7, 3]
    one.run_out(ALL)
    assert {one.state(job_id) for job_id in ids.values()} == {"completed"}


def row(*waits: Awaited, **fields: Any) -> JobRow:
    return JobRow("p", "q", "job.x", b"{}", 1, 1, options=Options(waits=Waits(list(waits))).encode(), **fields)


def test_one_that_was_free_is_so_again_whatever_became_of_the_others() -> None:
    free = row(Awaited("x", is_child=True), let_go=FREED)
    assert asked_of(free) == [] and behind(free, {"x": JobOutcome("q", "failed", ended_ms=5)}) == (free, {})


def test_only_children_that_have_not_succeeded_are_tried_again_and_what_is_settled_stays_so() -> None:
    one = row(
        Awaited("after"),
        Awaited("good", is_child=True, is_settled=True),
        Awaited("gone", is_child=True, is_settled=True),
        Awaited("same", is_child=True),
        Awaited("bad", is_child=True),
    )
    assert asked_of(one) == ["after", "good", "gone", "same", "bad"]
    outcomes = {
        "after": JobOutcome("q", "failed", ended_ms=5),
        "good": JobOutcome("q", "completed", ended_ms=5),
        "same": JobOutcome("q", "cancelled", ended_ms=5, instead="z"),
        "bad": JobOutcome("b", "cancelled", ended_ms=7),
    }
    again, ends = behind(one, outcomes)
    assert ends == {"b": {"bad": 7}}
    assert again == row(
        Awaited("after"),
        Awaited("good", is_child=True),
        Awaited("gone", is_child=True, is_settled=True),
        Awaited("same", is_child=True),
        Awaited("bad", is_child=True, past_ms=7),
    )


def test_children_that_are_being_cancelled_end_it_and_others_do_not() -> None:
    ending = JobOutcome("q", "unfinished", is_cancelling=True)
    one = row(Awaited("after"), Awaited("child", is_child=True), Awaited("waits", is_child=True))
    outcomes = {"after": ending, "child": ending, "waits": JobOutcome("q", "unfinished")}
    assert ending_of(one, outcomes) == ["child"]
    assert ending_of(replace(one, let_go=FREED), outcomes) == [] and ending_of(replace(one, options=None), {}) == []
