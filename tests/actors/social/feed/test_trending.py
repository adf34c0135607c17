"""Posts under tags that many use just now."""

import pytest

from greenroom.actors.model.errors import Unavailable
from greenroom.actors.social.feed.messages import MutedChanged
from greenroom.actors.social.feed.trending import AUTHORS_MIN, LOOK_S, POSTS_MAX, TAGS_MAX, most_used
from greenroom.actors.social.known.names import WHOLE_S
from greenroom.actors.social.post.trends import Trends
from greenroom.store.views.asked import Asked, Rows
from tests.actors.social.feed.world import World


def row(tag: str, authors: int) -> Trends.Row:
    return Trends.Row(hour="1", tag=tag, author="", authors=authors)


@pytest.fixture
def world() -> World:
    return World()


def reasons(world: World) -> dict[str, str]:
    return {one.id: one.reason for one in world.read(order="ranked").posts}


def test_what_many_post_about_comes_up_for_who_follows_none_of_them(world: World) -> None:
    posts = [world.post(f"u{number}", written=None, tags=["tea", "lonely"[:number]]) for number in range(3)]
    quiet = [world.post(author, written=None, tags=["milk"]) for author in ("u1", "u2", "u2")]
    assert reasons(world) == dict.fromkeys(posts, "trending")
    assert not set(quiet) & set(reasons(world)), "two authors are few, however much they post"
    assert world.read(order="newest").posts == [], "who wants the newest of those followed gets these"


def test_it_is_nobody_followed_muted_or_oneself_and_nothing_that_is_not_for_everybody(world: World) -> None:
    world.follow("bob")
    mine = world.post("ann", written=None, tags=["tea"])
    bobs = world.post("bob", tags=["tea"])
    world.post("cyd", written=None, tags=["tea"])
    world.kit.tell(MutedChanged(user="cyd", muted=True))
    shown = world.post("dan", written=None, tags=["tea"])
    world.post("eve", written=None, tags=["tea"], visibility="followers")
    gone = world.post("fay", written=None, tags=["tea"])
    del world.posts[gone]
    assert reasons(world) == {mine: "own", bobs: "following", shown: "trending"}


def test_a_node_looks_once_a_minute(world: World) -> None:
    world.read(order="ranked")
    world.queries.clear()
    posts = [world.post(f"u{number}", written=None, tags=["tea"]) for number in range(3)]
    world.kit.advance(LOOK_S - 1.0)
    assert reasons(world) == {} and Trends.Row not in world.queries
    world.kit.advance(WHOLE_S)
    assert set(reasons(world)) == set(posts)


def test_a_page_without_trends_is_one(world: World) -> None:
    def fail(key: str, asked: Asked) -> Rows[Trends.Row]:
        raise Unavailable("the view is being made")

    world.kit.when_queried(Trends.Row, fail)
    world.follow("bob")
    post = world.post("bob")
    assert reasons(world) == {post: "following"}


@pytest.mark.bound("tags that are popular, and posts of each that one read ranks")
def test_only_the_most_used_tags_come_up_with_their_newest_posts(world: World) -> None:
    for tag in range(TAGS_MAX + 2):
        for author in range(3 + tag):
            world.post(f"u{author}", written=None, tags=[f"t{tag}"])
    found = world.read(order="ranked", limit=100).posts
    assert len(found) == TAGS_MAX * POSTS_MAX
    assert {one.tags[0] for one in found} == {f"t{tag}" for tag in range(2, TAGS_MAX + 2)}


def test_an_hour_counts_for_less_than_the_one_after_it() -> None:
    assert most_used([[row("new", 4)], [], [row("old", 6)]]) == ["new", "old"]
    assert most_used([[row("new", 4)], [], [row("old", 9)]]) == ["old", "new"]
    assert most_used([[row("few", int(AUTHORS_MIN) - 1)], [row("faded", 4)]]) == []
    assert most_used([[row("a", 2)], [row("a", 2)], [row("b", 3)]]) == ["a"]
    assert most_used([]) == []
