"""From the ids of posts to what is shown: as they are now, and as far as whoever reads may see them."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from msgspec import Struct, field

from greenroom.actors.social.feed.cursor import Placed
from greenroom.actors.social.feed.messages import PostShown
from greenroom.actors.social.feed.privacy import is_wanted, may_see
from greenroom.actors.social.feed.reader import Reader
from greenroom.actors.social.follows.views import Authors
from greenroom.actors.social.known.on_node import known_on
from greenroom.actors.social.known.people import named
from greenroom.actors.social.post.views import Posts, WhoReacted, reacted_key
from greenroom.actors.social.spread.arrivals import Arrivals
from greenroom.store.views.asked import Looked

ROWS_MAX = 1_000  # that are asked for at once
POST_CHARS = 32  # of an id


class Found(Struct, frozen=True):
    """Posts that may be seen, by id, as of one moment."""

    posts: dict[str, Posts.Row]
    authors: dict[str, Authors.Row] = field(default_factory=dict)  # those of whom it mattered
    mine: dict[str, str] = field(default_factory=dict)  # the reader's own reactions, of those that were looked for
    looked_for: frozenset[str] = frozenset()  # posts of which it was asked what the reader has said
    newest: str = ""  # the newest row of the reader's feed, where that was looked for and there is one

    def and_more(self, other: "Found") -> "Found":
        """With another look's, a moment later."""
        if not self.posts:
            return other
        return Found(
            self.posts | other.posts,
            self.authors | other.authors,
            self.mine | other.mine,
            self.looked_for | other.looked_for,
            self.newest or other.newest,
        )


async def visible(
    feed: Reader,
    ids: Iterable[str],
    *,
    with_authors: bool = False,
    with_mine: bool = False,
    with_newest: bool = False,
) -> Found:
    """Of these, at most ROWS_MAX, those which the feed's user may see now. `with_authors`: with what is known of all
    of their authors. `with_mine`: with the user's own reactions. `with_newest`: with what was written here last.

    Whose posts these are, and which of them anybody has reacted to, their node knows as a rule, and so it is one
    statement; what has turned out otherwise, or was not known, is asked behind it.
    """
    wanted = list(dict.fromkeys(ids))[:ROWS_MAX]
    if not wanted:
        return Found({})
    strangers = _everybody if with_authors else partial(_strangers, feed)
    known = known_on(feed).seen
    users = strangers(known.authors(wanted))
    reacted = known.reacted(wanted) if with_mine else []
    looked = await _look(feed, wanted, users, reacted, with_newest=with_newest)
    last = looked.of(Arrivals.Row).get(feed.key) if with_newest else None
    rows, authors, mine = looked.of(Posts.Row), looked.of(Authors.Row), looked.of(WhoReacted.Row)
    others = strangers(row.author for row in rows.values()) - users
    known.note(rows.values())
    late = [post for post in known.reacted(rows) if post not in reacted] if with_mine else []
    if others or late:
        looked = await _look(feed, [], others, late)
        authors, mine = authors | looked.of(Authors.Row), mine | looked.of(WhoReacted.Row)
    me, state, now_ms = feed.key, feed.state, feed.now_ms
    seen = {
        post: row
        for post, row in rows.items()
        if may_see(me, state, row, now_ms, is_private=row.author in authors and authors[row.author].private)
    }
    said = {key[:POST_CHARS]: row.reaction for key, row in mine.items()}
    return Found(seen, authors, said, frozenset((*reacted, *late)), last.id if last is not None else "")


async def _look(
    feed: Reader, posts: Sequence[str], users: Iterable[str], reacted: Iterable[str], *, with_newest: bool = False
) -> Looked:
    wanted: dict[type[Any], Sequence[str]] = {
        Posts.Row: posts,
        Authors.Row: sorted(users)[:ROWS_MAX],
        WhoReacted.Row: [reacted_key(post, feed.key) for post in reacted],
        Arrivals.Row: [feed.key] if with_newest else [],
    }
    return await feed.query_rows({row: keys for row, keys in wanted.items() if keys})


def _everybody(users: Iterable[str]) -> set[str]:
    return set(users)


def _strangers(feed: Reader, users: Iterable[str]) -> set[str]:
    """Of whom it matters whether they are private."""
    return set(users) - feed.state.follows.keys() - {feed.key}


async def authors_of(feed: Reader, users: Iterable[str]) -> dict[str, Authors.Row]:
    return (await _look(feed, (), users, ())).of(Authors.Row)


async def shown(
    feed: Reader,
    rows: Sequence[Posts.Row],
    places: Sequence[Placed] = (),
    *,
    unasked: bool = True,
    seen: Found | None = None,
) -> list[PostShown]:
    """With their authors' names, what they share, and what the reader has said of them. `places`: why each is there.
    `unasked`: what they share is shown only where its author may come up. `seen`: posts that are visible, as of just
    now."""
    known = seen if seen is not None else Found({})
    sharing = [row.share_of for row in rows if row.share_of]
    found = {post: known.posts[post] for post in sharing if post in known.posts}
    if len(found) < len(sharing):
        found |= (await visible(feed, (post for post in sharing if post not in found))).posts
    shared = {post: row for post, row in found.items() if not unasked or is_wanted(feed.state, row)}
    everything = [*rows, *shared.values()]
    users = sorted({row.author for row in everything})
    profiles = await named(feed, users)
    mine = await _mine(feed, everything, known)
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


async def _mine(feed: Reader, rows: Iterable[Posts.Row], known: Found) -> dict[str, str]:
    """The reader's own reactions. Nobody has reacted to most posts, and those are not looked up."""
    late = [row.id for row in rows if row.id not in known.looked_for and any(row.reactions.values())]
    if not late:
        return known.mine
    looked = await _look(feed, (), (), late)
    return known.mine | {key[:POST_CHARS]: row.reaction for key, row in looked.of(WhoReacted.Row).items()}
