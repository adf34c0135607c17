"""The node: one process with everything in it, started bottom up and stopped top down. The composition root.

Begin reading here, then follow one message: `transports/sockets/gate.py`, `transports/client/session.py`,
`supervisors/kernel/system.py`, `supervisors/kernel/cell.py`, `store/journal/committer.py`, `transports/hub/hub.py`.
"""

import random
import secrets
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog
import trio

from greenroom.actors.life.turn import Turn
from greenroom.actors.model.actor import Actor
from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.errors import ActorError
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.lifecycle import AudienceChanged
from greenroom.actors.model.principal import Principal
from greenroom.config.settings import Settings
from greenroom.config.telemetry.exporters import Telemetry
from greenroom.config.telemetry.instruments import Observed
from greenroom.store.errors import StoreUnavailable
from greenroom.store.journal.dead_letters_postgres import PostgresDeadLetters
from greenroom.store.journal.journal_postgres import PostgresJournal
from greenroom.store.journal.retention import Keep, Retention
from greenroom.store.own.servers import OwnServers
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.migrate import migrate
from greenroom.store.postgres.pool import Pool
from greenroom.supervisors.duties import collector as garbage
from greenroom.supervisors.duties.dead_letter_retries import DeadLetterRetries
from greenroom.supervisors.duties.dead_letter_watch import DeadLetterWatch
from greenroom.supervisors.duties.lineage_watch import LineageWatch
from greenroom.supervisors.duties.loop_lag import measure_loop_lag
from greenroom.supervisors.duties.own_servers import mind_own_servers
from greenroom.supervisors.kernel.kernel import Kernel
from greenroom.supervisors.supervision.backoff import Backoff
from greenroom.supervisors.supervision.strategy import ChildSpec, RestartIntensity, Strategy, SupervisorSpec
from greenroom.supervisors.supervision.supervise import supervise
from greenroom.supervisors.supervision.watchdog import Watchdog
from greenroom.transports.auth.sign_outs import SessionChecks
from greenroom.transports.auth.tokens import TokenVerifier
from greenroom.transports.bus.beat import Beat, Bus
from greenroom.transports.carriers.websocket import WebSocketClient
from greenroom.transports.client.codes import SHUTDOWN
from greenroom.transports.client.services import ClientServices
from greenroom.transports.deadlines import Deadlines
from greenroom.transports.http.api import HttpApi, HttpApiServices
from greenroom.transports.http.event_stream import EventsServices, EventStream
from greenroom.transports.http.handover import Handover
from greenroom.transports.http.live import HttpDate, HttpServices, LiveHttp
from greenroom.transports.hub.hub import Hub
from greenroom.transports.pages import PagesContext, PagesOnDemand
from greenroom.transports.reads import Background
from greenroom.transports.routes import Routes
from greenroom.transports.sockets.connection import Connection, Outbox
from greenroom.transports.sockets.gate import Gate
from greenroom.transports.sockets.poller import Poller

log = structlog.get_logger("greenroom.node")

GOODBYE_S = 2.0  # for clients to take their close frames when the node stops


