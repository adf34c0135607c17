"""Jobs in whose place others are done, followed to what came of those."""

from greenroom.store.jobs.instead import follow, wanted
from greenroom.store.jobs.jobs import JobOutcome


def replaced(by: str) -> JobOutcome:
    return JobOutcome("q", "cancelled", instead=by)


def test_each_is_followed_until_nothing_is_in_its_place() -> None:
    found = {"a": replaced("b"), "c": JobOutcome("q", "failed"), "d": replaced("b")}
    assert wanted(found) == ["b"]
    follow(found, {"b": replaced("e")})
    assert wanted(found) == ["e"]
    end = JobOutcome("q", "completed", b"1")
    follow(found, {"e": end})
    followed = JobOutcome("q", "completed", b"1", of="e")
    assert wanted(found) == [] and found == {"a": followed, "c": JobOutcome("q", "failed"), "d": followed}


def test_of_one_that_is_gone_nothing_more_is_known() -> None:
    found = {"a": replaced("b")}
    follow(found, {})
    assert wanted(found) == [] and found["a"].state == "cancelled"
