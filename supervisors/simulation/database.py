"""The simulated database: rows, row locks and statements that take time, get lost, come late or twice.

A statement runs in a task of the database, not of its sender: whether a node still waits for it, or still lives, is
none of the database's business. `journal.py` and `referee.py` are one node's way to it.
"""

import copy
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any, Protocol, TypeVar

import trio
from msgspec import Struct
from msgspec.structs import replace

from greenroom.store.errors import NotOwner, OutcomeLost, StoreError, StoreUnavailable
from greenroom.store.journal.consequences.consequences import Consequences
from greenroom.store.journal.consequences.jobs import JobTables
from greenroom.store.journal.consequences.letters import LetterRows
from greenroom.store.journal.journal import Claim
from greenroom.store.journal.journal_memory import MemoryHead, MemoryJournal, MemoryRows
from greenroom.store.journal.records import Append, Head, Outcome
from greenroom.store.ownership.referee import Owned
from greenroom.store.ownership.referee_memory import MemoryNode, MemoryShards
from greenroom.store.ownership.sharding import shard_of
from greenroom.store.views.memory.rows import MemoryViewRows
from greenroom.store.views.store import Raced
from greenroom.supervisors.simulation.faults import NO_FAULTS, Faults
from greenroom.supervisors.simulation.network import Reach
from greenroom.supervisors.simulation.schedule import NODE
from greenroom.supervisors.simulation.timeline import Timeline

T = TypeVar("T")

SHARDS = 16  # that entities hash onto


class Guards(Struct, frozen=True, kw_only=True):
    """What protects the journal. Switched off one at a time, to see that the world would show it."""

    fence: bool = True  # an append's fence must be the head's
    incarnation: bool = True  # the head's incarnation must be the node's that appends
    offset: bool = True  # the append must follow the head's last event
    above: bool = True  # an awake entity's next fence is above those it has had, even if the database has lost those
    barrier: bool = True  # raising a fence waits for the append under way
    separate_load: bool = True  # what an activation loads is read after that wait
    timeline: bool = True  # a standby that takes over is known by another timeline, and so lineage
    lineage: bool = True  # an append must come from a claim in the present lineage
    term: bool = True  # a claim's term must be that under which its node owns the shard
    # What is committed with events: the same statement, or one that follows, perhaps, a moment later.
    outbox: bool = True
    marks: bool = True
    timers: bool = True
    letters: bool = True
    jobs: bool = True
    learning: bool = True  # who wakes reads what was handled before
    handover: bool = True  # a claim brings what its entity has sent, so that nothing overtakes that
    deletion: bool = True  # outbox rows are deleted only in the lineage in which they were delivered
    # Of views.
    view_progress: bool = True  # how far an entity is folded is locked before more of it is
    view_rows: bool = True  # rows are locked from their loading on
    view_together: bool = True  # rows land with the progress that they are of
    view_retention: bool = True  # what views have not folded is not trimmed


ALL_GUARDS = Guards()
TOGETHER = ("outbox", "marks", "timers", "letters", "jobs")  # tables that are written in the statement of the events
FORGOTTEN = 0.1  # share of what is committed apart that never is: its node died in between


class Witness(Protocol):
    """Who is told what the database has made durable."""

    def committed(self, head: Head, append: Append) -> None: ...

    def fell_behind(self) -> None:
        """A standby has what was committed so far, and nothing more until it takes over."""

    def failed_over(self, kept: dict[str, int]) -> None:
        """A standby has taken over, which has each entity's events up to these offsets."""


class Port(Protocol):
    """A node's step to the outside."""

    @property
    def to_database(self) -> Reach: ...

    async def step(self) -> None:
        """May be the node's last."""


class Tables(MemoryJournal):
    """The rows as one node incarnation's statements see them, without the guards that are off."""

    def __init__(self, database: "Database", incarnation: int) -> None:
        super().__init__(database.rows, incarnation=incarnation, shards=SHARDS, new_epoch=database.new_epoch)
        self._database = database
        self._guards = database.guards

    def raise_fence(self, entity: str, term: int, above: int = 0) -> MemoryHead | None:
        if self._guards.term:
            if not self._database.may_claim(shard_of(entity, SHARDS), self._incarnation, term):
                return None
        else:
            row = self.rows.by_entity.get(entity)
            if row is not None and row.head.fence >> 32 > term:
                row.head.fence = term << 32 | 1
        return super().raise_fence(entity, term, above)

    def admit(self, item: Append) -> Outcome:
        row = self.rows.by_id.get(item.head_id)
        if row is None or self._guards == ALL_GUARDS:
            return super().admit(item)
        guards, own, lineage = self._guards, self._incarnation, row.lineage
        if not guards.fence:
            item = replace(item, fence=row.head.fence)
        if not guards.offset:
            item = replace(item, after=row.head.offset)
        try:
            if not guards.incarnation:
                self._incarnation = row.incarnation
            if not guards.lineage:
                row.lineage = self.rows.lineage
            return super().admit(item)
        finally:
            self._incarnation = own
            row.lineage = lineage

    def placed(self, item: Append) -> Append:
        """As it will be written: without the guard of the offset, behind whatever is there."""
        after = self.rows.by_id[item.head_id].head.offset
        if after == item.after:
            return item
        events = [replace(event, offset=after + number) for number, event in enumerate(item.events, 1)]
        return replace(item, after=after, events=events)


