"""From ids to what is shown."""

from typing import Any

import pytest

from greenroom.actors.social.feed.messages import (
    BarredChanged,
    MutedChanged,
    Of,
    Read,
    SearchPosts,
    See,
    Seen,
    Signal,
    Tagged,
)
from greenroom.actors.social.follows.views import Authors
from greenroom.actors.social.post.views import Posts, WhoReacted, reacted_key
from tests.actors.social.feed.world import World


@pytest.fixture
def world() -> World:
    return World()


def see(world: World, post: str) -> Any:
    return world.kit.ask(See(id=post), user="ann")


def test_all_of_a_post_is_shown(world: World) -> None:
    fields: dict[str, Any] = {
        "text": "hello",
        "media": ["a" * 24],
        "tags": ["x"],
        "edited_ms": 5,
        "reactions": {"like": 2, "love": 1},
        "comments": 3,
        "shares": 4,
    }
    shown = see(world, world.post("bob", **fields))
    assert {name: getattr(shown, name) for name in fields} == fields
    assert (shown.author, shown.name, shown.visibility, shown.mine) == ("bob", "", "public", "")


def test_what_nobody_has_reacted_to_is_not_looked_up(world: World) -> None:
    post = world.post("bob")
    world.queries.clear()
    see(world, post)
    assert WhoReacted.Row not in world.queries
    world.posts[post].reactions = {"like": 0}
    see(world, post)
    assert WhoReacted.Row not in world.queries
    world.react(post, "wow")
    assert see(world, post).mine == "wow"


def test_whether_an_account_is_private_is_asked_of_strangers_alone(world: World) -> None:
    world.follow("bob")
    world.authors["cyd"] = Authors.Row(user="cyd", private=False)
    followed, mine, strange = world.post("bob"), world.post("ann"), world.post("cyd")
    for post, asked in ((followed, 0), (mine, 0), (strange, 1)):
        world.queries.clear()
        see(world, post)
        assert world.queries.count(Authors.Row) == asked


def test_a_share_of_what_is_gone_or_not_to_be_seen_stands_alone(world: World) -> None:
    original = world.post("cyd", text="deep")
    share = world.post("bob", share_of=original)
    assert see(world, share).shared.text == "deep"
    world.kit.tell(BarredChanged(user="cyd", by_us=True, barred=True))
    assert (see(world, share).shared, see(world, share).share_of) == (None, ""), "not even which it is"
    world.kit.tell(BarredChanged(user="cyd", by_us=True, barred=False))
    del world.posts[original]
    assert see(world, share).shared is None and see(world, share).shares_unseen
    assert not see(world, world.post("bob")).shares_unseen


def test_who_is_muted_or_was_hidden_does_not_come_up_by_a_share(world: World) -> None:
    """On a wall that was asked for they do, and in one post."""
    world.follow("bob")
    muted, hidden = world.post("cyd", written=None, tags=["x"]), world.post("dan", written=None)
    shares = [world.post("bob", share_of=post, tags=["x"], text="pills") for post in (muted, hidden)]
    world.kit.tell(MutedChanged(user="cyd", muted=True))
    world.kit.ask(Seen(signals=[Signal(post=hidden, did="hid")]), user="ann")
    unasked = [Read(order="newest"), Read(), Tagged(tag="x"), SearchPosts(words="pills")]
    for ask in unasked:
        page = world.kit.ask(ask, user="ann")
        assert {one.id: one.shared for one in page.posts} == dict.fromkeys(shares), ask
    assert all(one.shared for one in world.kit.ask(Of(author="bob"), user="ann").posts)
    assert see(world, shares[0]).shared.id == muted


def looks_of(world: World) -> list[dict[type, list[str]]]:
    """What was looked at from now on."""
    looked: list[dict[type, list[str]]] = []
    look = world.kit._world.query_rows

    async def count(wanted: Any) -> Any:
        looked.append({row: list(keys) for row, keys in wanted.items()})
        return await look(looked[-1])

    world.kit._world.query_rows = count  # type: ignore[method-assign]
    return looked


def test_a_page_of_posts_that_are_known_is_one_look_with_what_they_share_and_all_that_it_depends_on(
    world: World,
) -> None:
    world.follow("bob")
    deep = world.post("cyd", written=None, text="deep")
    share, plain = world.post("bob", share_of=deep), world.post("bob")
    world.react(share, "wow")
    world.react(deep, "sad")
    world.read(order="ranked")
    looked = looks_of(world)
    page = {one.id: one for one in world.read(order="ranked").posts}
    assert set(page) == {share, plain} and page[share].mine == "wow"
    inner = page[share].shared
    assert inner is not None and inner.mine == "sad"
    (only,) = looked
    assert set(only[Posts.Row]) == {share, plain, deep} and only[Authors.Row] == ["cyd"]
    assert set(only[WhoReacted.Row]) == {reacted_key(post, "ann") for post in (share, deep)}


def test_what_a_node_has_known_wrongly_is_asked_behind_it(world: World) -> None:
    """Nobody had reacted when it was ranked."""
    world.follow("bob")
    post = world.post("bob")
    assert world.read(order="ranked").posts[0].mine == ""
    world.react(post, "wow")
    looked = looks_of(world)
    assert world.read(order="ranked").posts[0].mine == "wow"
    assert looked == [{Posts.Row: [post]}, {WhoReacted.Row: [reacted_key(post, "ann")]}]


def test_of_a_stranger_whose_post_is_ranked_the_same_look_says_whether_they_are_private(world: World) -> None:
    posts = [world.post(f"u{number}", written=None, tags=["tea"]) for number in range(3)]
    assert set(posts) == {one.id for one in world.read(order="ranked").posts}
    world.authors["u1"] = Authors.Row(user="u1", private=True)
    looked = looks_of(world)
    assert {one.id for one in world.read(order="ranked").posts} == {posts[0], posts[2]}
    assert looked[0][Authors.Row] == ["u0", "u1", "u2"] and len(looked) == 1
