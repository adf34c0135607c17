"""A user's session, one across all devices: `session:ann`. The server subscribes every connection to its user's.

Durable are what was read, pushes and signing out: the JSON of these events is what the journal keeps and what the
user's devices receive; those that were away recover what they missed. Who is connected is not durable: presence is read
off the audience whenever it is needed, never remembered, so that it is right again when the session has slept or was
rebuilt. Then `since_ms` begins at that moment, and `last_seen_ms` is absent until a connection has come or gone.
Commands, publications and refusals are in docs/reference/sessions.md.
"""

from collections.abc import Collection
from typing import Annotated, Any, ClassVar, assert_never

import msgspec
from msgspec import Meta, Struct, field

from greenroom.actors.model.actor import Actor, KindLimits, Runtime
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.free_form import fits
from greenroom.actors.model.message import Ask, Done, Event, Message, Tell
from greenroom.actors.model.notice import NOTICE_BYTES_MAX, SESSION_KIND, Push, Pushed
from greenroom.actors.model.principal import STAFF_ROLES, Principal
from greenroom.actors.personal.fields import Personal, Subject

CHANNELS_MAX = 1_000  # whose watermarks are kept; the one read longest ago goes first
READ_BYTES_MAX = 256 * 1024  # of JSON, in a view: as long as names may be, those of a thousand could be 1.8 MB
CONNECTIONS_SHOWN = 100
CROWD_S = 0.2  # between two looks at who is connected, while more are than are shown: each look goes through all
STRANGERS_PER_DAY = 250  # pushes of other users that are kept: over the days of the history, less than it holds
DAY_MS = 86_400_000
SIGNED_OUT = 4501  # a disconnect code after which SDKs don't reconnect
encode = msgspec.json.encode

# What it can be told, with `Push` of actors/model/notice.py. The tags are wire names: never renamed, fields only ever
# added, with defaults.


class Read(Ask[Done], tag="session.read"):
    """What has been read of a channel on any device, up to and including `offset`. Only moves forward."""

    channel: Annotated[str, Meta(min_length=3, max_length=300)]
    offset: Annotated[int, Meta(ge=0)]


class SignOut(Ask[Done], tag="session.sign_out"):
    """Close every connection of the user, and refuse tokens issued before now."""


class ShowPresence(Tell, tag="session.show_presence"):
    """Internal: show who is connected, once for all who have come and gone since."""


SessionMessage = Read | SignOut | Push | ShowPresence

# What happened in it.


class ReadUpTo(Event, tag="session.read"):
    """The user has read a channel up to an offset."""

    channel: str
    offset: int


class SignedOut(Event, tag="session.signed_out"):
    """The user signed out everywhere."""

    at_ms: int  # Unix: tokens issued earlier are void


class PushReceived(Event, omit_defaults=True, tag="session.pushed"):
    """Something came for the user that devices are to show."""

    data: Personal[Any]
    by: Subject = ""  # the user on whose behalf it came; "" when it was nobody's


SessionEvent = ReadUpTo | SignedOut | PushReceived


class Connection(Struct, frozen=True):
    """One of the user's live connections, as their devices see it."""

    client: str
    since_ms: int


class PresenceShown(Struct, frozen=True, tag_field="type", tag="session.presence"):
    """Ephemeral: which connections the user has now."""

    online: bool
    connections: list[Connection]


class PushShown(Struct, frozen=True, tag_field="type", tag="session.push_shown"):
    """Ephemeral: something of another user's, when these have sent so much today that no more of it is kept."""

    data: Any
    by: str


class SessionState(Struct):
    """What it remembers for good; who is connected is not among it."""

    read: dict[str, int] = field(default_factory=dict)  # channel -> offset, longest ago first
    signed_out_at_ms: int = 0  # Unix; 0 when never
    strangers_day: int = 0  # days since 1970, of the newest push of another user
    strangers: int = 0  # how many were kept on that day


