"""Why a job waits, in words."""

import pytest

from greenroom.actors.jobs.limits import QueueLimits, Rate
from greenroom.actors.jobs.queue.order import Order
from greenroom.actors.jobs.queue.why import LOOKED_AT_MAX, moment, why
from tests.actors.jobs.queue.some_jobs import a_job

NOW = 1_750_000_000_000


def said(limits: QueueLimits, *, taken: int = 1, retried: bool = False, key: str = "a") -> str:
    """Of the second of two jobs with one key, after so many were taken."""
    order = Order(limits)
    first, second = a_job(1, key), a_job(2, key)
    order.put(first, NOW)
    order.put(second, NOW)
    order.take(NOW, taken)
    if retried:
        order.ended(first, NOW)
        first.attempts, first.due_ms = 1, NOW + 1_000
        order.put(first, NOW)
    return why(order, second, NOW, [])


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (QueueLimits(concurrency=1), "the queue's limit: 1 of 1 are under way"),
        (QueueLimits(rate=Rate(1, per_s=60)), "the queue's rate: 1 in 60 s, the next at 2025-06-15 15:07:40 UTC"),
        (
            QueueLimits(rate=Rate(1, per_s=60, window="fixed")),
            "the queue's rate: 1 in 60 s of a fixed window, the next at 2025-06-15 15:07:00 UTC",
        ),
        (QueueLimits(per_key=1), "the limit of its key 'a': 1 of 1 are under way"),
        (QueueLimits(tiers={"a": 1}), "the limit of its key 'a': 1 of 1 are under way"),
        (
            QueueLimits(per_key_rate=Rate(1, per_s=60)),
            "the rate of its key 'a': 1 in 60 s, the next at 2025-06-15 15:07:40 UTC",
        ),
        (QueueLimits(), "no worker is free for it"),
    ],
    ids=str,
)
def test_the_limit_that_keeps_it(limits: QueueLimits, words: str) -> None:
    assert said(limits) == words


def test_those_of_its_key() -> None:
    assert said(QueueLimits(), taken=0) == "behind 1 of its key and class; no worker is free for it"
    assert said(QueueLimits(on_retry="block"), retried=True) == "behind 1 of its key 'a' that are tried again"
    assert said(QueueLimits(on_retry="overtake"), retried=True) == "no worker is free for it"
    assert said(QueueLimits(per_key=1), key="") == "the limit of jobs without a key: 1 of 1 are under way"


def test_time() -> None:
    order = Order()
    assert why(order, a_job(1, due_ms=NOW + 1_000), NOW, []) == "delayed until 2025-06-15 15:06:41 UTC"
    again = a_job(1, due_ms=NOW + 1_000, attempts=2)
    assert why(order, again, NOW, []) == "tried again, attempt 3, 2025-06-15 15:06:41 UTC"
    assert moment(1 << 60) == f"{1 << 60} ms"


def test_nobody_knows_its_class() -> None:
    order, job = Order(), a_job(1, job="job.rare")
    order.put(job, NOW)
    assert why(order, job, NOW, [frozenset({"job.a"})]) == "workers wait, and none of them knows 'job.rare'"
    assert why(order, job, NOW, [frozenset({"job.a"}), None]) == "no worker is free for it"


def test_a_long_queue_is_not_gone_through() -> None:
    order = Order()
    for number in range(LOOKED_AT_MAX + 10):
        order.put(a_job(number), NOW)
    last = a_job(LOOKED_AT_MAX + 10)
    order.put(last, NOW)
    assert why(order, last, NOW, []).startswith(f"behind {LOOKED_AT_MAX} or more of")
