"""Whatever is done to them in whatever order, the journal in memory and the one in Postgres answer the same."""

import itertools
from collections.abc import Sequence

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from greenroom.store.journal.consequences.consequences import Consequences
from greenroom.store.journal.consequences.marks import Marks
from greenroom.store.journal.consequences.outbox import Outbox, OutboxRow
from greenroom.store.journal.consequences.timers import TimerRow, Timers
from greenroom.store.journal.journal_memory import MemoryJournal, MemoryRows
from greenroom.store.journal.journal_postgres import PostgresJournal
from greenroom.store.journal.keep import Rule
from greenroom.store.journal.records import Append, Claimed, Head, StoredEvent
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.pool import Pool

ENTITIES = ("a", "b", "c")
NOW_MS = 0  # when all claims are made: before every event
example_numbers = itertools.count()


class Claim(Struct, frozen=True):
    node: int
    entities: tuple[str, ...]
    term: int
    window: int


class AppendItem(Struct, frozen=True):
    entity: str
    activation: int  # which of the claims seen so far it acts for, counted from the newest
    shift: int  # of the offset that it believes in
    command_ids: tuple[str | None, ...]  # one for each event
    sends: bool = False  # a row into the outbox
    received: tuple[tuple[int, int], ...] = ()  # marks: sender, sequence number
    timers: tuple[tuple[str, int | None], ...] = ()  # name, due (None: no more of it)


class AppendBatch(Struct, frozen=True):
    node: int
    items: tuple[AppendItem, ...]


class Snapshot(Struct, frozen=True):
    node: int
    entity: str
    activation: int
    offset: int


class Trim(Struct, frozen=True):
    entity: str
    keep_count: int
    keep_after_ms: int
    ids_after_ms: int


class ExpireIds(Struct, frozen=True):
    entity: str
    before_ms: int


class Fold(Struct, frozen=True):
    """A snapshot made from what is stored, under the fence of one of the claims."""

    entity: str
    activation: int
    offset: int


class Sweep(Struct, frozen=True):
    """A look at what is due for all entities, and the removal of what is unused."""

    events: int
    after_ms: int
    claimed_before_ms: int


class Read(Struct, frozen=True):
    entity: str
    after: int
    before: int | None
    limit: int
    reverse: bool


class Delivered(Struct, frozen=True):
    rows: tuple[tuple[str, int], ...]  # entity, position


class Look(Struct, frozen=True):
    """At what of an entity everybody may see, in pages."""

    entity: str
    after: int
    limit: int


Step = Claim | AppendBatch | Snapshot | Trim | ExpireIds | Fold | Sweep | Read | Delivered | Look

entities = st.sampled_from(ENTITIES)
nodes = st.integers(0, 1)
small = st.integers(0, 12)
times_ms = st.integers(0, 24).map(lambda n: 50 * n)  # on the events' times, and between them
command_ids = st.none() | st.sampled_from(["x", "y", "z", "\0", "\U0001f600"])
items = st.builds(
    AppendItem,
    entity=entities,
    activation=st.sampled_from([0, 0, 0, 0, 1]),
    shift=st.sampled_from([0, 0, 0, 0, 0, 0, 1, -1]),
    command_ids=st.lists(command_ids, max_size=4).map(tuple),
    sends=st.booleans(),
    received=st.lists(st.tuples(st.integers(1, 3), small), max_size=2).map(tuple),
    timers=st.lists(st.tuples(st.sampled_from(["t", "u", "\0"]), st.none() | small), max_size=2).map(tuple),
)
batches = st.lists(items, min_size=1, max_size=3, unique_by=lambda item: item.entity).map(tuple)
steps: st.SearchStrategy[Step] = st.one_of(
    st.builds(AppendBatch, nodes, batches),
    st.builds(AppendBatch, nodes, batches),  # twice as often as the others
    st.builds(Claim, nodes, st.lists(entities, min_size=1, max_size=3).map(tuple), st.integers(1, 3), small),
    st.builds(Snapshot, nodes, entities, st.sampled_from([0, 0, 1]), small),
    st.builds(Trim, entities, small, times_ms, times_ms),
    st.builds(ExpireIds, entities, times_ms),
    st.builds(Fold, entities, st.sampled_from([0, 0, 1]), small),
    st.builds(Sweep, small, times_ms, st.sampled_from([NOW_MS, NOW_MS + 1])),
    st.builds(Read, entities, small, st.none() | small, small, st.booleans()),
    st.builds(Delivered, st.lists(st.tuples(entities, small), max_size=3).map(tuple)),
    st.builds(Look, entities, small, st.integers(1, 5)),
)


