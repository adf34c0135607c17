"""Sweeps by shard: each node finds what is on its own, and nothing of another's, however much of that there is.

Held by both implementations; what was written before there were shards exists in Postgres alone.
"""

# ruff: noqa: F811 - fixtures are imported, and then arguments

import pytest

from greenroom.store.journal.consequences.consequences import Consequences
from greenroom.store.journal.consequences.outbox import Outbox, OutboxRow
from greenroom.store.journal.consequences.timers import TimerRow, Timers
from greenroom.store.journal.journal import Journal
from greenroom.store.journal.keep import Keep, rule
from greenroom.store.journal.postgres import sweeps
from greenroom.store.journal.records import Claimed
from greenroom.store.ownership.sharding import SHARDS, shard_of
from tests.store.journal.clusters import (  # noqa: F401 - fixtures
    Cluster,
    PostgresCluster,
    append_to,
    claim,
    cluster,
    event,
    memory,
    postgres,
)

NAMES = [f"room:{number}" for number in range(12)]
EVEN = frozenset(range(0, SHARDS, 2))
ODD = frozenset(range(1, SHARDS, 2))
HALVES = {shards: [name for name in NAMES if shard_of(name, SHARDS) in shards] for shards in (EVEN, ODD)}
NEVER_MS = 1 << 60


async def fill(node: Journal, *, rows: int = 1) -> dict[str, Claimed]:
    """Each entity with a timer, and so many rows in its outbox."""
    claims = {name: await claim(node, name) for name in NAMES}
    for name, claimed in claims.items():
        append = append_to(claimed, *(event(offset) for offset in range(1, rows + 1)))
        append.shard = claimed.head.shard
        append.consequences = Consequences(
            outbox=Outbox([OutboxRow(offset, name.encode()) for offset in range(1, rows + 1)]),
            timers=Timers({"t": TimerRow("t", 1_000, b"x"), "never": TimerRow("never", NEVER_MS, b"x")}),
        )
        await node.append([append])
    return claims


async def outbox(node: Journal, shards: frozenset[int] | None, *, limit: int = 3) -> list[str]:
    """The senders of all rows, page by page, by name."""
    found: list[str] = []
    after = (0, 0)
    while page := await node.outbox(after=after, limit=limit, shards=shards):
        assert len(page) <= limit
        found += [row.entity for row in page]
        after = (page[-1].head_id, page[-1].offset)
    return found


async def due(node: Journal, shards: frozenset[int] | None, *, limit: int = 3) -> list[str]:
    found: list[str] = []
    after = (0, 0)
    while True:
        page = await node.due(before_ms=5_000, after=after, limit=limit, shards=shards)
        found += [one.entity for one in page]
        if len(page) < limit:
            return found
        after = page[-1][:2]


@pytest.mark.bound("rows of all nodes that one statement of a node's sweep passes over")
@pytest.mark.parametrize("passed_max", [1, 5, sweeps.PASSED_MAX])
async def test_each_half_is_found_by_who_sweeps_it_and_all_by_who_sweeps_all(
    cluster: Cluster, passed_max: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeps, "PASSED_MAX", passed_max)
    node = cluster.node(1)
    await fill(node, rows=2)
    for shards, names in HALVES.items():
        assert 0 < len(names) < len(NAMES)
        assert await outbox(node, shards) == [name for name in names for _ in range(2)]
        assert await due(node, shards) == names
        assert await outbox(node, shards, limit=100) == [name for name in names for _ in range(2)]
        assert await due(node, shards, limit=100) == names
    assert await outbox(node, None) == [name for name in NAMES for _ in range(2)]
    assert await due(node, None) == NAMES
    for nobody in (frozenset[int](), frozenset({shard_of("room:nobody", SHARDS)})):
        assert await outbox(node, nobody) == await due(node, nobody) == []


async def test_retention_looks_at_its_own(cluster: Cluster) -> None:
    node = cluster.node(1)
    await fill(node, rows=9)
    rules = [rule("room", Keep(events=2), 1e9)]
    for shards, names in HALVES.items():
        looked = await node.look(rules, after_id=0, limit=100, unused_before_ms=0, shards=shards)
        assert [found.entity for found in looked.found] == names
    looked = await node.look(rules, after_id=0, limit=100, unused_before_ms=0)
    assert [found.entity for found in looked.found] == NAMES


