"""What `thread:ID` can be told. Tags are wire names: never renamed, fields only ever added, with defaults."""

from typing import Annotated

from msgspec import Meta, Struct

from greenroom.actors.model.message import Ask, Done, Tell
from greenroom.actors.personal.fields import Subject
from greenroom.actors.social.feed.messages import Visibility

Text = Annotated[str, Meta(min_length=1, max_length=1_000)]
Offset = Annotated[int, Meta(ge=1)]


class Commented(Struct, frozen=True):
    offset: int
    at_ms: int


class Comment(Ask[Commented], tag="thread.comment"):
    """Say something below the post, or in reply to a comment."""

    text: Text
    reply_to: Offset | None = None


class Edit(Ask[Done], tag="thread.edit"):
    offset: Offset
    text: Text


class Delete(Ask[Done], tag="thread.delete"):
    """One's own; anybody's for the post's author and moderators."""

    offset: Offset


class Like(Ask[Done], tag="thread.like"):
    offset: Offset


class Unlike(Ask[Done], tag="thread.unlike"):
    offset: Offset


# By its post.


class Open(Tell, tag="thread.open"):
    author: Subject
    visibility: Visibility


class Close(Tell, tag="thread.close"):
    """The post is gone."""
