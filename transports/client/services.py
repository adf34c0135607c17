"""What a client's session needs of the node above it and of the transport under it."""

import random
import secrets
import uuid
from collections.abc import Awaitable, Callable
from typing import Protocol

from msgspec import Struct

from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.kinds import Kinds
from greenroom.config.limits import ClientConfig
from greenroom.config.telemetry.instruments import Instruments
from greenroom.config.telemetry.tracing import Tracing
from greenroom.store.journal.journal import Journal
from greenroom.transports.auth.tokens import TokenVerifier
from greenroom.transports.deadlines import Deadlines
from greenroom.transports.hub.hub import Hub


def new_client_id() -> str:
    """A UUID: shown to other users, so it must not be guessed from earlier ones."""
    return str(uuid.UUID(bytes=secrets.token_bytes(16), version=4))


class ClientServices(Struct):
    """What sessions need of the node."""

    kinds: Kinds
    submit: Callable[[str, Envelope], None]
    hub: Hub
    journal: Journal
    tokens: TokenVerifier | None
    anonymous: bool  # clients without a token may connect and name themselves
    config: ClientConfig
    deadlines: Deadlines
    spawn: Callable[[Callable[[], Awaitable[None]]], None]  # raises Overloaded when too many reads are under way
    clock: Callable[[], float]  # Unix s
    instruments: Instruments
    tracing: Tracing
    version: str
    session_kind: str | None  # entity kind that every user's connections are attached to
    new_client_id: Callable[[], str] = new_client_id  # this and the next: chance, where a seed is not to decide it
    chance: Callable[[], float] = random.random  # 0 <= x < 1


class Carrier(Protocol):
    """The transport under a session."""

    def send_json(self, reply: bytes) -> None:
        """One reply or push, in order."""

    def send_pushes(self, frame: bytes) -> None:
        """Pushes already in this transport's framing, shared with other sessions."""

    def send_ephemeral(self, frame: bytes, key: str) -> None: ...

    def disconnect(self, code: int, reason: str) -> None: ...
