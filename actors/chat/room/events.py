"""What happened in a room. The JSON of an event is what the journal keeps and what subscribers receive."""

from typing import Any

from msgspec import Struct

from greenroom.actors.model.message import Event


class MessageSent(Event, omit_defaults=True, tag="room.message", gc=False):
    """Somebody said something. The event's offset is from now on the message's name."""

    author: str
    text: str
    reply_to: int | None = None
    data: Any = None
    client_id: str | None = None


class MessageEdited(Event, tag="room.edited"):
    """A message has another text."""

    message: int  # the offset of the message
    text: str
    by: str


class MessageDeleted(Event, tag="room.deleted"):
    """A message was taken back: its text is shown no more."""

    message: int
    by: str


class Reacted(Event, tag="room.reacted"):
    """Somebody put an emoji on a message."""

    message: int
    emoji: str
    user: str


class Unreacted(Event, tag="room.unreacted"):
    """Somebody took an emoji off a message again."""

    message: int
    emoji: str
    user: str


class Joined(Event, tag="room.joined"):
    """Somebody became a member."""

    user: str
    role: str


class Left(Event, tag="room.left"):
    """A member is one no more, by their own wish or put out."""

    user: str


class ReadUpTo(Event, tag="room.read"):
    """A member has read everything up to a message."""

    user: str
    message: int


class Gifted(Event, tag="room.gift"):
    """Somebody gave the room something."""

    user: str
    item: str
    count: int
    total: int  # how many of this item were given, this gift included


class Muted(Event, omit_defaults=True, tag="room.muted"):
    """Somebody may read and not speak."""

    user: str
    by: str
    until_ms: int = 0  # Unix; 0 for good


class Unmuted(Event, omit_defaults=True, tag="room.unmuted"):
    """A mute has ended."""

    user: str
    by: str = ""  # "" when its time was over


class Banned(Event, omit_defaults=True, tag="room.banned"):
    """Somebody was put out and stays out."""

    user: str
    by: str
    until_ms: int = 0  # Unix; 0 for good
    member: bool = False  # were they a member until then?


class Unbanned(Event, omit_defaults=True, tag="room.unbanned"):
    """A ban has ended."""

    user: str
    by: str = ""  # "" when its time was over


class Changed(Event, omit_defaults=True, tag="room.changed"):
    """Settings that changed; the others are absent."""

    by: str
    title: str | None = None
    open: bool | None = None
    slow_mode_s: int | None = None
    max_members: int | None = None
    pinned: int | None = None  # a message's offset; 0 when nothing is pinned any more


class Invited(Event, tag="room.invited"):
    """Somebody may join though the room is closed."""

    user: str
    by: str


class RoleGiven(Event, omit_defaults=True, tag="room.role"):
    """A member has another role."""

    user: str
    role: str
    by: str = ""  # "" when the owner had gone


RoomEvent = (
    MessageSent
    | ReadUpTo
    | Reacted
    | Unreacted
    | Gifted
    | Joined
    | Left
    | MessageEdited
    | MessageDeleted
    | Muted
    | Unmuted
    | Banned
    | Unbanned
    | Changed
    | Invited
    | RoleGiven
)


class TypingShown(Struct, frozen=True, tag_field="type", tag="room.typing"):
    """Ephemeral: without an offset."""

    user: str


class CommentShown(Struct, frozen=True, tag_field="type", tag="room.comment"):
    """Ephemeral: without an offset."""

    user: str
    text: str
