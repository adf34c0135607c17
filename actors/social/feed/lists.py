"""Other lists of posts: somebody's, those under a tag, those with certain words. Each goes on by its view's cursor.

Rows of what may not be seen are passed over, and nothing is to say that there are any: neither what the view gives as
its cursor, which names the last of them and stays here, nor a page that is short and goes on.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from greenroom.actors.model.errors import Refused
from greenroom.actors.social.feed.cursor import Place, Placed
from greenroom.actors.social.feed.messages import FeedPage, Of, SearchPosts, Tagged
from greenroom.actors.social.feed.privacy import is_barred, is_wanted
from greenroom.actors.social.feed.reader import Reader, Served
from greenroom.actors.social.feed.rows import authors_of, shown, visible
from greenroom.actors.social.post.views import Posts, SaidInPosts, Wall
from greenroom.actors.social.post.views import Tagged as TaggedRows
from greenroom.actors.social.ranking.candidates import Reason
from greenroom.actors.social.texts import tag_named
from greenroom.actors.views.query import BadQuery
from greenroom.store.views.asked import Rows

ROUNDS_MAX = 5  # queries for one page: where nearly nothing may be seen it is short, and says how it goes on
ROUND_ROWS = 100  # of each after the first
NEWEST = "newest"


class Named(Protocol):
    """A row that names a post."""

    @property
    def id(self) -> str: ...


R = TypeVar("R", bound=Named)


async def of_author(feed: Reader, wanted: Of) -> FeedPage:
    """Also of somebody who is muted: they were asked for. Raises: Refused."""
    if await _is_closed(feed, wanted.author):
        return FeedPage(posts=[], ranking=NEWEST)

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
    now_s = feed.now
    place = feed.places.find(what, cursor, now_s) if cursor is not None else Place(what, now_s)
    after, is_end = place.after, cursor is not None and place.after is None
    rows: list[Posts.Row] = []
    left = list(place.found)
    for number in range(ROUNDS_MAX):
        ids, wanted = left, ROUND_ROWS if number else limit + 1  # one more says whether there is a next page
        if not is_end and len(ids) < wanted:
            try:
                named = await find(wanted - len(ids), after)
            except BadQuery as error:
                raise Refused("feed.bad_query", str(error), status=400) from None
            ids = list(dict.fromkeys((*ids, *(row.id for row in named.rows))))
            after, is_end = named.next, named.next is None
        found = (await visible(feed, ids)).posts
        left = [post for post in ids if _is_shown(feed, found.get(post), unasked=unasked)]
        room = limit - len(rows)
        rows += [found[post] for post in left[:room]]
        left = left[room:]
        if left or is_end:
            break
    places = [Placed(row.id, reason) for row in rows] if reason is not None else []
    feed.remember_served(Served(row.author, Placed(row.id), NEWEST, "") for row in rows)
    return FeedPage(
        posts=await shown(feed, rows, places, unasked=unasked),
        next=None if is_end and not left else feed.places.keep(Place(what, now_s, after, tuple(left))),
        ranking=NEWEST,
    )


def _is_shown(feed: Reader, row: Posts.Row | None, *, unasked: bool) -> bool:
    return row is not None and not row.is_story and (not unasked or is_wanted(feed.state, row))


async def _is_closed(feed: Reader, author: str) -> bool:
    """May none of what they have posted be seen?"""
    if author == feed.key:
        return False
    if is_barred(feed.state, author):
        return True
    if author in feed.state.follows or author in feed.state.close_to:
        return False
    found = await authors_of(feed, [author])
    return author in found and found[author].private