class Node:
    def __init__(
        self,
        settings: Settings,
        *,
        kinds: Kinds,
        database_url: str,
        redis_url: str,
        tokens: TokenVerifier | None,
        listener: socket.socket,
        url: str,
        version: str,
        clock: Callable[[], float],
        own_servers: OwnServers | None = None,
    ) -> None:
        self._settings = settings
        self._kinds = kinds
        self._database_url = database_url
        self._own_servers = own_servers
        self._clock = clock
        self.url = url
        self.version = version
        self.incarnation = secrets.randbits(63)
        self.telemetry = Telemetry(settings.trace)
        self.instruments = self.telemetry.instruments
        self.started_at_ms = int(clock() * 1000)
        self.ready = False
        self._turn = Turn()

        anonymous = settings.env == "local"
        self.bridge = Bridge()
        self.pool = Pool(
            self.bridge,
            database_url,
            incarnation=self.incarnation,
            size=settings.store.connections,
            connect_s=settings.store.connect_timeout_s,
        )
        self.journal = PostgresJournal(self.pool, incarnation=self.incarnation)
        self.poller = Poller()
        self.outbox = Outbox(self.poller, self._flush_hub)
        self.hub = Hub(settings.hub, self.instruments, wake=self.outbox.wake, audience_changed=self._audience_changed)
        self.dead_letters = PostgresDeadLetters(self.pool)
        self.kernel = Kernel(
            kinds=kinds,
            journal=self.journal,
            dead_letters=self.dead_letters,
            audiences=self.hub,
            instruments=self.instruments,
            clock=clock,
            commit=settings.commit,
            supervision=settings.supervision,
            passivation=settings.passivation,
            mailbox=settings.mailbox,
            turn=self._turn,
            tracing=self.telemetry.tracing,
            memory_bytes=resident_bytes,
        )
        self.retention = Retention(
            self.journal,
            {
                kind.name: Keep(
                    events=kind.limits.history_events,
                    seconds=kind.limits.history_s,
                    command_ids_s=kind.limits.command_ids_s,
                )
                for kind in kinds
                if kind.actor.durable
            },
            now=clock,
        )
        self.lineage_watch = LineageWatch(self.journal.lineage, self.kernel.system.lineage_changed)
        self.background = Background()
        self.deadlines = Deadlines()
        self.bus = Bus(self.bridge, redis_url, self.beat)
        date = HttpDate(clock)
        session_kind = "session" if "session" in kinds else None
        sessions = SessionChecks(self.kernel.router.submit, session_kind)
        self.hub.on_kicked_everywhere = sessions.forget
        clients = ClientServices(
            kinds=kinds,
            submit=self.kernel.router.submit,
            hub=self.hub,
            journal=self.journal,
            tokens=tokens,
            anonymous=anonymous,
            config=settings.client,
            deadlines=self.deadlines,
            spawn=self.background.spawn,
            clock=clock,
            instruments=self.instruments,
            tracing=self.telemetry.tracing,
            version=version,
            session_kind=session_kind,
        )
        events = EventsServices(
            kinds=kinds,
            submit=self.kernel.router.submit,
            hub=self.hub,
            journal=self.journal,
            tokens=tokens,
            anonymous=anonymous,
            config=settings.client,
            deadlines=self.deadlines,
            sessions=sessions,
            spawn=self.background.spawn,
            clock=clock,
            instruments=self.instruments,
            date=date.value,
        )
        api = HttpApi(
            HttpApiServices(
                kinds=kinds,
                submit=self.kernel.router.submit,
                journal=self.journal,
                tokens=tokens,
                anonymous=anonymous,
                config=settings.http,
                history_max=settings.client.history_max,
                history_bytes_max=settings.client.queue_bytes_max // 2,
                deadlines=self.deadlines,
                sessions=sessions,
                spawn=self.background.spawn,
                instruments=self.instruments,
                tracing=self.telemetry.tracing,
                trust_traces=anonymous,
            )
        )
        routes = Routes(clients, events, api, frame_bytes_max=settings.gate.frame_bytes_max)
        http = HttpServices(routes=routes, config=settings.gate, origins=tuple(settings.allowed_origins), clock=clock)

        def open_protocol(_: Gate, connection: Connection) -> LiveHttp:
            return LiveHttp(connection, http, date)

        self.gate = Gate(
            listener,
            self.poller,
            self.outbox,
            open_protocol,
            gate=settings.gate,
            client=settings.client,
            hub=settings.hub,
            instruments=self.instruments,
        )
        pages = PagesOnDemand(
            PagesContext(
                env=settings.env,
                version=version,
                kinds=kinds,
                health=self.health,
                ready=self.check_ready,
                scrape=self.telemetry.scrape,
            )
        )
        self.handover = Handover(pages, leave=self.gate.admission.leave)
        routes.gate = self.gate
        routes.handover = self.handover
        self.telemetry.observe(
            Observed(
                mailbox_depth=self.kernel.system.mailbox_depth,
                mailbox_age_s=self.kernel.system.mailbox_age_s,
                queue_bytes=lambda: self.outbox.queued_bytes,
                outbox_waiting=lambda: self.kernel.relay.waiting,
                outbox_delivered=lambda: self.kernel.relay.delivered,
                outbox_retries=lambda: self.kernel.relay.retries,
                timers_overdue=lambda: self.kernel.waker.overdue,
            )
        )
        self._listens_to_audience = frozenset(
            kind.name for kind in kinds if kind.actor.audience_changed is not Actor.audience_changed
        )

    # What the parts need of one another.

    def _flush_hub(self) -> None:
        self.hub.flush()

    def _audience_changed(self, entity: str, who: Principal, joined: bool) -> None:
        if entity.partition(":")[0] in self._listens_to_audience:
            try:
                self.kernel.router.submit(entity, Envelope(message=AudienceChanged(joined=joined), principal=who))
            except ActorError as error:
                log.debug("audience_change_dropped", entity=entity, error=error.name)

    def beat(self) -> Beat:
        return Beat(
            node=f"{self.incarnation:016x}",
            url=self.url,
            version=self.version,
            awake=self.instruments.awake,
            connections=self.instruments.connections,
            started_at_ms=self.started_at_ms,
        )

    def health(self) -> dict[str, Any]:
        beat = self.beat()
        return {
            "status": "ok" if self.ready else "draining",
            "node": beat.node,
            "version": beat.version,
            "started_at_ms": beat.started_at_ms,
            "shards": self._settings.shards,
            "awake": beat.awake,
            "connections": beat.connections,
            "subscriptions": self.instruments.subscriptions,
            "redis": "reached" if self.bus.healthy else "not reached",
        }

    async def check_ready(self) -> tuple[bool, dict[str, Any]]:
        """Able to serve: started, not draining, and the store answers."""
        store = "ok"
        try:
            with trio.fail_after(2.0):
                async with self.pool.connection() as connection:
                    await connection.fetch("SELECT 1")
        except (StoreUnavailable, trio.TooSlowError):
            store = "not reached"
        redis = "ok" if self.bus.healthy else "not reached"  # hints only: serving goes on without
        return self.ready and store == "ok", {"store": store, "redis": redis, "draining": not self.ready}

    # Running.

    async def run(self, drain: trio.Event, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until `drain` is set, then drain and return. Ready once clients are let in.

        Raises: StoreUnavailable when the database can't be reached or migrated at the start.
        """
        async with self.bridge, self.pool, trio.open_nursery() as nursery:  # owner: this call; a crash ends the node
            if self._own_servers is not None:
                nursery.start_soon(mind_own_servers, self._own_servers)
            await migrate(self.bridge, self._database_url)
            await nursery.start(self._supervise)
            garbage.settle()
            self.ready = True
            task_status.started()
            await drain.wait()
            await self._drain()
            nursery.cancel_scope.cancel()
        self.telemetry.close()

    async def _supervise(self, *, task_status: trio.TaskStatus[None]) -> None:
        stuck_s = self._settings.supervision.handler_stuck_s
        watchdog = Watchdog(self._turn, stuck_s=stuck_s, slow_s=min(0.25, stuck_s), sample_s=min(0.05, stuck_s))

        async def lag(*, task_status: trio.TaskStatus[Any] = trio.TASK_STATUS_IGNORED) -> None:
            await measure_loop_lag(self.instruments.loop_lag_s, task_status=task_status)

        retries = DeadLetterRetries(kinds=self._kinds, kernel=self.kernel, letters=self.dead_letters)
        letter_watch = DeadLetterWatch(self.dead_letters, self.instruments)

        async def sweep(*, task_status: trio.TaskStatus[Any] = trio.TASK_STATUS_IGNORED) -> None:
            task_status.started()
            while True:
                await trio.sleep(5.0)
                self.hub.sweep(trio.current_time())

        duties = SupervisorSpec(
            name="duties",
            strategy=Strategy.ONE_FOR_ONE,  # none knows of the others
            intensity=RestartIntensity(restarts_max=10, window_s=10.0),
            children=(
                *self.kernel.duties,
                ChildSpec(name="lineage_watch", start=self.lineage_watch.run, shutdown_s=1.0),
                ChildSpec(name="dead_letter_retries", start=retries.run, shutdown_s=2.0),
                ChildSpec(name="dead_letter_watch", start=letter_watch.run, shutdown_s=2.0),
                ChildSpec(name="retention", start=self.retention.run, shutdown_s=2.0),
            ),
        )

        async def run_duties(*, task_status: trio.TaskStatus[Any] = trio.TASK_STATUS_IGNORED) -> None:
            await supervise(duties, task_status=task_status, backoff=new_backoff)

        spec = SupervisorSpec(
            name="node",
            strategy=Strategy.REST_FOR_ONE,  # whoever trusted a part that died must not outlive it
            intensity=RestartIntensity(restarts_max=3, window_s=10.0),  # then the node ends: its parent decides
            children=(
                ChildSpec(name="watchdog", start=watchdog.run, shutdown_s=1.0),
                ChildSpec(name="loop_lag", start=lag, shutdown_s=1.0),
                ChildSpec(name="bus", start=self.bus.run, shutdown_s=2.0),
                *self.kernel.lanes,
                ChildSpec(name="duties", start=run_duties, shutdown_s=3.0),
                ChildSpec(name="background", start=self.background.run, shutdown_s=2.0),
                ChildSpec(name="deadlines", start=self.deadlines.run, shutdown_s=1.0),
                ChildSpec(name="hub_sweep", start=sweep, shutdown_s=1.0),
                ChildSpec(name="pages", start=self.handover.run, shutdown_s=2.0),
                ChildSpec(name="outbox", start=self.outbox.run, shutdown_s=1.0),
                ChildSpec(name="poller", start=self.poller.run, shutdown_s=1.0),
                ChildSpec(name="gate", start=self.gate.run, shutdown_s=2.0),
            ),
        )

        def new_backoff() -> Backoff:
            return Backoff(random=random.Random(), first_s=0.05, max_s=2.0)

        await supervise(spec, task_status=task_status, backoff=new_backoff)

    async def _drain(self) -> None:
        """Stop accepting, finish turns, flush commits, tell clients to reconnect, close; in a deadline."""
        self.ready = False
        self.gate.stop_accepting()
        with trio.move_on_after(self._settings.drain_s) as scope:
            await self.kernel.drain()
        if scope.cancelled_caught:
            log.warning("drain_deadline", awake=self.instruments.awake)
        self.outbox.flush()
        for protocol in list(self.gate.live.values()):
            if isinstance(protocol, WebSocketClient):
                protocol.session.disconnect(SHUTDOWN)
            elif isinstance(protocol, EventStream | LiveHttp):
                protocol.end()
        self.outbox.flush()
        with trio.move_on_after(GOODBYE_S):
            await self.gate.emptied()
        log.info("drained")


def resident_bytes() -> int:
    """Resident memory of this process, bytes; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
    except (OSError, ValueError, IndexError):
        return 0
