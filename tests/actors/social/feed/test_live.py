"""What watchers of a feed hear."""

from typing import Any

import pytest

from greenroom.actors.social.feed.live import AGAIN_S, FLUSH_S
from greenroom.actors.social.feed.messages import Arrived, BarredChanged, CloseChanged, Show
from greenroom.actors.social.feed.reader import NUDGED_MAX, RECENT_S
from greenroom.actors.social.post.looks import KEPT_S
from greenroom.actors.social.post.views import Posts
from greenroom.store.errors import StoreUnavailable
from greenroom.store.views.asked import Asked, Rows
from tests.actors.social.feed.world import World, ids


@pytest.fixture
def world() -> World:
    world = World()
    world.follow("bob")
    world.kit.watch(user="ann", client="phone")
    world.kit.ephemerals.clear()
    return world


def told(world: World) -> list[Any]:
    world.kit.advance(FLUSH_S)
    heard, world.kit.ephemerals[:] = world.kit.ephemerals[:], []
    return heard


def test_the_first_is_told_at_once_and_those_behind_it_together(world: World) -> None:
    for _ in range(3):
        world.nudge(world.post("bob"))
    assert told(world) == [{"type": "feed.new", "count": 1}, {"type": "feed.new", "count": 3}]
    world.kit.advance(FLUSH_S)
    world.nudge(world.post("bob"))
    assert told(world) == [{"type": "feed.new", "count": 4}], "since its user last read"
    assert len(world.ids()) == 4
    assert told(world) == [{"type": "feed.new", "count": 0}], "and its other devices show none"


def test_the_same_twice_is_one(world: World) -> None:
    post = world.post("bob")
    world.nudge(post)
    world.nudge(post)
    assert told(world) == [{"type": "feed.new", "count": 1}]


def test_what_was_read_is_not_new_when_it_is_nudged_once_more(world: World) -> None:
    post = world.post("bob")
    world.nudge(post)
    assert world.ids() == [post]
    told(world)
    world.nudge(post)  # by a page that was tried again
    assert told(world) == []


def test_what_was_found_before_it_was_nudged_is_not_new(world: World) -> None:
    posts = [world.post("bob") for _ in range(3)]
    assert world.ids(limit=1) == [posts[-1]], "their rows were faster, and the others are on the next page"
    told(world)
    for post in posts:
        world.nudge(post)
    assert told(world) == []
    world.nudge(world.post("bob"))
    assert told(world) == [{"type": "feed.new", "count": 1}]


def test_what_is_not_to_be_seen_is_not_counted(world: World) -> None:
    gone, close = world.post("bob"), world.post("bob", visibility="close")
    stranger = world.post("zoe", written=None)
    row = world.posts.pop(gone)  # before it comes
    world.kit.tell(Arrived(post=gone, author="bob", at_ms=row.at_ms))
    for post in (close, stranger):
        world.nudge(post)
    assert told(world) == [{"type": "feed.new", "count": 0}]


def test_what_is_gone_again_is_counted_no_more(world: World) -> None:
    gone = world.post("bob")
    world.nudge(gone)
    assert told(world) == [{"type": "feed.new", "count": 1}]
    del world.posts[gone]
    world.kit.advance(KEPT_S)
    world.nudge(world.post("bob"))
    assert told(world) == [{"type": "feed.new", "count": 1}], "the other one"


def test_a_nudge_of_somebody_unfollowed_or_blocked_meanwhile_is_nothing(world: World) -> None:
    world.follow("cyd")
    late, blocked = world.post("bob"), world.post("cyd")
    world.unfollow("bob")
    world.kit.tell(BarredChanged(user="cyd", by_us=False, barred=True))
    world.nudge(late)
    world.nudge(blocked)
    assert told(world) == []


def test_posts_are_inserted_above_what_is_shown_and_nowhere_else(world: World) -> None:
    below = world.post("bob")
    top, first, second = world.post("bob"), world.post("bob"), world.post("bob")
    world.kit.ask(Show(top=top, limit=10), user="ann")
    for post in (below, first, second):
        world.nudge(post)
    *_, new, inserted = told(world)
    assert new == {"type": "feed.new", "count": 3}
    assert (inserted["type"], [one["id"] for one in inserted["posts"]]) == ("feed.top", [second, first])
    third = world.post("bob")
    world.nudge(third)
    assert [one["id"] for one in told(world)[1]["posts"]] == [third], "those before are shown by now"


