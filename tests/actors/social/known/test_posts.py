"""Posts as they are ranked: a few seconds old, while what is shown is what is so now."""

import pytest

from greenroom.actors.social.feed.messages import BarredChanged
from greenroom.actors.social.follows.views import Authors
from greenroom.actors.social.known.names import WHOLE_S
from greenroom.actors.social.known.on_node import POSTS_S
from greenroom.actors.social.known.posts import candidate, fact
from greenroom.actors.social.post.views import Posts
from greenroom.actors.social.ranking.light import own_part
from tests.actors.social.feed.world import World, ids


@pytest.fixture
def world() -> World:
    world = World()
    world.follow("bob", "cyd")
    return world


def test_a_post_is_what_its_row_and_its_authors_say() -> None:
    row = Posts.Row(
        id="0" * 32, author="bob", at_ms=5, text="four", reactions={"like": 2, "sad": 1}, media=["m"], share_of="s"
    )
    one = fact(row, Authors.Row(user="bob", followers=7, private=True), 9)
    assert (one.id, one.author, one.is_private, one.visibility) == (row.id, "bob", True, "public")
    made = candidate(one, "tag", seen=True)
    assert (made.reactions, made.chars, made.media, made.is_share, made.followers) == (3, 4, 1, True, 7)
    assert (made.reason, made.seen, made.own) == ("tag", True, own_part(made, 9))
    assert candidate(one, "tag", seen=True) is made, "made once for all readers"
    assert not candidate(one, "following", seen=False).seen


def ranked(world: World) -> list[str]:
    return ids(world.read(order="ranked").posts)


def test_counts_are_read_once_in_a_while_and_posts_each_time(world: World) -> None:
    old = world.post("bob", text="x")
    world.kit.advance(3_600.0)
    new = world.post("cyd", text="x")
    assert ranked(world) == [new, old]
    world.posts[old].reactions = {"like": 900}
    world.posts[new].text = "edited"
    page = world.read(order="ranked").posts
    assert ids(page) == [new, old] and page[0].text == "edited" and page[1].reactions == {"like": 900}
    world.kit.advance(max(POSTS_S, WHOLE_S))
    assert ranked(world) == [old, new]


@pytest.mark.parametrize("how", ["deleted", "closed", "hidden", "story", "blocked", "unfollowed"])
def test_what_may_not_be_seen_any_more_is_gone_at_once(world: World, how: str) -> None:
    bobs, cyds = world.post("bob"), world.post("cyd")
    assert set(ranked(world)) == {bobs, cyds}
    match how:
        case "deleted":
            del world.posts[bobs]
        case "closed":
            world.posts[bobs].visibility = "close"
        case "hidden":
            world.posts[bobs].is_pending = True
        case "story":
            world.posts[bobs].is_story = True
            world.posts[bobs].ends_ms = 1
        case "blocked":
            world.kit.tell(BarredChanged(user="bob", by_us=False, barred=True))
        case "unfollowed":
            world.unfollow("bob")
    assert ranked(world) == [cyds]


def test_who_has_become_private_is_gone_at_once(world: World) -> None:
    world.suggested = ["dan"]
    world.authors["dan"] = Authors.Row(user="dan")
    dans = world.post("dan", written=None)
    assert ranked(world) == [dans]
    world.authors["dan"].private = True
    world.authors["dan"] = Authors.Row(user="dan", private=True)
    assert ranked(world) == []
