"""The world of a client session without sockets, entities or a store: the test gives every answer, so that it can have
any interleaving. The hub is the real one.
"""

import base64
import hashlib
import hmac
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import msgspec
import trio
from msgspec import Struct, field
from opentelemetry import trace

from greenroom.actors.life.reading import attended
from greenroom.actors.model.actor import Actor
from greenroom.actors.model.effects import Kick
from greenroom.actors.model.entity import split_entity
from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.errors import ActorError, Overloaded, Refused
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.lifecycle import AudienceChanged, Inspect, Inspected
from greenroom.actors.model.message import Ask, Done, Event, Message
from greenroom.actors.model.principal import Principal
from greenroom.config.limits import ClientConfig, HttpConfig, HubConfig
from greenroom.config.telemetry.instruments import Instruments
from greenroom.config.telemetry.tracing import Tracing
from greenroom.store.errors import StoreUnavailable
from greenroom.store.journal.records import Head, StoredEvent
from greenroom.transports.auth.tokens import TokenConfig, TokenVerifier
from greenroom.transports.client.session import ClientSession
from greenroom.transports.edge import FanOut
from greenroom.transports.hub.hub import Hub
from greenroom.transports.reads import READS_MAX
from greenroom.transports.services import Services

SECRET = b"a secret of thirty-two bytes, or more"
STARTED = 1_800_000_000.0  # Unix s when the trio clock shows 0
TAIL_FRAME = 0x81


class Said(Struct, frozen=True):
    offset: int


class Say(Ask[Said], tag="note.say"):
    text: str
    data: Any = None


class Fail(Ask[Done], tag="note.fail"):
    pass


class WasSaid(Event, tag="note.said"):
    text: str


class Nothing(Struct):
    pass


class Note(Actor[Nothing]):
    kind = "note"
    commands = (Say, Fail)
    events: ClassVar[tuple[type[Event], ...]] = (WasSaid,)
    publish_with = Say

    def audience_changed(self, who: Principal, joined: bool) -> None:
        """So that it is told; the world answers for it."""

    def handle(self, message: Any) -> Any:
        raise NotImplementedError

    def apply(self, event: Any) -> None:
        pass

    def view(self) -> Any:
        return {}


class Mute(Actor[Nothing]):
    """A kind into which nothing can be published."""

    kind = "mute"
    durable = False


class Session(Actor[Nothing]):
    kind = "session"
    durable = False


def token(secret: bytes = SECRET, **claims: Any) -> str:
    """A JWT, HS256."""

    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    signed = f"{part(json.dumps({'alg': 'HS256', 'typ': 'JWT'}).encode())}.{part(json.dumps(claims).encode())}"
    return f"{signed}.{part(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


class FakeEntity(Struct):
    epoch: str
    offset: int = 0
    events: list[StoredEvent] = field(default_factory=list)
    refuses: ActorError | None = None  # to be watched


class FakeJournal:
    """Reads what the entities have published, slowly when told to."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.down = False
        self.broken = False
        self.reads = 0
        self._held: trio.Event | None = None

    def hold(self) -> None:
        self._held = trio.Event()

    def release(self) -> None:
        if self._held is not None:
            self._held.set()
            self._held = None

    async def read(
        self, entity: str, *, after: int = 0, before: int | None = None, limit: int, reverse: bool = False
    ) -> tuple[Head | None, list[StoredEvent]]:
        self.reads += 1
        if self._held is not None:
            await self._held.wait()
        await trio.lowlevel.checkpoint()
        if self.down:
            raise StoreUnavailable("down")
        if self.broken:
            raise ZeroDivisionError("a mistake of ours")
        found = self._world.entities.get(entity)
        if found is None:
            return None, []
        events = [one for one in found.events if one.offset > after and (before is None or one.offset < before)]
        return Head(1, entity, 1, found.epoch, found.offset), (events[::-1] if reverse else events)[:limit]


class FakeCarrier:
    """Keeps what a client would have received, each reply or push as JSON."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.ended: tuple[int, str] | None = None
        self.reading = True
        self.blocked = False
        self.taken: Callable[[], None] | None = None
        self._taken = 0

    def send_json(self, reply: bytes) -> None:
        assert self.ended is None, "sent behind the end"
        assert b"\n" not in reply
        self.messages.append(json.loads(reply))

    def send_pushes(self, frame: bytes) -> None:
        assert self.ended is None, "pushed behind the end"
        for text in texts_of(frame):
            self.messages += [json.loads(line) for line in text.split(b"\n")]

    def send_ephemeral(self, frame: bytes, key: str) -> None:
        self.send_pushes(frame)

    def disconnect(self, code: int, reason: str) -> None:
        assert self.ended is None, "ended twice"
        self.ended = (code, reason)

    def when_taken(self, call: Callable[[], None]) -> None:
        self.taken = call

    def pause(self) -> None:
        self.reading = False

    def resume(self) -> None:
        self.reading = True

    def take(self) -> list[Any]:
        """What has come since the last time."""
        new = self.messages[self._taken :]
        self._taken = len(self.messages)
        return new


def texts_of(frames: bytes) -> list[bytes]:
    """The payloads of unmasked text frames."""
    texts = []
    while frames:
        assert frames[0] == TAIL_FRAME
        size, at = frames[1], 2
        if size >= 126:
            wide = 2 if size == 126 else 8
            size, at = int.from_bytes(frames[2 : 2 + wide], "big"), 2 + wide
        texts.append(frames[at : at + size])
        frames = frames[at + size :]
    return texts


def code_of(reply: Any) -> int:
    code = reply["error"]["code"]
    assert isinstance(code, int)
    return code


