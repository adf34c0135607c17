"""What `feed:USER` can be told. Tags are wire names: never renamed, fields only ever added, with defaults."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from greenroom.actors.model.message import END, Ask, Done, Tell
from greenroom.actors.model.principal import UserId
from greenroom.actors.personal.fields import Subject

TEXT_CHARS_MAX = 4_000
MEDIA_MAX = 10
PAGE_MAX = 100

PostId = Annotated[str, Meta(pattern="^[0-9a-f]{32}" + END)]
MediaId = Annotated[str, Meta(pattern="^[0-9a-f]{24}" + END)]
Visibility = Literal["public", "followers", "close"]
Reaction = Literal["like", "love", "laugh", "wow", "sad", "angry"]
Cursor = Annotated[str, Meta(min_length=1, max_length=400)]
Limit = Annotated[int, Meta(ge=1, le=PAGE_MAX)]


class PostShown(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A post, as it is shown to somebody who may see it."""

    id: str
    author: str
    name: str = ""  # the author's, as their profile has it; "" is their user id
    avatar: str = ""  # a media id
    at_ms: int  # Unix
    text: str = ""
    media: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    visibility: Visibility = "public"
    is_story: bool = False
    ends_ms: int = 0  # Unix; of a story
    edited_ms: int = 0
    share_of: str = ""  # where that may be seen, too
    shared: "PostShown | None" = None  # what it shares
    shares_unseen: bool = False  # it shares something that is gone, or not for the reader
    reactions: dict[str, int] = field(default_factory=dict)
    mine: str = ""  # the reader's own reaction
    comments: int = 0
    shares: int = 0
    reason: str = ""  # why it is here: following, suggested, trending, tag, own
    score: float = 0.0  # of a ranked page


class FeedPage(Struct, frozen=True, kw_only=True):
    """Some posts, and how to go on."""

    posts: list[PostShown]
    next: str | None = None  # a cursor: the rest of what was found, for ten minutes
    shed: int = 0  # posts that were left out of a feed that follows too many, in all
    kept_share: float = 1.0
    ranking: str = ""  # which: `newest`, or the model's version


class Posted(Struct, frozen=True):
    """The post that was made."""

    id: str


# Of its user.


class Post(Ask[Posted], tag="feed.post"):
    """Post something, or share a post."""

    text: Annotated[str, Meta(max_length=TEXT_CHARS_MAX)] = ""
    media: Annotated[list[MediaId], Meta(max_length=MEDIA_MAX)] = field(default_factory=list)
    visibility: Visibility = "public"
    is_story: bool = False
    share_of: PostId | None = None


class Read(Ask[FeedPage], tag="feed.read"):
    """The home feed."""

    order: Literal["ranked", "newest"] = "ranked"
    limit: Limit = 20
    cursor: Cursor | None = None


class Of(Ask[FeedPage], tag="feed.of"):
    """What somebody has posted, newest first, as far as its user may see it."""

    author: UserId
    limit: Limit = 20
    cursor: Cursor | None = None


class Tagged(Ask[FeedPage], tag="feed.tagged"):
    """What is posted under a tag."""

    tag: Annotated[str, Meta(min_length=1, max_length=100)]
    limit: Limit = 20
    cursor: Cursor | None = None


class SearchPosts(Ask[FeedPage], tag="feed.search"):
    """Posts by their words."""

    words: Annotated[str, Meta(min_length=1, max_length=200)]
    limit: Limit = 20
    cursor: Cursor | None = None


class See(Ask[PostShown], tag="feed.see"):
    """One post, if its user may see it."""

    id: PostId


class Ring(Struct, frozen=True):
    """Stories of one author."""

    author: str
    name: str
    avatar: str
    stories: list[PostShown]  # oldest first
    unseen: int


class Rings(Struct, frozen=True):
    """Stories, by author."""

    rings: list[Ring]  # those with something unseen first


class Stories(Ask[Rings], tag="feed.stories"):
    """Stories of those whom its user follows, and their own."""


class Signal(Struct, frozen=True, kw_only=True):
    """What a reader did with a post that was shown."""

    post: PostId
    did: Literal["seen", "clicked", "dwelt", "hid"]
    ms: Annotated[int, Meta(ge=0, le=3_600_000)] = 0  # how long, of `dwelt`
    position: Annotated[int, Meta(ge=0, le=10_000)] = 0


class Seen(Ask[Done], tag="feed.seen"):
    """What became of what was shown."""

    signals: Annotated[list[Signal], Meta(max_length=200)]


class Show(Ask[Done], tag="feed.show"):
    """From now on, tell this channel what is new above `top`, whole, at most `limit` at once. Ephemeral."""

    top: PostId
    limit: Annotated[int, Meta(ge=0, le=20)] = 10


# From others.


class Arrived(Tell, tag="feed.arrived"):
    """A followed author has posted. No promise: what is durable is a row of `arrivals`, or the author's wall."""

    post: PostId
    author: Subject
    at_ms: int
    is_story: bool = False
    visibility: Visibility = "public"  # as it was published
    reason: str = "following"


class FollowsChanged(Tell, tag="feed.follows_changed"):
    """Its user follows the author, or no more."""

    author: Subject
    follows: bool


class MutedChanged(Tell, tag="feed.muted_changed"):
    """Its user wants nothing of that user to come up, or no longer minds."""

    user: Subject
    muted: bool


class BarredChanged(Tell, tag="feed.barred_changed"):
    """One of the two has blocked the other, or no more. `by_us`: its user has."""

    user: Subject
    by_us: bool
    barred: bool


class CloseChanged(Tell, tag="feed.close_changed"):
    """The author counts its user among close friends, or no more."""

    author: Subject
    close: bool


class Unwanted(Struct, frozen=True):
    """Some users."""

    users: list[Subject]
    and_more: bool = False


class UnwantedAmong(Ask[Unwanted], tag="feed.unwanted_among"):
    """By a thread: whose words does its user not want to read, or may not?"""

    users: list[Subject]


class BarredAsk(Ask[Unwanted], tag="feed.barred_ask"):
    """By a thread, of who says something: between whom and them is there a block?"""


class SayMade(Tell, tag="feed.say_made"):
    """Somebody follows its user by now: tell them what there is that may not have been written to them."""

    reader: Subject
    after: PostId | None = None  # what is older than a full wall was left out by it, and is not lacking
    since_ms: int = 0  # Unix: but for what came since they follow, and for stories that have not ended


class MadeShown(Struct, frozen=True):
    """What an author has posted last."""

    posts: list[str]
    stories: list[str]  # those among them


class MadeAsk(Ask[MadeShown], tag="feed.made_ask"):
    """The same, by who is near enough to glance."""

    reader: Subject


class Made(Tell, tag="feed.made"):
    """What an author has posted last."""

    author: Subject
    posts: Annotated[list[PostId], Meta(min_length=1, max_length=PAGE_MAX)]
    stories: Annotated[list[PostId], Meta(max_length=PAGE_MAX)] = field(default_factory=list)  # those among them


class CatchUp(Tell, tag="feed.catch_up"):
    """To itself: look at walls that can be all of it by now."""


class Flush(Tell, tag="feed.flush"):
    """To itself: tell watchers what is new."""


# What watchers hear.


class New(Struct, frozen=True, tag="feed.new"):
    """So many posts have come since its user last read; of those that came while nobody watched, at most 100 count."""

    count: int


class Top(Struct, frozen=True, tag="feed.top"):
    """To be put above all that is shown, in this order."""

    posts: list[PostShown]
