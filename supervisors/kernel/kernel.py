"""The kernel, assembled: everything between the edge and the store of one node. Node, simulation, tests and benchmarks
make theirs here.
"""

import random
import time
from collections.abc import Callable, Sequence

import structlog
import trio

from greenroom.actors.life.many.admission import Admission
from greenroom.actors.life.turn import Turn
from greenroom.actors.model.effects import FORGOTTEN
from greenroom.actors.model.kinds import Kinds
from greenroom.config.limits import CommitConfig, MailboxConfig, PassivationConfig, SupervisionConfig
from greenroom.config.telemetry.held import Held
from greenroom.config.telemetry.instruments import Instruments
from greenroom.config.telemetry.throttled_log import ThrottledLog
from greenroom.config.telemetry.tracing import Tracing
from greenroom.store.jobs.jobs import QueueReads
from greenroom.store.journal.claims import Claims
from greenroom.store.journal.committer import Committer
from greenroom.store.journal.dead_letters import DeadLetters
from greenroom.store.journal.journal import Journal
from greenroom.store.journal.records import Append
from greenroom.supervisors.delivery.asides import Asides
from greenroom.supervisors.delivery.relay import KEPT_MAX, Relay
from greenroom.supervisors.delivery.waker import Waker
from greenroom.supervisors.kernel.after import Afters
from greenroom.supervisors.kernel.audiences import Audiences, Nobody
from greenroom.supervisors.kernel.cells.cell import Cell
from greenroom.supervisors.kernel.host import Host, InlineViews, NodeWorld, Query
from greenroom.supervisors.kernel.letter_writer import LetterWriter
from greenroom.supervisors.kernel.ownership import Ownership, OwnsAll
from greenroom.supervisors.kernel.passivation import Passivation
from greenroom.supervisors.kernel.router import Awake, Elsewhere, Router
from greenroom.supervisors.kernel.snapshot_writer import SnapshotWriter
from greenroom.supervisors.kernel.system import System
from greenroom.supervisors.supervision.backoff import Backoff
from greenroom.supervisors.supervision.failures import Failures
from greenroom.supervisors.supervision.strategy import ChildSpec

log = structlog.get_logger("greenroom.store")