def offsets(messages: list[Any], channel: str = "note:a") -> list[int]:
    return [
        one["push"]["pub"]["offset"]
        for one in messages
        if one.get("push", {}).get("channel") == channel and "pub" in one["push"]
    ]


class Client:
    """One session with the two ends of it in the test's hands."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.carrier = FakeCarrier()
        self.session = ClientSession(world.services, self.carrier)

    def send(self, *commands: Any) -> None:
        """One frame; bytes and text go as they are."""
        lines = [
            one if isinstance(one, bytes) else one.encode() if isinstance(one, str) else json.dumps(one).encode()
            for one in commands
        ]
        self.session.received(b"\n".join(lines))

    def ask(self, *commands: Any) -> list[Any]:
        """Send, have everything answered that waits, and take what came."""
        self.send(*commands)
        self.world.answer_all()
        self.world.hub.flush()
        return self.carrier.take()

    def connect(self, user: str = "", **fields: Any) -> Any:
        """The connect result."""
        if user:
            fields["data"] = {"user": user}
        replies = self.ask({"connect": fields, "id": 1})
        assert "connect" in replies[0], replies
        return replies[0]["connect"]

    @property
    def ended(self) -> tuple[int, str] | None:
        return self.carrier.ended


class World:
    """Without `world()` around it no read can be under way, nor does a deadline pass."""

    def __init__(
        self,
        *,
        anonymous: bool = True,
        anonymous_watch: bool = False,
        with_tokens: bool = True,
        with_sessions: bool = False,
        client: ClientConfig | None = None,
        hub: HubConfig | None = None,
    ) -> None:
        self.entities: dict[str, FakeEntity] = {}
        self.waiting: deque[tuple[str, Envelope]] = deque()
        self.audience: list[tuple[str, str, bool]] = []
        self.instruments = Instruments()
        self.journal = FakeJournal(self)
        self.kinds = Kinds((Note, Mute, Session) if with_sessions else (Note, Mute))
        fan_out = FanOut(self.kinds, hub or HubConfig(leave_s=0), self.instruments)
        self.hub: Hub = fan_out.hub
        self.services = Services(
            kinds=self.kinds,
            submit=self.submit,
            journal=self.journal,
            hub=fan_out.hub,
            signed_in=fan_out.signed_in,
            tokens=TokenVerifier(TokenConfig(secret=SECRET), self.clock) if with_tokens else None,
            anonymous=anonymous,
            anonymous_watch=anonymous_watch,
            client=client or ClientConfig(),
            http=HttpConfig(),
            clock=self.clock,
            instruments=self.instruments,
            tracing=Tracing(trace.get_tracer("test"), sample=0.0),
            version="0",
        )

    @property
    def overloaded(self) -> bool:
        """Mailboxes are full, and too many reads under way."""
        return self.services.reads._waiting_max == 0

    @overloaded.setter
    def overloaded(self, now: bool) -> None:
        self.services.reads._waiting_max = 0 if now else READS_MAX

    def clock(self) -> float:
        return STARTED + trio.current_time()

    def client(self) -> Client:
        return Client(self)

    # The entities.

    def entity(self, entity: str) -> FakeEntity:
        return self.entities.setdefault(entity, FakeEntity("epoch1"))

    def submit(self, entity: str, envelope: Envelope) -> None:
        kind, _ = split_entity(entity)
        self.kinds[kind]
        if isinstance(envelope.message, AudienceChanged):
            self.audience.append((entity, envelope.principal.user, envelope.message.joined))
            return
        if self.overloaded:
            raise Overloaded("full")
        self.waiting.append((entity, envelope))

    def publish(self, entity: str, text: str = "x", info: bytes | None = None, *, heard: bool = True) -> int:
        """A durable publication, as the entity releases it; with `heard` false this node never hears of it."""
        found = self.entity(entity)
        found.offset += 1
        event = StoredEvent(found.offset, 1000 + found.offset, msgspec.json.encode(WasSaid(text=text)), info)
        found.events.append(event)
        if heard:
            self.hub.publish(entity, found.epoch, event)
        return found.offset

    def begin_anew(self, entity: str) -> None:
        """The journal is lost: another epoch, offsets from 1."""
        found = self.entity(entity)
        self.entities[entity] = FakeEntity(found.epoch + "'")

    def answer_one(self) -> None:
        entity, envelope = self.waiting.popleft()
        found, slot = self.entity(entity), envelope.slot
        assert slot is not None
        match envelope.message:
            case Inspect(audience=naming):
                if found.refuses is not None and not (envelope.principal.system or envelope.principal.granted):
                    slot.reject(found.refuses)
                elif naming is not None:
                    slot.resolve(attended(self.hub.watching(entity), naming), None)
                else:
                    view = b'{"top":%d}' % found.offset
                    slot.resolve(Inspected(view, found.epoch, found.offset), None)
            case Say(text=text):
                slot.resolve(Said(self.publish(entity, text, envelope.principal.info)), None)
            case Fail():
                slot.reject(Refused("note.failed", "because", status=409))
            case Message():
                raise AssertionError(envelope.message)

    def answer_all(self) -> None:
        while self.waiting:
            self.answer_one()

    def kick(self, entity: str, code: int, reason: str, **whom: Any) -> None:
        self.hub.kick(entity, Kick(code, reason, **whom))


@asynccontextmanager
async def world(**how: Any) -> AsyncIterator[World]:
    """A world in which reads can be under way. Deadlines run on the trio clock."""
    async with trio.open_nursery() as nursery:
        made = World(**how)
        await nursery.start(made.services.deadlines.run)
        await nursery.start(made.services.reads.run)
        yield made
        nursery.cancel_scope.cancel()


async def no_metrics() -> bytes:
    """Of pages that nobody scrapes."""
    return b""
