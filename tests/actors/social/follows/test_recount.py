"""Recounting followers."""

from collections.abc import Callable
from typing import Any

from greenroom.actors.social.follows.recount import LATER_S, PAGE, Recounted, RecountFollowers
from greenroom.actors.social.follows.views import Authors, Followers
from greenroom.store.views.asked import Asked, Rows
from greenroom.testing import JobKit


def edges_of_ann(number: int) -> Callable[[str, Asked], Rows[Any]]:
    def find(key: str, asked: Asked) -> Rows[Followers.Row]:
        first = int(asked.after or 0)
        last = min(number, first + (asked.limit or 0))
        rows = [Followers.Row(key, f"user-{one}") for one in range(first, last)]
        return Rows(rows, next=str(last) if last < number else None)

    return find


def counted(*numbers: int) -> Callable[[str, Asked], Rows[Any]]:
    """So many, one time after another, the last one from then on."""
    left = list(numbers)

    def find(key: str, _: Asked) -> Rows[Authors.Row]:
        followers = left.pop(0) if len(left) > 1 else left[0]
        return Rows([Authors.Row(key, followers)] if followers else [])

    return find


def recounted(jobs: JobKit) -> Recounted:
    result = jobs.run(RecountFollowers(author="ann")).result
    return Recounted(**result)


def test_all_pages_are_counted() -> None:
    jobs = JobKit(RecountFollowers)
    jobs.when_queried(Authors.Row, counted(2 * PAGE + 7))
    jobs.when_queried(Followers.Row, edges_of_ann(2 * PAGE + 7))
    assert recounted(jobs) == Recounted(2 * PAGE + 7, 2 * PAGE + 7)
    assert recounted(jobs).drift == 0


def test_a_drift_is_told() -> None:
    jobs = JobKit(RecountFollowers)
    jobs.when_queried(Authors.Row, counted(9))
    jobs.when_queried(Followers.Row, edges_of_ann(7))
    assert recounted(jobs).drift == 2


def test_whom_nobody_follows_has_no_row() -> None:
    jobs = JobKit(RecountFollowers)
    jobs.when_queried(Authors.Row, counted(0))
    jobs.when_queried(Followers.Row, edges_of_ann(0))
    assert recounted(jobs) == Recounted(0, 0)


def test_what_moves_meanwhile_is_counted_again_later() -> None:
    jobs = JobKit(RecountFollowers)
    jobs.when_queried(Authors.Row, counted(6, 7, 7))
    jobs.when_queried(Followers.Row, edges_of_ann(7))
    began = jobs.now
    outcome = jobs.run(RecountFollowers(author="ann"))
    assert (outcome.result, outcome.begun) == ({"followers": 7, "edges": 7}, 2)
    assert jobs.now >= began + LATER_S