class Wire:
    """One of a node's connections, as that node knows it: whole, or silent until a statement's deadline has passed."""

    __slots__ = ("silent_until",)

    def __init__(self) -> None:
        self.silent_until = 0.0


class _Statement:
    """One statement on its way. `abandoned` once nobody waits for it."""

    __slots__ = ("abandoned", "done", "error", "result")

    def __init__(self) -> None:
        self.done = trio.Event()
        self.result: Any = None
        self.error: Exception | None = None
        self.abandoned = False


class Database:
    """The one database of a world: what survives every node."""

    def __init__(self, *, draw: Random, faults: Faults, guards: Guards, witness: Witness, timeline: Timeline) -> None:
        self.rows = MemoryRows()
        self.shards = MemoryShards()  # with the nodes that own them; none where each node owns all
        self.views = MemoryViewRows(self.rows, shards=self.shards, now=trio.current_time)
        if not guards.view_retention:
            self.rows.folded = lambda head: None
        self.guards = guards
        self.faults = faults
        self._draw = draw
        self._witness = witness
        self._timeline = timeline
        self._nursery: trio.Nursery | None = None
        self._session = trio.CancelScope()  # holds all statements until the next restart
        self._locks: dict[int, trio.Event] = {}  # head id -> set when it is free again
        self._before_claim: dict[int, tuple[int, int, int]] = {}  # head id -> offset, fence, incarnation
        self._owners: dict[int, tuple[int, int]] = {}  # head id -> fence, incarnation; until a failover
        self._standby: dict[str, Any] | None = None  # the rows as they were when it fell behind
        self._standby_shards: tuple[dict[int, MemoryNode], list[Owned]] = ({}, [])
        self._standby_views: dict[str, Any] = {}
        self._down = False
        self.is_sluggish = False  # each statement takes longer

    def may_claim(self, shard: int, incarnation: int, term: int) -> bool:
        """See the statement RAISE."""
        if not self.shards.shards:
            return True
        row = self.shards.shards[shard]
        return (row.owner, row.term) == (incarnation, term)

    def owner(self, entity: str) -> int | None:
        """The incarnation of the node that owns it, by the rows; None: nobody."""
        return self.shards.owner(shard_of(entity, SHARDS)) if self.shards.shards else None

    def new_epoch(self) -> str:
        return f"{self._draw.getrandbits(32):08x}"

    @property
    def busy(self) -> bool:
        return bool(self._locks) or self.views.locks.busy

    def chance(self) -> float:
        return self._draw.random()

    def soon(self, work: Callable[[], Awaitable[None]]) -> None:
        """In a task of the database's own, until it restarts."""
        nursery = self._nursery
        if nursery is not None:
            nursery.parent_task.context.run(nursery.start_soon, work)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        NODE.set("database")
        try:
            while True:
                with trio.CancelScope() as self._session:
                    async with trio.open_nursery() as nursery:  # owner: this call, which a restart ends and begins anew
                        self._nursery = nursery
                        task_status.started()
                        task_status = trio.TASK_STATUS_IGNORED
                        await trio.sleep_forever()
                self._locks = {}  # the transactions that held them are rolled back
                self.views.locks.end_all()
        finally:
            self._nursery = None  # nodes may take longer to end, and still ask

    async def restart(self, down_s: float) -> None:
        """Die, and come back. What had not committed has not happened; who waited for it can't know."""
        self._timeline.note("database restarts", f"{down_s:.1f} s", who="database")
        self._down = True
        self._session.cancel()
        await trio.sleep(down_s)
        self._down = False

    def calm(self) -> None:
        """From now on everything arrives and runs."""
        self.faults = NO_FAULTS
        self._down = self.is_sluggish = False

    def fail_over(self) -> None:
        """A standby takes over that lacks the last thing that happened to some heads, where that was a claim.

        An event lost that way would be one that somebody was told of: that takes a new epoch, and comes with it.
        """
        lost = []
        for head_id, (offset, fence, incarnation) in self._before_claim.items():
            row = self.rows.by_id[head_id]
            if row.head.offset == offset and head_id not in self._locks and self._draw.random() < 0.7:
                row.head.fence, row.incarnation = self._owners[head_id] = fence, incarnation
                lost.append(row.head.entity)
        self._before_claim = {}
        self._timeline.note("failover", "claims lost:", *lost, who="database")

    def fall_behind(self) -> None:
        """From now on nothing reaches the standby."""
        events = {id(event): event for row in self.rows.by_id.values() for event in row.events}
        self._standby = copy.deepcopy(vars(self.rows), events)
        self._standby_shards = copy.deepcopy((self.shards.nodes, self.shards.shards))
        self._standby_views = self.views.committed()
        self._witness.fell_behind()

    def promote(self) -> None:
        """The standby takes over, as it was when it fell behind: a moment in the past, for all entities the same."""
        assert self._standby is not None
        rows, standby, self._standby = self.rows, self._standby, None
        had = {entity: row.head.offset for entity, row in sorted(rows.by_entity.items())}
        rows.letters.rows = standby["consequences"].of(LetterRows).rows
        vars(rows.consequences.of(JobTables)).update(vars(standby["consequences"].of(JobTables)))
        rows.by_entity, rows.by_id, rows.last_id = standby["by_entity"], standby["by_id"], standby["last_id"]
        self.shards.nodes, self.shards.shards = self._standby_shards
        self.views.restore(self._standby_views)
        if self.guards.timeline:
            rows.timeline += 1
        self._before_claim = {}
        self._owners = {}
        kept = {entity: row.head.offset for entity, row in sorted(rows.by_entity.items())}
        lost = [f"{entity} {kept.get(entity, 0) + 1}..{n}" for entity, n in had.items() if n > kept.get(entity, 0)]
        self._timeline.note("failover", "lost:", *lost, who="database")
        self._witness.failed_over(kept)

    def owns(self, head: Head, incarnation: int) -> bool:
        """Has this node claimed the head last, from the server that there is now?"""
        row = self.rows.by_id.get(head.id)
        owner = (head.fence, incarnation)
        return row is not None and (row.head.fence, row.incarnation) == owner == self._owners.get(head.id)

    async def call(self, what: str, port: Port, wire: Wire, work: Callable[[], Awaitable[T]], *, write: bool) -> T:
        """Send a statement and wait for its result. Raises: StoreUnavailable, OutcomeLost."""
        await port.step()
        draw, faults = self._draw, self.faults
        lost: type[Exception] = OutcomeLost if write else StoreUnavailable
        if draw.random() < faults.silent and trio.current_time() >= wire.silent_until:
            self._timeline.note("wire goes silent", what)
            wire.silent_until = trio.current_time() + faults.statement_s
        if trio.current_time() < wire.silent_until:
            # The deadline of the first statement on it shows it to be silent, and ends those behind it.
            await trio.sleep_until(wire.silent_until)
            await port.step()
            self._timeline.note(f"{what} lost", "on a silent wire")
            raise lost("simulated: no answer")
        if not port.to_database.speaks:
            await trio.sleep(faults.statement_s)
            await port.step()
            self._timeline.note(f"{what} lost", "cut off")
            raise lost("simulated: cut off")
        if self._down or self._nursery is None or draw.random() < faults.refused:
            await trio.sleep(draw.uniform(0.0, faults.latency_s))
            self._timeline.note(f"{what} refused")
            raise StoreUnavailable("simulated: refused")
        there_s = draw.uniform(0.0, faults.latency_s)
        back_s = draw.uniform(0.0, faults.latency_s)
        if self.is_sluggish:
            there_s += draw.uniform(0.0, faults.sluggish_s)
        if draw.random() < faults.slow:
            there_s += draw.uniform(0.0, 8.0)
        if draw.random() < faults.slow:
            back_s += draw.uniform(0.0, 8.0)
        statement = _Statement()
        self._begin(statement, there_s, work, back_s)
        if write and draw.random() < faults.repeated:
            self._timeline.note(f"{what} twice")
            self._begin(_Statement(), there_s + draw.uniform(0.0, 2.0), work, 0.0)
        unanswered = draw.random() < faults.unanswered or not port.to_database.hears
        try:
            if unanswered:
                await trio.sleep(faults.statement_s)
            elif draw.random() < faults.lost:
                with trio.move_on_after(draw.uniform(0.0, there_s + back_s + faults.latency_s)):
                    await statement.done.wait()
            else:
                await statement.done.wait()
        finally:
            statement.abandoned = True
        await port.step()
        if unanswered or not statement.done.is_set():
            self._timeline.note(f"{what} lost", "without an answer" if unanswered else "")
            raise lost("simulated: connection lost")
        if statement.error is not None:
            raise lost(str(statement.error)) if isinstance(statement.error, OutcomeLost) else statement.error
        return statement.result  # type: ignore[no-any-return]

    def _begin(self, statement: _Statement, there_s: float, work: Callable[[], Awaitable[Any]], back_s: float) -> None:
        nursery = self._nursery
        assert nursery is not None
        nursery.parent_task.context.run(nursery.start_soon, self._execute, statement, there_s, work, back_s)

    async def _execute(
        self, statement: _Statement, there_s: float, work: Callable[[], Awaitable[Any]], back_s: float
    ) -> None:
        draw, faults = self._draw, self.faults
        try:
            await trio.sleep(there_s)
            if statement.abandoned:
                if draw.random() < 0.3:
                    return  # never arrives
                if draw.random() < 0.5:
                    await trio.sleep(draw.uniform(0.0, faults.late_s))
                    self._timeline.note("late statement runs")
            try:
                statement.result = await work()
            except (StoreError, Raced, AssertionError) as error:
                statement.error = error
            await trio.sleep(back_s)
        except trio.Cancelled:
            statement.error = OutcomeLost("simulated: the database restarts")
            raise
        finally:
            statement.done.set()

    @asynccontextmanager
    async def locked(self, head_ids: Iterable[int]) -> AsyncIterator[None]:
        """Row locks, taken in the order of the ids so that nobody waits in a circle."""
        mine: list[int] = []
        locks = self._locks
        try:
            for head_id in sorted(head_ids):
                while head_id in locks:
                    await locks[head_id].wait()
                locks[head_id] = trio.Event()
                mine.append(head_id)
            yield
        finally:
            for head_id in mine:
                freed = locks.pop(head_id, None)
                if freed is not None:
                    freed.set()

    # Statements.

    async def append(self, tables: Tables, batch: Sequence[Append]) -> list[Outcome]:
        async with self.locked(item.head_id for item in batch):
            outcomes = [tables.admit(item) for item in batch]
            slow = self._draw.random() < self.faults.slow
            await trio.sleep(self._draw.uniform(0.0, 2.0 if slow else 0.01))  # to the disk
            for item, outcome in zip(batch, outcomes, strict=True):
                if outcome is Outcome.LANDED:
                    placed = tables.placed(item)
                    self._write(tables, placed)
                    self._witness.committed(self.rows.by_id[item.head_id].head, placed)
        return outcomes

    def _write(self, tables: Tables, item: Append) -> None:
        """In one statement; of what its guard is off for, in two."""
        apart = [name for name in TOGETHER if not getattr(self.guards, name)]
        if not apart or item.consequences is None:
            tables.write(item)
            return
        fields = {name: getattr(item.consequences, name) for name in item.consequences.__struct_fields__}
        together = Consequences(**{name: value for name, value in fields.items() if name not in apart})
        late = Consequences(**{name: value for name, value in fields.items() if name in apart})
        tables.write(replace(item, consequences=together))
        nursery = self._nursery
        if nursery is not None and self._draw.random() >= FORGOTTEN:
            nursery.parent_task.context.run(nursery.start_soon, self._write_late, tables, item.head_id, late)

    async def _write_late(self, tables: Tables, head_id: int, late: Consequences) -> None:
        await trio.sleep(self._draw.uniform(0.0, 0.1))
        after = self.rows.by_id[head_id].head.offset
        tables.write(Append(head_id, fence=0, after=after, events=[], consequences=late))

    async def claim(
        self, tables: Tables, terms: Mapping[str, int], *, window: int, above: Mapping[str, int]
    ) -> list[Claim]:
        known = {entity: row for entity in terms if (row := self.rows.by_entity.get(entity)) is not None}
        early = {entity: tables.load(row, row.head, window) for entity, row in known.items()}  # before any wait
        raised: dict[str, Head] = {}
        async with self.locked([row.head.id for row in known.values()] if self.guards.barrier else ()):
            for entity, term in terms.items():
                before = self.rows.by_entity.get(entity)
                if before is not None:
                    self._before_claim[before.head.id] = (before.head.offset, before.head.fence, before.incarnation)
                row = tables.raise_fence(entity, term, above.get(entity, 0) if self.guards.above else 0)
                if row is not None:
                    raised[entity] = replace(row.head)
                    self._owners[row.head.id] = (row.head.fence, row.incarnation)
            await trio.sleep(self._draw.uniform(0.0, 0.005))
        await trio.sleep(self._draw.uniform(0.0, 0.01))  # the load is a statement of its own
        found: list[Claim] = []
        for entity in terms:
            head = raised.get(entity)
            if head is None:
                found.append(NotOwner(entity))
                continue
            now = self.rows.by_entity[entity]
            claimed = tables.load(now, head, window)
            if not self.guards.separate_load and entity in early:
                claimed = replace(early[entity], head=head)
            if not self.guards.handover:
                claimed = replace(claimed, outbox=[])
            damage = claimed.damage()
            if damage is None:
                found.append(claimed)
            else:
                assert now.head.fence != head.fence, f"{entity}: {damage}"
                found.append(NotOwner(entity))  # somebody else has claimed it in the meantime
        return found
