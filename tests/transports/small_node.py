"""A node in miniature: the gate on a real port of the loopback, a journal in memory, and clients that speak in bytes.

With `autojump_clock` the time between two packets is nothing, so timers of minutes cost milliseconds.
"""

import json
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import trio
from msgspec import Struct, field
from opentelemetry import trace

from greenroom.actors.jobs.listing.lists import JobLists
from greenroom.actors.model.actor import Actor, KindLimits
from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.lifecycle import AudienceChanged
from greenroom.actors.model.message import Ask, Done, Event, Message
from greenroom.actors.model.principal import Principal
from greenroom.actors.views.reader import ViewReader
from greenroom.config.limits import ClientConfig, CommitConfig, GateConfig, HttpConfig, HubConfig
from greenroom.config.telemetry.instruments import Instruments
from greenroom.config.telemetry.tracing import Tracing
from greenroom.store.jobs.jobs import QueueReads
from greenroom.store.jobs.listing_memory import MemoryListing
from greenroom.store.journal.dead_letters_memory import MemoryDeadLetters
from greenroom.store.journal.journal_memory import MemoryJournal
from greenroom.supervisors.kernel.kernel import Kernel
from greenroom.transports.admin.desk import Live
from greenroom.transports.admin.roles import Operators
from greenroom.transports.auth.tokens import TokenConfig, TokenVerifier
from greenroom.transports.codecs.websocket import masked_text_frame
from greenroom.transports.edge import Edge, FanOut
from greenroom.transports.services import Services
from greenroom.transports.sockets.connection import Connection
from greenroom.transports.sockets.gate import listen
from tests.transports.hub.auction import Auction, Ledger
from tests.transports.world import SECRET, STARTED

MASK = b"\x12\x34\x56\x78"


class Said(Event, tag="talk.said"):
    text: str


class Answer(Struct, frozen=True):
    offset: int


class Say(Ask[Answer], tag="talk.say"):
    text: str
    data: Any = None


class Hint(Ask[Done], tag="talk.hint"):
    """Ephemeral."""

    key: str


class Typed(Struct, tag="talk.typed", tag_field="type"):
    key: str


class Refuse(Ask[Done], tag="talk.refuse"):
    status: int


class Break(Ask[Done], tag="talk.break"):
    pass


class Odd(Ask[Any], tag="talk.odd"):
    """Answers with what is no JSON."""


class Wait(Ask[Done], tag="stalled.wait"):
    """Has no answer until the test gives it."""


class Talking(Struct):
    texts: list[str] = field(default_factory=list)


class Talk(Actor[Talking]):
    kind = "talk"
    commands = (Say, Hint, Refuse, Break, Odd)
    events: ClassVar[tuple[type[Event], ...]] = (Said,)
    ephemerals = (Typed,)
    publish_with = Say

    def handle(self, message: Message) -> Any:
        match message:
            case Say(text=text):
                self.record(Said(text=text))
                return Answer(self.offset)
            case Hint(key=key):
                self.publish(Typed(key), key=key)
                return Done()
            case Refuse(status=status):
                raise Refused("talk.refused", "because", status=status)
            case Odd():
                return object()
        raise ZeroDivisionError("boom")

    def apply(self, event: Said) -> None:
        self.state.texts.append(event.text)

    def view(self) -> Any:
        return {"texts": self.state.texts[-3:]}

    def audience_changed(self, who: Principal, joined: bool) -> None:
        pass  # so that it is told

    def may_watch(self) -> None:
        if self.key == "private" and self.principal.user != "ann":
            raise Refused("talk.private", "not for you")


class Stalled(Actor[Talking]):
    """Its handler never ends."""

    kind = "stalled"
    commands = (Wait,)
    durable = False
    limits = KindLimits(async_handler_s=1000.0)

    async def handle(self, message: Message) -> Any:
        await trio.sleep_forever()

    def view(self) -> Any:
        return {}


