"""The home feed: what was found, as far as it may be seen, in order, page by page."""

from greenroom.actors.social.feed.cursor import Placed, Snapshot
from greenroom.actors.social.feed.gathering import candidates, trim
from greenroom.actors.social.feed.messages import FeedPage, Read
from greenroom.actors.social.feed.ordering import in_order
from greenroom.actors.social.feed.privacy import is_wanted
from greenroom.actors.social.feed.reader import Reader, Served
from greenroom.actors.social.feed.rows import Found, shown, visible
from greenroom.actors.social.post.views import Posts
from greenroom.actors.social.spread.readers import Readers
from greenroom.actors.social.spread.share import FOLLOWS_FULL, kept_share

LOOKED_AT_MAX = 200  # posts of a snapshot, for one page: those gone since are passed over


async def read(feed: Reader, wanted: Read) -> FeedPage:
    """Raises: Refused `feed.bad_cursor`, `feed.cursor_expired`."""
    if wanted.cursor is not None:
        name, snapshot, at = feed.snapshots.find(wanted.cursor, feed.now)
        return await _page(feed, name, snapshot, at, wanted.limit)
    await trim(feed)
    places = await candidates(feed, with_suggested=wanted.order == "ranked")
    found = await visible(feed, (place.post for place in places), with_authors=wanted.order == "ranked")
    posts = {post: row for post, row in found.posts.items() if is_wanted(feed.state, row) and not row.is_story}
    places = [place for place in places if place.post in posts]
    snapshot = await in_order(feed, places, found, wanted.order)
    feed.have_read()
    name = feed.snapshots.keep(snapshot) if len(snapshot) > wanted.limit else ""
    return await _page(feed, name, snapshot, 0, wanted.limit, found)


async def _page(
    feed: Reader, name: str, snapshot: Snapshot, at: int, limit: int, known: Found | None = None
) -> FeedPage:
    """From there on, without what may not be seen any more, or was never to be shown to who has not asked."""
    rows: list[Posts.Row] = []
    places: list[Placed] = []
    looked_at = 0
    while at < len(snapshot) and len(rows) < limit and looked_at < LOOKED_AT_MAX:
        part = snapshot.part(at, limit - len(rows))
        found = known or await visible(feed, (place.post for place in part))
        for place in part:
            row = found.posts.get(place.post)
            if row is not None and _stays(feed, place, row):
                rows.append(row)
                places.append(place)
        at += len(part)
        looked_at += len(part)
    feed.remember_served(
        Served(row.author, place, snapshot.ranking, snapshot.experiment)
        for row, place in zip(rows, places, strict=True)
    )
    shed, share = await _shed(feed)
    return FeedPage(
        posts=await shown(feed, rows, places),
        next=feed.snapshots.cursor(name, at) if at < len(snapshot) else None,
        shed=shed,
        kept_share=share,
        ranking=snapshot.ranking,
    )


def _stays(feed: Reader, place: Placed, row: Posts.Row) -> bool:
    """Is it to be shown, though it was found minutes ago? Who was unfollowed since may be seen, and is not shown."""
    return is_wanted(feed.state, row) and (place.reason != "following" or row.author in feed.state.follows)


async def _shed(feed: Reader) -> tuple[int, float]:
    """What a user who follows very many has not got, and which part they get."""
    follows = len(feed.state.follows)
    if follows <= FOLLOWS_FULL:
        return 0, 1.0
    rows = (await feed.query(Readers.Row, feed.key, limit=1)).rows
    return (rows[0].shed if rows else 0), kept_share(follows)
