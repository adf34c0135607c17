"""The node: one process with everything in it, started bottom up and stopped top down. The composition root.

Begin reading here, then follow one message: `transports/edge.py`, `transports/sockets/gate.py`,
`transports/client/session.py`, `supervisors/kernel/router.py`, `supervisors/kernel/cells/serving.py`,
`store/journal/committer.py`, `transports/hub/hub.py`.
"""

import secrets
import socket
from collections.abc import Callable, Sequence
from functools import partial

import trio

from greenroom.actors.jobs.installed import Jobs
from greenroom.actors.jobs.schedule.declared import DeclaredSchedule
from greenroom.actors.life.turn import Turn
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.sinks.installed import Sinks
from greenroom.actors.views.installed import Views
from greenroom.config.limits import SupervisionConfig
from greenroom.config.settings import Settings
from greenroom.config.telemetry.exporters import Telemetry
from greenroom.config.telemetry.held import Held
from greenroom.store.erasure.erasures import PostgresErasures
from greenroom.store.journal.dead_letters_postgres import PostgresDeadLetters
from greenroom.store.journal.journal_postgres import PostgresJournal
from greenroom.store.own.servers import OwnServers
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.migrate import migrate
from greenroom.store.postgres.pool import Pool
from greenroom.supervisors.admin.asked import ask_nobody
from greenroom.supervisors.admin.jobs.gauges import fill_in
from greenroom.supervisors.admin.local import Local
from greenroom.supervisors.admin.scraping import Scraping
from greenroom.supervisors.admin.traces import Traces
from greenroom.supervisors.cluster.moving import Moving
from greenroom.supervisors.cluster.pacing import Pacing, lately, means
from greenroom.supervisors.duties.collector import Collector
from greenroom.supervisors.duties.forgetting import Forgetting
from greenroom.supervisors.duties.held_budget import HeldBudget
from greenroom.supervisors.duties.key_set_watch import KeySetWatch
from greenroom.supervisors.duties.loop_lag import measure_loop_lag
from greenroom.supervisors.duties.own_servers import mind_own_servers
from greenroom.supervisors.jobs.rescue import worker_has_ended
from greenroom.supervisors.kernel.kernel import Kernel
from greenroom.supervisors.node.draining import Draining
from greenroom.supervisors.node.duties import Duties
from greenroom.supervisors.node.health import Health, Pulse
from greenroom.supervisors.node.jobs import NodeJobs
from greenroom.supervisors.node.joined import Joined
from greenroom.supervisors.node.left_out import LeftOut
from greenroom.supervisors.node.media import media_of
from greenroom.supervisors.node.membership import membership_of, referee_of
from greenroom.supervisors.node.observed import observed, resident_bytes
from greenroom.supervisors.node.operators import desk_of
from greenroom.supervisors.node.others import Others
from greenroom.supervisors.node.unsubscribing import unsubscribing_of
from greenroom.supervisors.node.views import NodeViews
from greenroom.supervisors.supervision.backoff import new_backoff
from greenroom.supervisors.supervision.strategy import ChildSpec, RestartIntensity, Strategy, SupervisorSpec
from greenroom.supervisors.supervision.supervise import supervise
from greenroom.supervisors.supervision.watchdog import Watchdog
from greenroom.transports.admin.roles import Operators
from greenroom.transports.auth.details import anybody, staff_only
from greenroom.transports.auth.tokens import TokenVerifier
from greenroom.transports.bus.beat import Bus
from greenroom.transports.bus.carrier_redis import RedisCarrier
from greenroom.transports.bus.redis.address import target_of
from greenroom.transports.edge import Edge, FanOut
from greenroom.transports.pages import Bounds, PagesContext, PagesOnDemand
from greenroom.transports.services import Services


