"""Queues as operators see them."""

from typing import Any

from greenroom.supervisors.admin.jobs.queues_shown import of_queue, queue_shown, queues_shown, rates_between
from greenroom.supervisors.admin.told import QueuesTold, QueueTold


def told(node: int, at_s: float, ended: dict[str, dict[str, int]], *queues: QueueTold, started: int = 0) -> QueuesTold:
    return QueuesTold(node=f"{node:016x}", at_s=at_s, started_at_ms=started, queues=list(queues), ended=ended)


def media(waiting: int = 3) -> QueueTold:
    return QueueTold(
        queue="media", waiting=waiting, later=5, retrying=2, active=1, oldest_s=7.04, workers=2, paused=True
    )


def test_rates_are_of_all_nodes_that_have_answered_twice() -> None:
    before = {1: told(1, 10.0, {"media": {"completed": 10}}), 2: told(2, 5.0, {"media": {"completed": 1}})}
    after = {
        1: told(1, 12.0, {"media": {"completed": 30, "failed": 4}}),
        2: told(2, 7.0, {"media": {"completed": 0}}, started=9),  # another run of it
        3: told(3, 7.0, {"media": {"completed": 100}}),
    }
    assert rates_between(before, after) == {"media": {"completed": 10.0, "failed": 2.0}}
    assert rates_between(after, after) == {}


def test_all_queues_are_shown_those_that_sleep_and_those_of_the_code_too() -> None:
    shown = queues_shown(
        {1: told(1, 1.0, {}, media())},
        {"media": {"completed": 2.5}},
        names={"media", "asleep"},
        declared={"declared", "media"},
        nodes=2,
        at_ms=5,
        trouble="",
    )
    assert (shown["nodes"], shown["answered"]) == (2, 1)
    assert [(one["queue"], one["awake"], one["in_code"]) for one in shown["queues"]] == [
        ("asleep", False, False),
        ("media", True, True),
    ]
    one = shown["queues"][1]
    assert (one["waiting"], one["delayed"], one["retrying"], one["oldest_s"]) == (3, 3, 2, 7.0)
    assert one["rates"] == {"completed": 2.5}


def test_a_queue_that_two_nodes_have_for_a_moment_is_the_one_with_more_to_do() -> None:
    found = of_queue({1: told(1, 1.0, {}, media(0)), 2: told(2, 1.0, {}, media(9))}, "media")
    assert found is not None and found.waiting == 9
    assert of_queue({}, "media") is None


VIEW: dict[str, Any] = {
    "waiting": 3, "paused": True, "paused_reason": "hush", "holding": {"hush": 2},
    "limits": {"concurrency": 4, "tiers": {"hush": 2, "b": 1}, "weights": {"hush": 5}},
}  # fmt: skip


def test_a_viewer_sees_neither_keys_nor_workers_nor_reasons() -> None:
    full = queue_shown("media", VIEW, media(), None, ["job.a"], full=True)
    assert full["holding"] == {"hush": 2} and full["limits"] == VIEW["limits"] and full["working"] == 2
    shown = queue_shown("media", VIEW, media(), None, ["job.a"], full=False)
    assert "hush" not in str(shown)
    assert shown["limits"] == {"concurrency": 4, "tiers": 2, "weights": 1}
    assert shown["can"] == ["resume", "limit"]
    assert VIEW["paused_reason"] == "hush", "what was given is left as it was"
