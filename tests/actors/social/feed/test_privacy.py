"""Who may see what: every case, decided from a state alone."""

import pytest

from greenroom.actors.social.feed.events import Barred, Followed
from greenroom.actors.social.feed.messages import Unwanted, Visibility
from greenroom.actors.social.feed.privacy import ALL_BARRED_MAX, barred, is_barred, is_wanted, may_see, unwanted_among
from greenroom.actors.social.feed.state import BARRED_MAX, BY_THEM, BY_US, FeedState, change
from greenroom.actors.social.post.views import Posts


def post(**fields: object) -> Posts.Row:
    return Posts.Row(**{"id": "p", "author": "bob", **fields})  # type: ignore[arg-type]


FOLLOWS = FeedState(follows={"bob": 1})
FRIEND = FeedState(close_to={"bob": True})
BLOCKED = FeedState(follows={"bob": 1}, close_to={"bob": True}, barred={"bob": BY_THEM})


@pytest.mark.parametrize(
    ("state", "visibility", "is_private", "sees"),
    [
        (FeedState(), "public", False, True),
        (FeedState(), "public", True, False),
        (FeedState(), "followers", False, False),
        (FeedState(), "close", False, False),
        (FOLLOWS, "public", True, True),
        (FOLLOWS, "followers", False, True),
        (FOLLOWS, "close", False, False),
        (FRIEND, "close", False, True),
        (FRIEND, "followers", False, False),
        (BLOCKED, "public", False, False),
        (BLOCKED, "followers", False, False),
        (BLOCKED, "close", False, False),
    ],
)
def test_who_sees_what(state: FeedState, visibility: Visibility, is_private: bool, sees: bool) -> None:
    assert may_see("ann", state, post(visibility=visibility), 0, is_private=is_private) is sees
    assert may_see("bob", FeedState(), post(visibility=visibility), 0, is_private=is_private), "its author"


def test_a_story_is_gone_when_its_time_is_over_though_its_timer_is_late() -> None:
    story = post(is_story=True, ends_ms=1_000)
    assert may_see("ann", FeedState(), story, 999)
    assert not may_see("ann", FeedState(), story, 1_000)
    assert not may_see("bob", FeedState(), story, 1_000)


@pytest.mark.bound("users of whose blocks a feed knows")
def test_nobodys_block_is_forgotten_however_many_there_are() -> None:
    """There is room for so many: whoever more have blocked sees those alone whom they follow."""
    state = FeedState(barred={f"u{number}": BY_THEM for number in range(BARRED_MAX)})
    assert not is_barred(state, "bob")
    change(state, Barred(user="bob", by_us=False, barred=True), 0)
    assert len(state.barred) == BARRED_MAX
    assert is_barred(state, "bob")
    change(state, Followed(author="cyd"), 0)
    assert not is_barred(state, "cyd")


def test_what_is_muted_or_hidden_is_seen_only_by_asking_for_it() -> None:
    assert is_wanted(FeedState(), post())
    assert not is_wanted(FeedState(muted={"bob": True}), post())
    assert not is_wanted(FeedState(hid={"p": True}), post())


def test_whose_words_are_not_wanted_or_not_to_be_had() -> None:
    state = FeedState(muted={"bob": True}, barred={"cyd": BY_THEM, "dan": BY_US}, follows={"eve": 1})
    assert unwanted_among(state, ["bob", "cyd", "dan", "eve", "fay"]) == ["bob", "cyd", "dan"]
    assert barred(state) == Unwanted(["cyd", "dan"])
    state.is_barred_by_more = True
    assert unwanted_among(state, ["eve", "fay"]) == ["fay"] and barred(state) == Unwanted([], and_more=True)


@pytest.mark.bound("users between whom and somebody there is a block, for what they say to be told live")
def test_all_blocks_are_told_where_they_are_few() -> None:
    state = FeedState(barred={f"u{number}": BY_THEM for number in range(ALL_BARRED_MAX)})
    assert len(barred(state).users) == ALL_BARRED_MAX
    state.barred["one more"] = BY_US
    assert barred(state) == Unwanted([], and_more=True)
