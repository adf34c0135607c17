"""What a former release has stored wakes as the present entity: in the kernel, in memory and in a real Postgres."""

from collections.abc import AsyncIterator

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from greenroom.actors.model.errors import Unavailable
from greenroom.actors.model.kinds import Kind, Kinds
from greenroom.actors.schema.description import describe
from greenroom.actors.schema.rules import compare
from greenroom.actors.schema.stored_check import StoredCheck
from greenroom.config.limits import PassivationConfig
from greenroom.store.journal.journal import Journal
from greenroom.store.journal.journal_memory import MemoryJournal, MemoryRows
from greenroom.store.journal.journal_postgres import PostgresJournal
from greenroom.store.journal.records import Append, Claimed, StoredEvent
from greenroom.store.journal.walk import StoredWalk
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.pool import Pool
from greenroom.supervisors.kernel.cells.cell import SNAPSHOT_WORTH
from tests.actors.schema.former import FormerTill, Pay, Settle, Till, TillState, Total
from tests.supervisors.kernel.small_kernel import Kernel, kernel

PAID_ONLY = {"till.paid": Till.upcasters["till.paid"]}
FORMER_EVENTS = [
    b'{"type":"till.greeted","text":"hello"}',
    b'{"type":"till.cashed","amount":0.5}',
    b'{"type":"till.paid","euros":0.5}',
    b'{"type":"till.settled","euros":2}',
    b'{"type":"actor.noted"}',
]


async def pay(running: Kernel, times: int) -> int:
    for _ in range(times):
        await running.ask("till:a", Pay(euros=1))
    total: Total = await running.ask("till:a", Settle(euros=2))
    return total.cents


async def test_an_entity_wakes_from_what_its_former_release_recorded(autojump_clock: MockClock) -> None:
    rows = MemoryRows()
    async with kernel(rows=rows, kinds=(FormerTill,)) as former:
        assert await pay(former, 2) == 400
    async with kernel(rows=rows, incarnation=2, kinds=(Till,)) as present:
        assert await pay(present, 2) == 800
    async with kernel(rows=rows, incarnation=3, kinds=(Till,)) as again:
        assert await pay(again, 0) == 1000
        assert rows.by_entity["till:a"].head.offset == 7 + 4 + 2


async def test_a_former_snapshot_that_cannot_be_read_is_made_anew_from_upcast_events(autojump_clock: MockClock) -> None:
    rows = MemoryRows()
    asleep = PassivationConfig(sweep_s=1.0)
    times = SNAPSHOT_WORTH
    async with kernel(rows=rows, kinds=(FormerTill,), passivation=asleep) as former:
        await pay(former, times)
        await trio.sleep(FormerTill.limits.idle_s * 3)
        assert not former.awake()
    row = rows.by_entity["till:a"]
    assert row.snapshot is not None and b"euros" in row.snapshot
    async with kernel(rows=rows, incarnation=2, kinds=(Till,)) as present:
        assert await pay(present, 1) == times * 100 + 200 + 100 + 200


async def test_what_cannot_be_read_stops_its_entity_and_says_which_event(autojump_clock: MockClock) -> None:
    rows = MemoryRows()
    async with kernel(rows=rows, kinds=(FormerTill,)) as former:
        await pay(former, 1)
        await former.ask("till:b", Settle(euros=1))
    careless = type("Careless", (Till,), {"upcasters": {"till.settled": Till.upcasters["till.settled"]} | PAID_ONLY})
    async with kernel(rows=rows, incarnation=2, kinds=(careless,)) as present:
        with capture_logs() as logs:
            with pytest.raises(Unavailable):
                await present.ask("till:a", Pay(euros=1))
            assert (await present.ask("till:b", Pay(euros=1))).cents == 200
        (failed,) = [line for line in logs if line["event"] == "entity_failed"]
        assert failed["entity"] == "till:a" and "till.greeted" in failed["error"]


@pytest.fixture
async def postgres(database_url: str) -> AsyncIterator[Pool]:
    async with Bridge() as bridge, Pool(bridge, database_url, incarnation=1, size=2) as pool:
        yield pool


@pytest.fixture
async def in_postgres(postgres: Pool) -> Journal:
    return PostgresJournal(postgres, incarnation=1)


@pytest.fixture
async def in_memory() -> Journal:
    return MemoryJournal(MemoryRows(), incarnation=1)


@pytest.fixture(params=["in_memory", "in_postgres"])
def journal(request: pytest.FixtureRequest) -> Journal:
    journal: Journal = request.getfixturevalue(request.param)
    return journal


async def store(journal: Journal) -> None:
    (claimed,) = await journal.claim({"till:a": 1}, window=0)
    assert isinstance(claimed, Claimed)
    events = [StoredEvent(offset, 0, payload) for offset, payload in enumerate(FORMER_EVENTS, 1)]
    await journal.append([Append(claimed.head.id, claimed.head.fence, 0, events)])


async def test_stored_events_of_former_shapes_are_upcast(journal: Journal) -> None:
    await store(journal)
    (claimed,) = await journal.claim({"till:a": 1}, window=0)
    assert isinstance(claimed, Claimed)
    assert [event.payload for event in claimed.events] == FORMER_EVENTS  # never rewritten
    kind = Kind(Till)
    state = TillState()
    till = Till("till:a", None)  # type: ignore[arg-type]  # to apply events to, no more
    till.state = state
    for event in claimed.events:
        for present in kind.decode_events(event.payload):
            till.apply(present)
    assert state == TillState(cents=300, closed=1)


async def test_the_rules_agree_with_what_a_database_shows(postgres: Pool) -> None:
    """Without upcasters the rules name what the walk over the stored events then finds; with them neither does."""
    await store(PostgresJournal(postgres, incarnation=1))
    careless = type("Careless", (Till,), {"upcasters": {}})
    locked = describe([Kind(FormerTill)])
    for actor, unreadable in ((Till, set()), (careless, {"till.greeted", "till.cashed", "till.paid", "till.settled"})):
        kind = Kind(actor)
        broken = compare(locked, describe([kind]), [kind]).broken
        assert {one.what.removeprefix("event ") for one in broken if one.what.startswith("event")} == unreadable
        check = StoredCheck(Kinds([actor]))
        async with postgres.connection() as connection:
            await StoredWalk(connection).events(check.event, pages_max=100)
        assert {one.tag for one in check.types if one.unreadable} == unreadable
        assert check.failed == bool(unreadable)
