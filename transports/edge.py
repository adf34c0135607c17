"""The edge: everything between the sockets and the entities, wired here and nowhere else.

Two steps, since the kernel stands between them: it publishes into the hub of `FanOut`, and what clients say reaches it
through the `submit` that `Services` are given. What a simulation needs is there without sockets.
"""

import socket
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import TYPE_CHECKING

import trio
from msgspec import Struct

from greenroom.actors.model.kinds import Kinds
from greenroom.config.limits import GateConfig, HubConfig
from greenroom.config.telemetry.held import Held
from greenroom.config.telemetry.instruments import Instruments
from greenroom.transports.admin.desk import Live
from greenroom.transports.admin.roles import Operators
from greenroom.transports.auth.sign_outs import SignedIn
from greenroom.transports.codecs.http_response import HttpDate
from greenroom.transports.http.api import HttpApi
from greenroom.transports.http.handover import REQUEST_S, Handover
from greenroom.transports.http.live import HttpPolicy, LiveHttp
from greenroom.transports.http.origins import KnownHosts
from greenroom.transports.hub.hub import Hub
from greenroom.transports.routes import Routes
from greenroom.transports.services import Services
from greenroom.transports.sockets.admission import Admission
from greenroom.transports.sockets.connection import Connection
from greenroom.transports.sockets.flusher import Flusher, TurnEnd
from greenroom.transports.sockets.gate import Gate
from greenroom.transports.sockets.goodbye import Goodbye, Pace
from greenroom.transports.sockets.live import LiveConnections
from greenroom.transports.sockets.poller import Poller
from greenroom.transports.sockets.rests import SHARE

if TYPE_CHECKING:
    from hypercorn.typing import ASGIFramework


class FanOut:
    """The hub with what it needs, made before the kernel that publishes into it."""

    def __init__(
        self,
        kinds: Kinds,
        config: HubConfig,
        instruments: Instruments,
        *,
        held: Held | None = None,
        stopwatch: Callable[[], float] = perf_counter,
    ) -> None:
        """`stopwatch`: see `Hub`."""
        self.turn_end = TurnEnd()
        self.signed_in = SignedIn()
        self.hub = Hub(
            kinds,
            config,
            instruments,
            wake=self.turn_end.wake,
            kicked_everywhere=self.signed_in.forget,
            held=held,
            stopwatch=stopwatch,
        )


class Part(Struct, frozen=True):
    """A task of the edge: run it for as long as the node lives."""

    name: str
    run: Callable[..., Awaitable[None]]  # takes trio's `task_status`
    shutdown_s: float


class Edge:
    """Listener, sockets, protocols and routes of one node."""

    def __init__(
        self,
        fan_out: FanOut,
        services: Services,
        listener: socket.socket,
        pages: "ASGIFramework",
        *,
        gate: GateConfig,
        hub: HubConfig,
        origins: tuple[str, ...],
        host: str | None = None,
        prefix: str = "",
        rest_share: float = SHARE,
        operators: Operators | None = None,
        admin: Live | None = None,
        media_s: float | None = None,
    ) -> None:
        """`origins`: allowed `Origin`s of browsers, "*" allows all. `host`: what the node listens on, where it is to be
        reached by no other name than this and those of the origins; None: by any. `prefix`: see http/prefix.py.
        `rest_share`: see `Flusher`. `operators` and `admin`: see Routes. `media_s`: what a request below
        /media may take; None: nothing is served there."""
        self.services = services
        self.admission = Admission(gate)
        self.live = LiveConnections(self.admission)
        self.poller = Poller()
        instruments = services.instruments
        self.flusher = Flusher(
            self.poller,
            fan_out.turn_end,
            fan_out.hub.flush,
            rest_share=rest_share,
            delivered=lambda: instruments.deliveries,
        )
        self._goodbye = Goodbye(self.live, self.flusher)
        self.handover = Handover(
            pages,
            leave=self.admission.leave,
            instruments=services.instruments,
            head_bytes_max=gate.head_bytes_max,
            media_s=media_s or REQUEST_S,
        )
        self.api = HttpApi(services)
        date = HttpDate(services.clock).value
        routes = Routes(
            services,
            self.api,
            self.live,
            self.handover,
            origins=origins,
            date=date,
            prefix=prefix,
            operators=operators,
            admin=admin,
            has_media=media_s is not None,
        )
        self._http = policy = HttpPolicy(
            routes, gate, origins, date, instruments, KnownHosts(host, origins) if host is not None else None
        )

        def open_protocol(connection: Connection, now: float) -> LiveHttp:
            return LiveHttp(connection, policy, now)

        self.gate = Gate(
            listener,
            self.poller,
            self.flusher,
            self.admission,
            self.live,
            open_protocol,
            routes.busy,
            backlog=gate.backlog,
            client=services.client,
            hub=hub,
            instruments=services.instruments,
        )

    @property
    def queued_bytes(self) -> int:
        """What waits for those who read slowly."""
        return self.flusher.queued_bytes

    @property
    def slow(self) -> list[Connection]:
        """Those whose socket would take no more, oldest first."""
        return [one for one in self.flusher.blocked if isinstance(one, Connection)]

    @property
    def parts(self) -> tuple[Part, ...]:
        """In the order in which they are to be started; to be stopped the other way round."""
        return (
            Part("reads", self.services.reads.run, 2.0),
            Part("deadlines", self.services.deadlines.run, 1.0),
            Part("hub_sweep", self.services.hub.run, 1.0),
            Part("pages", self.handover.run, 2.0),
            Part("flusher", self.flusher.run, 1.0),
            Part("poller", self.poller.run, 1.0),
            Part("gate", self.gate.run, 2.0),
        )

    def stop_accepting(self) -> None:
        """Let nobody in any more. Who keeps a connection for more requests, as proxies do, is told with the next answer
        to bring those elsewhere: they would else come until the end, and the last ones be cut off."""
        self.gate.stop_accepting()
        self._http.leaving = True

    async def say_goodbye(
        self, pace: Callable[[], Pace], heard: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint
    ) -> None:
        """Tell every client that the node stops, behind all that was released for it. Nobody is let in any more; see
        Goodbye."""
        await self._goodbye.say(pace, heard)

    async def send_elsewhere(self, pace: Callable[[], Pace | None]) -> None:
        """Tell those who are there now to come again, to whichever node they find then; see Goodbye."""
        await self._goodbye.say_once(pace)
