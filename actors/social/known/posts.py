"""Posts as they are ranked, and as far as whoever ranks them has to know who may see them.

Small, and shared by all feeds of a node: the posts that many are shown are read and counted once. It decides what is
looked at. What is shown is read by itself, when it is shown.
"""

from collections.abc import Iterable

from msgspec.structs import replace

from greenroom.actors.model.actor import Actor
from greenroom.actors.social.follows.views import Authors
from greenroom.actors.social.known.on_node import Fact, known_on
from greenroom.actors.social.known.people import authors
from greenroom.actors.social.post.views import Posts
from greenroom.actors.social.ranking.candidates import Candidate, Reason
from greenroom.actors.social.ranking.light import done_part, own_part


async def facts(reader: Actor[object], posts: Iterable[str]) -> dict[str, Fact]:
    """Of those that there are, as they were a few seconds ago. Raises: as Actor.query_pages."""

    async def look(keys: list[str]) -> dict[str, Fact]:
        rows = [row for (row,) in (await reader.query_pages(Posts.Row, keys, limit=1)).values()]
        by = await authors(reader, {row.author for row in rows})
        now_ms = int(reader.now * 1000)
        return {row.id: fact(row, by.get(row.author), now_ms) for row in rows}

    return await known_on(reader).posts.of(posts, reader.now, look)


def fact(row: Posts.Row, author: Authors.Row | None, now_ms: int) -> Fact:
    """Of a post, as its row and its author's are."""
    candidate = Candidate(
        post=row.id,
        author=row.author,
        at_ms=row.at_ms,
        reactions=sum(row.reactions.values()),
        comments=row.comments,
        shares=row.shares,
        media=len(row.media),
        chars=len(row.text),
        is_share=bool(row.share_of),
        followers=author.followers if author is not None else 0,
    )
    own = own_part(candidate, now_ms)
    return Fact(
        id=row.id,
        author=row.author,
        visibility=row.visibility,
        is_story=row.is_story,
        ends_ms=row.ends_ms,
        is_pending=row.is_pending,
        is_shadowed=row.is_shadowed,
        is_private=author is not None and author.private,
        share_of=row.share_of,
        done=done_part(own),
        as_candidate={("following", False): replace(candidate, own=own)},
    )


def candidate(fact: Fact, reason: Reason, *, seen: bool) -> Candidate:
    """As it is to one reader."""
    found = fact.as_candidate.get((reason, seen))
    if found is None:
        found = replace(fact.as_candidate["following", False], reason=reason, seen=seen)
        fact.as_candidate[reason, seen] = found
    return found


def shared_by(reader: Actor[object], posts: Iterable[str]) -> list[str]:
    """What these share, as far as that is known; asks nobody."""
    known = known_on(reader).posts
    return [one.share_of for post in posts if (one := known.now(post)) is not None and one.share_of]
