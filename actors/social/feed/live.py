"""What watchers of a feed hear: how many posts are new, and those that belong above what they show.

Nudges are gathered for FLUSH_S, and their posts are looked up together. What may not be seen, or is gone again, is not
counted. A post is inserted only above the top that was named: what is shown never moves under the reader's thumb.
"""

from greenroom.actors.social.feed.messages import Arrived, New, Top
from greenroom.actors.social.feed.privacy import is_barred, is_wanted
from greenroom.actors.social.feed.reader import Reader
from greenroom.actors.social.feed.rows import shown, visible

FLUSH_S = 0.25


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


async def tell(feed: Reader, top: str | None, limit: int) -> str | None:
    """Tell watchers. `top`: what they show uppermost; returned as it is then."""
    found = (await visible(feed, feed.nudged)).posts
    for post in [post for post in feed.nudged if post not in found or not is_wanted(feed.state, found[post])]:
        del feed.nudged[post]
    posts = sorted((post for post, one in feed.nudged.items() if not one.is_story), reverse=True)
    feed.count(posts)
    feed.publish(New(feed.new), key="new")
    above = [post for post in posts if top is not None and post > top][:limit]
    if not above:
        return top
    feed.publish(Top(await shown(feed, [found[post] for post in above])))
    return above[0]