def test_no_more_is_inserted_at_once_than_was_asked_for(world: World) -> None:
    world.kit.ask(Show(top=world.post("bob"), limit=2), user="ann")
    posts = [world.post("bob") for _ in range(5)]
    for post in posts:
        world.nudge(post)
    *_, new, inserted = told(world)
    assert (new["count"], [one["id"] for one in inserted["posts"]]) == (5, posts[:2:-1])


@pytest.mark.bound("posts that a feed was nudged of since its user read")
def test_what_is_remembered_of_nudges_is_bounded(world: World) -> None:
    for _ in range(NUDGED_MAX + 5):
        world.nudge(world.post("bob", written=None))
    assert told(world)[-1] == {"type": "feed.new", "count": NUDGED_MAX + 1}, "one was told before it made room"
    assert len(world.kit.actor.nudged) == NUDGED_MAX
    assert len(world.ids(limit=100)) == NUDGED_MAX, "those that were dropped were the oldest, and have no rows yet"


def test_who_only_watches_is_told_of_each_post_for_as_long_as_they_do(world: World) -> None:
    """A page that inserts what comes has nothing to read."""
    world.kit.ask(Show(top=world.post("bob"), limit=10), user="ann")
    for number in range(1, NUDGED_MAX + 30):
        world.kit.advance(1.0)
        world.nudge(world.post("bob"))
        new, inserted = told(world)
        assert (new["count"], len(inserted["posts"])) == (number, 1)
    assert world.kit.view()["new"] == NUDGED_MAX + 29
    world.read()
    assert world.kit.view()["new"] == 0


def test_a_channel_says_how_many_are_new_as_far_as_they_may_be_seen(world: World) -> None:
    world.kit.unwatch(client="phone")
    for fields in ({}, {"visibility": "close"}, {"is_pending": True}):
        world.nudge(world.post("bob", **fields))
    assert world.kit.watch(user="ann", client="phone")["new"] == 0, "nobody has looked"
    assert told(world) == [{"type": "feed.new", "count": 1}], "which is done for who has come"
    assert world.kit.view()["new"] == 1


def test_when_somebody_posts_for_friends_only_friends_notice(world: World) -> None:
    world.nudge(world.post("bob", visibility="close"))
    assert told(world) == [] and not world.kit.actor.nudged
    world.kit.tell(CloseChanged(author="bob", close=True))
    world.nudge(world.post("bob", visibility="close"))
    assert told(world) == [{"type": "feed.new", "count": 1}]


def test_whoever_watches_nothing_costs_no_look(world: World) -> None:
    world.kit.unwatch(client="phone")
    assert world.kit.actor.may_sleep()
    world.queries.clear()
    world.nudge(world.post("bob"))
    assert told(world) == []
    assert world.queries == []
    world.kit.watch(user="ann")
    assert not world.kit.actor.may_sleep(), "nudges wake nobody"


def test_a_nudge_that_comes_before_every_row_is_read_all_the_same(world: World) -> None:
    post = world.post("bob", written=None)
    world.nudge(post)
    assert world.ids() == [post]
    assert world.ids() == [post], "and does not go again until its row is there"
    world.kit.advance(RECENT_S)
    assert world.ids() == [], "a nudge is no promise"


def test_where_nobody_can_look_watchers_are_told_once_somebody_can(world: World) -> None:
    """It was lost with the actor's memory, before: a post to ten thousand watchers was told to none of many."""
    post = world.post("bob")
    is_away = [True]

    def find(key: str, asked: Asked) -> Rows[Posts.Row]:
        if is_away:
            raise StoreUnavailable("too many wait")
        return Rows([world.posts[key]])

    world.kit.when_queried(Posts.Row, find)
    world.nudge(post)
    assert told(world) == []
    is_away.clear()
    world.kit.advance(AGAIN_S)
    assert told(world) == [{"type": "feed.new", "count": 1}]


def test_an_arrival_of_nothing_is_no_harm(world: World) -> None:
    world.kit.tell(Arrived(post="0" * 32, author="bob", at_ms=1))
    assert told(world) == [{"type": "feed.new", "count": 0}]
    assert ids(world.read().posts) == []
