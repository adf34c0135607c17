"""What watchers of a feed hear: how many posts are new, and those that belong above what they show.

The first is told at once, and what comes within FLUSH_S of that together. Posts are looked up once for all feeds of a
node (looks.py). What may not be seen, or is gone again, is not counted. A post is inserted only above the top that was
named: what is shown never moves under the reader's thumb.
"""

from collections.abc import Coroutine
from typing import Any

from greenroom.actors.social.feed.messages import Arrived, New, Top
from greenroom.actors.social.feed.privacy import is_barred, is_wanted, may_see
from greenroom.actors.social.feed.reader import Reader
from greenroom.actors.social.feed.rows import shown, visible
from greenroom.actors.social.post.looks import Rows, looks_of

FLUSH_S = 0.25
SOON_S = 0.05  # by then a look that is under way has found something
AGAIN_S = 1.0  # after which it is tried again, where nothing could be looked up


def wait_s(feed: Reader, told_s: float) -> float:
    """How long is what has come to wait, where watchers were told something at `told_s`? 0: not at all."""
    left_s = told_s + FLUSH_S - feed.now
    if 0 < left_s <= FLUSH_S:
        return left_s
    return SOON_S if looks_of(feed.runtime).is_asked(feed.nudged, feed.now) else 0.0


def takes(feed: Reader, arrived: Arrived) -> bool:
    """Note it, where it is anything to its user. Who followed may have ended that while it was on its way."""
    state, author = feed.state, arrived.author
    if author not in state.follows or author in state.muted or is_barred(state, author):
        return False
    if feed.has_heard_of(arrived.post) or arrived.post in state.seen:
        return False
    if arrived.visibility == "close" and author not in state.close_to:
        return False  # nor is it anybody's to know when its author posts for friends
    feed.hear_of(arrived)
    return True


def look(feed: Reader, top: str | None, limit: int) -> Coroutine[Any, Any, str | None] | str | None:
    """Tell watchers, at once where another feed of this node has just looked. `top`: what they show uppermost; returned
    as it is then."""
    rows = looks_of(feed.runtime).known(feed.nudged, feed.now) if top is None else None
    if rows is None or any(row.author not in feed.state.follows for row in rows.values()):
        return _read_and_tell(feed, top, limit)
    _count(feed, _seen(feed, rows))
    return top


async def _read_and_tell(feed: Reader, top: str | None, limit: int) -> str | None:
    """Raises: ActorError, StoreUnavailable."""
    rows = await looks_of(feed.runtime).read(feed, feed.nudged)
    if top is not None or any(row.author not in feed.state.follows for row in rows.values()):
        # What is shown, is shown as it is now; and of strangers it matters whether they are private.
        rows = (await visible(feed, rows)).posts
    found = _seen(feed, rows)
    posts = _count(feed, found)
    above = [post for post in posts if top is not None and post > top][:limit]
    if not above:
        return top
    feed.publish(Top(await shown(feed, [found[post] for post in above])))
    return above[0]


def _seen(feed: Reader, rows: Rows) -> Rows:
    """Those that its user may see, and wants to: of the others nothing more is known."""
    found = {
        post: row
        for post, row in rows.items()
        if may_see(feed.key, feed.state, row, feed.now_ms) and is_wanted(feed.state, row)
    }
    for post in [post for post in feed.nudged if post not in found]:
        del feed.nudged[post]
    return found


def _count(feed: Reader, found: Rows) -> list[str]:
    """Say how many are new; those that are no stories, the newest first."""
    posts = sorted((post for post in feed.nudged if not found[post].is_story), reverse=True)
    feed.count(posts)
    feed.publish(New(feed.new), key="new")
    return posts
