"""A user's session, one across all devices: `session:ann`. The server subscribes every connection to its user's.

Durable are what was read, pushes and signing out. Who is connected is not: it is read off the audience whenever it is
needed, so that it is right again after a restart. Then `last_seen_ms` is unknown.
"""

from typing import Any, ClassVar, assert_never

from msgspec import Struct

from greenroom.actors.identity.session.events import (
    Connection,
    PresenceShown,
    PushReceived,
    ReadUpTo,
    SessionEvent,
    SignedOut,
)
from greenroom.actors.identity.session.messages import DATA_BYTES_MAX, Push, Pushed, Read, SessionMessage, SignOut
from greenroom.actors.identity.session.state import SessionState
from greenroom.actors.model.actor import Actor, KindLimits, Runtime
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.free_form import fits
from greenroom.actors.model.message import Done, Event, Message
from greenroom.actors.model.principal import Principal

SIGNED_OUT = 4501  # a disconnect code after which SDKs don't reconnect
CONNECTIONS_SHOWN = 100
SERVICE_ROLES = frozenset({"service", "admin"})


class Session(Actor[SessionState]):
    """One user across devices; the key is the user id."""

    kind = "session"
    commands: ClassVar[tuple[type[Message], ...]] = (Read, SignOut, Push)
    events: ClassVar[tuple[type[Event], ...]] = (ReadUpTo, SignedOut, PushReceived)
    ephemerals: ClassVar[tuple[type[Struct], ...]] = (PresenceShown,)
    limits = KindLimits(history_events=10_000, history_s=30 * 86_400.0)

    def __init__(self, entity: str, runtime: Runtime) -> None:
        super().__init__(entity, runtime)
        self._last_seen_ms = 0

    def handle(self, message: SessionMessage) -> Any:
        self.may_watch()
        match message:
            case Read():
                if message.offset > self.state.read.get(message.channel, -1):
                    self.record(ReadUpTo(channel=message.channel, offset=message.offset))
                return Done()
            case SignOut():
                self.record(SignedOut(at_ms=int(self.now * 1000)))
                self.kick(SIGNED_OUT, "signed out", user=self.key, everywhere=True)
                return Done()
            case Push():
                if not fits(message.data, DATA_BYTES_MAX):
                    raise Refused("session.too_long", f"data takes {DATA_BYTES_MAX} bytes of JSON, 32 deep", status=413)
                self.record(PushReceived(data=message.data))
                return Pushed(self.offset)
            case _:
                assert_never(message)

    def apply(self, event: SessionEvent) -> None:
        self.state.change(event)

    def may_watch(self) -> None:
        """The user themself, unless signed out since their token was issued; services; Greenroom itself.

        A token that doesn't say when it was issued can't be shown to be newer than the sign-out: it counts as older.
        """
        who = self.principal
        if who.system:
            return
        if self.require_user() != self.key:
            if SERVICE_ROLES.isdisjoint(who.roles):
                raise Refused("session.not_yours", "this session is another user's")
            return
        if who.issued_at * 1000 < self.state.signed_out_at_ms:
            raise Refused("session.signed_out", "you have signed out since this token was issued", status=401)

    def audience_changed(self, who: Principal, joined: bool) -> None:
        if who.user != self.key:
            return  # a service looking on
        connections = self._connections()
        if not connections:
            self._last_seen_ms = int(self.now * 1000)
        self.publish(PresenceShown(online=bool(connections), connections=connections), key="presence")

    def view(self) -> dict[str, Any]:
        connections = self._connections()
        view: dict[str, Any] = {
            "user": self.key,
            "online": bool(connections),
            "connections": connections,
            "read": self.state.read,
        }
        last_seen_ms = int(self.now * 1000) if connections else self._last_seen_ms
        if last_seen_ms:
            view["last_seen_ms"] = last_seen_ms
        if self.state.signed_out_at_ms:
            view["signed_out_at_ms"] = self.state.signed_out_at_ms
        return view

    def _connections(self) -> list[Connection]:
        """The user's connections on this node, oldest first; the first hundred."""
        since = {who.client: who.connected_at for who in self.audience if who.user == self.key}
        oldest = sorted(since.items(), key=lambda item: item[1])[:CONNECTIONS_SHOWN]
        return [Connection(client, int(at * 1000)) for client, at in oldest]
