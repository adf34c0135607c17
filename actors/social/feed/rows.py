"""From the ids of posts to what is shown: as they are now, and as far as whoever reads may see them."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct, field

from greenroom.actors.social.feed.cursor import Placed
from greenroom.actors.social.feed.messages import PostShown
from greenroom.actors.social.feed.privacy import is_wanted, may_see
from greenroom.actors.social.feed.reader import Reader
from greenroom.actors.social.follows.views import Authors
from greenroom.actors.social.known.people import named
from greenroom.actors.social.post.views import Posts, WhoReacted, reacted_key

ROWS_MAX = 1_000  # that are asked for at once


class Found(Struct, frozen=True):
    """Posts that may be seen, by id."""

    posts: dict[str, Posts.Row]
    authors: dict[str, Authors.Row] = field(default_factory=dict)  # those of whom it mattered


async def visible(feed: Reader, ids: Iterable[str], *, with_authors: bool = False) -> Found:
    """Of these, at most ROWS_MAX, those which the feed's user may see now. `with_authors`: with what is known of all
    of their authors."""
    wanted = list(dict.fromkeys(ids))[:ROWS_MAX]
    if not wanted:
        return Found({})
    rows = {post: row for post, (row,) in (await feed.query_pages(Posts.Row, wanted, limit=1)).items()}
    users = {row.author for row in rows.values()}
    authors = await authors_of(feed, users if with_authors else users - feed.state.follows.keys() - {feed.key})
    seen = {
        post: row
        for post, row in rows.items()
        if may_see(
            feed.key, feed.state, row, feed.now_ms, is_private=row.author in authors and authors[row.author].private
        )
    }
    return Found(seen, authors)


async def authors_of(feed: Reader, users: Iterable[str]) -> dict[str, Authors.Row]:
    wanted = sorted(users)[:ROWS_MAX]
    if not wanted:
        return {}
    return {user: row for user, (row,) in (await feed.query_pages(Authors.Row, wanted, limit=1)).items()}


async def shown(
    feed: Reader,
    rows: Sequence[Posts.Row],
    places: Sequence[Placed] = (),
    *,
    unasked: bool = True,
    seen: Mapping[str, Posts.Row] | None = None,
) -> list[PostShown]:
    """With their authors' names, what they share, and what the reader has said of them. `places`: why each is there.
    `unasked`: what they share is shown only where its author may come up. `seen`: posts that are visible, as of just
    now."""
    known = seen or {}
    found = (await visible(feed, (row.share_of for row in rows if row.share_of and row.share_of not in known))).posts
    found |= {row.share_of: known[row.share_of] for row in rows if row.share_of in known}
    shared = {post: row for post, row in found.items() if not unasked or is_wanted(feed.state, row)}
    everything = [*rows, *shared.values()]
    users = sorted({row.author for row in everything})
    profiles = await named(feed, users)
    mine = await _mine(feed, everything)
    by_post = {place.post: place for place in places}

    def one(row: Posts.Row, inner: PostShown | None = None, *, is_inner: bool = False) -> PostShown:
        profile, place = profiles.get(row.author), by_post.get(row.id)
        return PostShown(
            id=row.id,
            author=row.author,
            name=profile.name if profile is not None else "",
            avatar=profile.avatar if profile is not None else "",
            at_ms=row.at_ms,
            text=row.text,
            media=row.media,
            tags=row.tags,
            visibility=row.visibility,
            is_story=row.is_story,
            ends_ms=row.ends_ms,
            edited_ms=row.edited_ms,
            share_of=row.share_of if inner is not None else "",
            shared=inner,
            shares_unseen=bool(row.share_of) and inner is None and not is_inner,
            reactions=row.reactions,
            mine=mine.get(row.id, ""),
            comments=row.comments,
            shares=row.shares,
            reason=place.reason if place is not None else "",
            score=place.score if place is not None else 0.0,
        )

    inner = {post: one(row, is_inner=True) for post, row in shared.items()}
    return [one(row, inner.get(row.share_of)) for row in rows]


async def _mine(feed: Reader, rows: Iterable[Posts.Row]) -> dict[str, str]:
    """The reader's own reactions. Nobody has reacted to most posts, and those are not looked up."""
    pages = {reacted_key(row.id, feed.key): row.id for row in rows if any(row.reactions.values())}
    if not pages:
        return {}
    found = await feed.query_pages(WhoReacted.Row, pages, limit=1)
    return {pages[page]: row.reaction for page, (row,) in found.items()}
