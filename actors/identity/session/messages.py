"""What a user's session can be told. The tags are wire names: never renamed, fields only ever added, with defaults."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from greenroom.actors.model.message import Ask, Done

DATA_BYTES_MAX = 16_384  # how large a push may be, as JSON


class Pushed(Struct, frozen=True):
    """Where the push stands in the session's channel."""

    offset: int


class Read(Ask[Done], tag="session.read"):
    """What has been read of a channel on any device, up to and including `offset`. Only moves forward."""

    channel: Annotated[str, Meta(min_length=3, max_length=300)]
    offset: Annotated[int, Meta(ge=0)]


class SignOut(Ask[Done], tag="session.sign_out"):
    """Close every connection of the user, and refuse tokens issued before now."""


class Push(Ask[Pushed], tag="session.push"):
    """Show `data` on every device of the user: now, or when it next connects and recovers."""

    data: Any  # any JSON of at most 16 KiB


SessionMessage = Read | SignOut | Push
