"""A look at posts that feeds were just told of: one for all feeds of a node, each of which decides who may see what.

A post comes to ten thousand watchers within a second, and to each of them it is the same row. What was found is good
for KEPT_S, and that there is none as well; whoever asks meanwhile reads nothing.
"""

from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

import trio

from greenroom.actors.model.actor import Actor, Runtime
from greenroom.actors.model.errors import ActorError
from greenroom.actors.social.post.views import Posts
from greenroom.store.errors import StoreUnavailable

KEPT_S = 1.0
POSTS_MAX = 1_000  # that are kept, and that one statement asks for

Rows = dict[str, Posts.Row]


class _Reading:
    """A statement that is under way, or is about to be: whoever wants more of it waits for the next one."""

    def __init__(self) -> None:
        self.posts: dict[str, None] = {}
        self.done = trio.Event()
        self.error: ActorError | StoreUnavailable | None = None


class Looks:
    """Those of one node."""

    def __init__(self) -> None:
        self._found: dict[
            str, tuple[float, Posts.Row | None]
        ] = {}  # with when it was read; who was read first is first
        self._under_way: _Reading | None = None

    def is_asked(self, posts: Iterable[str], now_s: float) -> bool:
        """Will all that is not known of these be known soon, without another statement?"""
        reading = self._under_way
        if reading is None:
            return False
        unknown = [post for post in posts if self.known((post,), now_s) is None]
        return bool(unknown) and all(post in reading.posts for post in unknown)

    def known(self, posts: Iterable[str], now_s: float) -> Rows | None:
        """Those there are of these; None where that is not known of all of them."""
        rows: Rows = {}
        for post in posts:
            at_s, row = self._found.get(post, (float("-inf"), None))
            if not 0 <= now_s - at_s < KEPT_S:
                return None
            if row is not None:
                rows[post] = row
        return rows

    async def read(self, feed: Actor[Any], posts: Iterable[str]) -> Rows:
        """Those there are of these, at most POSTS_MAX.

        Raises: ActorError, StoreUnavailable, which all hear who have waited for the same.
        """
        wanted = list(dict.fromkeys(posts))[:POSTS_MAX]
        while (rows := self.known(wanted, feed.now)) is None:
            reading = self._under_way
            if reading is None:
                await self._read(feed, [post for post in wanted if self.known((post,), feed.now) is None])
                continue
            is_ours = any(post in reading.posts for post in wanted)
            await reading.done.wait()
            if is_ours and reading.error is not None:
                raise reading.error
        return rows

    async def _read(self, feed: Actor[Any], posts: list[str]) -> None:
        reading = self._under_way = _Reading()
        reading.posts = dict.fromkeys(posts)
        try:
            found = await feed.query_pages(Posts.Row, posts, limit=1)
        except (ActorError, StoreUnavailable) as error:
            reading.error = error
            raise
        else:
            for post in posts:
                self._found.pop(post, None)
                self._found[post] = feed.now, found[post][0] if post in found else None
            while len(self._found) > POSTS_MAX:
                del self._found[next(iter(self._found))]
        finally:
            self._under_way = None
            reading.done.set()


_looks: WeakKeyDictionary[Runtime, Looks] = WeakKeyDictionary()


def looks_of(runtime: Runtime) -> Looks:
    """Of the node on which that feed is awake."""
    return _looks.setdefault(runtime, Looks())
