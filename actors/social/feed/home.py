"""The home feed: what was found, as far as it may be seen, in order, page by page."""

from functools import partial
from time import perf_counter

from greenroom.actors.social.feed.cursor import Place, Placed, Snapshot
from greenroom.actors.social.feed.gathering import candidates, loud, suggested, trim
from greenroom.actors.social.feed.messages import FeedPage, Read
from greenroom.actors.social.feed.ordering import NEWEST, is_by_what_ranks_now, newest_first, ranked_order
from greenroom.actors.social.feed.privacy import Posted, is_wanted, may_see
from greenroom.actors.social.feed.reader import Order, Reader, Served
from greenroom.actors.social.feed.rows import Found, shown, visible
from greenroom.actors.social.feed.trending import trending
from greenroom.actors.social.known.made_of import MadeOf
from greenroom.actors.social.known.on_node import Fact
from greenroom.actors.social.known.posts import candidate, facts, shared_by
from greenroom.actors.social.post.views import Posts
from greenroom.actors.social.spread.readers import Readers
from greenroom.actors.social.spread.share import FOLLOWS_FULL, kept_share
from greenroom.config.telemetry.ranking_instruments import RANKING

HOME = "home"
NEWEST_MAX, RANKED_MAX = 300, 200  # posts, the newest
LOOKED_AT_MAX = 200  # posts of a snapshot, for one page: those gone since are passed over
SPARE = 5  # looked up with a page, for some may be gone


async def read(feed: Reader, wanted: Read) -> FeedPage:
    """Raises: Refused `feed.bad_cursor`, `feed.cursor_expired`."""
    began_s = perf_counter()
    page = await _read(feed, wanted)
    if page.ranking != NEWEST:
        RANKING.ranked_page_s.record(perf_counter() - began_s)
    return page


async def _read(feed: Reader, wanted: Read) -> FeedPage:
    if wanted.cursor is not None:
        place = feed.places.find(HOME, wanted.cursor, feed.now)
        found = feed.snapshots.find(place.snapshot, feed.now)
        return await _page(feed, place.snapshot, found, place.at, wanted.limit)
    order = feed.ranked_lately() if wanted.order == "ranked" else None
    if order is not None and await is_by_what_ranks_now(feed, order.snapshot):
        if not feed.is_to_be_looked_at(order):
            return await _first(feed, order.snapshot, wanted.limit)
        looked = await _held(feed, order, wanted.limit)
        if looked is not None:
            return await _first(feed, order.snapshot, wanted.limit, looked)
    snapshot, page = await _anew(feed, wanted)
    feed.have_read(snapshot)
    await trim(feed)
    return page


async def _held(feed: Reader, order: Order, limit: int) -> Found | None:
    """The posts of its first page, where it would come out much as it is; None: it has to be made anew. Then it was
    for one look more."""
    if not await _is_written(feed) or not order.of.has_all(place.post for place in await trending(feed)):
        return None
    posts = order.of.posts
    if order.of.has_moved(posts, await facts(feed, posts), partial(_has_place, feed)):
        return None
    looked = await _looked_at(feed, order.snapshot.part(0, limit + SPARE), with_newest=True)
    if looked.newest and not feed.has_newest(order, looked.newest):
        return None
    feed.hold(order)
    return looked


def _has_place(feed: Reader, one: Fact) -> bool:
    """Is it for a page of its reader, by whatever it was found?"""
    if one.author != feed.key and one.author not in feed.state.follows:
        return False
    is_private = one.is_private
    return may_see(feed.key, feed.state, one, feed.now_ms, is_private=is_private) and _stays(feed, "own", one)


async def _is_written(feed: Reader) -> bool:
    """Does it hear by rows alone of what those have posted whom its user follows?"""
    return not feed.state.behind and not await loud(feed)


async def _looked_at(feed: Reader, part: list[Placed], *, with_newest: bool = False) -> Found:
    """With what they share, and with what the reader has said."""
    wanted = [place.post for place in part]
    return await visible(feed, [*wanted, *shared_by(feed, wanted)], with_mine=True, with_newest=with_newest)


