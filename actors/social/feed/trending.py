"""Posts under tags that many use just now, whoever has posted them. They are the same for all readers of a node, so one
of these looks, once a minute; who may see which of them is decided by the feed of each."""

from collections import defaultdict
from collections.abc import Iterable
from weakref import WeakKeyDictionary

from msgspec import Struct

from greenroom.actors.model.actor import Runtime
from greenroom.actors.model.errors import ActorError
from greenroom.actors.social.feed.cursor import Placed
from greenroom.actors.social.feed.reader import Reader
from greenroom.actors.social.post.trends import HOUR_MS, Trends, hour_of
from greenroom.actors.social.post.views import Tagged

HOURS = 6  # that are looked at, this one and those before
HALF_LIFE_H = 2.0
TAGS_AN_HOUR = 20  # those of most authors
AUTHORS_MIN = 3.0  # of a tag, those of earlier hours faded: what fewer use is nobody's trend
TAGS_MAX = 5
POSTS_MAX = 5  # of each, the newest
LOOK_S = 60.0


class Found(Struct):
    """What a node has found: posts and their authors. As long as somebody looks anew, the old ones do."""

    until_s: float = float("-inf")
    posts: dict[str, str] = {}


_found: WeakKeyDictionary[Runtime, Found] = WeakKeyDictionary()


async def trending(feed: Reader) -> list[Placed]:
    """Of whom its user does not follow."""
    found = _found.setdefault(feed.runtime, Found())
    if feed.now >= found.until_s:
        found.until_s = feed.now + LOOK_S
        try:
            found.posts = await _look(feed)
        except ActorError:
            found.posts = {}  # a page without them is one
    known = feed.state.follows.keys() | {feed.key}
    return [Placed(post, "trending") for post, author in found.posts.items() if author not in known]


async def _look(feed: Reader) -> dict[str, str]:
    hours = [hour_of(feed.now_ms - number * HOUR_MS) for number in range(HOURS)]
    pages = await feed.query_pages(Trends.Row, hours, limit=TAGS_AN_HOUR)
    tags = most_used([pages.get(hour, []) for hour in hours])
    if not tags:
        return {}
    where = {"visibility": "public", "is_story": False}
    posts = await feed.query_pages(Tagged.Row, tags, limit=POSTS_MAX, where=where)
    return {row.id: row.author for rows in posts.values() for row in rows}


def most_used(hours: Iterable[Iterable[Trends.Row]]) -> list[str]:
    """The tags of most authors. `hours`: this one first, and each counts for less than the one after it."""
    score: defaultdict[str, float] = defaultdict(float)
    for age_h, rows in enumerate(hours):
        for row in rows:
            score[row.tag] += row.authors * 0.5 ** (age_h / HALF_LIFE_H)
    used = sorted((-authors, tag) for tag, authors in score.items() if authors >= AUTHORS_MIN)
    return [tag for _, tag in used[:TAGS_MAX]]
