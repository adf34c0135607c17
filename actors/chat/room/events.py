"""What happened in a room. The JSON of an event is what the journal keeps and what subscribers receive."""

from typing import Any

from msgspec import Struct

from greenroom.actors.model.message import Event
from greenroom.actors.personal.fields import Personal, Subject


class MessageSent(Event, omit_defaults=True, tag="room.message", gc=False):
    """Somebody said something. The event's offset is from now on the message's name."""

    author: Subject
    text: Personal[str]
    reply_to: int | None = None
    data: Personal[Any] = None
    client_id: Personal[str | None] = None


class MessageEdited(Event, tag="room.edited"):
    """A message has another text."""

    message: int  # the offset of the message
    text: Personal[str]
    by: Subject


class MessageDeleted(Event, tag="room.deleted"):
    """A message was taken back: its text is shown no more."""

    message: int
    by: Subject


class Reacted(Event, tag="room.reacted"):
    """Somebody put an emoji on a message."""

    message: int
    emoji: str
    user: Subject


class Unreacted(Event, tag="room.unreacted"):
    """Somebody took an emoji off a message again."""

    message: int
    emoji: str
    user: Subject


class Joined(Event, tag="room.joined"):
    """Somebody became a member."""

    user: Subject
    role: str


class Left(Event, tag="room.left"):
    """A member is one no more, by their own wish or put out."""

    user: Subject


class ReadUpTo(Event, tag="room.read"):
    """A member has read everything up to a message."""

    user: Subject
    message: int


class Gifted(Event, tag="room.gift"):
    """Somebody gave the room something."""

    user: Subject
    item: str
    count: int
    total: int  # how many of this item were given, this gift included


class Muted(Event, omit_defaults=True, tag="room.muted"):
    """Somebody may read and not speak."""

    user: Subject
    by: Subject
    until_ms: int = 0  # Unix; 0 for good


class Unmuted(Event, omit_defaults=True, tag="room.unmuted"):
    """A mute has ended."""

    user: Subject
    by: Subject = ""  # "" when its time was over


class Banned(Event, omit_defaults=True, tag="room.banned"):
    """Somebody was put out and stays out."""

    user: Subject
    by: Subject
    until_ms: int = 0  # Unix; 0 for good
    member: bool = False  # were they a member until then?


class Unbanned(Event, omit_defaults=True, tag="room.unbanned"):
    """A ban has ended."""

    user: Subject
    by: Subject = ""  # "" when its time was over


class Changed(Event, omit_defaults=True, tag="room.changed"):
    """Settings that changed; the others are absent."""

    by: Subject
    title: str | None = None
    open: bool | None = None
    slow_mode_s: int | None = None
    max_members: int | None = None
    pinned: int | None = None  # a message's offset; 0 when nothing is pinned any more


class Invited(Event, tag="room.invited"):
    """Somebody may join though the room is closed."""

    user: Subject
    by: Subject


class RoleGiven(Event, omit_defaults=True, tag="room.role"):
    """A member has another role."""

    user: Subject
    role: str
    by: Subject = ""  # "" when the owner had gone


class BarSet(Event, tag="room.barred"):
    """In a direct conversation one has blocked the other, or no more. Hidden: who has is nobody's to know."""

    by: Subject
    barred: bool


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
    | BarSet
)


class TypingShown(Struct, frozen=True, tag_field="type", tag="room.typing"):
    """Ephemeral: without an offset."""

    user: Subject


class CommentShown(Struct, frozen=True, tag_field="type", tag="room.comment"):
    """Ephemeral: without an offset."""

    user: Subject
    text: Personal[str]
