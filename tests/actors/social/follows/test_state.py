"""What `follows` remembers."""

import msgspec
import pytest

from greenroom import Event
from greenroom.actors.personal.redaction import Redaction
from greenroom.actors.social.follows.events import (
    CloseSet,
    FollowAsked,
    FollowBegan,
    FollowDropped,
    FollowEnded,
    FollowerGained,
    FollowerLost,
    FollowRequested,
    RequestDropped,
)
from greenroom.actors.social.follows.messages import FOLLOWING_MAX
from greenroom.actors.social.follows.state import Followed, FollowsState


def after(*events: Event) -> FollowsState:
    state = FollowsState()
    for at_ms, event in enumerate(events):
        state.change(event, at_ms)  # type: ignore[arg-type]
    return state


def test_an_edge_is_asked_for_begins_and_ends() -> None:
    asked = FollowAsked(author="bob", seq=4)
    assert after(asked) == FollowsState(seq=4, asked={"bob": 4})
    assert after(asked, FollowDropped(author="bob")) == FollowsState(seq=4)
    began = FollowBegan(author="bob", seq=4)
    assert after(asked, began) == FollowsState(seq=4, following={"bob": Followed(4, 1)})
    assert after(asked, began, FollowEnded(author="bob")) == FollowsState(seq=4)


def test_a_number_is_never_given_twice() -> None:
    state = after(FollowAsked(author="bob", seq=4), FollowDropped(author="bob"))
    assert state.seq == 4


def test_who_is_let_in_waits_no_more_and_is_no_more_than_counted() -> None:
    requested = FollowRequested(follower="ann", seq=1)
    assert after(requested).pending == {"ann": 1}
    assert after(requested, RequestDropped(follower="ann")) == FollowsState()
    assert after(requested, FollowerGained(follower="ann")) == FollowsState(followers=1)
    assert after(FollowerGained(follower="ann"), FollowerLost(follower="ann")) == FollowsState()


def test_who_was_no_friend_can_cease_to_be_one() -> None:
    assert after(CloseSet(user="bob", close=True)).close == {"bob"}
    assert after(CloseSet(user="bob", close=True), CloseSet(user="bob", close=False)).close == set()
    assert after(CloseSet(user="bob", close=False)).close == set()


@pytest.mark.parametrize("followers", [0, 1_000_000])
def test_a_snapshot_is_as_large_as_what_its_user_follows(followers: int) -> None:
    state = FollowsState(followers=followers)
    assert len(msgspec.json.encode(state)) < 200
    state.following = {f"user-{number:08}": Followed(number, 1_750_000_000_000) for number in range(FOLLOWING_MAX)}
    assert len(msgspec.json.encode(state)) < 400_000
    assert msgspec.json.decode(msgspec.json.encode(state), type=FollowsState) == state


def test_who_is_forgotten_is_found_wherever_they_are() -> None:
    state = FollowsState(
        following={"eve": Followed(1, 2)},
        asked={"eve": 3},
        pending={"eve": 4},
        muted={"eve"},
        blocked={"eve"},
        close={"eve"},
    )
    redacted = Redaction("eve", "~1").redact(msgspec.inspect.type_info(FollowsState), msgspec.to_builtins(state))
    assert "eve" not in str(redacted) and str(redacted).count("~1") == 6
