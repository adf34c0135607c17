"""Recounting followers."""

from collections.abc import Callable
from typing import Any

from greenroom.actors.social.follows.recount import LATER_S, LOOKS, PAGE, Recounted, RecountFollowers
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


def test_a_drift_that_stays_is_told() -> None:
    jobs = JobKit(RecountFollowers)
    jobs.when_queried(Authors.Row, counted(9))
    jobs.when_queried(Followers.Row, edges_of_ann(7))
    began = jobs.now
    found = recounted(jobs)
    assert (found.drift, found.moved) == (2, False)
    assert jobs.now == began + (LOOKS - 1) * LATER_S


def test_whom_nobody_follows_has_no_row() -> None:
    jobs = JobKit(RecountFollowers)
    jobs.when_queried(Authors.Row, counted(0))
    jobs.when_queried(Followers.Row, edges_of_ann(0))
    assert recounted(jobs) == Recounted(0, 0)


def test_who_is_counted_and_no_row_yet_is_looked_for_again() -> None:
    jobs = JobKit(RecountFollowers)
    rows = [6]
    jobs.when_queried(Authors.Row, counted(7))

    def find(key: str, asked: Asked) -> Rows[Any]:
        found = edges_of_ann(rows[0])(key, asked)
        rows[0] = 7  # it is folded by the next look
        return found

    jobs.when_queried(Followers.Row, find)
    assert recounted(jobs) == Recounted(7, 7)


def test_where_somebody_comes_all_the_while_that_is_told() -> None:
    jobs = JobKit(RecountFollowers)
    jobs.when_queried(Authors.Row, counted(*range(100)))
    jobs.when_queried(Followers.Row, edges_of_ann(7))
    assert recounted(jobs).moved
