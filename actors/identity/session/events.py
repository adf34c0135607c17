"""What happened in a session. The JSON of an event is what the journal keeps and what the user's devices receive."""

from typing import Any

from msgspec import Struct

from greenroom.actors.model.message import Event


class ReadUpTo(Event, tag="session.read"):
    channel: str
    offset: int


class SignedOut(Event, tag="session.signed_out"):
    at_ms: int  # Unix: tokens issued earlier are void


class PushReceived(Event, tag="session.pushed"):
    data: Any


SessionEvent = ReadUpTo | SignedOut | PushReceived


class Connection(Struct, frozen=True):
    client: str
    since_ms: int


class PresenceShown(Struct, frozen=True, tag_field="type", tag="session.presence"):
    """Ephemeral: which connections the user has now."""

    online: bool
    connections: list[Connection]