class Kernel:
    """`router` is the way in, `system` knows who is awake. `core` and `duties` are its parts, to be run in this order
    under a supervisor; `run` does so without one."""

    def __init__(
        self,
        *,
        kinds: Kinds,
        journal: Journal,
        dead_letters: DeadLetters,
        instruments: Instruments,
        clock: Callable[[], float],  # Unix seconds
        audiences: Audiences | None = None,
        monotonic: Callable[[], float] = time.perf_counter,
        rng: random.Random | None = None,
        commit: CommitConfig | None = None,
        supervision: SupervisionConfig | None = None,
        passivation: PassivationConfig | None = None,
        mailbox: MailboxConfig | None = None,
        ownership: Ownership | None = None,
        elsewhere: Elsewhere | None = None,
        turn: Turn | None = None,
        tracing: Tracing | None = None,
        held: Held | None = None,
        memory_bytes: Callable[[], int] = lambda: 0,
        claims_waiting_max: int = 100_000,
        relay_kept_max: int = KEPT_MAX,
        landed: Callable[[Sequence[tuple[str, Append]]], None] | None = None,
        query: Query | None = None,
        inline: InlineViews | None = None,
        jobs: QueueReads | None = None,
        has_ended: Callable[[str], bool] = lambda process: False,
    ) -> None:
        """`landed`: see Committer. `query` reads views; None: none is installed. `inline`: those whose rows are written
        with appends. `has_ended`: is it certain that a worker's process, named `host/process`, runs no more?"""
        audiences = audiences if audiences is not None else Nobody()
        supervision = supervision or SupervisionConfig()
        passivation = passivation or PassivationConfig()
        rng = rng or random.Random()
        store_log = ThrottledLog(log, interval_s=1.0, clock=trio.current_time)

        def new_backoff() -> Backoff:
            return Backoff(random=rng, first_s=supervision.backoff_first_s, max_s=supervision.backoff_max_s)

        def note_store_unavailable(error: Exception) -> None:
            store_log.warning("store_unavailable", error=str(error) or repr(error))

        def count_commit(events: int, seconds: float) -> None:
            instruments.commit_batch_events.record(events)
            instruments.commit_s.record(seconds)

        def count_failure() -> None:
            instruments.commit_failures += 1

        def activate(entity: str) -> Awake:
            return self.system.activate(entity)

        def heard_lineage(lineage: str) -> None:
            self.system.lineage_changed(lineage)

        self.instruments = instruments
        self.ownership: Ownership = ownership or OwnsAll()
        self.committer = Committer(journal, commit or CommitConfig(), count_commit, count_failure, landed)
        self.claims = Claims(journal, waiting_max=claims_waiting_max)
        self.note_store_unavailable = note_store_unavailable
        self.letters = LetterWriter(
            dead_letters,
            instruments=instruments,
            new_backoff=new_backoff,
            note_store_unavailable=note_store_unavailable,
        )
        self.snapshots = SnapshotWriter(journal, now=clock, note_store_unavailable=note_store_unavailable)
        self.failures = Failures(clock)
        self.turn = turn or Turn()
        admission = Admission(instruments)
        self.asides = Asides(
            turn=self.turn,
            admission=admission,
            fresh=self.ownership.fresh,
            note_store_unavailable=note_store_unavailable,
        )
        self.afters = Afters(keep_letter=self.letters.keep)
        self._cells = cells = dict[str, Cell]()
        self._audiences = audiences
        self.router = Router(
            kinds=kinds,
            awake=cells,
            activate=activate,
            keep_letter=self.letters.keep,
            lives_here=lambda entity: self.ownership.owns(entity) or self.system.departs(entity),
            elsewhere=elsewhere,
        )
        self.relay = Relay(
            kinds=kinds,
            journal=journal,
            submit=self.router.submit,
            new_backoff=new_backoff,
            shards=self.ownership.shards,
            kept_max=relay_kept_max,
        )
        self.waker = Waker(journal=journal, now=clock, wake=self.router.wake, shards=self.ownership.shards)
        self.world = world = NodeWorld(
            kinds=kinds,
            router=self.router,
            audiences=audiences,
            now=clock,
            monotonic=monotonic,
            rng=rng,
            tracing=tracing,
            query=query,
            jobs=jobs,
            has_ended=has_ended,
        )
        host = Host(
            world=world,
            router=self.router,
            ownership=self.ownership,
            journal=journal,
            committer=self.committer,
            claims=self.claims,
            audiences=audiences,
            held=held or Held(),
            relay=self.relay,
            waker=self.waker,
            afters=self.afters,
            asides=self.asides,
            snapshots=self.snapshots,
            letters=self.letters,
            failures=self.failures,
            instruments=instruments,
            turn=self.turn,
            admission=admission,
            supervision=supervision,
            mailbox=mailbox or MailboxConfig(),
            new_backoff=new_backoff,
            note_store_unavailable=note_store_unavailable,
            heard_lineage=heard_lineage,
            lineage=lambda: self.system.lineage,
            inline=inline,
        )
        self.passivation = Passivation(cells, passivation, memory_bytes=memory_bytes)
        self.system = System(kinds=kinds, host=host, cells=cells, passivation=passivation, woke=self.passivation.woke)

    def is_present(self, entity: str) -> bool:
        """Is it awake here, or watched here?"""
        return entity in self._cells or self._audiences.is_watched(entity)

    def present(self) -> list[str]:
        """All that are awake here, or live here and are watched on some node; always in the same order, for whoever is
        told one after another."""
        return list(dict.fromkeys((*self._cells, *(entity for entity, _ in self._audiences.watched()))))

    async def begin_anew(self, entity: str) -> None:
        """Its rows were written anew under it: return once nobody awake here knows what it was. Its watchers hear of
        another epoch."""
        await self.system.begin_anew(entity)

    async def forget(self, entity: str, head_id: int | None) -> None:
        """It is being erased, and can't be claimed any more: return once nothing of it is left in memory here. Its
        watchers, on all nodes, hear so."""
        await self.system.forget(entity)
        self._audiences.kick(entity, FORGOTTEN)
        if head_id is not None:
            self.relay.forget(head_id)
        await self.letters.forget(entity)

    @property
    def core(self) -> tuple[ChildSpec, ...]:
        """What entities can't do without: when one of these crashes, every cell that trusted it begins anew."""
        return (
            ChildSpec(name="committer", start=self.committer.run, shutdown_s=2.0),
            ChildSpec(name="claims", start=self.claims.run, shutdown_s=2.0),
            # Before the system: a relay that begins anew has forgotten what was under way, so senders must too.
            ChildSpec(name="relay", start=self.relay.run, shutdown_s=1.0),
            ChildSpec(name="system", start=self.system.run, shutdown_s=5.0),
        )

    @property
    def duties(self) -> tuple[ChildSpec, ...]:
        """What goes on beside them, each by itself: a crash of one is nobody else's."""
        return (
            ChildSpec(name="letters", start=self.letters.run, shutdown_s=1.0),
            ChildSpec(name="snapshots", start=self.snapshots.run, shutdown_s=1.0),
            ChildSpec(name="asides", start=self.asides.run, shutdown_s=1.0),
            ChildSpec(name="afters", start=self.afters.run, shutdown_s=1.0),
            ChildSpec(name="passivation", start=self.passivation.run, shutdown_s=1.0),
            ChildSpec(name="waker", start=self.waker.run, shutdown_s=1.0),
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """All parts until cancelled, without a supervisor: a crash of one is the caller's."""
        async with trio.open_nursery() as nursery:  # owner: this call
            for part in self.core + self.duties:
                await nursery.start(part.start, name=part.name)
            task_status.started()

    async def drain(self) -> None:
        """Wake nothing more, let every entity finish, and wait until all that it wrote is durable."""
        await self.system.drain()
        await self.committer.flushed()
        await self.letters.flushed()
