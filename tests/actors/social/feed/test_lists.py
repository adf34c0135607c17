"""Somebody's posts, those under a tag, and those with certain words."""

import pytest

from greenroom import Refused
from greenroom.actors.social.feed import lists
from greenroom.actors.social.feed.messages import (
    BarredChanged,
    CloseChanged,
    FeedPage,
    MutedChanged,
    Of,
    SearchPosts,
    See,
    Tagged,
)
from greenroom.actors.social.follows.views import Authors
from greenroom.actors.social.post.views import Posts, Wall
from tests.actors.social.feed.world import World, ids


@pytest.fixture
def world() -> World:
    return World()


def of(world: World, author: str, **fields: object) -> FeedPage:
    return world.kit.ask(Of(author=author, **fields), user="ann")  # type: ignore[arg-type]


def test_a_wall_is_read_to_its_end_with_nothing_twice(world: World) -> None:
    posts = [world.post("bob", visibility="followers" if number % 2 else "public") for number in range(9)]
    page = of(world, "bob", limit=2)
    found = ids(page.posts)
    while page.next is not None:
        page = of(world, "bob", limit=2, cursor=page.next)
        found += ids(page.posts)
    assert found == posts[::-2]
    world.follow("bob")
    assert ids(of(world, "bob").posts) == posts[::-1]


def test_another_users_cursor_or_that_of_another_list_is_refused(world: World) -> None:
    for _ in range(3):
        world.post("bob")
    cursor = of(world, "bob", limit=1).next
    for other, author in ((World("zoe"), "bob"), (world, "cyd")):
        with pytest.raises(Refused, match=r"feed\.bad_cursor"):
            other.kit.ask(Of(author=author, cursor=cursor), user=other.me)


def test_the_wall_of_whom_one_is_blocked_by_is_empty_and_says_nothing_of_it(world: World) -> None:
    post = world.post("bob")
    assert ids(of(world, "bob").posts) == [post]
    world.kit.tell(BarredChanged(user="bob", by_us=False, barred=True))
    assert of(world, "bob") == of(world, "nobody")
    with pytest.raises(Refused, match=r"feed\.no_such_post"):
        world.kit.ask(See(id=post), user="ann")


def test_the_wall_of_a_private_account_is_its_followers(world: World) -> None:
    world.authors["bob"] = Authors.Row(user="bob", private=True)
    post = world.post("bob")
    assert ids(of(world, "bob").posts) == []
    world.follow("bob")
    assert ids(of(world, "bob").posts) == [post]


def test_a_friend_who_does_not_follow_a_private_account_sees_there_what_is_for_friends(world: World) -> None:
    world.authors["bob"] = Authors.Row(user="bob", private=True)
    world.post("bob")
    post = world.post("bob", visibility="close")
    world.kit.tell(CloseChanged(author="bob", close=True))
    assert ids(of(world, "bob").posts) == [post]


def test_who_is_muted_can_be_looked_up_and_comes_up_nowhere_else(world: World) -> None:
    world.kit.tell(MutedChanged(user="bob", muted=True))
    post = world.post("bob", text="big news", tags=["news"])
    assert ids(of(world, "bob").posts) == [post]
    assert world.kit.ask(See(id=post), user="ann").text == "big news"
    assert world.kit.ask(Tagged(tag="#News"), user="ann").posts == []
    assert world.kit.ask(SearchPosts(words="news"), user="ann").posts == []


def test_posts_are_found_by_tag_and_by_words(world: World) -> None:
    post = world.post("bob", text="big news", tags=["news"])
    world.post("bob", text="other")
    assert [(one.id, one.reason) for one in world.kit.ask(Tagged(tag="#News"), user="ann").posts] == [(post, "tag")]
    assert ids(world.kit.ask(SearchPosts(words="news"), user="ann").posts) == [post]
    with pytest.raises(Refused, match=r"feed\.no_tag"):
        world.kit.ask(Tagged(tag="# no tag"), user="ann")


def test_a_page_is_filled_though_some_of_it_may_not_be_seen(world: World) -> None:
    seen = [world.post("bob") for _ in range(4)]
    for _ in range(6):
        world.post("bob", visibility="close")
    assert ids(of(world, "bob", limit=4).posts) == seen[::-1]


def test_a_page_of_what_may_not_be_seen_is_short_and_says_how_it_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "ROUND_ROWS", 5)
    seen = world.post("bob")
    for _ in range(30):
        world.post("bob", visibility="close")
    page = of(world, "bob", limit=4)
    assert page.posts == [] and page.next is not None
    assert ids(of(world, "bob", limit=50, cursor=page.next).posts) == [seen]


@pytest.mark.parametrize("limit", [1, 3])
def test_nothing_says_that_there_is_what_may_not_be_seen(world: World, limit: int) -> None:
    """Neither a page that goes on, nor a cursor that names what was read last."""
    for _ in range(40):
        world.post("bob", text="pills", visibility="followers")
    seen = [world.post("bob", text="pills") for _ in range(limit)]
    for page in (of(world, "bob", limit=limit), world.kit.ask(SearchPosts(words="pills", limit=limit), user="ann")):
        assert (ids(page.posts), page.next) == (seen[::-1], None)


def test_a_wall_that_is_closed_is_one_without_posts(world: World) -> None:
    for author in ("bob", "cyd"):
        for _ in range(30):
            world.post(author)
    world.authors["bob"] = Authors.Row(user="bob", private=True)
    world.kit.tell(BarredChanged(user="cyd", by_us=False, barred=True))
    for author in ("bob", "cyd"):
        world.queries.clear()
        assert of(world, author, limit=1) == of(world, "nobody", limit=1)
        assert Posts.Row not in world.queries, "not even looked at, which takes time"


def test_what_was_read_beyond_a_page_is_on_the_next(world: World) -> None:
    """And is looked at again, for it may be gone."""
    posts = [world.post("bob", visibility="public" if number % 4 == 0 else "close") for number in range(60)]
    page = of(world, "bob", limit=2)
    found = ids(page.posts)
    gone = posts[40]
    del world.posts[gone]
    while page.next is not None:
        again = of(world, "bob", limit=2, cursor=page.next)
        page = of(world, "bob", limit=2, cursor=page.next)
        assert again.posts == page.posts
        found += ids(page.posts)
    assert found == [post for post in posts[56::-4] if post != gone]


def test_a_page_that_goes_on_takes_one_look_at_the_wall(world: World) -> None:
    posts = [world.post("bob") for _ in range(9)]
    world.queries.clear()
    page = of(world, "bob", limit=2)
    assert (ids(page.posts), page.next is None) == (posts[:-3:-1], False)
    assert world.queries.count(Wall.Row) == 1, "one row more than a page has says that there is another"
