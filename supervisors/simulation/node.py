"""A simulated node: the real system, committer, claims, hub and sessions on a simulated journal and simulated wires."""

import math
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Context, copy_context
from random import Random
from typing import Any
from uuid import UUID

import trio
from opentelemetry import trace

from greenroom.actors.jobs.installed import Jobs
from greenroom.actors.life.turn import Turn
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.message import Ask, Reply
from greenroom.config.limits import (
    BusConfig,
    ClientConfig,
    CommitConfig,
    HttpConfig,
    HubConfig,
    MailboxConfig,
    PassivationConfig,
    SupervisionConfig,
)
from greenroom.config.telemetry.instruments import Instruments
from greenroom.config.telemetry.tracing import Tracing
from greenroom.store.errors import StoreUnavailable
from greenroom.store.journal.dead_letters_memory import MemoryDeadLetters
from greenroom.store.ownership.referee import Newcomer
from greenroom.supervisors.cluster.lease import DeclaredDead
from greenroom.supervisors.cluster.membership import Membership
from greenroom.supervisors.cluster.moving import Moving
from greenroom.supervisors.cluster.releases import Releases
from greenroom.supervisors.duties.lineage_watch import LineageWatch
from greenroom.supervisors.jobs.finder import Finder
from greenroom.supervisors.jobs.reach.on_node import OnNode
from greenroom.supervisors.jobs.workers import Workers
from greenroom.supervisors.kernel.cells.in_flight import FLIGHTS_MAX
from greenroom.supervisors.kernel.kernel import Kernel
from greenroom.supervisors.kernel.ownership import OwnsAll
from greenroom.supervisors.node.joined import Joined
from greenroom.supervisors.node.others import Others
from greenroom.supervisors.simulation.checker import Checker
from greenroom.supervisors.simulation.database import SHARDS, Database
from greenroom.supervisors.simulation.jobs.statements import SimulatedJobs
from greenroom.supervisors.simulation.network import Reach, SimulatedRedis
from greenroom.supervisors.simulation.schedule import NODE
from greenroom.supervisors.simulation.statements import SimulatedJournal, SimulatedReferee
from greenroom.supervisors.simulation.timeline import Timeline
from greenroom.supervisors.simulation.views.kept import KeptViews, Release
from greenroom.supervisors.simulation.wire import Broken, Carrier, Connection
from greenroom.supervisors.supervision.backoff import Backoff
from greenroom.supervisors.views.pages import Nobody
from greenroom.transports.client.codes import SHUTDOWN
from greenroom.transports.edge import FanOut
from greenroom.transports.services import Services

STARTED = 1_750_000_000.0  # Unix s when a world begins
# Small, so that ten minutes of few clients reach every bound.
MAILBOX = MailboxConfig(capacity=32, burst=8)
COMMIT = CommitConfig(lanes=2, append_timeout_s=3.0, batch_events_max=16)
PASSIVATION = PassivationConfig(idle_s=20.0, sweep_s=5.0)
SUPERVISION = SupervisionConfig(backoff_max_s=2.0)
CLIENT = ClientConfig(ping_s=20.0, pong_timeout_s=8.0, queue_bytes_max=8192, recovery_max=50)
RELAY_KEPT_MAX = 24  # messages
LEASE_S = 5.0
HOST = "simulated"
OVERDUE_S = 3.0  # a timer is late then, unless there is trouble
HUB = HubConfig(tail_events=16, linger_s=10.0)
BUS = BusConfig(queue_frames_max=64, queue_bytes_max=32_768, window_bytes=4096, window_entries=8)


async def _nothing(_question: bytes) -> bytes:
    """Operators ask nothing here."""
    return b""