class Subject:
    """One implementation, driven by steps that name entities and activations instead of ids and fences."""

    def __init__(self, nodes: Sequence[MemoryJournal] | Sequence[PostgresJournal], prefix: str) -> None:
        self._nodes = nodes
        self._prefix = prefix
        self._claims: dict[str, list[Head]] = {entity: [] for entity in ENTITIES}

    async def take(self, step: Step) -> object:
        match step:
            case Claim():
                names = [self._prefix + entity for entity in step.entities]
                claimed = await self._nodes[step.node].claim(dict.fromkeys(names, step.term), window=step.window)
                for result in claimed:
                    if isinstance(result, Claimed):
                        self._claims[result.head.entity.removeprefix(self._prefix)].append(result.head)
                return [self._seen(result) if isinstance(result, Claimed) else type(result) for result in claimed]
            case AppendBatch():
                batch = [append for item in step.items if (append := self._append(item)) is not None]
                return await self._nodes[step.node].append(batch)
            case Snapshot():
                head = self._head(step.entity, step.activation)
                return head and await self._nodes[step.node].save_snapshot(
                    head.id, fence=head.fence, offset=step.offset, body=b"at %d" % step.offset
                )
            case Trim():
                head = self._head(step.entity, 0)
                return head and await self._nodes[0].trim(
                    head.id,
                    keep_count=step.keep_count,
                    keep_after_ms=step.keep_after_ms,
                    ids_after_ms=step.ids_after_ms,
                )
            case ExpireIds():
                head = self._head(step.entity, 0)
                return head and await self._nodes[0].expire_ids(head.id, before_ms=step.before_ms)
            case Fold():
                head = self._head(step.entity, step.activation)
                return head and await self._nodes[0].save_folded(
                    head.id, fence=head.fence, offset=step.offset, body=b"folded at %d" % step.offset
                )
            case Sweep():
                return await self._sweep(step)
            case Read():
                found, events = await self._nodes[0].read(
                    self._prefix + step.entity,
                    after=step.after,
                    before=step.before,
                    limit=step.limit,
                    reverse=step.reverse,
                )
                return found and self._anonymous(found), events
            case Delivered():
                heads = [(self._head(entity, 0), position) for entity, position in step.rows]
                rows = [(head.id, at) for head, at in heads if head is not None]
                node = self._nodes[0]
                await node.delivered(rows, lineage=await node.lineage())
                return None
            case Look():
                head = self._head(step.entity, 0)
                return head and await self._look(head, step.after, step.limit)

    async def _sweep(self, step: Sweep) -> object:
        node, kind = self._nodes[0], self._prefix.removesuffix(":")
        first = min((head.id for claims in self._claims.values() for head in claims), default=1)
        rule = Rule(kind, step.events, step.events, step.after_ms, step.after_ms)
        looked = await node.look([rule], after_id=first - 1, limit=1_000, unused_before_ms=step.claimed_before_ms)
        due = [
            (one.entity.removeprefix(self._prefix), one.uncovered, one.covered, one.expired_ids, one.unused)
            for one in looked.found
            if one.entity.startswith(self._prefix)
        ]
        ids = [head.id for claims in self._claims.values() for head in claims]
        removed = await node.remove_unused(ids, claimed_before_ms=step.claimed_before_ms)
        stored = [await node.stored(self._prefix + entity) for entity in ENTITIES]
        return sorted(due), removed, [one and self._seen(one) for one in stored]

    async def _look(self, head: Head, after: int, limit: int) -> object:
        node = self._nodes[0]
        rows = await node.outbox(after=(head.id, after), limit=limit)
        due = await node.due(before_ms=100, after=(after, head.id), limit=1_000)
        return (
            [(row.offset, row.body, row.entity == head.entity) for row in rows if row.head_id == head.id],
            [one.due_ms for one in due if one.head_id == head.id],
            await node.received(head.id, [1, 2, 3, 4]),
        )

    async def state(self) -> object:
        """All that is observable in the end."""
        state = []
        for entity in ENTITIES:
            head, events = await self._nodes[0].read(self._prefix + entity, limit=1_000)
            offsets = [event.offset for event in events]
            assert head is None or offsets == [*range(head.trimmed + 1, head.offset + 1)]
            known = head and await self._nodes[0].replies(head.id, ["x", "y", "z", "\0", "\U0001f600"])
            left = head and await self._look(head, 0, 1_000)
            state.append((head and self._anonymous(head), events, known, left))
        return state

    def _head(self, entity: str, activation: int) -> Head | None:
        claims = self._claims[entity]
        return claims[-1 - activation] if len(claims) > activation else None

    def _append(self, item: AppendItem) -> Append | None:
        head = self._head(item.entity, item.activation)
        if head is None:
            return None
        after = max(0, head.offset + item.shift)
        events = [
            StoredEvent(at, 100 * at, b"{}", None, command_id, b'"%d"' % at if command_id else None, after)
            for at, command_id in enumerate(item.command_ids, after + 1)
        ]
        consequences = None
        if item.sends or item.received or item.timers:
            position = after + len(events)
            consequences = Consequences(
                outbox=Outbox([OutboxRow(position, b"%d" % position)] if item.sends and events else []),
                marks=Marks(item.received),
                timers=Timers(
                    (name, None if due_ms is None else TimerRow(name, due_ms, b"%d" % after))
                    for name, due_ms in item.timers
                ),
            )
        return Append(head.id, head.fence, after, events, consequences)

    def landed(self, step: Step, answer: object) -> None:
        """An activation moves on with what it has appended."""
        if isinstance(step, AppendBatch):
            assert isinstance(answer, list)
            present = [item for item in step.items if self._head(item.entity, item.activation) is not None]
            for item, outcome in zip(present, answer, strict=True):
                head = self._head(item.entity, item.activation)
                if outcome.value == "landed" and head is not None:
                    head.offset = max(0, head.offset + item.shift) + len(item.command_ids)

    def _seen(self, claimed: Claimed) -> Claimed:
        return replace(
            claimed,
            head=self._anonymous(claimed.head),
            outbox=[replace(row, head_id=0, entity="") for row in claimed.outbox],
            timers=sorted(claimed.timers, key=lambda row: (row.due_ms, row.name)),
        )

    def _anonymous(self, head: Head) -> Head:
        return replace(head, id=0, entity=head.entity.removeprefix(self._prefix))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(script=st.lists(steps, max_size=25))
