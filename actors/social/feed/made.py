"""What an author has posted lately, for who has come to follow them, or is back after long.

Posts are written to followers by rows, which may be late: of a new follower, and of posts on a wall. So once the rows
say that somebody follows, they ask the author's feed, which has named each post before it was published: what is not
among these is published later, and written to them.

Mostly they lack nothing, and where the author's feed is awake on the same node a glance says so: then nobody is told
anything. A question and an answer of each of a hundred authors are hundreds of appends, and it comes at each return.
"""

from collections.abc import Collection, Coroutine, Iterable
from itertools import islice
from typing import Any

from greenroom.actors.social.feed.events import CaughtUp, Entry
from greenroom.actors.social.feed.messages import Made, MadeAsk, MadeShown, SayMade
from greenroom.actors.social.feed.privacy import is_barred
from greenroom.actors.social.feed.reader import Reader
from greenroom.actors.social.feed.state import FeedState
from greenroom.actors.social.names import ms_of
from greenroom.actors.social.post.views import Posts

ASKED_MAX = 100  # authors, at once: those followed last


def authors_of(state: FeedState, event: CaughtUp) -> list[str]:
    """Whom to ask about: those with whom it has caught up, before it is applied."""
    settled = (user for user, ms in reversed(state.behind.items()) if ms < event.followed_ms)
    return list(islice(settled, ASKED_MAX))


def say(feed: Reader, ask: SayMade) -> None:
    if feed.state.made and not is_barred(feed.state, ask.reader):
        made = Made(author=feed.key, posts=feed.state.made, stories=feed.state.stories)
        feed.tell(f"feed:{ask.reader}", made)


def shown(feed: Reader, ask: MadeAsk) -> MadeShown:
    if is_barred(feed.state, ask.reader):
        return MadeShown([], [])
    return MadeShown(list(feed.state.made), list(feed.state.stories))


def ask(feed: Reader, author: str) -> None:
    """Have the author say what there is, unless it is seen at a glance that nothing is lacking."""
    made = feed.glance(f"feed:{author}", MadeAsk(reader=feed.key))
    if made is None or _lacking(feed, made.posts, set(made.stories)):
        feed.tell(f"feed:{author}", SayMade(reader=feed.key))


def take(feed: Reader, made: Made) -> Coroutine[Any, Any, None] | None:
    """Keep those that have no row here yet as if they had been written here. Mostly there are none: walls had them."""
    if made.author not in feed.state.follows:
        return None
    stories = set(made.stories)
    lacking = _lacking(feed, made.posts, stories)
    if not lacking:
        return None

    async def keep() -> None:
        rows = await feed.query_pages(Posts.Row, lacking, limit=1)  # of posts made by a release that said nothing
        are_stories = {post for post, (row,) in rows.items() if row.is_story} | stories
        entries = [Entry(post, made.author, ms_of(post), post in are_stories) for post in lacking]
        feed.record(CaughtUp(followed_ms=0, entries=entries))
        feed.names.doubt(feed.now)

    return keep()


def _lacking(feed: Reader, posts: Iterable[str], stories: Collection[str]) -> list[str]:
    """Those without a row here; and stories, of which a row may not know yet that they are."""
    known = {entry.post for entry in feed.caught_up(feed.now) if entry.is_story or entry.post not in stories}
    return [post for post in posts if post not in known and (post in stories or not feed.names.has(post))]
