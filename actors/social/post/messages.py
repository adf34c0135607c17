"""What `post:ID` can be told. Tags are wire names: never renamed, fields only ever added, with defaults."""

from typing import Annotated

from msgspec import Meta, Struct, field

from greenroom.actors.model.message import Ask, Done, Tell
from greenroom.actors.personal.fields import Personal, Subject
from greenroom.actors.social.feed.messages import TEXT_CHARS_MAX, PostId, Reaction, Visibility


class Reacted(Struct, frozen=True):
    """The reactions as they now are."""

    reactions: dict[str, int]
    mine: str


class React(Ask[Reacted], tag="post.react"):
    """Like it, or something else instead of what one has said before. One of a user."""

    reaction: Reaction = "like"


class Unreact(Ask[Reacted], tag="post.unreact"):
    """Take it back."""


class Edit(Ask[Done], tag="post.edit"):
    """Another text. Who is mentioned only now is told."""

    text: Annotated[str, Meta(max_length=TEXT_CHARS_MAX)]


class Delete(Ask[Done], tag="post.delete"):
    """By its author, or a moderator."""


# From others.


class Publish(Tell, tag="post.publish"):
    """By `feed:AUTHOR`, which has made its id."""

    author: Subject
    text: Personal[str] = ""
    media: list[str] = field(default_factory=list)
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


class AudienceChanged(Tell, tag="post.audience_changed"):
    """By its author's `follows`: who may do what has changed."""


class Hide(Tell, tag="post.hide"):
    """By a moderator, or until one has looked."""

    hidden: bool
    reason: Annotated[str, Meta(max_length=200)] = ""


class MineOf(Ask["Mine"], tag="post.mine_of"):
    """By a reader's feed: what has that user said?"""

    user: Subject


class Mine(Struct, frozen=True):
    reaction: str = ""
