"""Lists out of the state, though they move."""

import pytest

from greenroom import Refused
from greenroom.actors.social.follows.listing import listed
from greenroom.actors.social.follows.messages import List, Listed
from greenroom.actors.social.follows.state import Followed, FollowsState


def through(state: FollowsState, which: str, between: object = None) -> list[str]:
    """All of it, two at a time."""
    found: list[str] = []
    cursor = None
    while True:
        page = listed(state, List(which=which, limit=2, cursor=cursor))  # type: ignore[arg-type]
        found += page.users
        cursor = page.next
        if cursor is None:
            return found
        if callable(between):
            between()


def test_the_followed_are_in_the_order_in_which_they_were_asked_though_edges_began_in_another() -> None:
    state = FollowsState(following={"cat": Followed(3, 0), "ann": Followed(1, 0), "bob": Followed(2, 0)})
    assert through(state, "following") == ["cat", "bob", "ann"]


def test_a_list_that_moves_repeats_nobody_and_leaves_nobody_out() -> None:
    state = FollowsState(following={f"user-{number}": Followed(number, 0) for number in range(1, 8)})

    def another_comes_and_the_last_shown_goes() -> None:
        state.following[f"new-{len(state.following)}"] = Followed(100 + len(state.following), 0)
        state.following.pop("user-6", None)

    assert through(state, "following", another_comes_and_the_last_shown_goes) == [
        f"user-{number}" for number in range(7, 0, -1)
    ]


def test_others_are_by_their_ids() -> None:
    state = FollowsState(muted={"dan", "ann", "cat"}, pending={"zoe": 1, "bob": 2}, asked={"b": 1, "a": 2, "c": 3})
    assert through(state, "muted") == ["ann", "cat", "dan"]
    assert through(state, "pending") == ["bob", "zoe"]
    assert through(state, "asked") == ["a", "b", "c"]
    assert listed(state, List(which="close")) == Listed([])


def test_a_cursor_that_is_none_is_refused() -> None:
    for cursor in ("bob", "-1", "1" * 40, "٣"):
        with pytest.raises(Refused, match=r"follows\.bad_cursor"):
            listed(FollowsState(), List(which="following", cursor=cursor))
