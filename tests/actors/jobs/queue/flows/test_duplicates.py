"""Whoever waits for a job that is not done, since another with its key is, waits for that one."""

import msgspec
import pytest
from msgspec.structs import replace

from greenroom.actors.jobs.ids import new_id
from greenroom.actors.jobs.options import Mode, Options, UniqueKey
from greenroom.actors.jobs.queue.flows.others import ASK_MS, LONG_MS
from greenroom.actors.jobs.waits import WaitFor
from greenroom.store.journal.consequences.jobs import JobRow, Jobs
from tests.actors.jobs.queue.flows.flow_world import FAILS, ONE, World, job


def others(one: World, mode: Mode, queue: str = "b") -> tuple[str, str]:
    """Two that somebody has added with one key: their ids."""
    now_ms = one.lives[queue].now_ms
    unique = UniqueKey("k", mode, 60.0 if mode in ("throttle", "debounce") else 0.0)
    rows = [
        JobRow(new_id(now_ms), queue, "job.x", b"{}", now_ms, now_ms, options=Options(unique=unique).encode())
        for _ in range(2)
    ]
    one.store.land(Jobs(started=[replace(row, unique_key="k") for row in rows]))
    return rows[0].id, rows[1].id


def settle(one: World) -> None:
    for life in one.lives.values():
        life.commit()
    while any(one.deliver(key) for key in one.lives):
        pass


@pytest.mark.parametrize("mode", ["simple", "keep_last"])
@pytest.mark.parametrize("key", ["a", "b"])
@pytest.mark.parametrize("lost", ["", "a", "b"])
def test_it_waits_for_the_other_one(mode: Mode, key: str, lost: str) -> None:
    one = World(["a", "b"])
    first, second = others(one, mode)
    gone, stays = (first, second) if mode == "keep_last" else (second, first)
    waiting = one.add(key, job("p", after=[WaitFor(gone)]))["p"]
    settle(one)
    one.wait(ASK_MS)  # it has a bell
    settle(one)
    one.lives["b"].look()
    settle(one)
    assert (one.state(gone), one.state(waiting)) == ("cancelled", "unfinished")
    if lost:
        one.lose(lost)
    one.wait(LONG_MS)
    settle(one)
    assert one.lives[key].desk.blocked.waits_for(waiting) == [stays]
    one.run_out({stays: ONE})
    assert one.state(waiting) == "completed" and one.store.ended.index(stays) < one.store.ended.index(waiting)


def test_it_fails_with_the_other_one_which_is_not_its_child() -> None:
    one = World(["a", "b"])
    first, second = others(one, "simple")
    ids = one.add("b", job("bad"), job("p", children=[WaitFor(second), WaitFor("bad")]))
    one.lives["b"].look()
    settle(one)
    one.run_out({ids["bad"]: FAILS})
    assert (one.state(ids["p"]), one.state(first)) == ("failed", "completed"), "others want it"


def test_a_worker_reads_what_has_come_of_the_other_one() -> None:
    one = World(["a", "b"])
    first, second = others(one, "simple")
    waiting = one.add("b", job("p", children=[WaitFor(second)]))["p"]
    one.lives["b"].look()
    life = one.lives["b"]
    life.take(1)
    life.commit()
    life.finish(first, dict(one.held("b"))[first], **ONE)
    life.take(1)
    life.commit()
    (child,) = one.children("b", waiting)
    assert (child.id, child.state, msgspec.json.decode(child.result)) == (second, "completed", 1)


def test_one_that_is_added_later_waits_for_the_other_one_too() -> None:
    one = World(["a", "b"])
    first, second = others(one, "simple")
    one.lives["b"].look()
    settle(one)
    for fields in ({"after": [WaitFor(second)]}, {"after": [WaitFor(second, "ignore")]}):
        waiting = one.add("a", job("p", **fields))["p"]
        settle(one)
        assert one.lives["a"].desk.blocked.waits_for(waiting) == [first]
