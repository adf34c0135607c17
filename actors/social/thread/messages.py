"""What `thread:ID` can be told. Tags are wire names: never renamed, fields only ever added, with defaults."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from greenroom.actors.model.message import Ask, Done, Tell
from greenroom.actors.personal.fields import Subject
from greenroom.actors.social.feed.messages import Cursor, Limit, Visibility

Text = Annotated[str, Meta(min_length=1, max_length=1_000)]
Offset = Annotated[int, Meta(ge=1)]
Veil = Literal["", "pending", "shadowed"]  # why nobody sees a comment but whose it is


class Commented(Struct, frozen=True):
    """The comment's name in its thread."""

    offset: int
    at_ms: int


class Comment(Ask[Commented], tag="thread.comment"):
    """Say something below the post, or in reply to a comment."""

    text: Text
    reply_to: Offset | None = None


class Edit(Ask[Done], tag="thread.edit"):
    """One's own. Who is mentioned only now is told."""

    offset: Offset
    text: Text


class Delete(Ask[Done], tag="thread.delete"):
    """One's own; anybody's for the post's author and moderators."""

    offset: Offset


class Like(Ask[Done], tag="thread.like"):
    """Like a comment. Once more changes nothing."""

    offset: Offset


class Unlike(Ask[Done], tag="thread.unlike"):
    """Take it back."""

    offset: Offset


class CommentShown(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A comment, as it is shown to who may see the post."""

    offset: int
    author: str
    text: str
    at_ms: int  # Unix
    edited_ms: int = 0
    reply_to: int = 0
    likes: int = 0


class CommentPage(Struct, frozen=True, kw_only=True):
    """Newest first, without those by whom the reader has muted, or who has blocked the other. All count."""

    comments: list[CommentShown]
    next: str | None = None
    count: int


class Read(Ask[CommentPage], tag="thread.read"):
    """What is said below the post, for who may see it. From then on they may watch it, too."""

    limit: Limit = 50
    cursor: Cursor | None = None


# By its post.


class Open(Tell, tag="thread.open"):
    """There is a post to say something of."""

    author: Subject
    visibility: Visibility
    covered: bool = False  # not to be seen, until it says otherwise


class Close(Tell, tag="thread.close"):
    """The post is gone."""


class Cover(Tell, tag="thread.cover"):
    """The post is not to be seen, or again."""

    covered: bool


class LookAgain(Tell, tag="thread.look_again"):
    """By its post, where who may see that has changed, and to itself: may those who watch do so still?"""

    is_changed: bool = False  # what was found before does not hold
    user: Subject = ""  # for them alone; "": for anybody


# By moderators, and by itself.


class Hide(Tell, tag="thread.hide"):
    """A comment is not to be seen, or again."""

    offset: Offset
    hidden: bool
    edited_ms: int | None = None  # of what was looked at: another text is hidden, and its case told; None: whichever


class Clear(Tell, tag="thread.clear"):
    """To itself: remove what is left of a post that is gone, some comments at a time."""


class TellNamed(Tell, tag="thread.tell_named"):
    """To itself: tell whom a comment answers, and whom it names, if they want to hear it."""

    offset: int
    replied: Subject = ""
    mentioned: list[Subject] = field(default_factory=list)
