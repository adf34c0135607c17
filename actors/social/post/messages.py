"""What `post:ID` can be told. Tags are wire names: never renamed, fields only ever added, with defaults."""

from typing import Annotated

from msgspec import Meta, Struct, field

from greenroom.actors.model.message import END, Ask, Done, Tell
from greenroom.actors.personal.fields import Personal, Subject
from greenroom.actors.social.feed.messages import MEDIA_MAX, TEXT_CHARS_MAX, PostId, Reaction, Visibility


class Reacted(Struct, frozen=True):
    """The reactions as they now are."""

    reactions: dict[str, int]  # of a post with very many, the newest second may be missing
    mine: str


class React(Ask[Reacted], tag="post.react"):
    """Like it, or something else instead of what one has said before. One of a user."""

    reaction: Reaction = "like"


class Unreact(Ask[Reacted], tag="post.unreact"):
    """Take it back."""


class Counted(Struct, frozen=True):
    """How many have said what of it, have commented, and share it."""

    reactions: dict[str, int]
    comments: int
    shares: int


class Watch(Ask[Counted], tag="post.watch"):
    """For who may see it: its counts. From then on they may watch it, too."""


class Edit(Ask[Done], tag="post.edit"):
    """Another text. Who is mentioned only now is told."""

    text: Annotated[str, Meta(max_length=TEXT_CHARS_MAX)]


class Delete(Ask[Done], tag="post.delete"):
    """By its author, or a moderator."""


# From others.


class Publish(Tell, tag="post.publish"):
    """By `feed:AUTHOR`, which has made its id."""

    author: Subject
    text: Annotated[Personal[str], Meta(max_length=TEXT_CHARS_MAX)] = ""
    media: Annotated[list[str], Meta(max_length=MEDIA_MAX)] = field(default_factory=list)
    visibility: Visibility = "public"
    is_story: bool = False
    share_of: PostId | None = None
    is_pending: bool = False  # a rule wants a moderator to look first
    is_shadowed: bool = False  # its author alone sees it


class End(Tell, tag="post.end"):
    """To itself: a story's time is over."""


class CommentsChanged(Tell, tag="post.comments_changed"):
    """By its thread: how many there are now."""

    count: int


class SharesChanged(Tell, tag="post.shares_changed"):
    """By a post that shares it: 1, or -1 when that is gone."""

    by: int
    user: Subject = ""  # who shares it
    post: str = ""  # the one that does


class Shared(Tell, tag="post.shared"):
    """By a post that shares it, and that everybody may see: its author is told so."""

    user: Subject
    post: str


class AudienceChanged(Tell, tag="post.audience_changed"):
    """By its author's `follows`: who may do what has changed."""

    user: Subject = ""  # for them alone; "": for anybody


class LookAgain(Tell, tag="post.look_again"):
    """To itself: may those who watch do so still?"""


class Hide(Tell, tag="post.hide"):
    """By a moderator, or until one has looked. Not hidden: it is looked at, and may be seen, a pending one too."""

    hidden: bool
    reason: Annotated[str, Meta(max_length=200)] = ""
    edited_ms: int | None = None  # of what was looked at: another text is hidden, and its case told; None: whichever


class Mine(Struct, frozen=True):
    """What somebody has said; "" is nothing."""

    reaction: str = ""


class MineOf(Ask[Mine], tag="post.mine_of"):
    """By a reader's feed: what has that user said?"""

    user: Subject


class MayAct(Ask[Done], tag="post.may_act"):
    """By its thread: may that user see it, and say something? Refused as the user would be."""

    user: Subject


class ShardChanged(Tell, tag="post.shard_changed"):
    """By one of its `reactions`: how many there are of each now."""

    shard: Annotated[str, Meta(pattern="^[0-9a-f]{2}" + END)]
    counts: dict[str, int]


class Recounted(Struct, frozen=True):
    """What is counted, what it should be, and by how much these differ."""

    shown: dict[str, int]
    counted: dict[str, int]
    drift: int


class Recount(Ask[Recounted], tag="post.recount"):
    """By staff: are the counts what counting anew comes to? Where nobody reacts meanwhile, the drift is to be 0."""


class ShowCounts(Tell, tag="post.show_counts"):
    """To itself: tell watchers the newest counts."""


class TellMentioned(Tell, tag="post.tell_mentioned"):
    """To itself: tell those whom its text names, and who have not been told."""


class TellShared(Tell, tag="post.tell_shared"):
    """To itself: say to what it shares who does so, if everybody may know."""


class Said(Struct, frozen=True, kw_only=True):
    """What a post says, whether it is shown or not."""

    author: Subject
    text: Personal[str] = ""
    media: Personal[list[str]] = field(default_factory=list)
    edited_ms: int = 0


class SaidOf(Ask[Said], tag="post.said_of"):
    """By its case, for moderators: what does it say? Of one that is gone refused."""
