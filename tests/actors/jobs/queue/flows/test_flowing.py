"""Flows over several queues: added whole, freed, failed and cancelled across them."""

import pytest

from greenroom import Job, Refused, WaitFor, Work
from greenroom.actors.jobs.queue.flows import flowing
from greenroom.actors.jobs.queue.flows.messages import AddFlow, AskOthers, Child, OthersEnded, WaitedFor
from greenroom.actors.jobs.queue.flows.others import ASK_MS
from greenroom.actors.jobs.queue.messages import Found
from greenroom.actors.model.errors import Unavailable
from greenroom.store.errors import StoreUnavailable
from greenroom.store.journal.consequences.jobs import FREED
from greenroom.supervisors.testing.reads import KitReads
from greenroom.testing import JobKit
from tests.actors.jobs.queue.flows.flow_world import FAILS, ONE, World, job

NOBODY = "f" * 32


class Task(Job, queue="b", tag="job.x"):
    async def run(self, work: Work) -> None:
        """Do nothing."""


def world() -> World:
    return World(["a", "b"])


def settle(one: World) -> None:
    """All that was said is heard."""
    for life in one.lives.values():
        life.commit()
    while any(one.deliver(key) for key in one.lives):
        pass


def finish(one: World, key: str, job_id: str, **how: object) -> None:
    life = one.lives[key]
    life.take(10)
    life.commit()
    life.finish(job_id, dict(one.held(key))[job_id], **how)
    settle(one)


def test_what_is_for_another_queue_is_found_there_and_frees_what_waits_here() -> None:
    one = world()
    ids = one.add("a", job("out", after=[WaitFor("in")]), job("in", queue="b"))
    settle(one)
    assert list(one.lives["b"].desk.jobs) == [ids["in"]], "it was told at once that there is something"
    one.wait(ASK_MS)
    settle(one)
    assert list(one.lives["b"].desk.bells.of) == [ids["in"]]
    finish(one, "b", ids["in"], **ONE)
    assert not one.lives["a"].desk.blocked.jobs, "it was told, and has not asked"
    finish(one, "a", ids["out"], **ONE)
    assert not one.store.rows.jobs


def test_what_was_never_said_is_asked_for() -> None:
    one = world()
    ids = one.add("a", job("out", after=[WaitFor("in")]), job("in", queue="b"))
    settle(one)
    one.lose("b")
    finish(one, "b", ids["in"], **ONE)
    one.lose("a")
    one.wait(ASK_MS)
    settle(one)
    assert not one.lives["a"].desk.blocked.jobs


def test_whoever_asks_before_what_was_added_is_written_does_not_take_it_for_unknown() -> None:
    one = world()
    one.add("a", job("out", after=[WaitFor("in")]), job("in", queue="b"))
    one.wait(3_600_000)  # its clock is set
    one.lives["a"].handle(AskOthers())  # from before
    assert len(one.lives["a"].desk.blocked.jobs) == 1 and len(one.lives["a"].desk.others) == 1
    settle(one)
    assert list(one.lives["b"].desk.bells.of), "it has asked since"


def test_jobs_that_have_ended_are_waited_for_no_more_and_unknown_ones_are_refused() -> None:
    one = world()
    first = one.add("a", job("x"))["x"]
    settle(one)
    finish(one, "a", first, **ONE)
    ids = one.add("a", job("y", after=[WaitFor(first)]), job("z", when="failure", after=[WaitFor(first)]))
    settle(one)
    one.lose("a")
    assert one.state(ids["z"]) == "cancelled" and not one.lives["a"].desk.blocked.jobs
    (row,) = one.store.rows.jobs.values()
    assert (row.id, row.let_go) == (ids["y"], FREED), "as it is added"
    with pytest.raises(Refused, match=f"{NOBODY}: there is none") as caught:
        one.add("a", job("w"), job("v", after=[WaitFor(NOBODY)]))
    assert caught.value.name == "queue.unknown_job"
    settle(one)
    assert len(one.store.rows.jobs) == 1, "nor is any other added"


@pytest.mark.parametrize("where", ["over queues", "after others", "after one that has ended"])
def test_a_flow_that_is_said_twice_by_one_key_is_added_once(where: str) -> None:
    jobs = JobKit(Task)
    there = jobs.add(Task())
    if "ended" in where:
        jobs.drain("b")
    queue, rows = jobs.queue("a"), jobs._tables.jobs
    before = len(rows)
    more = [job("in", queue="b")] if "over" in where else [job("in", after=[WaitFor(there)])]
    flow = AddFlow(jobs=[job("out", after=[WaitFor("in")]), *more], idempotency_key="k")
    first = queue.ask_later(flow).reply
    assert queue.ask_later(flow).reply == first
    assert len(rows) == before + 2 and set(first.ids.values()) <= rows.keys()