class Session(Actor[SessionState]):
    """One user across devices; the key is the user id."""

    kind = SESSION_KIND
    key_is_user = True
    commands: ClassVar[tuple[type[Message], ...]] = (Read, SignOut, Push)
    internal: ClassVar[tuple[type[Message], ...]] = (ShowPresence,)
    events: ClassVar[tuple[type[Event], ...]] = (ReadUpTo, SignedOut, PushReceived)
    ephemerals: ClassVar[tuple[type[Struct], ...]] = (PresenceShown, PushShown)
    limits = KindLimits(history_events=10_000, history_s=30 * 86_400.0)

    def __init__(self, entity: str, runtime: Runtime) -> None:
        super().__init__(entity, runtime)
        self._last_seen_ms = 0
        self._is_to_show = False

    def handle(self, message: SessionMessage) -> Done | Pushed | None:
        """Raises: Refused for whoever may not watch, and for a push that is too long."""
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
                if not fits(message.data, NOTICE_BYTES_MAX):
                    raise Refused(
                        "session.too_long", f"data takes {NOTICE_BYTES_MAX} bytes of JSON, 32 deep", status=413
                    )
                if message.by not in ("", self.key) and not self._room_for_strangers():
                    self.publish(PushShown(data=message.data, by=message.by))
                    return Pushed(self.offset)
                return Pushed(self.record(PushReceived(data=message.data, by=message.by)))
            case ShowPresence():
                self._is_to_show = False
                self._show_presence(self.audience)
                return None
            case _:
                assert_never(message)

    def apply(self, event: SessionEvent) -> None:
        match event:
            case ReadUpTo():
                read = self.state.read
                read.pop(event.channel, None)  # to the end of the order
                read[event.channel] = event.offset
                if len(read) > CHANNELS_MAX:
                    del read[next(iter(read))]
            case SignedOut():
                self.state.signed_out_at_ms = event.at_ms
            case PushReceived():  # the journal is where devices find it
                if event.by not in ("", self.key):
                    day = self.at_ms // DAY_MS
                    self.state.strangers = self.state.strangers + 1 if day == self.state.strangers_day else 1
                    self.state.strangers_day = day
            case _:
                assert_never(event)

    def may_watch(self) -> None:
        """The user themself, unless signed out since their token was issued; services; Greenroom itself.

        A token that doesn't say when it was issued (`iat`) can't be shown to be newer than the sign-out: it counts as
        older. Raises: Refused.
        """
        who = self.principal
        if who.system:
            return
        if self.require_user() != self.key:
            if STAFF_ROLES.isdisjoint(who.roles):
                raise Refused("session.not_yours", "this session is another user's")
            return
        if who.issued_at * 1000 < self.state.signed_out_at_ms:
            raise Refused("session.signed_out", "you have signed out since this token was issued", status=401)

    def audience_changed(self, who: Principal, joined: bool) -> None:
        if who.user != self.key:
            return  # a service looking on
        audience = self.audience
        if len(audience) <= CONNECTIONS_SHOWN:
            self._show_presence(audience)
        elif not self._is_to_show:
            self._is_to_show = True
            self.after(CROWD_S, ShowPresence())

    def _show_presence(self, audience: Collection[Principal]) -> None:
        connections = self._connections(audience)
        if not connections:
            self._last_seen_ms = int(self.now * 1000)
        self.publish(PresenceShown(online=bool(connections), connections=connections), key="presence")

    def view(self) -> dict[str, Any]:
        connections = self._connections(self.audience)
        view: dict[str, Any] = {
            "user": self.key,
            "online": bool(connections),
            "connections": connections,
            "read": self._read_shown(),
        }
        last_seen_ms = int(self.now * 1000) if connections else self._last_seen_ms
        if last_seen_ms:
            view["last_seen_ms"] = last_seen_ms
        if self.state.signed_out_at_ms:
            view["signed_out_at_ms"] = self.state.signed_out_at_ms
        return view

    def _room_for_strangers(self) -> bool:
        """Others can't push what the user has done out of the history."""
        state = self.state
        return state.strangers < STRANGERS_PER_DAY or int(self.now * 1000) // DAY_MS != state.strangers_day

    def _read_shown(self) -> dict[str, int]:
        """The watermarks of the view: those that moved last, as many as fit."""
        read = self.state.read
        left = READ_BYTES_MAX - len(encode(read))
        if left >= 0:
            return read
        shown = dict(read)
        for channel in read:
            if left >= 0:
                break
            left += len(encode({channel: shown.pop(channel)})) - 1
        return shown

    def _connections(self, audience: Collection[Principal]) -> list[Connection]:
        """The user's connections on this node, oldest first; the first hundred."""
        if not audience:  # as whenever a session is woken to be watched
            return []
        user = self.key
        since = {who.client: who.connected_at for who in audience if who.user == user}
        if len(since) == 1:  # as most users have
            [(client, at)] = since.items()
            return [Connection(client, int(at * 1000))]
        oldest = sorted(since.items(), key=lambda item: item[1])[:CONNECTIONS_SHOWN]
        return [Connection(client, int(at * 1000)) for client, at in oldest]
