"""Command ids: what was done under one is not done again, for as long as it is kept."""

# ruff: noqa: F811 - fixtures are imported, and then arguments

import asyncpg
import trio

from greenroom.store.journal.records import Outcome, Remembered
from tests.store.journal.clusters import (  # noqa: F401 - fixtures
    Cluster,
    PostgresCluster,
    append_to,
    claim,
    cluster,
    event,
    memory,
    offsets,
    postgres,
    trim,
)


async def test_a_repeated_command_id_writes_nothing_and_the_first_reply_is_kept(cluster: Cluster) -> None:
    node = cluster.node(1)
    claimed = await claim(node)
    assert await node.append([append_to(claimed, event(1, command_id="a", reply=b'"one"'))]) == [Outcome.LANDED]
    again = await claim(cluster.node(2), term=2)
    repeat = append_to(again, event(2), event(3, command_id="a", reply=b'"two"'))
    node_2 = cluster.node(2)
    assert await node_2.append([repeat]) == [Outcome.REPEATED]
    assert await offsets(node_2) == [1]
    assert await node_2.replies(claimed.head.id, ["a", "b"]) == {"a": Remembered(b'"one"')}
    assert await node_2.append([append_to(again, event(2, command_id="b"))]) == [Outcome.LANDED]
    assert await node_2.replies(claimed.head.id, ["b"]) == {"b": Remembered(b"null")}


async def test_the_same_id_twice_in_one_append_is_a_repeat(cluster: Cluster) -> None:
    node = cluster.node(1)
    claimed = await claim(node)
    other = await claim(node, "room:b")
    twice = append_to(claimed, event(1, command_id="a"), event(2, command_id="a"))
    assert await node.append([twice, append_to(other, event(1, command_id="a"))]) == [Outcome.REPEATED, Outcome.LANDED]


async def test_fenced_comes_before_repeated(cluster: Cluster) -> None:
    """What is out of date must stop and look again; then it finds the command id."""
    node = cluster.node(1)
    claimed = await claim(node)
    await node.append([append_to(claimed, event(1, command_id="a"))])
    assert await node.append([append_to(claimed, event(1, command_id="a"))]) == [Outcome.FENCED]
    other = await claim(node, "room:b")
    twice = append_to(other, event(1, command_id="b"), event(2, command_id="b"))
    stale = append_to(claimed, event(1, command_id="a"))
    assert await node.append([twice, stale]) == [Outcome.REPEATED, Outcome.FENCED]


async def test_an_id_outlives_its_trimmed_event_until_it_is_old(cluster: Cluster) -> None:
    node = cluster.node(1)
    claimed = await claim(node)
    head, fence = claimed.head.id, claimed.head.fence
    events = [event(n, at_ms=n * 1_000, command_id=f"id-{n}", reply=b'"%d"' % n) for n in range(1, 5)]
    await node.append([append_to(claimed, *events)])
    assert await node.save_snapshot(head, fence=fence, offset=4, body=b"{}")
    assert await trim(node, head, keep_count=1, keep_after_ms=0, ids_after_ms=2_000) == 3
    assert await node.replies(head, [f"id-{n}" for n in range(1, 5)]) == {
        "id-2": Remembered(b'"2"'),
        "id-3": Remembered(b'"3"'),
        "id-4": Remembered(b'"4"'),
    }
    other = await claim(node, "room:b")
    outcomes = await node.append(
        [
            append_to(claimed, event(5, command_id="id-2"), after=4),
            append_to(other, event(1, command_id="id-2")),
        ]
    )
    assert outcomes == [Outcome.REPEATED, Outcome.LANDED]
    assert await node.append([append_to(claimed, event(5, command_id="id-1"), after=4)]) == [Outcome.LANDED]
    assert not await node.expire_ids(head, before_ms=3_000)
    assert set(await node.replies(head, ["id-2", "id-3"])) == {"id-3"}
    assert not await node.expire_ids(head, before_ms=9_000)
    assert await node.replies(head, ["id-2", "id-3"]) == {}


async def test_a_repeat_that_races_with_retention_is_still_a_repeat(postgres: PostgresCluster) -> None:
    """The append takes its snapshot, then the trim moves the id from the index to kept_ids, then the append goes on."""
    node = postgres.node(1)
    claimed = await claim(node)
    head = claimed.head.id
    first = [event(1, command_id="a", reply=b'"first"'), event(2)]
    assert await node.append([append_to(claimed, *first)]) == [Outcome.LANDED]
    assert await node.save_snapshot(head, fence=claimed.head.fence, offset=2, body=b"{}")
    other = await claim(node, "room:b")
    outcomes: list[Outcome] = []

    async def hold() -> asyncpg.Connection:
        connection = await asyncpg.connect(postgres.url)
        await connection.execute("BEGIN")
        await connection.execute('UPDATE heads SET "offset" = "offset" WHERE id = $1', head)
        return connection

    async def append() -> None:
        batch = [append_to(claimed, event(3, command_id="a"), after=2), append_to(other, event(1))]
        outcomes.extend(await node.append(batch))

    async def trim_inside(connection: asyncpg.Connection) -> None:
        await connection.execute(
            "INSERT INTO kept_ids SELECT id, command_id, reply, at_ms FROM journal WHERE command_id = 'a'"
        )
        await connection.execute("DELETE FROM journal WHERE command_id = 'a'")
        await connection.execute("UPDATE heads SET trimmed = 1 WHERE id = $1", head)
        await connection.execute("COMMIT")
        await connection.close()

    holder = await postgres.bridge.run(hold)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(append)
        await trio.sleep(0.1)  # real: it now waits for the row, its snapshot taken
        assert outcomes == []
        await postgres.bridge.run(trim_inside, holder)
    assert outcomes == [Outcome.REPEATED, Outcome.LANDED]


async def test_an_append_that_races_with_retention_lands_at_the_second_try(postgres: PostgresCluster) -> None:
    node = postgres.node(1)
    claimed = await claim(node)
    await node.append([append_to(claimed, event(1))])
    outcomes: list[Outcome] = []

    async def hold() -> asyncpg.Connection:
        connection = await asyncpg.connect(postgres.url)
        await connection.execute("BEGIN")
        await connection.execute("UPDATE heads SET trimmed = 1 WHERE id = $1", claimed.head.id)
        return connection

    async def append() -> None:
        outcomes.extend(await node.append([append_to(claimed, event(2), after=1)]))

    holder = await postgres.bridge.run(hold)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(append)
        await trio.sleep(0.1)
        await postgres.bridge.run(holder.execute, "COMMIT")
    await postgres.bridge.run(holder.close)
    assert outcomes == [Outcome.LANDED]