class Node:
    """One process: telemetry, the store's door, the hub, the kernel, the edge and the pages, in the order of need."""

    def __init__(
        self,
        settings: Settings,
        *,
        kinds: Kinds,
        views: Views | None = None,
        sinks: Sinks | None = None,
        jobs: Jobs | None = None,
        schedules: Sequence[DeclaredSchedule] = (),
        database_url: str,
        redis_url: str,
        tokens: TokenVerifier | None,
        listener: socket.socket,
        url: str,
        version: str,
        clock: Callable[[], float],
        own_servers: OwnServers | None = None,
        number: int | None = None,
    ) -> None:
        """Starts nothing. `clock` gives Unix seconds. `views` and `sinks`: those over `kinds`; None: none.
        `number`: of several nodes that share an address."""
        self.url = url
        self._settings = settings
        self._database_url = database_url
        self._own_servers = own_servers
        incarnation = secrets.randbits(63)
        traces = Traces()
        labels = {"node_number": str(number)} if number is not None else None
        self._telemetry = telemetry = Telemetry(settings.trace, spans=traces, labels=labels)
        self._instruments = instruments = telemetry.instruments
        self._bridge = Bridge()
        self._pool = Pool(
            self._bridge,
            database_url,
            incarnation=incarnation,
            size=settings.store.connections,
            connect_s=settings.store.connect_timeout_s,
            statement_s=settings.store.statement_timeout_s,
        )
        held = Held()
        self._fan_out = fan_out = FanOut(kinds, settings.hub, instruments, held=held)
        turn = fan_out.hub.turn  # there is one on an event loop
        self._watchdog = watchdog_of(turn, settings.supervision)
        is_alone = settings.nodes == 1
        referee = referee_of(self._pool, database_url, incarnation=incarnation, is_alone=is_alone)
        self._others = Others()
        self._membership = membership_of(
            referee,
            self._others,
            settings=settings,
            kinds=kinds,
            views=views,
            sinks=sinks,
            url=url,
            version=version,
            is_alone=is_alone,
            clock=clock,
        )
        journal = PostgresJournal(self._pool, incarnation=incarnation, shards=settings.shards, now=clock)
        self._warm = partial(journal.warm, lanes=settings.commit.lanes)
        letters = PostgresDeadLetters(self._pool, shards=settings.shards)
        local = Local(
            node=incarnation,
            version=version,
            clock=clock,
            kernel=lambda: self._kernel,
            sockets=lambda: self._edge,
            instruments=instruments,
            serving=lambda: self._health.serving,
            memory_bytes=resident_bytes,
            watchers=self._watchers,
            moves=self._membership.moves.newest,
            links=self._others.links,
            metrics=telemetry.scrape,
            traces=traces,
            jobs=telemetry.jobs,
        )
        self._joined: Joined | None = None
        if not is_alone:
            self._joined = self._others.joined = Joined(
                membership=self._membership,
                referee=referee,
                carrier=partial(RedisCarrier, target_of(redis_url)),
                bus=settings.bus,
                kinds=kinds,
                hub=fan_out.hub,
                journal=journal,
                kernel=lambda: self._kernel,
                instruments=instruments,
                answer=local.answer,
            )
        others = self._joined.correspondence if self._joined is not None else None
        self._views = NodeViews(
            views,
            sinks,
            settings=settings,
            kinds=kinds,
            pool=self._pool,
            membership=self._membership,
            others=others,
            kernel=lambda: self._kernel,
            turn=turn,
            clock=clock,
            instruments=instruments,
        )
        self._jobs = NodeJobs(
            jobs,
            schedules,
            settings=settings,
            pool=self._pool,
            membership=self._membership,
            kernel=lambda: self._kernel,
            telemetry=telemetry,
            clock=clock,
        )
        runners = self._views.runners
        self._kernel = kernel = Kernel(
            kinds=kinds,
            journal=journal,
            dead_letters=letters,
            audiences=others.audiences if others is not None else fan_out.hub,
            instruments=instruments,
            clock=clock,
            commit=settings.commit,
            supervision=settings.supervision,
            passivation=settings.passivation,
            mailbox=settings.mailbox,
            ownership=self._membership,
            elsewhere=others.asking if others is not None else None,
            turn=turn,
            tracing=telemetry.tracing,
            held=held,
            memory_bytes=resident_bytes,
            landed=runners.committed if runners is not None else None,
            inline=runners.inline if runners is not None else None,
            query=self._views.reader,
            jobs=self._jobs.finder,
            has_ended=worker_has_ended,
        )
        self._moving: Moving | None = None
        if others is not None:
            pacing = Pacing(means((instruments.loop_lag_s, instruments.commit_s)))
            commit_s = lately(instruments.commit_s)
            self._moving = Moving(self._membership, kernel.system, pacing=pacing, commit_s=commit_s)
        self._collector = Collector(memory_bytes=resident_bytes, memory_bytes_max=settings.passivation.memory_bytes_max)
        self._held_budget = HeldBudget(
            held,
            bytes_max=settings.memory.held_bytes_max,
            memory_bytes=resident_bytes,
            memory_bytes_max=settings.passivation.memory_bytes_max,
        )
        self._key_set: KeySetWatch | None = None
        if tokens is not None and tokens.jwks is not None and settings.auth_jwks_file is not None:
            self._key_set = KeySetWatch(settings.auth_jwks_file, tokens.jwks, tokens.replace_jwks)
        forgetting = Forgetting(
            PostgresErasures(self._pool), kernel, incarnation=incarnation, unwatch=fan_out.hub.forget
        )
        self._duties = Duties(
            kernel,
            journal,
            letters,
            kinds,
            clock,
            key_set=self._key_set,
            views=self._views.children,
            jobs=self._jobs.begin(kernel, turn),
            forgetting=forgetting,
            history_changed=self._views.runners.history_changed if self._views.runners is not None else None,
        )
        services = Services(
            kinds=kinds,
            submit=kernel.router.submit,
            journal=journal,
            hub=fan_out.hub,
            signed_in=fan_out.signed_in,
            tokens=tokens,
            anonymous=settings.env == "local",
            anonymous_watch=settings.anonymous == "watch",
            client=settings.client,
            http=settings.http,
            clock=clock,
            instruments=instruments,
            tracing=telemetry.tracing,
            version=version,
            before_watching=others.feeds.before if others is not None else None,
            audience_elsewhere=others.changed if others is not None else None,
            views=self._views.reader,
            jobs=self._jobs.lists,
        )
        ask = self._joined.ask if self._joined is not None else ask_nobody
        scraping = Scraping(
            own=telemetry.scrape,
            me=incarnation,
            members=self._membership.members,
            ask=ask,
            shares_address=number is not None,
            instruments=instruments,
        )
        self._desk = desk_of(
            local,
            ask,
            kernel=kernel,
            membership=self._membership,
            pool=self._pool,
            journal=journal,
            letters=letters,
            kinds=kinds,
            views=self._views,
            jobs=self._jobs,
            clock=clock,
        )
        operators = Operators(tokens, services.sessions, is_local=settings.env == "local")
        pulse = Pulse(incarnation=incarnation, url=url, version=version, clock=clock, instruments=instruments)
        self._bus = Bus(redis_url, pulse.beat)
        self._health = Health(
            pulse,
            instruments,
            partial(journal.probe, lanes=settings.commit.lanes),
            self._bus,
            shards=settings.shards,
            joined=self._others.shown,
            left_out=lambda: self._membership.is_left_out,
        )
        media = media_of(settings, services, kernel.router.ask)
        pages = PagesContext(
            env=settings.env,
            version=version,
            kinds=kinds,
            views=views,
            bounds=Bounds(
                deadline_max_s=settings.http.deadline_max_s,
                history_max=settings.client.history_max,
                upload_bytes_max=settings.media_limits.bytes_max if media is not None else None,
            ),
            health=self._health.health,
            ready=self._health.ready,
            scrape=scraping.scrape,
            details=staff_only(tokens, services.sessions) if settings.details_for_staff else anybody,
            desk=self._desk,
            operators=operators,
            media=media,
            unsubscribing=unsubscribing_of(settings, kinds, kernel.router.ask),
            static=settings.static,
            prefix=settings.path_prefix,
        )
        self._edge = Edge(
            fan_out,
            services,
            listener,
            PagesOnDemand(pages),
            gate=settings.gate,
            hub=settings.hub,
            origins=settings.allowed_origins,
            host=settings.host if settings.env == "local" else None,
            prefix=settings.path_prefix,
            operators=operators,
            admin=self._desk.live,
            media_s=settings.media_limits.request_s if media is not None else None,
        )
        self._draining = Draining(
            settings.drain,
            edge=self._edge,
            kernel=kernel,
            membership=self._membership,
            instruments=instruments,
            joined=self._joined,
            moving=self._moving,
        )
        self._left_out = LeftOut(self._edge, self._membership, connects_per_s=settings.drain.connects_per_s)
        telemetry.observe(observed(kernel, self._edge, held))
        telemetry.jobs.look = partial(fill_in, telemetry.jobs, kernel.system)

    def _watchers(self, entity: str) -> dict[int, int]:
        """Connections that watch it, by node; of an entity that lives here."""
        if self._joined is not None:
            return self._joined.correspondence.audiences.counts(entity)
        count = len(self._fan_out.hub.watching(entity))
        return {self._membership.incarnation: count} if count else {}

    def look_at_keys(self) -> None:
        """The file of public keys may hold others: look now."""
        if self._key_set is not None:
            self._key_set.look_now()

    async def run(self, drain: trio.Event, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until `drain` is set, then drain and return. Ready once clients are let in.

        Raises: StoreUnavailable when the database can't be reached or migrated at the start, or another node serves
        it; DeclaredDead when another has taken over; ViewRefused when a view does not fit what is stored.
        """
        async with self._bridge, self._pool, trio.open_nursery() as nursery:  # owner: this call; a crash ends the node
            if self._own_servers is not None:
                nursery.start_soon(mind_own_servers, self._own_servers)
            await migrate(self._bridge, self._database_url)
            await self._jobs.days.begin()
            await self._views.install()
            await self._membership.join()
            if self._joined is not None:
                await self._joined.open()
            await nursery.start(self._membership.run)
            await nursery.start(self._supervise)
            if self._joined is not None:
                await self._warm()  # before others hand it entities, which would be away for as long
            await self._membership.open()
            self._collector.settle()
            self._health.serving = True
            task_status.started()
            await drain.wait()
            self._health.serving = False
            if self._jobs.workers is not None:
                await self._jobs.workers.stop(self._settings.work_stop_s)
            await self._draining.run()
            await self._membership.leave()
            if self._joined is not None:
                await self._joined.say_left()
            nursery.cancel_scope.cancel()
        self._telemetry.close()

    async def _supervise(self, *, task_status: trio.TaskStatus[None]) -> None:
        async def lag(*, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
            await measure_loop_lag(self._instruments.loop_lag_s, task_status=task_status)

        moving = (ChildSpec(name="moving", start=self._moving.run, shutdown_s=1.0),) if self._moving is not None else ()
        left_out = (ChildSpec(name="left_out", start=self._left_out.run, shutdown_s=1.0),) if self._joined else ()
        workers = self._jobs.workers
        work = (ChildSpec(name="workers", start=workers.run, shutdown_s=6.0),) if workers is not None else ()
        joined = (ChildSpec(name="joined", start=self._joined.run, shutdown_s=3.0),) if self._joined is not None else ()
        spec = SupervisorSpec(
            name="node",
            strategy=Strategy.REST_FOR_ONE,  # whoever trusted a part that died must not outlive it
            intensity=RestartIntensity(restarts_max=3, window_s=10.0),  # then the node ends: its parent decides
            children=(
                ChildSpec(name="watchdog", start=self._watchdog.run, shutdown_s=1.0),
                ChildSpec(name="loop_lag", start=lag, shutdown_s=1.0),
                ChildSpec(name="held_budget", start=self._held_budget.run, shutdown_s=1.0),
                ChildSpec(name="collector", start=self._collector.run, shutdown_s=1.0),
                ChildSpec(name="bus", start=self._bus.run, shutdown_s=2.0),
                *joined,
                *self._kernel.core,
                ChildSpec(name="duties", start=self._duties.run, shutdown_s=3.0),
                ChildSpec(name="admin", start=self._desk.live.run, shutdown_s=1.0),
                *moving,
                *work,
                *(ChildSpec(name=part.name, start=part.run, shutdown_s=part.shutdown_s) for part in self._edge.parts),
                *left_out,
            ),
        )

        await supervise(spec, task_status=task_status, backoff=new_backoff)


def watchdog_of(turn: Turn, config: SupervisionConfig) -> Watchdog:
    stuck_s = config.handler_stuck_s
    return Watchdog(turn, stuck_s=stuck_s, slow_s=min(0.25, stuck_s), sample_s=min(0.1, stuck_s))
