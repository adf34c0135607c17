"""Whatever is done to them in whatever order, the journal in memory and the one in Postgres answer the same."""

import itertools
from collections.abc import Sequence

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from store.bridge import Bridge
from store.journal import Append, Claimed, Head, Journal, StoredEvent
from store.journal_memory import MemoryJournal, MemoryRows
from store.journal_postgres import PostgresJournal
from store.pool import Pool

ENTITIES = ("a", "b", "c")
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


class Read(Struct, frozen=True):
    entity: str
    after: int
    before: int | None
    limit: int
    reverse: bool


Step = Claim | AppendBatch | Snapshot | Trim | Read

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
)
batches = st.lists(items, min_size=1, max_size=3, unique_by=lambda item: item.entity).map(tuple)
steps: st.SearchStrategy[Step] = st.one_of(
    st.builds(AppendBatch, nodes, batches),
    st.builds(AppendBatch, nodes, batches),  # twice as often as the others
    st.builds(Claim, nodes, st.lists(entities, min_size=1, max_size=3).map(tuple), st.integers(1, 3), small),
    st.builds(Snapshot, nodes, entities, st.sampled_from([0, 0, 1]), small),
    st.builds(Trim, entities, small, times_ms, times_ms),
    st.builds(Read, entities, small, st.none() | small, small, st.booleans()),
)


class Subject:
    """One implementation, driven by steps that name entities and activations instead of ids and fences."""

    def __init__(self, nodes: Sequence[Journal], prefix: str) -> None:
        self._nodes = nodes
        self._prefix = prefix
        self._claims: dict[str, list[Head]] = {entity: [] for entity in ENTITIES}

    async def take(self, step: Step) -> object:
        match step:
            case Claim():
                names = [self._prefix + entity for entity in step.entities]
                claimed = await self._nodes[step.node].claim(names, term=step.term, window=step.window)
                for result in claimed:
                    if isinstance(result, Claimed):
                        self._claims[result.head.entity.removeprefix(self._prefix)].append(result.head)
                return [
                    replace(result, head=self._anonymous(result.head)) if isinstance(result, Claimed) else type(result)
                    for result in claimed
                ]
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
            case Read():
                found, events = await self._nodes[0].read(
                    self._prefix + step.entity,
                    after=step.after,
                    before=step.before,
                    limit=step.limit,
                    reverse=step.reverse,
                )
                return found and self._anonymous(found), events

    async def state(self) -> object:
        """All that is observable in the end."""
        state = []
        for entity in ENTITIES:
            head, events = await self._nodes[0].read(self._prefix + entity, limit=1_000)
            offsets = [event.offset for event in events]
            assert head is None or offsets == [*range(head.trimmed + 1, head.offset + 1)]
            known = head and await self._nodes[0].replies(head.id, ["x", "y", "z", "\0", "\U0001f600"])
            state.append((head and self._anonymous(head), events, known))
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
            StoredEvent(after + n, 100 * (after + n), b"{}", None, command_id, command_id and b'"%d"' % (after + n))
            for n, command_id in enumerate(item.command_ids, 1)
        ]
        return Append(head.id, head.fence, after, events)

    def landed(self, step: Step, answer: object) -> None:
        """An activation moves on with what it has appended."""
        if isinstance(step, AppendBatch):
            assert isinstance(answer, list)
            present = [item for item in step.items if self._head(item.entity, item.activation) is not None]
            for item, outcome in zip(present, answer, strict=True):
                head = self._head(item.entity, item.activation)
                if outcome.value == "landed" and head is not None:
                    head.offset = max(0, head.offset + item.shift) + len(item.command_ids)

    def _anonymous(self, head: Head) -> Head:
        return replace(head, id=0, entity=head.entity.removeprefix(self._prefix))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(script=st.lists(steps, max_size=25))
async def test_memory_and_postgres_answer_the_same(database_url: str, script: list[Step]) -> None:
    prefix = f"e{next(example_numbers)}:"
    rows = MemoryRows()
    # Every script begins with a claim of all: without one nothing can happen.
    script = [Claim(0, ENTITIES, 1, 0), *script]
    async with Bridge() as bridge, Pool(bridge, database_url, incarnation=1, size=1) as pool:
        postgres = [PostgresJournal(pool, incarnation=n, new_epoch=lambda: "epoch") for n in (1, 2)]
        memory = [MemoryJournal(rows, incarnation=n, new_epoch=lambda: "epoch") for n in (1, 2)]
        subjects = (Subject(memory, prefix), Subject(postgres, prefix))
        for step in script:
            answers = [await subject.take(step) for subject in subjects]
            assert answers[0] == answers[1], step
            for subject, answer in zip(subjects, answers, strict=True):
                subject.landed(step, answer)
        assert await subjects[0].state() == await subjects[1].state()