@example([AppendBatch(0, (AppendItem("b", 0, 0, (), timers=(("t", 0),)),)), Claim(0, ("b",), 1, 0)])
async def test_memory_and_postgres_answer_the_same(database_url: str, script: list[Step]) -> None:
    prefix = f"e{next(example_numbers)}:"
    rows = MemoryRows()

    def now() -> float:
        return NOW_MS / 1_000

    # Every script begins with a claim of all: without one nothing can happen.
    script = [Claim(0, ENTITIES, 1, 0), *script]
    async with Bridge() as bridge, Pool(bridge, database_url, incarnation=1, size=1) as pool:
        postgres = [PostgresJournal(pool, incarnation=n, new_epoch=lambda: "epoch", now=now) for n in (1, 2)]
        memory = [MemoryJournal(rows, incarnation=n, new_epoch=lambda: "epoch", now=now) for n in (1, 2)]
        subjects = (Subject(memory, prefix), Subject(postgres, prefix))
        async with pool.connection() as connection:
            await connection.fetch("UPDATE fence_floor SET activation = 0")  # which another script has raised
        for step in script:
            answers = [await subject.take(step) for subject in subjects]
            assert answers[0] == answers[1], step
            for subject, answer in zip(subjects, answers, strict=True):
                subject.landed(step, answer)
        assert await subjects[0].state() == await subjects[1].state()
