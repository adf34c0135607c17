"""Each text of the append is guarded alike, by fence, incarnation, offset and lineage of the head once it is locked."""

from collections.abc import Callable

import asyncpg
import pytest
import trio
from msgspec.structs import replace

from greenroom.store.journal.consequences.consequences import Consequences
from greenroom.store.journal.consequences.marks import Marks
from greenroom.store.journal.consequences.outbox import Outbox, OutboxRow
from greenroom.store.journal.consequences.timers import TimerRow, Timers
from greenroom.store.journal.postgres.lone import text
from greenroom.store.journal.postgres.statement import WITH_IDS, WITHOUT_IDS, statement
from greenroom.store.journal.records import Append, Claimed, Outcome
from tests.store.journal.clusters import PostgresCluster, append_to, claim, event, memory, offsets, postgres

__all__ = ["memory", "postgres"]

SENT = Outbox([OutboxRow(1, b"{}")])


def timers(*names: str) -> Consequences:
    return Consequences(timers=Timers({name: TimerRow(name, 1_000, b"{}") for name in names}))


Shape = Callable[[Claimed, Claimed], list[Append]]

SHAPES: dict[str, tuple[str, Shape]] = {
    "a lone event": (text((), 1), lambda one, _: [append_to(one, event(1))]),
    "two events": (text((), 2), lambda one, _: [append_to(one, event(1), event(2))]),
    "a message and a mark": (
        text(("sent", "marked"), 1),
        lambda one, _: [
            replace(append_to(one, event(1)), consequences=Consequences(outbox=SENT, marks=Marks({4711: 7})))
        ],
    ),
    "a timer": (
        text(("moved",), 2),
        lambda one, _: [replace(append_to(one, event(1), event(2)), consequences=timers("a"))],
    ),
    "two timers": (
        WITHOUT_IDS,
        lambda one, _: [replace(append_to(one, event(1)), consequences=timers("a", "b"))],
    ),
    "three events": (WITHOUT_IDS, lambda one, _: [append_to(one, event(1), event(2), event(3))]),
    "two entities": (WITHOUT_IDS, lambda one, two: [append_to(one, event(1)), append_to(two, event(1))]),
    "a command id": (WITH_IDS, lambda one, _: [append_to(one, event(1, command_id="a", reply=b"1"))]),
    "one id of two": (
        WITH_IDS,
        lambda one, two: [append_to(one, event(1)), append_to(two, event(1, command_id="a", reply=b"1"))],
    ),
}


@pytest.fixture(params=SHAPES)
def shape(request: pytest.FixtureRequest) -> Shape:
    return SHAPES[request.param][1]


@pytest.mark.parametrize("name", SHAPES)
async def test_a_batch_gets_the_narrowest_text_that_does(name: str, postgres: PostgresCluster) -> None:
    node = postgres.node(1)
    sql, arguments = statement(SHAPES[name][1](await claim(node), await claim(node, "room:b")), 1)
    assert sql.startswith(SHAPES[name][0])
    assert f"${len(arguments)}" in sql and f"${len(arguments) + 1}" not in sql


@pytest.mark.parametrize("wrong", ["fence", "after", "incarnation", "lineage", None])
async def test_it_is_guarded(wrong: str | None, shape: Shape, postgres: PostgresCluster) -> None:
    node = postgres.node(1)
    batch = shape(await claim(node), await claim(node, "room:b"))
    first = batch[0]
    if wrong == "fence":
        batch[0] = replace(first, fence=first.fence - 1)
    elif wrong == "after":
        batch[0] = replace(first, after=7, events=[replace(one, offset=one.offset + 7) for one in first.events])
    elif wrong == "incarnation":
        node = postgres.node(2)
    elif wrong == "lineage":
        await execute(postgres, "UPDATE generation SET label = '.restored'")
    outcomes = await node.append(batch)
    refused = {"fence": 1, "after": 1, "incarnation": len(batch), "lineage": len(batch), None: 0}[wrong]
    assert outcomes == [Outcome.FENCED] * refused + [Outcome.LANDED] * (len(batch) - refused)
    assert await offsets(node) == ([] if refused else [one.offset for one in first.events])


async def test_it_goes_by_the_head_as_it_is_once_locked(shape: Shape, postgres: PostgresCluster) -> None:
    """A claim that is under way holds the row: the append waits, and then sees the new fence."""
    node = postgres.node(1)
    batch = shape(await claim(node), await claim(node, "room:b"))
    connection = await postgres.bridge.run(asyncpg.connect, postgres.url)
    await postgres.bridge.run(connection.execute, "BEGIN; UPDATE heads SET fence = fence + 1 WHERE entity = 'room:a'")
    outcomes: list[Outcome] = []

    async def append() -> None:
        outcomes.extend(await node.append(batch))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(append)
        await blocked(postgres)
        await postgres.bridge.run(connection.execute, "COMMIT")
    await postgres.bridge.run(connection.close)
    assert outcomes[0] is Outcome.FENCED and await offsets(node) == []


async def execute(cluster: PostgresCluster, sql: str) -> None:
    connection = await cluster.bridge.run(asyncpg.connect, cluster.url)
    await cluster.bridge.run(connection.execute, sql)
    await cluster.bridge.run(connection.close)


async def blocked(cluster: PostgresCluster) -> None:
    """Return once a session waits for another's lock."""
    connection = await cluster.bridge.run(asyncpg.connect, cluster.url)
    with trio.fail_after(10):
        while not await cluster.bridge.run(
            connection.fetchval,
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
        ):
            pass
    await cluster.bridge.run(connection.close)
