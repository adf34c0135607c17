"""What follows from a delivery that failed."""

from random import Random

import pytest

from greenroom.supervisors.sinks.patience import FAILURES_MAX, HELD_MAX, REFUSED_MAX, Patience, Suspect, Verdict
from greenroom.supervisors.supervision.backoff import Backoff


def patience(attempts_max: int = 3) -> Patience:
    return Patience(attempts_max=attempts_max, waits=lambda: Backoff(random=Random(0), first_s=1, max_s=8, jitter=0))


def alone(head_id: int = 1) -> Suspect:
    return Suspect((head_id,), 1)


def test_halves_come_to_one_event() -> None:
    assert Suspect((1, 2, 3), 10).halves() == [Suspect((1,), 10), Suspect((2, 3), 10)]
    assert Suspect((1,), 5).halves() == [Suspect((1,), 2)]
    assert Suspect((1,), 1).halves() == [alone()]


def test_an_event_that_fails_alone_waits_longer_each_time() -> None:
    tried = patience()
    assert tried.failed(Suspect((1, 2), 4), is_refused=False, now=0) is Verdict.SPLIT
    assert tried.failed(alone(), is_refused=False, now=0) is Verdict.HOLD
    assert tried.is_held(1) and tried.due(0.9) is None and tried.due(1) == 1 and tried.next_due == 1
    tried.failed(alone(), is_refused=False, now=1)
    assert tried.next_due == 3
    tried.delivered([1])
    assert not tried.is_held(1) and tried.next_due == float("inf")


def test_it_is_parked_only_where_others_were_delivered_since() -> None:
    tried = patience()
    tried.delivered([2])  # before: proves nothing
    for _ in range(5):
        assert tried.failed(alone(), is_refused=False, now=0) is Verdict.HOLD
    tried.delivered([2])
    assert tried.failed(alone(), is_refused=False, now=0) is Verdict.PARK


def test_where_nothing_is_delivered_it_is_the_other_side() -> None:
    tried = patience()
    verdicts = [tried.failed(Suspect((1, 2), 4), is_refused=False, now=0) for _ in range(FAILURES_MAX + 1)]
    assert verdicts == [Verdict.SPLIT] * FAILURES_MAX + [Verdict.REST]
    assert tried.failed(alone(), is_refused=False, now=0) is Verdict.REST
    tried.delivered([3])
    assert tried.failed(alone(4), is_refused=False, now=0) is Verdict.HOLD


def test_what_is_refused_is_parked_at_once_but_not_everything() -> None:
    tried = patience()
    verdicts = [tried.failed(alone(one), is_refused=True, now=0) for one in range(REFUSED_MAX + 1)]
    assert verdicts == [Verdict.PARK] * REFUSED_MAX + [Verdict.REST]
    tried.delivered([99])
    assert tried.failed(alone(), is_refused=True, now=0) is Verdict.PARK


@pytest.mark.bound("entities of a sink whose next event fails")
def test_those_that_wait_are_bounded() -> None:
    tried = patience()
    for head_id in range(HELD_MAX):
        tried.failed(alone(head_id), is_refused=False, now=0)
    assert tried.failed(alone(HELD_MAX), is_refused=False, now=0) is Verdict.REST
    assert not tried.is_held(HELD_MAX)
    tried.forget(0)
    assert not tried.is_held(0)
    tried.forget_all()
    assert not tried.is_held(1)
