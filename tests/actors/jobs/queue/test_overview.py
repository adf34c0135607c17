"""A queue as it is shown: counts by state, who works, and no more than a bounded part of what is long."""

from typing import Any

import pytest

from greenroom.actors.jobs.limits import QueueLimits, Rate
from greenroom.actors.jobs.queue.control import QueueState
from greenroom.actors.jobs.queue.desk import Desk
from greenroom.actors.jobs.queue.messages import Finished
from greenroom.actors.jobs.queue.overview import KEYS_SHOWN_MAX, WORKERS_MAX, overview
from greenroom.store.journal.consequences.jobs import JobRow, Jobs

NOW = 1_750_000_000_000


def desk(*due_ms: int) -> Desk:
    one = Desk("q")
    rows = [
        JobRow(id=f"{number:032x}", queue="q", job="job.x", arguments=b"{}", added_ms=NOW, due_ms=due)
        for number, due in enumerate(due_ms)
    ]
    one.add(rows, NOW)
    return one


def shown(one: Desk, now_ms: int = NOW, state: QueueState | None = None, limits: QueueLimits | None = None) -> Any:
    return overview(state or QueueState(), one, limits or QueueLimits(), 3, now_ms)


def test_each_state_has_its_count() -> None:
    one = desk(NOW, NOW, NOW, NOW + 5_000, NOW + 9_000)
    token, jobs = one.take("w", 2, None, NOW, Jobs())
    one.finish("w", [Finished(jobs[0].id, token, error="no", retry_s=60.0)], NOW, Jobs())
    view = shown(one, NOW + 7_000)
    counts = {name: view[name] for name in ("unfinished", "waiting", "delayed", "retrying", "active", "oldest_ms")}
    assert counts == {"unfinished": 5, "waiting": 2, "delayed": 1, "retrying": 1, "active": 1, "oldest_ms": 7_000}
    assert (view["workers"], view["workers_waiting"], view["holding"]) == (1, 3, {"w": 1})


def test_an_empty_queue() -> None:
    view = shown(desk())
    assert view["oldest_ms"] == view["unfinished"] == view["workers"] == 0 and view["limits"] == {}


def test_a_pause_is_shown_while_it_lasts() -> None:
    state = QueueState(paused=True, paused_until_ms=NOW + 5, paused_reason="429")
    view = shown(desk(), state=state)
    assert (view["paused"], view["paused_until_ms"], view["paused_reason"]) == (True, NOW + 5, "429")
    view = shown(desk(), NOW + 5, state=state)
    assert (view["paused"], view["paused_until_ms"], view["paused_reason"]) == (False, None, "")


@pytest.mark.bound("workers and keys that a queue's view names")
def test_what_is_long_is_cut_short() -> None:
    one = desk(*[NOW] * (WORKERS_MAX + 7))
    one.take("busy", 2, None, NOW, Jobs())
    for number in range(WORKERS_MAX + 5):
        one.take(f"w{number}", 1, None, NOW, Jobs())
    limits = QueueLimits(weights={f"key {number}": 2 for number in range(500)}, rate=Rate(3))
    view = shown(one, limits=limits)
    assert view["workers"] == WORKERS_MAX + 6 and len(view["holding"]) == WORKERS_MAX
    assert next(iter(view["holding"])) == "busy"
    assert len(view["limits"]["weights"]) == KEYS_SHOWN_MAX and view["limits"]["rate"] == {"n": 3}
