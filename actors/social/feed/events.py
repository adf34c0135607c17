"""What a feed knows for good. All of it is its user's, and none of it is shown to watchers."""

from msgspec import Struct

from greenroom.actors.model.message import Event
from greenroom.actors.personal.fields import Subject

ENTRIES_MAX = 500  # of one event


class Entry(Struct, frozen=True):
    """A post that belongs into the feed."""

    post: str
    author: Subject
    at_ms: int
    is_story: bool = False


class PostMade(Event, omit_defaults=True, tag="feed.post_made"):
    """Its user has posted."""

    post: str
    is_story: bool = False


class Followed(Event, tag="feed.followed"):
    """Its user follows the author. What was posted before is looked up, once."""

    author: Subject


class Unfollowed(Event, tag="feed.unfollowed"):
    """And follows them no more."""

    author: Subject


class Muted(Event, tag="feed.muted"):
    """Nothing of that user is to come up, or it may again."""

    user: Subject
    muted: bool


class Barred(Event, tag="feed.barred"):
    """Neither sees the other, as long as one of the two wants that."""

    user: Subject
    by_us: bool
    barred: bool


class CloseTo(Event, tag="feed.close_to"):
    """The author counts its user among close friends, or no more."""

    author: Subject
    close: bool


class Returned(Event, tag="feed.returned"):
    """Its user reads; told once a day. `after_long`: nothing was written here for a while."""

    after_long: bool


class CaughtUp(Event, tag="feed.caught_up"):
    """The walls of those followed before `followed_ms` have been looked at. From now on their posts are written."""

    followed_ms: int
    entries: list[Entry]


class Trimmed(Event, tag="feed.trimmed"):
    """These are so old that nobody comes to them."""

    posts: list[str]


class PostsSeen(Event, tag="feed.posts_seen"):
    """Its user has had these before them; and wants no more of those."""

    seen: list[str]
    hid: list[str]


FeedEvent = PostMade | Followed | Unfollowed | Muted | Barred | CloseTo | Returned | CaughtUp | Trimmed | PostsSeen
