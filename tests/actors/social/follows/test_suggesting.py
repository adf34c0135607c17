"""Whom else to follow."""

from greenroom.actors.social.follows.messages import Suggestion
from greenroom.actors.social.follows.suggesting import CANDIDATES_MAX, SOME, candidates, chosen


def test_whom_most_follow_comes_first_and_equal_ones_by_name() -> None:
    found = candidates({"bob": ["zoe", "fay", "gus"], "cat": ["gus", "fay"], "dan": ["fay"]})
    assert found == [
        Suggestion("fay", 3, ["bob", "cat", "dan"]),
        Suggestion("gus", 2, ["bob", "cat"]),
        Suggestion("zoe", 1, ["bob"]),
    ]


def test_few_are_named_and_few_are_kept() -> None:
    many = {f"user-{number}": ["fay", *(f"author-{number}-{one}" for one in range(50))] for number in range(20)}
    found = candidates(many)
    assert len(found) == CANDIDATES_MAX
    assert found[0].user == "fay" and found[0].followed_by == 20 and len(found[0].some) == SOME


def test_the_known_are_passed_over_and_others_take_their_place() -> None:
    found = [Suggestion(user, 1, []) for user in ("ann", "bob", "cat", "dan")]
    assert [one.user for one in chosen(found, ({"ann"}, ("cat",)), 2)] == ["bob", "dan"]
