"""The ring of stories."""

import pytest

from greenroom.actors.social.feed import gathering
from greenroom.actors.social.feed.messages import MadeShown, MutedChanged, Post, Rings, Seen, Signal, Stories
from greenroom.actors.social.feed.state import MADE_MAX
from greenroom.actors.social.known.on_node import CAUGHT_UP_EACH
from greenroom.actors.social.post.views import Posts, Wall
from greenroom.actors.social.spread.arrivals import Arrivals
from greenroom.store.views.asked import Rows
from tests.actors.social.feed.world import DAY_S, World, ids


@pytest.fixture
def world() -> World:
    world = World()
    world.follow("bob", "eve")
    return world


def story(world: World, author: str, *, written: bool | None = True) -> str:
    ends_ms = int((world.kit.now + DAY_S) * 1000)
    return world.post(author, written=written, is_story=True, ends_ms=ends_ms)


def rings(world: World) -> Rings:
    return world.kit.ask(Stories(), user="ann")


def test_stories_stand_in_rings_and_never_among_posts(world: World) -> None:
    first, second, loud = story(world, "bob"), story(world, "bob"), story(world, "eve", written=False)
    mine = story(world, "ann", written=None)
    world.kit.advance(60.0)
    found = rings(world).rings
    assert [(ring.author, ids(ring.stories), ring.unseen) for ring in found] == [
        ("ann", [mine], 1),
        ("eve", [loud], 1),
        ("bob", [first, second], 2),
    ]
    assert world.ids() == []


def test_those_with_something_unseen_come_first(world: World) -> None:
    older, newer = story(world, "bob"), story(world, "eve")
    assert [ring.author for ring in rings(world).rings] == ["eve", "bob"]
    world.kit.ask(Seen(signals=[Signal(post=newer, did="seen")]), user="ann")
    assert [(ring.author, ring.unseen) for ring in rings(world).rings] == [("bob", 1), ("eve", 0)]
    assert older in world.posts


def test_a_story_ends_though_nobody_has_ended_it(world: World) -> None:
    story(world, "bob")
    world.kit.advance(DAY_S - 1)
    assert len(rings(world).rings) == 1
    world.kit.advance(1)
    assert rings(world).rings == []


def test_stories_of_the_muted_and_the_unfollowed_are_not_shown(world: World) -> None:
    story(world, "bob"), story(world, "eve")
    world.kit.tell(MutedChanged(user="bob", muted=True))
    world.unfollow("eve")
    assert rings(world).rings == []


def test_stories_of_the_unfollowed_take_nobodys_place(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "STORIES_MAX", 3)
    for _ in range(9):
        story(world, "bob")
    world.kit.advance(DAY_S - 120.0)
    kept = story(world, "eve")
    world.kit.advance(1.0)
    for _ in range(5):
        story(world, "bob")
    world.unfollow("bob")
    world.kit.advance(120.0)
    world.queries.clear()
    assert [ids(ring.stories) for ring in rings(world).rings] == [[kept]]
    assert world.queries.count(Arrivals.Row) == 3, "and what has ended is not looked for"


@pytest.mark.parametrize("settled", [False, True])
def test_a_story_with_many_posts_behind_it_is_shown_to_who_follows_from_now_on(world: World, settled: bool) -> None:
    """At once, while walls are looked at, and once what is on them is kept."""
    made = story(world, "cyd", written=None)
    posts = [world.post("cyd", written=None) for _ in range(CAUGHT_UP_EACH + MADE_MAX)]
    world.kit.advance(60.0)
    world.kit.when_glanced("feed:cyd", lambda _: MadeShown([made, *posts[-MADE_MAX:]], [made]))
    world.follow("cyd", settled=settled)
    assert [(ring.author, ids(ring.stories)) for ring in rings(world).rings] == [("cyd", [made])]


def test_ones_own_story_with_many_posts_behind_it_is_shown_before_its_row_is_there(world: World) -> None:
    kit = world.kit
    made = kit.ask(Post(text="hi", is_story=True), user="ann").id
    for _ in range(MADE_MAX):
        kit.ask(Post(text="more"), user="ann")
    now_ms = int(kit.now * 1000)
    world.posts[made] = Posts.Row(id=made, author="ann", at_ms=now_ms, is_story=True, ends_ms=now_ms + 86_400_000)
    kit.when_queried(Wall.Row, lambda key, asked: Rows([]))
    assert [ids(ring.stories) for ring in rings(world).rings] == [[made]]
