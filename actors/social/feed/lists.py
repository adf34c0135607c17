"""Other lists of posts: somebody's, those under a tag, those with certain words. Each goes on by its view's cursor."""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from greenroom.actors.model.errors import Refused
from greenroom.actors.social.feed.cursor import Placed, unwrapped, wrapped
from greenroom.actors.social.feed.messages import FeedPage, Of, SearchPosts, Tagged
from greenroom.actors.social.feed.privacy import is_wanted
from greenroom.actors.social.feed.reader import Reader, Served
from greenroom.actors.social.feed.rows import shown, visible
from greenroom.actors.social.post.views import Posts, SaidInPosts, Wall
from greenroom.actors.social.post.views import Tagged as TaggedRows
from greenroom.actors.social.ranking.candidates import Reason
from greenroom.actors.social.texts import tag_named
from greenroom.actors.views.query import BadQuery
from greenroom.store.views.asked import Rows

ROUNDS_MAX = 5  # queries for one page: where nearly nothing may be seen it is short, and says how it goes on
NEWEST = "newest"


class Named(Protocol):
    """A row that names a post."""

    @property
    def id(self) -> str: ...


R = TypeVar("R", bound=Named)


async def of_author(feed: Reader, wanted: Of) -> FeedPage:
    """Also of somebody who is muted: they were asked for. Raises: Refused."""

    async def find(limit: int, after: str | None) -> Rows[Wall.Row]:
        return await feed.query(Wall.Row, wanted.author, limit=limit, after=after, where={"is_story": False})

    return await _page(feed, f"of\0{wanted.author}", wanted.limit, wanted.cursor, find, "following", unasked=False)


async def tagged(feed: Reader, wanted: Tagged) -> FeedPage:
    """Raises: Refused."""
    tag = tag_named(wanted.tag)
    if not tag:
        raise Refused("feed.no_tag", "a tag has letters, digits and _, and is no number", status=422)

    async def find(limit: int, after: str | None) -> Rows[TaggedRows.Row]:
        return await feed.query(TaggedRows.Row, tag, limit=limit, after=after)

    return await _page(feed, f"tag\0{tag}", wanted.limit, wanted.cursor, find, "tag")


async def searched(feed: Reader, wanted: SearchPosts) -> FeedPage:
    """Raises: Refused."""

    async def find(limit: int, after: str | None) -> Rows[SaidInPosts.Row]:
        return await feed.query(SaidInPosts.Row, "all", limit=limit, after=after, search=wanted.words)

    return await _page(feed, f"words\0{wanted.words}", wanted.limit, wanted.cursor, find, None)


async def _page(
    feed: Reader,
    what: str,
    limit: int,
    cursor: str | None,
    find: Callable[[int, str | None], Awaitable[Rows[R]]],
    reason: Reason | None,
    *,
    unasked: bool = True,
) -> FeedPage:
    after = unwrapped(feed.key, what, cursor) if cursor is not None else None
    rows: list[Posts.Row] = []
    for _ in range(ROUNDS_MAX):
        try:
            named = await find(limit - len(rows), after)
        except BadQuery as error:
            raise Refused("feed.bad_query", str(error), status=400) from None
        ids = list(dict.fromkeys(row.id for row in named.rows))
        found = (await visible(feed, ids)).posts
        seen = [found[post] for post in ids if post in found and not found[post].is_story]
        rows += [row for row in seen if not unasked or is_wanted(feed.state, row)]
        after = named.next
        if after is None or len(rows) >= limit:
            break
    places = [Placed(row.id, reason) for row in rows] if reason is not None else []
    feed.remember_served(Served(row.author, Placed(row.id), NEWEST, "") for row in rows)
    return FeedPage(
        posts=await shown(feed, rows, places),
        next=wrapped(feed.key, what, after) if after is not None else None,
        ranking=NEWEST,
    )
