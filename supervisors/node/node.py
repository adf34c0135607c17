"""The node: one process with everything in it, started bottom up and stopped top down. The composition root.

Begin reading here, then follow one message: `transports/edge.py`, `transports/sockets/gate.py`,
`transports/client/session.py`, `supervisors/kernel/router.py`, `supervisors/kernel/cells/serving.py`,
`store/journal/committer.py`, `transports/hub/hub.py`.
"""

import secrets
import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from random import Random

import trio

from greenroom.actors.jobs.installed import Jobs
from greenroom.actors.jobs.listing.lists import JobLists
from greenroom.actors.jobs.schedule.declared import DeclaredSchedule
from greenroom.actors.life.turn import Turn
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.message import Message
from greenroom.actors.personal.redaction import shape_of
from greenroom.actors.schema.knowledge import digest_of, knowledge_of, to_json
from greenroom.actors.sinks.installed import Sinks
from greenroom.actors.views.installed import Views
from greenroom.config.limits import SupervisionConfig
from greenroom.config.settings import Settings
from greenroom.config.telemetry.exporters import Telemetry
from greenroom.config.telemetry.held import Held
from greenroom.config.telemetry.instruments import Observed
from greenroom.config.telemetry.logs import dropped_lines
from greenroom.store.erasure.erasures import PostgresErasures
from greenroom.store.jobs.jobs_postgres import PostgresJobs
from greenroom.store.jobs.kept import Kept
from greenroom.store.jobs.listing_postgres import PostgresListing
from greenroom.store.journal.dead_letters_postgres import PostgresDeadLetters
from greenroom.store.journal.journal_postgres import PostgresJournal
from greenroom.store.overview.entity import is_stored
from greenroom.store.own.servers import OwnServers
from greenroom.store.ownership.referee import Newcomer
from greenroom.store.ownership.referee_postgres import PostgresReferee
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.migrate import migrate
from greenroom.store.postgres.pool import Pool
from greenroom.store.postgres.pooling import pool_mode_of
from greenroom.store.views.claims import PostgresClaims
from greenroom.store.views.reading import Reading
from greenroom.store.views.store_postgres import postgres_stores
from greenroom.supervisors.admin.asked import Asked, ask_nobody
from greenroom.supervisors.admin.desk import Desk
from greenroom.supervisors.admin.jobs.desk import JobDesk
from greenroom.supervisors.admin.jobs.gauges import fill_in
from greenroom.supervisors.admin.local import Local
from greenroom.supervisors.admin.scraping import Scraping
from greenroom.supervisors.admin.tables import Tables
from greenroom.supervisors.admin.traces import Traces
from greenroom.supervisors.admin.view_desk import ViewDesk
from greenroom.supervisors.cluster.evidence import this_host, this_process
from greenroom.supervisors.cluster.membership import Membership
from greenroom.supervisors.cluster.moves import Moves
from greenroom.supervisors.cluster.moving import Moving
from greenroom.supervisors.cluster.pacing import Pacing, lately, means
from greenroom.supervisors.cluster.releases import Releases
from greenroom.supervisors.duties.collector import Collector
from greenroom.supervisors.duties.forgetting import Forgetting
from greenroom.supervisors.duties.held_budget import HeldBudget
from greenroom.supervisors.duties.key_set_watch import KeySetWatch
from greenroom.supervisors.duties.loop_lag import measure_loop_lag
from greenroom.supervisors.duties.own_servers import mind_own_servers
from greenroom.supervisors.jobs.days import Days
from greenroom.supervisors.jobs.finder import Finder
from greenroom.supervisors.jobs.matcher import Matcher
from greenroom.supervisors.jobs.reach.on_node import OnNode
from greenroom.supervisors.jobs.rescue import this_worker, worker_has_ended
from greenroom.supervisors.jobs.schedules.declaring import Declaring, is_newest
from greenroom.supervisors.jobs.workers import Workers
from greenroom.supervisors.kernel.kernel import Kernel
from greenroom.supervisors.node.draining import Draining
from greenroom.supervisors.node.duties import Duties
from greenroom.supervisors.node.health import Health, Pulse
from greenroom.supervisors.node.joined import Joined
from greenroom.supervisors.node.left_out import LeftOut
from greenroom.supervisors.node.media import media_of
from greenroom.supervisors.node.unsubscribing import unsubscribing_of
from greenroom.supervisors.sinks.deliverer import delivering_to
from greenroom.supervisors.supervision.backoff import new_backoff
from greenroom.supervisors.supervision.strategy import ChildSpec, RestartIntensity, Strategy, SupervisorSpec
from greenroom.supervisors.supervision.supervise import supervise
from greenroom.supervisors.supervision.watchdog import Watchdog
from greenroom.supervisors.views.pages import Nobody
from greenroom.supervisors.views.runners import Runners, wanted_of, wanted_of_sinks
from greenroom.supervisors.views.shown import ShownViews, reader_of
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
        lease, spare = self._pool.dedicated("lease"), self._pool.dedicated("lease-spare")
        rows = lease if is_alone else self._pool.dedicated("members")
        is_pooled = pool_mode_of(database_url)[1]
        referee = PostgresReferee(rows, incarnation=incarnation, lease=lease, spare=spare, is_pooled=is_pooled)
        self._joined: Joined | None = None
        connections = settings.store.connections
        reader = reader_of(views, kinds, Reading(self._pool.fetch), connections=connections) if views else None
        knowledge = to_json(knowledge_of(list(kinds), list(views or ()), list(sinks or ())))
        release = digest_of(knowledge)
        self._membership = Membership(
            referee,
            Newcomer(
                url=url,
                version=version,
                host=this_host(),
                process=this_process(),
                capacity=settings.capacity,
                is_alone=is_alone,
                release=release,
                knowledge=knowledge,
            ),
            releases=Releases(release, knowledge, kinds.others),
            clock=clock,
            shards=settings.shards,
            lease_s=settings.lease_s,
            moved=self._moved,
            gone=self._gone,
            announce=self._announce,
            moves=Moves(clock),
            unreached=lambda: self._joined.unreached() if self._joined is not None else (),
            linked=lambda: self._joined.linked() if self._joined is not None else (),
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
            links=self._links,
            metrics=telemetry.scrape,
            traces=traces,
            jobs=telemetry.jobs,
        )
        if not is_alone:
            self._joined = Joined(
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
        self._views: Runners | None = None
        shown: ShownViews | None = None
        if views and reader is not None:
            shown = ShownViews(
                reader,
                kernel=lambda: self._kernel,
                ownership=self._membership,
                elsewhere=others.pages if others is not None else Nobody(),
                node=incarnation,
            )
            if others is not None:
                others.pages.here = shown.pages
        if views or sinks:
            self._views = Runners(
                views if views is not None else Views(kinds),
                postgres_stores(self._pool, shards=settings.shards),
                kinds=kinds,
                owned=self._membership.shards,
                turn=turn,
                now=clock,
                new_backoff=new_backoff,
                instruments=instruments,
                changed=shown.pages.changed if shown is not None else None,
                unsure=shown.pages.may_differ if shown is not None else None,
                learned=shown.learn if shown is not None else None,
                sinks=sinks,
                deliverer=delivering_to(
                    sinks,
                    PostgresClaims(self._pool, incarnation=incarnation),
                    config=settings.sink,
                    instruments=instruments,
                    new_backoff=new_backoff,
                    now=clock,
                )
                if sinks
                else None,
                statement_s=settings.store.statement_timeout_s,
            )
        job_store = PostgresJobs(self._pool)
        listing = PostgresListing(self._pool)

        def tell_here(entity: str, message: Message) -> bool:
            return self._kernel.router.tell_here(entity, message)

        telemetry.jobs.reserved = frozenset(one.queue for one in jobs or ())
        self._matcher = Matcher(listing, tell=tell_here, new_backoff=new_backoff, now=clock)
        self._finder = Finder(
            job_store,
            tell=tell_here,
            new_backoff=new_backoff,
            match=self._matcher.match,
            instruments=telemetry.jobs,
        )
        jobs_kept = Kept.of(
            settings.jobs_kept_days,
            completed=settings.jobs_kept_completed_days,
            failed=settings.jobs_kept_failed_days,
            cancelled=settings.jobs_kept_cancelled_days,
            most=settings.jobs_kept_most,
        )
        self._days = Days(job_store.keep_days, jobs_kept, rng=Random())
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
            landed=self._views.committed if self._views is not None else None,
            inline=self._views.inline if self._views is not None else None,
            query=reader,
            jobs=self._finder,
            has_ended=worker_has_ended,
        )
        self._work_stop_s = settings.work_stop_s
        self._workers: Workers | None = None
        if settings.work:
            self._workers = Workers(
                settings.work,
                jobs if jobs is not None else Jobs(),
                name=f"{incarnation:x}",
                ask=kernel.router.ask,
                turn=turn,
                new_backoff=new_backoff,
                process=this_worker(),
                reach=OnNode(lambda: kernel, kernel.router.ask),
                tracing=telemetry.tracing,
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
        declaring = Declaring(
            schedules,
            ask=kernel.router.ask,
            is_there=partial(is_stored, self._pool.fetch),
            new_backoff=new_backoff,
            is_newest=lambda: is_newest(self._membership.members(), incarnation),
            instruments=telemetry.jobs,
        )
        kept = kept_up(self._views, shown)
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
            views=kept,
            jobs=(
                ChildSpec(name="finder", start=self._finder.run, shutdown_s=1.0),
                ChildSpec(name="matcher", start=self._matcher.run, shutdown_s=1.0),
                ChildSpec(name="job_days", start=self._days.run, shutdown_s=1.0),
                ChildSpec(name="schedules", start=declaring.run, shutdown_s=1.0),
            ),
            forgetting=forgetting,
        )
        lists = JobLists(listing, clock)
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
            views=reader,
            jobs=lists,
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
        asked = Asked(local, ask)
        code = (*wanted_of(views or ()), *wanted_of_sinks(sinks or ()))
        self._desk = Desk(
            fetch=self._pool.fetch,
            journal=journal,
            letters=letters,
            kinds=kinds,
            members=self._membership,
            asked=asked,
            views=ViewDesk(Tables(self._pool, lambda: code), members=self._membership, asked=asked, clock=clock),
            jobs=JobDesk(
                store=job_store,
                lists=lists,
                jobs=jobs if jobs is not None else Jobs(),
                kinds=kinds,
                ask=kernel.router.ask,
                members=self._membership,
                asked=asked,
                clock=clock,
            ),
            shapes={one.tag: shape_of(one.job) for one in jobs or ()},
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
            joined=self._joined.shown if self._joined is not None else dict,
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

    def _moved(self, shards: Collection[int]) -> None:
        """These have other owners than was known here."""
        if self._joined is not None:
            self._joined.correspondence.moved(shards)

    def _gone(self, node: int) -> None:
        if self._joined is not None:
            self._joined.forget(node)

    def _announce(self, node: int, terms: Mapping[int, int]) -> None:
        if self._joined is not None:
            self._joined.announce(node, terms)

    def _watchers(self, entity: str) -> dict[int, int]:
        """Connections that watch it, by node; of an entity that lives here."""
        if self._joined is not None:
            return self._joined.correspondence.audiences.counts(entity)
        count = len(self._fan_out.hub.watching(entity))
        return {self._membership.incarnation: count} if count else {}

    def _links(self) -> dict[int, str]:
        """How the links to other nodes are."""
        return self._joined.links() if self._joined is not None else {}

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
            await self._days.begin()
            if self._views is not None:
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
            if self._workers is not None:
                await self._workers.stop(self._work_stop_s)
            await self._draining.run()
            await self._membership.leave()
            nursery.cancel_scope.cancel()
        self._telemetry.close()

    async def _supervise(self, *, task_status: trio.TaskStatus[None]) -> None:
        async def lag(*, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
            await measure_loop_lag(self._instruments.loop_lag_s, task_status=task_status)

        moving = (ChildSpec(name="moving", start=self._moving.run, shutdown_s=1.0),) if self._moving is not None else ()
        left_out = (ChildSpec(name="left_out", start=self._left_out.run, shutdown_s=1.0),) if self._joined else ()
        work = (ChildSpec(name="workers", start=self._workers.run, shutdown_s=6.0),) if self._workers else ()
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


def kept_up(runners: Runners | None, shown: ShownViews | None) -> tuple[ChildSpec, ...]:
    """What views and sinks need beside the entities, each by itself."""
    kept = [ChildSpec(name="views", start=runners.run, shutdown_s=3.0)] if runners is not None else []
    if shown is not None:
        kept.append(ChildSpec(name="pages", start=shown.pages.run, shutdown_s=1.0))
    return tuple(kept)


def observed(kernel: Kernel, edge: Edge, held: Held) -> Observed:
    """What is looked up when somebody asks for the metrics."""
    return Observed(
        mailbox_depth=kernel.system.mailbox_depth,
        mailbox_age_s=kernel.system.mailbox_age_s,
        queue_bytes=lambda: edge.flusher.queued_bytes,
        replies_bytes=lambda: held.replies.bytes,
        tails_bytes=lambda: held.tails.bytes,
        snapshots_waiting_bytes=lambda: kernel.snapshots.waiting_bytes,
        letters_waiting_bytes=lambda: kernel.letters.waiting_bytes,
        outbox_waiting_bytes=lambda: kernel.relay.waiting_bytes,
        outbox_waiting=lambda: kernel.relay.waiting,
        outbox_delivered=lambda: kernel.relay.delivered,
        outbox_retries=lambda: kernel.relay.retries,
        timers_overdue=lambda: kernel.waker.overdue,
        log_lines_dropped=dropped_lines,
    )


def watchdog_of(turn: Turn, config: SupervisionConfig) -> Watchdog:
    stuck_s = config.handler_stuck_s
    return Watchdog(turn, stuck_s=stuck_s, slow_s=min(0.25, stuck_s), sample_s=min(0.1, stuck_s))


def resident_bytes() -> int:
    """Resident memory of this process, bytes; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
    except (OSError, ValueError, IndexError):
        return 0
