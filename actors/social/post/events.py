"""What has happened to a post. Of most of it watchers see nothing: they are shown counts."""

from msgspec import Struct, field

from greenroom.actors.model.message import Event
from greenroom.actors.personal.fields import Personal, Subject
from greenroom.actors.social.feed.messages import Visibility


class Content(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a post says, and to whom. Whole in each event that shows it, so that views need no other."""

    author: Subject
    text: Personal[str] = ""
    media: Personal[list[str]] = field(default_factory=list)
    tags: Personal[list[str]] = field(default_factory=list)
    visibility: Visibility = "public"
    is_story: bool = False
    ends_ms: int = 0  # Unix; of a story
    edited_ms: int = 0
    share_of: str = ""


class Published(Event, omit_defaults=True, tag="post.published"):
    """There is a post."""

    content: Content
    is_pending: bool = False  # nobody but its author sees it until a moderator has looked
    is_shadowed: bool = False  # nobody but its author ever does


class Edited(Event, omit_defaults=True, tag="post.edited"):
    """It says something else."""

    content: Content
    tags_before: list[str] = field(default_factory=list)
    is_pending: bool = False
    is_shadowed: bool = False


class Deleted(Event, omit_defaults=True, tag="post.deleted"):
    """By its author, or a moderator. What it said is not kept."""

    author: Subject
    by: Subject
    tags: list[str] = field(default_factory=list)  # under which it was found


class Ended(Event, omit_defaults=True, tag="post.ended"):
    """A story's time is over."""

    author: Subject
    tags: list[str] = field(default_factory=list)


class Hidden(Event, omit_defaults=True, tag="post.hidden"):
    """A moderator does not want it seen."""

    author: Subject
    tags: list[str] = field(default_factory=list)
    reason: str = ""


class Shown(Event, omit_defaults=True, tag="post.shown"):
    """A moderator has looked: it may be seen, for the first time or again. All that views have of it."""

    content: Content
    is_shadowed: bool = False
    reactions: dict[str, int] = field(default_factory=dict)
    comments: int = 0
    shares: int = 0


class Unwanted(Event, tag="post.unwanted"):
    """Somebody has deleted it before it came. Should it be theirs, it is deleted when it comes."""

    by: Subject


class ReactionChanged(Event, omit_defaults=True, tag="post.reaction_changed"):
    """Somebody says something else of it than before; "" is nothing."""

    user: Subject
    reaction: str = ""
    before: str = ""
    notified: bool = False  # its author is told


class Sharded(Event, tag="post.sharded"):
    """As many have reacted as it can know: who comes from now on is known to one of its `reactions`."""


class ShardCounted(Event, omit_defaults=True, tag="post.shard_counted"):
    """What one of its `reactions` counts now."""

    shard: str
    counts: dict[str, int]
    by: dict[str, int]  # the differences to what it had counted before


class CommentsCounted(Event, tag="post.comments_counted"):
    """There are so many comments now."""

    count: int


class SharesCounted(Event, omit_defaults=True, tag="post.shares_counted"):
    """So many posts share it now."""

    count: int


class MentionsTold(Event, tag="post.mentions_told"):
    """These have been told that they are mentioned, or may not see it; either way that is settled for good."""

    users: list[Subject]
    told: int


PostEvent = (
    Published
    | Edited
    | Deleted
    | Ended
    | Hidden
    | Shown
    | Unwanted
    | ReactionChanged
    | Sharded
    | ShardCounted
    | CommentsCounted
    | SharesCounted
    | MentionsTold
)


class CountsShown(Struct, frozen=True, tag_field="type", tag="post.counts"):
    """Ephemeral: the newest counts, at most ten times a second."""

    reactions: dict[str, int]
    comments: int
    shares: int


class EditedShown(Struct, frozen=True, tag_field="type", tag="post.edited"):
    """It says something else: read it again."""

    edited_ms: int  # Unix


class GoneShown(Struct, frozen=True, tag_field="type", tag="post.gone"):
    """There is nothing to be seen any more."""