# Postgres alone.


async def fetch(postgres: PostgresCluster, sql: str) -> list[tuple[object, ...]]:
    async with postgres.pools[0].connection() as connection:
        return [tuple(row) for row in await connection.fetch(sql)]


async def test_claims_and_appends_write_the_shard(postgres: PostgresCluster) -> None:
    await fill(postgres.node(1))
    expected = sorted((name, shard_of(name, SHARDS)) for name in NAMES)
    assert sorted(await fetch(postgres, "SELECT entity, shard FROM heads")) == expected
    of_rows = "SELECT DISTINCT h.entity, r.shard FROM {} r JOIN heads h USING (id)"
    for table in ("outbox", "timers"):
        assert sorted(await fetch(postgres, of_rows.format(table))) == expected


@pytest.mark.parametrize("unknown", [("outbox", "timers"), ("heads", "outbox", "timers")])
async def test_what_a_release_without_shards_has_written_is_found_too(
    unknown: tuple[str, ...], postgres: PostgresCluster
) -> None:
    """A row is where its head is, and a head where its name says."""
    node = postgres.node(1)
    await fill(node)
    for table in unknown:
        await fetch(postgres, f"UPDATE {table} SET shard = NULL")
    rules = [rule("room", Keep(events=0), 1e9)]
    for shards, names in HALVES.items():
        assert await outbox(node, shards) == await due(node, shards) == names
        looked = await node.look(rules, after_id=0, limit=100, unused_before_ms=0, shards=shards)
        assert [found.entity for found in looked.found] == names


async def test_a_claim_and_then_an_append_place_what_was_not(postgres: PostgresCluster) -> None:
    node = postgres.node(1)
    await fill(node)
    for table in ("heads", "outbox", "timers"):
        await fetch(postgres, f"UPDATE {table} SET shard = NULL")
    claimed = await claim(node, NAMES[0])
    append = append_to(claimed, event(2), after=1)
    append.shard = claimed.head.shard
    append.consequences = Consequences(timers=Timers({"t": TimerRow("t", 2_000, b"x")}))
    await node.append([append])
    shard = shard_of(NAMES[0], SHARDS)
    assert await fetch(postgres, "SELECT entity, shard FROM heads WHERE shard IS NOT NULL") == [(NAMES[0], shard)]
    assert await fetch(postgres, "SELECT due_ms, shard FROM timers WHERE shard IS NOT NULL") == [(2_000, shard)]


@pytest.mark.parametrize("shards", [None, EVEN])
async def test_retention_places_heads_that_sleep(shards: frozenset[int] | None, postgres: PostgresCluster) -> None:
    node = postgres.node(1)
    await fill(node)
    await fetch(postgres, "UPDATE heads SET shard = NULL")
    after: int | None = 0
    while after is not None:
        looked = await node.look([], after_id=after, limit=5, unused_before_ms=0, shards=shards)
        after = looked.last_id
    expected = sorted((name, shard_of(name, SHARDS)) for name in NAMES)
    assert sorted(await fetch(postgres, "SELECT entity, shard FROM heads")) == expected


async def test_marks_are_looked_at_by_their_receivers_shard(postgres: PostgresCluster) -> None:
    node = postgres.node(1)
    claims = await fill(node)
    for name, claimed in claims.items():
        await fetch(
            postgres,
            f"INSERT INTO received (id, sender, seq, at) SELECT {claimed.head.id}, 10000, 1, now() - interval '2 days'",
        )
        assert shard_of(name, SHARDS) == claimed.head.shard
    removed, _ = await node.expire_marks(after=(0, 0), limit=100, older_than_s=86_400, shards=EVEN)
    assert removed == len(HALVES[EVEN])
    removed, _ = await node.expire_marks(after=(0, 0), limit=100, older_than_s=86_400)
    assert removed == len(HALVES[ODD])