class Peer:
    """One TCP connection to the node."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._rest = b""
        self._texts: list[bytes] = []

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def request(self, method: str, path: str, body: bytes | None = None, **headers: str) -> "Response":
        """One request and its response; header names are given with `_` for `-`."""
        await self.send(head(method, path, body, **headers))
        return await self.response(method)

    async def _more(self) -> bytes:
        data = bytes(await self.stream.receive_some())
        self._rest += data
        return data

    async def until(self, mark: bytes) -> bytes:
        while mark not in self._rest:
            if not await self._more():
                raise EOFError(self._rest)
        found, _, self._rest = self._rest.partition(mark)
        return found

    async def response(self, method: str = "GET") -> "Response":
        lines = (await self.until(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ")[1])
        found = Response(status, {})
        for line in lines[1:]:
            name, value = line.lower().split(":", 1)[0], line.split(": ", 1)[1]
            assert name not in found.headers or name == "connection", f"a header twice: {lines}"
            found.headers[name] = value
        size = 0 if method == "HEAD" else int(found.headers.get("content-length", "0"))
        while len(self._rest) < size:
            if not await self._more():
                raise EOFError(self._rest)
        found.body, self._rest = self._rest[:size], self._rest[size:]
        return found

    async def rest(self) -> bytes:
        """Everything up to the end."""
        try:
            while await self._more():
                pass
        except trio.BrokenResourceError:
            pass
        found, self._rest = self._rest, b""
        return found

    async def event(self) -> dict[str, Any]:
        """The next server-sent event: its fields, `data` decoded. Comments are skipped."""
        while True:
            fields: dict[str, Any] = {}
            for line in (await self.until(b"\n\n")).decode().split("\n"):
                name, _, value = line.partition(": ")
                fields[name] = value
            if "data" in fields:
                fields["data"] = json.loads(fields["data"])
                return fields

    # WebSocket.

    async def upgrade(self, path: str = "/connection/websocket", **headers: str) -> "Response":
        await self.send(handshake(path, **headers))
        return await self.response()

    async def command(self, *commands: Any) -> None:
        lines = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in commands]
        await self.send(masked_text_frame(b"\n".join(lines), MASK))

    async def frame(self) -> tuple[int, bytes]:
        """The next frame: opcode and payload."""
        while True:
            if len(self._rest) >= 2:
                size, at = self._rest[1], 2
                if size >= 126:
                    wide = 2 if size == 126 else 8
                    size, at = int.from_bytes(self._rest[2 : 2 + wide], "big"), 2 + wide
                if len(self._rest) >= at + size:
                    opcode, payload = self._rest[0] & 15, self._rest[at : at + size]
                    self._rest = self._rest[at + size :]
                    return opcode, payload
            if not await self._more():
                raise EOFError(self._rest)

    async def message(self) -> Any:
        """The next reply or push."""
        while not self._texts:
            opcode, payload = await self.frame()
            assert opcode == 1, (opcode, payload)
            self._texts += payload.split(b"\n")
        return json.loads(self._texts.pop(0))

    async def reply(self, number: int) -> Any:
        while True:
            message = await self.message()
            if message.get("id") == number:
                return message

    async def closed(self) -> tuple[int, str]:
        """Skip to the close frame."""
        while True:
            opcode, payload = await self.frame()
            if opcode == 8:
                return int.from_bytes(payload[:2], "big"), payload[2:].decode()

    async def ended(self) -> bool:
        """Does the connection end without another byte?"""
        return await self.rest() == b""


class Response:
    def __init__(self, status: int, headers: dict[str, str]) -> None:
        self.status = status
        self.headers = headers
        self.body = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> Any:
        return self.json["error"]


def head(method: str, path: str, body: bytes | None = None, **headers: str) -> bytes:
    """A request, body included."""
    lines = [f"{method} {path} HTTP/1.1", "Host: test"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")


SAY = head("POST", "/api/talk/a/say", b'{"text":"x"}')
VIEW = head("GET", "/api/talk/a")


def handshake(path: str = "/connection/websocket", **headers: str) -> bytes:
    return head(
        "GET",
        path,
        None,
        Upgrade="websocket",
        Connection="Upgrade",
        Sec_WebSocket_Version="13",
        Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==",
        **headers,
    )


async def page(scope: Any, receive: Any, send: Any) -> None:
    """The pages: says what it was asked."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = b""
    more = True
    while more:
        part = await receive()
        body += part.get("body", b"")
        more = part.get("more_body", False)
    if scope["path"] == "/boom":
        raise ZeroDivisionError("boom")
    shown = f"{scope['method']} {scope['path']} ".encode() + body
    headers = [(b"content-length", str(len(shown)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": shown})


class SmallNode:
    def __init__(
        self,
        *,
        anonymous: bool = True,
        anonymous_watch: bool = False,
        origins: tuple[str, ...] = (),
        host: str | None = None,
        gate: GateConfig | None = None,
        client: ClientConfig | None = None,
        hub: HubConfig | None = None,
        http: HttpConfig | None = None,
        kinds: tuple[type[Actor[Any]], ...] = (Talk, Stalled, Auction, Ledger),
        admin: Live | None = None,
        views: Callable[[Kinds], ViewReader] | None = None,
        jobs: Callable[[MemoryJournal], QueueReads] | None = None,
        media_s: float | None = None,
    ) -> None:
        """`views` makes what reads them, of the kinds; `jobs` what queues read. `media_s`: see Edge."""
        self.instruments = Instruments()
        self.kinds = Kinds(kinds)
        self.reader = views(self.kinds) if views is not None else None
        self.journal = MemoryJournal()
        fan_out = FanOut(self.kinds, hub or HubConfig(leave_s=0), self.instruments)
        self.hub = fan_out.hub
        self.letters = MemoryDeadLetters()
        self.kernel = Kernel(
            kinds=self.kinds,
            journal=self.journal,
            dead_letters=self.letters,
            audiences=self.hub,
            instruments=self.instruments,
            clock=self.clock,
            rng=random.Random(1),
            commit=CommitConfig(lanes=1),
            jobs=jobs(self.journal) if jobs is not None else None,
        )
        self.services = Services(
            kinds=self.kinds,
            submit=self._submit,
            journal=self.journal,
            hub=fan_out.hub,
            signed_in=fan_out.signed_in,
            tokens=TokenVerifier(TokenConfig(secret=SECRET), self.clock),
            anonymous=anonymous,
            anonymous_watch=anonymous_watch,
            client=client or ClientConfig(),
            http=http or HttpConfig(),
            clock=self.clock,
            instruments=self.instruments,
            tracing=Tracing(trace.get_tracer("test"), sample=0.0),
            version="0",
            views=self.reader,
            jobs=JobLists(MemoryListing(lambda: self.journal.rows.consequences), self.clock)
            if jobs is not None
            else None,
        )
        self.listener = listen("127.0.0.1", 0, backlog=100)
        self.port = self.listener.getsockname()[1]
        self.edge = Edge(
            fan_out,
            self.services,
            self.listener,
            page,
            gate=gate or GateConfig(),
            hub=hub or HubConfig(leave_s=0),
            origins=origins,
            host=host,
            rest_share=0.0,
            operators=Operators(self.services.tokens, self.services.sessions, is_local=anonymous),
            admin=admin,
            media_s=media_s,
        )
        self.audience: list[tuple[str, str, bool]] = []

    def clock(self) -> float:
        return STARTED + trio.current_time()

    def _submit(self, entity: str, envelope: Envelope) -> None:
        if isinstance(envelope.message, AudienceChanged):
            self.audience.append((entity, envelope.principal.user, envelope.message.joined))
        self.kernel.router.submit(entity, envelope)

    @property
    def connections(self) -> list[Connection]:
        return [connection for connection, _ in self.edge.live.items()]

    @asynccontextmanager
    async def running(self) -> AsyncIterator["SmallNode"]:
        parts: list[Callable[..., Awaitable[Any]]] = [
            self.kernel.run,
            *(part.run for part in self.edge.parts),
        ]
        with self.listener:
            async with trio.open_nursery() as nursery:
                for part in parts:
                    await nursery.start(part)
                yield self
                nursery.cancel_scope.cancel()
        assert self.edge.admission.open == 0, "every connection that came has left"
        assert self.instruments.subscriptions == self.instruments.connections == 0

    async def connect(self, *, buffer: int = 0) -> Peer:
        sock = trio.socket.socket()
        if buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        await sock.connect(("127.0.0.1", self.port))
        return Peer(trio.SocketStream(sock))

    async def websocket(self, user: str = "ann", *channels: str, buffer: int = 0) -> Peer:
        """A connected client of the client protocol."""
        peer = await self.connect(buffer=buffer)
        assert (await peer.upgrade()).status == 101
        await peer.command({"connect": {"data": {"user": user}}, "id": 1})
        assert "connect" in await peer.reply(1)
        for number, channel in enumerate(channels):
            await peer.command({"subscribe": {"channel": channel}, "id": number + 2})
            assert "subscribe" in await peer.reply(number + 2)
        return peer

    async def say(self, key: str = "a", *texts: str) -> int:
        offset = 0
        for text in texts or ("x",):
            offset = (await self.kernel.router.ask(f"talk:{key}", Say(text=text))).offset
        return offset


@asynccontextmanager
async def small_node(**how: Any) -> AsyncIterator[SmallNode]:
    """A running node. On leaving, no connection, subscription or presence may be left over."""
    async with SmallNode(**how).running() as node:
        yield node
