"""One look for all feeds of a node."""

from typing import Any

import pytest
import trio

from greenroom.actors.social.post.looks import KEPT_S, POSTS_MAX, Looks, looks_of
from greenroom.actors.social.post.views import Posts
from greenroom.store.errors import StoreUnavailable


class Asking:
    """A feed, as far as it is asked for rows."""

    def __init__(self, posts: dict[str, Posts.Row]) -> None:
        self.posts = posts
        self.asked: list[list[str]] = []
        self.errors: list[Exception] = []
        self.runtime = self

    @property
    def now(self) -> float:
        return trio.current_time()

    async def query_pages(self, row: type[Any], keys: list[str], *, limit: int) -> dict[str, list[Posts.Row]]:
        self.asked.append(keys)
        await trio.sleep(0.01)
        if self.errors:
            raise self.errors.pop()
        return {key: [self.posts[key]] for key in keys if key in self.posts}


@pytest.fixture
def feed() -> Any:
    return Asking({name: Posts.Row(id=name, author="bob") for name in "abc"})


async def together(looks: Looks, feed: Any, *wanted: str) -> list[Any]:
    found: list[Any] = [None] * len(wanted)

    async def read(place: int) -> None:
        try:
            found[place] = sorted(await looks.read(feed, wanted[place]))
        except StoreUnavailable:
            found[place] = "unavailable"

    async with trio.open_nursery() as nursery:
        for place in range(len(wanted)):
            nursery.start_soon(read, place)
    return found


async def test_however_many_feeds_are_told_of_a_post_it_is_read_once(autojump_clock: Any, feed: Any) -> None:
    looks = Looks()
    assert await together(looks, feed, *["a"] * 100) == [["a"]] * 100
    assert feed.asked == [["a"]]
    assert looks.known("a", feed.now) == {"a": feed.posts["a"]}


async def test_who_wants_more_waits_and_reads_only_that(autojump_clock: Any, feed: Any) -> None:
    assert await together(Looks(), feed, "a", "ab", "bx") == [["a"], ["a", "b"], ["b"]]
    assert sorted(post for asked in feed.asked for post in asked) == ["a", "b", "x"], "each once"


async def test_what_was_found_is_good_for_a_moment_and_so_is_that_there_was_nothing(
    autojump_clock: Any, feed: Any
) -> None:
    looks = Looks()
    assert looks.known("ax", feed.now) is None
    await looks.read(feed, "ax")
    assert looks.known("ax", feed.now) == {"a": feed.posts["a"]}
    await trio.sleep(KEPT_S)
    assert looks.known("a", feed.now) is None
    del feed.posts["a"]
    assert await looks.read(feed, "a") == {}
    assert len(feed.asked) == 2


async def test_where_nothing_can_be_read_all_hear_so_and_the_next_one_tries(autojump_clock: Any, feed: Any) -> None:
    looks = Looks()
    feed.errors.append(StoreUnavailable("away"))
    assert await together(looks, feed, "a", "a", "a") == ["unavailable"] * 3
    assert len(feed.asked) == 1
    assert await together(looks, feed, "a") == [["a"]]


async def test_who_is_cancelled_while_it_reads_leaves_it_to_another(autojump_clock: Any, feed: Any) -> None:
    looks = Looks()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(together, looks, feed, "a")
        await trio.sleep(0.001)
        assert looks.is_asked("a", feed.now) and not looks.is_asked("ab", feed.now)
        nursery.cancel_scope.cancel()
    assert not looks.is_asked("a", feed.now)
    assert await together(looks, feed, "a") == [["a"]]


@pytest.mark.bound("posts that a node's feeds have looked up together")
async def test_so_many_are_kept(autojump_clock: Any, feed: Any) -> None:
    looks = Looks()
    names = [f"{number:04}" for number in range(POSTS_MAX)]
    await looks.read(feed, names)
    await looks.read(feed, "a")
    assert looks.known("a", feed.now) is not None and looks.known(names[:1], feed.now) is None
    assert looks.known(names[1:], feed.now) == {}
    assert await looks.read(feed, [*names, "late"]) == {} and "late" not in feed.asked[-1], "no more at once"


def test_a_node_has_one(feed: Any) -> None:
    assert looks_of(feed.runtime) is looks_of(feed.runtime)
    assert looks_of(feed.runtime) is not looks_of(Asking({}))  # type: ignore[arg-type]