def test_while_the_store_does_not_answer_no_flow_is_added_that_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def is_away(*_: object) -> None:
        raise StoreUnavailable("away")

    jobs = JobKit()
    queue = jobs.queue("a")
    flow = AddFlow(jobs=[job("out", after=[WaitFor("in")]), job("in", queue="b")], idempotency_key="k")
    with monkeypatch.context() as patched:
        patched.setattr(KitReads, "forgotten", is_away)
        with pytest.raises(Unavailable):
            queue.ask(flow)
    assert queue.view()["unfinished"] == 0
    assert queue.ask(flow).ids.keys() == {"in", "out"} and len(jobs._tables.jobs) == 2


def test_a_flow_with_jobs_for_a_queue_that_was_forgotten_is_refused() -> None:
    one = world()
    one.store.forgotten.add("b")
    with pytest.raises(Refused, match="b: it was forgotten") as caught:
        one.add("a", job("x"), job("y", queue="b"))
    assert caught.value.name == "queue.no_such_queue" and not one.lives["a"].desk.jobs


def test_of_one_that_was_forgotten_meanwhile_it_is_said() -> None:
    one = world()
    ids = one.add("a", job("out", after=[WaitFor("in")]), job("in", queue="b"))
    settle(one)
    del one.store.rows.jobs[ids["in"]]
    one.lose("a")
    one.wait(ASK_MS)
    settle(one)
    assert one.state(ids["out"]) == "failed" and "is not known, or was forgotten" in one.error(ids["out"])


def test_a_queue_that_can_be_none_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        world().add("a", job("x", queue="é" * 200))
    assert caught.value.name == "queue.no_such_queue"


@pytest.mark.parametrize("trouble", ["", "a is lost", "b is lost", "b has not found them"])
def test_children_of_one_that_is_cancelled_are_cancelled_wherever_they_are(trouble: str) -> None:
    one = world()
    children = [WaitFor(name) for name in ("near", "far", "taken")]
    ids = one.add("a", job("near"), job("far", queue="b"), job("taken", queue="b"), job("p", children=children))
    settle(one)
    one.lives["a"].cancel(ids["p"])
    one.lives["a"].commit()
    if trouble:
        one.lose(trouble[0], is_blind="found" in trouble)
    settle(one)
    one.wait(2_000)
    settle(one)
    assert {one.state(job_id) for job_id in ids.values()} == {"cancelled"} and not one.store.timers


def test_a_child_that_is_under_way_is_to_be_cancelled() -> None:
    one = world()
    ids = one.add("a", job("far", queue="b"), job("p", children=[WaitFor("far")]))
    settle(one)
    life = one.lives["b"]
    life.take(1)
    one.lives["a"].cancel(ids["p"])
    settle(one)
    assert life.desk.cancelling == {ids["far"]: f"{ids['p']}, whose child it is, was cancelled"}


def test_a_child_whose_queue_is_not_known_is_found_there() -> None:
    one = world()
    child = one.add("b", job("c"))["c"]
    settle(one)
    parent = one.add("a", job("p", children=[WaitFor(child)]))["p"]
    one.lives["a"].commit()
    one.lives["a"].cancel(parent)
    settle(one)
    assert one.state(child) == "cancelled"


def test_who_works_on_a_job_reads_its_children_as_many_as_one_answer_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    one = world()
    ids = one.add("a", job("x"), job("y"), job("out", after=[WaitFor("x"), WaitFor("y", "ignore")]))
    settle(one)
    finish(one, "a", ids["x"], **ONE)
    finish(one, "a", ids["y"], **FAILS)
    one.lives["a"].take(1)
    first, second = one.children("a", ids["out"])
    assert first == Child(ids["x"], "completed", ONE["result"])
    assert (second.id, second.state, second.error) == (ids["y"], "failed", "no")
    monkeypatch.setattr(flowing, "TAKE_BYTES", 1)
    assert len(one.children("a", ids["out"])) == 1
    with pytest.raises(Refused, match=r"queue\.lease_over"):
        one.lives["a"].desk.jobs[ids["out"]].token += 1
        one.children("a", ids["out"])


def test_what_is_told_twice_or_late_changes_nothing() -> None:
    one = world()
    ids = one.add("a", job("out", after=[WaitFor("in")]), job("in", queue="b"))
    settle(one)
    life = one.lives["a"]
    for _ in range(2):
        life.handle(OthersEnded(states={ids["in"]: "completed", NOBODY: "failed"}))
    life.handle(WaitedFor(queue="b", ids=[NOBODY]))
    life.handle(Found())
    life.take(1)
    life.commit()
    assert list(dict(one.held("a"))) == [ids["out"]]
