"""What a room can be told. The tags are wire names: never renamed, fields only ever added, with defaults."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from greenroom.actors.model.message import Ask, Done, Tell
from greenroom.actors.model.principal import UserId
from greenroom.actors.personal.fields import Subject

TEXT_CHARS_MAX = 4_000
DATA_BYTES_MAX = 4_096  # how large a message's `data` may be, as JSON
MEMBERS_MAX = 10_000  # unless `set` says otherwise

Text = Annotated[str, Meta(min_length=1, max_length=TEXT_CHARS_MAX)]
Offset = Annotated[int, Meta(ge=1)]  # a message's name: the offset of the event that brought it
Emoji = Annotated[str, Meta(min_length=1, max_length=32)]
Item = Annotated[str, Meta(min_length=1, max_length=64)]
Seconds = Annotated[float, Meta(gt=0, le=10 * 366 * 86_400.0)]
Role = Literal["owner", "moderator", "member"]


class Sent(Struct, frozen=True, gc=False):
    """Where a message stands: its offset names it in every later command."""

    offset: int
    at_ms: int


class ReadSoFar(Struct, frozen=True):
    """The watermark as it now is, and how many newer messages of others there are (of the newest 1,000)."""

    offset: int
    unread: int


class GiftTotal(Struct, frozen=True):
    """How many of this item the room has been given, this gift included."""

    total: int


class Join(Ask[Done], tag="room.join"):
    """Become a member. The first to join owns the room."""


class Leave(Ask[Done], tag="room.leave"):
    """Cease to be a member. An owner's room passes to the longest-standing moderator, else member."""


class SendMessage(Ask[Sent], tag="room.send", gc=False):
    """Say something; joins an open room. `client_id` comes back in the publication, so a client knows its own."""

    text: Text
    reply_to: Offset | None = None
    data: Any = None  # any JSON of at most 4 KiB, for the clients alone
    client_id: Annotated[str, Meta(max_length=64)] | None = None


class Edit(Ask[Done], tag="room.edit"):
    """Change the text of a message of one's own."""

    offset: Offset
    text: Text


class Delete(Ask[Done], tag="room.delete"):
    """Take a message back: one's own, or anybody's for a moderator."""

    offset: Offset


class React(Ask[Done], tag="room.react"):
    """Put an emoji on a message; once more changes nothing."""

    offset: Offset
    emoji: Emoji


class Unreact(Ask[Done], tag="room.unreact"):
    """Take one's emoji off a message."""

    offset: Offset
    emoji: Emoji


class Typing(Tell, tag="room.typing"):
    """Show others that one is typing. Ephemeral."""


class Read(Ask[ReadSoFar], tag="room.read"):
    """Say what has been read, up to and including `offset`. The watermark only moves forward."""

    offset: Annotated[int, Meta(ge=0)]


class Comment(Tell, tag="room.comment"):
    """A bullet comment: seen by who watches now, kept nowhere."""

    text: Annotated[str, Meta(min_length=1, max_length=200)]


class Gift(Ask[GiftTotal], tag="room.gift"):
    """Give the room `count` of an item: durable, and counted exactly."""

    item: Item
    count: Annotated[int, Meta(ge=1, le=1_000_000)] = 1


class Mute(Ask[Done], tag="room.mute"):
    """Let a user read but not speak, for `seconds` or for good."""

    user: UserId
    seconds: Seconds | None = None


class Unmute(Ask[Done], tag="room.unmute"):
    """End a mute before its time."""

    user: UserId


class Ban(Ask[Done], tag="room.ban"):
    """Put a user out and keep them out, for `seconds` or for good."""

    user: UserId
    seconds: Seconds | None = None


class Unban(Ask[Done], tag="room.unban"):
    """End a ban before its time. The user may join again, and is no member yet."""

    user: UserId


class Set(Ask[Done], tag="room.set"):
    """Change the room's settings; what is left out stays as it is."""

    title: Annotated[str, Meta(max_length=200)] | None = None
    open: bool | None = None  # False: members and the invited only
    slow_mode_s: Annotated[int, Meta(ge=0, le=86_400)] | None = None  # between two messages of a member
    max_members: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    pinned: Annotated[int, Meta(ge=0)] | None = None  # a message's offset; 0 unpins


class Invite(Ask[Done], tag="room.invite"):
    """Let a user into a closed room."""

    user: UserId


class SetRole(Ask[Done], tag="room.role"):
    """Make a member a moderator, a plain member, or the owner in one's own stead."""

    user: UserId
    role: Role


Punishment = Literal["mute", "ban"]


class Expire(Tell, tag="room.expire"):
    """Internal: a mute or ban that was to end at `until_ms` (Unix) has come to its end."""

    user: str
    until_ms: int
    what: Punishment = "mute"


class BarredChanged(Tell, tag="room.barred_changed"):
    """Internal, to a direct conversation: one of its two has blocked the other, or no more."""

    by: Subject
    barred: bool


RoomMessage = (
    SendMessage
    | Typing
    | Read
    | React
    | Unreact
    | Comment
    | Gift
    | Join
    | Leave
    | Edit
    | Delete
    | Mute
    | Unmute
    | Ban
    | Unban
    | Set
    | Invite
    | SetRole
    | Expire
    | BarredChanged
)