async def _anew(feed: Reader, wanted: Read) -> tuple[Snapshot, FeedPage]:
    """Once more where so much of the newest is gone that a page can't be filled: then with what is behind it."""
    find = _ranked if wanted.order == "ranked" else _newest
    snapshot, is_all = await find(feed)
    page = await _first(feed, snapshot, wanted.limit)
    if is_all or len(page.posts) == wanted.limit:
        return snapshot, page
    feed.begin_read()
    snapshot, _ = await find(feed, looked_up=True)
    return snapshot, await _first(feed, snapshot, wanted.limit)


async def _newest(feed: Reader, *, looked_up: bool = False) -> tuple[Snapshot, bool]:
    """What may not be seen is left out page by page: most of it is never read."""
    found = await candidates(feed, NEWEST_MAX, looked_up=looked_up)
    return newest_first(feed, found.posts), found.is_all


async def _ranked(feed: Reader, *, looked_up: bool = False) -> tuple[Snapshot, bool]:
    """All of them are looked at, as their node knows them: what they are ranked by may be some seconds old."""
    feed.is_makeshift = False
    newest = await candidates(feed, RANKED_MAX, looked_up=looked_up, remembered=True)
    unfollowed = {place.post: place.reason for place in (*await trending(feed), *await suggested(feed))}
    reasons = unfollowed | newest.posts
    known = await facts(feed, reasons)
    me, state, now_ms = feed.key, feed.state, feed.now_ms
    stay = {
        post: one
        for post, one in known.items()
        if may_see(me, state, one, now_ms, is_private=one.is_private) and _stays(feed, reasons[post], one)
    }
    among = [candidate(one, reasons[post], seen=post in state.seen) for post, one in stay.items()]
    snapshot = await ranked_order(feed, among)
    oldest = min(newest.posts, default="") if len(newest.posts) == RANKED_MAX else ""
    done = {post: one.done for post, one in stay.items()}
    feed.keep_ranked(snapshot, MadeOf(list(reasons), done, oldest=oldest))
    return snapshot, newest.is_all


async def _first(feed: Reader, snapshot: Snapshot, limit: int, looked: Found | None = None) -> FeedPage:
    name = feed.snapshots.keep(snapshot) if len(snapshot) > limit else ""
    return await _page(feed, name, snapshot, 0, limit, looked)


async def _page(
    feed: Reader, name: str, snapshot: Snapshot, at: int, limit: int, looked: Found | None = None
) -> FeedPage:
    """From there on, without what may not be seen any more, or was never to be shown to who has not asked. `looked`:
    at what stands first, just now."""
    rows: list[Posts.Row] = []
    places: list[Placed] = []
    seen = Found({})
    until = min(len(snapshot), at + LOOKED_AT_MAX)
    while at < until and len(rows) < limit:
        part = snapshot.part(at, min(limit - len(rows) + SPARE, until - at))
        found = looked if looked is not None else await _looked_at(feed, part)
        looked = None
        seen = seen.and_more(found)
        for place in part:
            if len(rows) == limit:
                break
            at += 1
            row = found.posts.get(place.post)
            if row is not None and _stays(feed, place.reason, row):
                rows.append(row)
                places.append(place)
    feed.remember_served(
        Served(row.author, place, snapshot.ranking, snapshot.experiment)
        for row, place in zip(rows, places, strict=True)
    )
    shed, share = await _shed(feed)
    return FeedPage(
        posts=await shown(feed, rows, places, seen=seen),
        next=feed.places.keep(Place(HOME, snapshot.made_s, snapshot=name, at=at)) if at < len(snapshot) else None,
        shed=shed,
        kept_share=share,
        ranking=snapshot.ranking,
    )


def _stays(feed: Reader, reason: str, row: Posted) -> bool:
    """Is it to be shown, though it was found minutes ago? Who was unfollowed since may be seen, and is not shown."""
    is_followed = reason != "following" or row.author in feed.state.follows
    return is_followed and is_wanted(feed.state, row) and not row.is_story


async def _shed(feed: Reader) -> tuple[int, float]:
    """What a user who follows very many has not got, and which part they get."""
    follows = len(feed.state.follows)
    if follows <= FOLLOWS_FULL:
        return 0, 1.0
    rows = (await feed.query(Readers.Row, feed.key, limit=1)).rows
    return (rows[0].shed if rows else 0), kept_share(follows)
