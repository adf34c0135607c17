"""Who waits for whom, and what follows when one has ended."""

import pytest

from greenroom.actors.jobs.queue.flows.blocked import UNKNOWN, Blocked, Then, judge
from greenroom.actors.jobs.waits import Awaited, OnFailure, Waits, When

GO, FAIL, CANCEL = Then.GO, Then.FAIL, Then.CANCEL


@pytest.mark.parametrize(
    ("when", "on_failure", "state", "left", "then"),
    [
        ("", "fail", "completed", 1, None),
        ("", "fail", "completed", 0, GO),
        ("", "fail", "failed", 1, FAIL),
        ("", "fail", UNKNOWN, 1, FAIL),
        ("", "ignore", "failed", 1, None),
        ("", "ignore", "cancelled", 0, GO),
        ("", "continue", "failed", 1, GO),
        ("", "continue", "completed", 1, None),
        ("success", "ignore", "completed", 0, GO),
        ("success", "ignore", "cancelled", 1, CANCEL),
        ("failure", "fail", "failed", 1, GO),
        ("failure", "fail", "completed", 0, CANCEL),
        ("ended", "fail", "failed", 1, None),
        ("ended", "fail", "failed", 0, GO),
    ],
)
def test_what_follows(when: When, on_failure: OnFailure, state: str, left: int, then: Then | None) -> None:
    decided = judge(when, on_failure, "x", state, left)
    assert (decided.then if decided is not None else None) is then


def test_why_it_can_not_go_names_the_one_to_blame() -> None:
    decided = [judge("", "fail", "x", "failed", 0), judge("success", "fail", "x", UNKNOWN, 0)]
    assert [one.why for one in decided if one is not None] == [
        "x, which it waited for, has failed",
        "not called: x is not known, or was forgotten since it ended",
    ]


def waits(*ids: str, when: When = "") -> Waits:
    return Waits([Awaited(one) for one in ids], when)


def test_one_goes_when_the_last_has_ended_and_the_first_reason_counts() -> None:
    blocked = Blocked()
    blocked.block("j", waits("x", "y"))
    blocked.block("k", waits("y"))
    blocked.ended("y", "completed")
    assert list(blocked.due) == ["k"] and blocked.waits_for("j") == ["x"]
    blocked.ended("x", "failed")
    blocked.ended("x", "completed")
    assert blocked.due["j"].then is FAIL


def test_whoever_is_forgotten_waits_for_nothing() -> None:
    blocked = Blocked()
    blocked.block("j", waits("x", "y"))
    blocked.block("k", waits("y"))
    waiter = blocked.forget("j")
    assert waiter is not None and list(waiter.open) == ["x", "y"] and blocked.forget("j") is None
    blocked.ended("x", "completed")
    assert not blocked.due and list(blocked.awaited) == ["y"] and blocked.waits_for("j") == []
