"""The ring of stories: of whom its user follows, and their own, author by author."""

from greenroom.actors.social.feed.gathering import stories
from greenroom.actors.social.feed.messages import PostShown, Ring, Rings
from greenroom.actors.social.feed.privacy import is_wanted
from greenroom.actors.social.feed.reader import Reader
from greenroom.actors.social.feed.rows import shown, visible

RINGS_MAX = 100


async def rings(feed: Reader) -> Rings:
    """Those with something unseen first, the newest of them at the front; its user's own before all."""
    posts = await stories(feed)
    found = (await visible(feed, posts)).posts
    rows = [row for post in posts if (row := found.get(post)) and row.is_story and is_wanted(feed.state, row)]
    by_author: dict[str, list[PostShown]] = {}
    for one in await shown(feed, rows):
        by_author.setdefault(one.author, []).append(one)
    rings = [_ring(feed, author, ones) for author, ones in by_author.items()]
    rings.sort(key=lambda ring: ring.stories[-1].id, reverse=True)
    rings.sort(key=lambda ring: (ring.author != feed.key, not ring.unseen))
    return Rings(rings[:RINGS_MAX])


def _ring(feed: Reader, author: str, ones: list[PostShown]) -> Ring:
    unseen = sum(one.id not in feed.state.seen for one in ones)
    return Ring(author=author, name=ones[0].name, avatar=ones[0].avatar, stories=ones, unseen=unseen)