class SimulatedNode:
    """One process, from its start to its death; a restart is another one with another incarnation."""

    def __init__(
        self,
        name: str,
        *,
        process: str = "",
        kinds: Kinds,
        database: Database,
        letters: MemoryDeadLetters,
        checker: Checker,
        timeline: Timeline,
        draw: Random,
        skew_s: float,
        redis: SimulatedRedis | None = None,
        ended: Callable[[str], bool] = lambda name: False,
        proves: bool = False,
        release: Release | None = None,
        jobs: Jobs | None = None,
        work: Mapping[str, int] | None = None,
    ) -> None:
        """`jobs`: classes of those that its queues have, and `work` how many of which it works on itself. `kinds`: its
        own, where there are several releases, as `release` says. `redis`: it is one of several, which own shards by the
        referee's rows and speak to one another over that; None: it owns all, whoever else does. `ended`: is it proven
        that the process of that name runs no more? `process` is what it calls its own; `proves`: it is known on which
        host that is."""
        self.name = name
        self.process = process or name
        self.incarnation = draw.getrandbits(63)
        self.listening = False
        self.dead = False
        self.stalled = False
        self.to_database = Reach()
        self.to_redis = Reach()
        self.ended = trio.Event()
        self._has_begun = trio.Event()  # to serve, or has ended before it could
        self.connections: dict[Connection, Carrier] = {}
        self._draw = draw
        self._checker = checker
        self._timeline = timeline
        self._database = database
        self._steps_left = math.inf  # statements and sockets that it may still reach before it dies
        self._scope = trio.CancelScope()
        self._context: Context | None = None
        self._nursery: trio.Nursery | None = None
        self._offset_s = draw.uniform(-skew_s, skew_s)
        self._drift = draw.uniform(-1e-3, 1e-3) if skew_s else 0.0

        self.journal = SimulatedJournal(database, self, incarnation=self.incarnation)
        self.instruments = Instruments()
        self.views: KeptViews | None = None
        self._release = release.number if release is not None else None
        if release is not None and release.views:
            self.views = KeptViews(release, database, self, kinds, Random(draw.getrandbits(64)))
        self._finder: Finder | None = None
        self._workers: Workers | None = None
        if jobs is not None:
            rng = Random(draw.getrandbits(64))
            self._finder = Finder(
                SimulatedJobs(database, self),
                tell=lambda entity, message: self.kernel.router.tell_here(entity, message),
                new_backoff=lambda: Backoff(random=rng, first_s=0.05, max_s=2.0),
            )
            self._workers = Workers(
                work or {},
                jobs,
                name=f"{self.incarnation:x}",
                ask=self._ask,
                turn=Turn(),
                new_backoff=lambda: Backoff(random=rng, first_s=0.1, max_s=3.0),
                process=f"{HOST}/{self.process}" if proves else "",
                reach=OnNode(lambda: self.kernel, self._ask),
            )
        self.fan_out = FanOut(kinds, HUB, self.instruments, stopwatch=trio.current_time)
        self._membership: Membership | None = None
        self._joined: Joined | None = None
        if redis is not None:
            referee = SimulatedReferee(database, self, incarnation=self.incarnation)
            to_others = Others()
            self._membership = Membership(
                referee,
                Newcomer(
                    url=name,
                    version="0",
                    host=HOST if proves else "",
                    process=self.process,
                    is_alone=False,
                    release=release.digest if release is not None else "",
                    knowledge=release.knowledge if release is not None else "",
                ),
                releases=Releases(release.digest, release.knowledge, kinds.others) if release is not None else None,
                shards=SHARDS,
                lease_s=LEASE_S,
                ended=lambda host, other: ended(other),
                moved=to_others.moved,
                gone=to_others.gone,
                announce=to_others.announce,
                unreached=to_others.unreached,
                linked=to_others.linked,
            )
            self._joined = to_others.joined = Joined(
                membership=self._membership,
                referee=referee,
                carrier=lambda cluster, node: redis.carrier(self, node),
                bus=BUS,
                kinds=kinds,
                hub=self.fan_out.hub,
                journal=self.journal,
                kernel=lambda: self.kernel,
                instruments=self.instruments,
                answer=_nothing,
                jitter=Random(draw.getrandbits(64)),
                stopwatch=trio.current_time,
            )
        others = self._joined.correspondence if self._joined is not None else None
        views = self.views
        if views is not None:
            views.live_on(
                kernel=lambda: self.kernel,
                ownership=self._membership or OwnsAll(),
                elsewhere=others.pages if others is not None else Nobody(),
                node=self.incarnation,
                clock=self.clock,
                instruments=self.instruments,
            )
            if others is not None:
                others.pages.here = views.shown.pages
        self.kernel = Kernel(
            kinds=kinds,
            journal=self.journal,
            dead_letters=letters,
            audiences=others.audiences if others is not None else self.fan_out.hub,
            ownership=self._membership,
            elsewhere=others.asking if others is not None else None,
            instruments=self.instruments,
            clock=self.clock,
            monotonic=trio.current_time,  # so that where a burst ends is drawn by the seed too, not by the machine
            rng=Random(draw.getrandbits(64)),
            commit=COMMIT,
            supervision=SUPERVISION,
            passivation=PASSIVATION,
            mailbox=MAILBOX,
            claims_waiting_max=1000,
            relay_kept_max=RELAY_KEPT_MAX,
            turn=views.turn if views is not None else None,
            landed=views.runners.hints.committed if views is not None else None,
            query=views.reader if views is not None else None,
            jobs=self._finder,
            has_ended=lambda named: named.startswith(f"{HOST}/") and ended(named.removeprefix(f"{HOST}/")),
        )
        self._moving = Moving(self._membership, self.kernel.system) if self._membership is not None else None
        self._services = Services(
            kinds=kinds,
            submit=self.kernel.router.submit,
            journal=self.journal,
            hub=self.fan_out.hub,
            signed_in=self.fan_out.signed_in,
            tokens=None,
            anonymous=True,
            client=CLIENT,
            http=HttpConfig(),
            clock=self.clock,
            instruments=self.instruments,
            tracing=Tracing(trace.get_tracer("simulation"), sample=0.0),
            version="0",
            new_client_id=lambda: str(UUID(int=draw.getrandbits(128), version=4)),
            chance=draw.random,
            before_watching=others.feeds.before if others is not None else None,
            audience_elsewhere=others.changed if others is not None else None,
            views=views.reader if views is not None else None,
        )

    def clock(self) -> float:
        """This node's wrong idea of Unix time."""
        return STARTED + self._offset_s + trio.current_time() * (1 + self._drift)

    def set_right(self) -> None:
        """Its clock is as all others."""
        self._drift = 0.0
        self._offset_s = 0.0

    def jump(self, seconds: float) -> None:
        """Its clock is set."""
        self._timeline.note("clock is set", f"{seconds:+g} s", who=self.name)
        self._offset_s += seconds

    def _history_changed(self, lineage: str) -> None:
        self.kernel.system.lineage_changed(lineage)
        if self.views is not None:
            self.views.runners.history_changed(lineage)

    # Life and death.

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        NODE.set(self.name)
        self._timeline.note("starts")
        self._context = copy_context()
        membership, joined, moving, views = self._membership, self._joined, self._moving, self.views
        parts: tuple[Callable[..., Awaitable[None]], ...] = (
            *((membership.run,) if membership is not None else ()),
            *((joined.run,) if joined is not None else ()),
            self.kernel.run,
            *((moving.run,) if moving is not None else ()),
            LineageWatch(self.journal.lineage, self._history_changed).run,
            self._services.reads.run,
            self._services.deadlines.run,
            self.fan_out.hub.run,
            *((views.runners.run, views.shown.pages.run) if views is not None else ()),
            *((self._finder.run,) if self._finder is not None else ()),
            *((self._workers.run,) if self._workers is not None else ()),
        )
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:  # owner: this call; a crash of a part is a violation
                    self._nursery = nursery
                    if membership is not None or views is not None:
                        task_status.started()  # the world need not wait for it: it may fail, or have to wait itself
                    if views is not None:
                        await views.install()
                    if membership is not None:
                        await membership.join()
                    if joined is not None:
                        await joined.open()
                    for part in parts:
                        await nursery.start(part)
                    nursery.start_soon(self._flush)
                    nursery.start_soon(self._tick)
                    self.listening = True
                    if membership is not None:
                        await membership.open()
                    elif views is None:
                        task_status.started()
                    self._has_begun.set()
        except* (DeclaredDead, StoreUnavailable) as errors:  # as a process would that can't start, or was replaced
            self._timeline.note("ends", *(repr(error) for error in errors.exceptions))
        except* Exception as errors:
            self._checker.violated("no part of a node crashes", self.name, repr(errors.exceptions))
        finally:
            self.listening = False
            self.dead = True
            self._has_begun.set()
            self.ended.set()
            self._timeline.note("is gone")

    def kill(self) -> None:
        """As SIGKILL: nothing gets out any more; memory is dropped with the tasks."""
        if self.dead:
            return
        self._timeline.note("killed", who=self.name)
        self.dead = True
        self.listening = False
        for connection in self.connections:
            connection.sever()
        self._scope.cancel()

    def kill_after(self, steps: int) -> None:
        """At its so-many-th step to the outside from now on: a statement sent or answered, a reply to a client."""
        self._steps_left = steps

    def spare(self) -> None:
        """What `kill_after` said no longer holds."""
        self._steps_left = math.inf

    async def step(self) -> None:
        """See database.Port."""
        if self._is_last_step():
            await trio.sleep_forever()

    def _is_last_step(self) -> bool:
        self._steps_left -= 1
        if self._steps_left <= 0:
            self.kill()
        return self.dead

    async def drain(self, within_s: float) -> None:
        """As the real node stops, once it has begun: no one new, finish, tell clients to go elsewhere. Runs in the
        node's own tasks."""
        await self._has_begun.wait()
        self._timeline.note("drains", who=self.name)
        self.listening = False
        context, nursery = self._context, self._nursery
        if context is None or nursery is None or self.dead:
            return
        context.run(nursery.start_soon, self._drain, within_s)
        await self.ended.wait()

    async def _drain(self, within_s: float) -> None:
        if self._workers is not None:
            await self._workers.stop(within_s / 2)
        with trio.move_on_after(within_s):
            if self._moving is not None:
                with trio.move_on_after(within_s / 2):
                    await self._moving.give_all()
            await self.kernel.drain()
            if self._joined is not None:
                await self._joined.drained()
        if self._membership is not None:
            await self._membership.leave()
        if self._joined is not None:
            await self._joined.say_left()
        self.fan_out.hub.flush_all()
        for carrier in list(self.connections.values()):
            carrier.session.disconnect(SHUTDOWN)
        self._scope.cancel()

    # Who asks it.

    def serve(self, work: Callable[..., Awaitable[None]], *arguments: Any) -> None:
        """In a task of its own."""
        context, nursery = self._context, self._nursery
        assert context is not None and nursery is not None
        context.run(nursery.start_soon, work, *arguments)

    async def _ask(self, entity: str, message: Ask[Reply], /) -> Reply:
        """For its own workers."""
        if self.dead:
            await trio.sleep_forever()
        return await self.kernel.router.ask(entity, message)

    # Clients.

    def accept(self, connection: Connection) -> None:
        context, nursery = self._context, self._nursery
        assert context is not None and nursery is not None
        self.connections[connection] = carrier = Carrier(self._services, connection)
        context.run(nursery.start_soon, self._serve, connection, carrier)

    async def _serve(self, connection: Connection, carrier: Carrier) -> None:
        session = carrier.session
        try:
            while True:
                frames = await connection.up.get()
                if not frames:
                    break
                for frame in frames:
                    if self._is_last_step():
                        await trio.sleep_forever()
                    session.received(frame)
        except Broken:
            pass
        finally:
            if not self.dead:
                session.ended()
            self.connections.pop(connection, None)

    async def _flush(self) -> None:
        """What the flusher does: at the end of a turn, hand out what entities have released."""
        turn_end = self.fan_out.turn_end
        while True:
            await turn_end.wait()
            turn_end.clear()
            if self._is_last_step():
                await trio.sleep_forever()
            self.fan_out.hub.flush_all()

    async def _tick(self) -> None:
        while True:
            await trio.sleep(1.0)
            now = trio.current_time()
            for carrier in list(self.connections.values()):
                carrier.session.tick(now)

    # Looking inside.

    def check(self, entity: str | None = None) -> None:
        """Every cell, or the one of `entity`."""
        if self.dead or self.stalled:
            return
        for cell in self.kernel.system.awake():
            if entity is not None and cell.entity != entity:
                continue
            if cell.head is not None and self._database.owns(cell.head, self.incarnation):
                self._checker.awake(cell)
            if len(cell.mailbox) > MAILBOX.capacity + FLIGHTS_MAX * MAILBOX.burst:  # lost flights put all back
                self._checker.violated("mailboxes are bounded", cell.entity, len(cell.mailbox))

    def audience(self, entity: str) -> set[str]:
        """The connections that the entity, which lives here, believes to watch it."""
        return {who.client for who in self.kernel.world.audience(entity)}

    def is_of(self, release: int) -> bool:
        """Has it the views and the kinds of that release?"""
        return self._release is None or self._release == release

    def owns(self, entity: str) -> bool:
        return self.kernel.ownership.owns(entity)

    def under_way(self) -> list[str]:
        left = [f"{cell.entity}: {len(cell.mailbox)} wait" for cell in self.kernel.system.awake() if len(cell.mailbox)]
        left += [f"{cell.entity}: commits under way" for cell in self.kernel.system.awake() if cell.waits_for_commit]
        if self.kernel.committer.pending_count:
            left.append(f"{self.kernel.committer.pending_count} events or other rows pending")
        if self.kernel.relay.waiting:
            left.append(f"{self.kernel.relay.waiting} messages are on their way")
        if self._joined is not None:
            others = self._joined.correspondence
            waiting = len(others.asking), len(others.answering), len(others.catching_up.catching), len(others.rechecks)
            if self._workers is not None:  # which always wait for jobs
                waiting = 0, 0, *waiting[2:]
            if any(waiting):
                left.append("{} asks, {} answers, {} gaps and {} rechecks are on their way".format(*waiting))
        overdue_ms = (self.clock() - OVERDUE_S) * 1000
        for entity, row in self._database.rows.by_entity.items():
            if not self.owns(entity):
                continue  # its owner's clock counts
            left += [f"{entity}: timer {one.name} is due" for one in row.timers.values() if one.due_ms < overdue_ms]
        return left
