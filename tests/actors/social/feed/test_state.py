"""What a feed remembers is bounded, and comes to what a recount of what it was told says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.social.feed.events import (
    Barred,
    CaughtUp,
    CloseTo,
    FeedEvent,
    Followed,
    Muted,
    PostMade,
    PostsSeen,
    Returned,
    Unfollowed,
)
from greenroom.actors.social.feed.state import (
    BY_THEM,
    BY_US,
    CLOSE_MAX,
    HID_MAX,
    MADE_MAX,
    SEEN_MAX,
    STORIES_MADE_MAX,
    FeedState,
    change,
)
from greenroom.actors.social.names import new_post_id

USERS = st.sampled_from("abc")
EVENTS = st.one_of(
    st.builds(Followed, author=USERS),
    st.builds(Unfollowed, author=USERS),
    st.builds(Muted, user=USERS, muted=st.booleans()),
    st.builds(Barred, user=USERS, by_us=st.booleans(), barred=st.booleans()),
    st.builds(CloseTo, author=USERS, close=st.booleans()),
    st.builds(Returned, after_long=st.booleans()),
    st.builds(CaughtUp, followed_ms=st.integers(0, 30), entries=st.just([])),
)


@given(st.lists(EVENTS, max_size=30))
def test_each_part_is_what_was_said_last(events: list[FeedEvent]) -> None:
    state = FeedState()
    for at_ms, event in enumerate(events):
        change(state, event, at_ms)
    for user in "abc":
        edges = [one for one in events if isinstance(one, Followed | Unfollowed) and one.author == user]
        assert (user in state.follows) == (bool(edges) and isinstance(edges[-1], Followed))
        mutes = [one.muted for one in events if isinstance(one, Muted) and one.user == user]
        assert (user in state.muted) == (mutes[-1:] == [True])
        closes = [one.close for one in events if isinstance(one, CloseTo) and one.author == user]
        assert (user in state.close_to) == (closes[-1:] == [True])
        expected = 0
        for by_us, side in ((True, BY_US), (False, BY_THEM)):
            bars = [one.barred for one in events if isinstance(one, Barred) and (one.user, one.by_us) == (user, by_us)]
            expected |= side if bars[-1:] == [True] else 0
        assert state.barred.get(user, 0) == expected
    assert state.behind.keys() <= state.follows.keys(), "nobody is caught up with who was unfollowed"


@pytest.mark.bound("posts that a feed knows as seen, as hidden, and authors who count its user a friend")
def test_what_grows_with_use_has_a_bound() -> None:
    state = FeedState()
    for number in range(CLOSE_MAX + 1):
        change(state, CloseTo(author=f"u{number}", close=True), 0)
    for number in range(SEEN_MAX // 100 + 1):
        posts = [f"{number}-{at}" for at in range(100)]
        change(state, PostsSeen(seen=posts, hid=posts), 0)
        change(state, PostMade(post=new_post_id(number), is_story=number % 2 == 0), 0)
    assert (len(state.close_to), len(state.seen), len(state.hid)) == (CLOSE_MAX, SEEN_MAX, HID_MAX)
    for number in range(STORIES_MADE_MAX + 1):
        change(state, PostMade(post=new_post_id(1_000 + number), is_story=True), 0)
    assert (len(state.made), len(state.stories)) == (MADE_MAX, STORIES_MADE_MAX)
    assert "u0" not in state.close_to and "0-0" not in state.seen, "the oldest go"


def test_seen_again_is_seen_last() -> None:
    state = FeedState()
    for post in ("a", "b", "a"):
        change(state, PostsSeen(seen=[post], hid=[]), 0)
    assert list(state.seen) == ["b", "a"]
