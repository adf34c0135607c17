"""What the database says of its nodes and shards, on a real Postgres."""

from collections.abc import AsyncIterator

import pytest

from greenroom.store.overview import cluster
from greenroom.store.overview.cluster import last_changes, node_rows
from greenroom.store.ownership.referee import Newcomer
from greenroom.store.ownership.referee_postgres import PostgresReferee
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.connection import Connection
from greenroom.store.postgres.pool import Pool

SHARDS = 8


@pytest.fixture
async def rows(database_url: str) -> AsyncIterator[Connection]:
    async with Bridge() as bridge, Pool(bridge, database_url, incarnation=9, size=1) as pool:
        yield pool.dedicated("members")


async def joined(rows: Connection, incarnation: int) -> PostgresReferee:
    referee = PostgresReferee(rows, incarnation=incarnation)
    await referee.agree(SHARDS)
    url = f"http://{incarnation}"
    new = Newcomer(url=url, version="1", host="h", process="p", capacity=50, is_alone=False)
    await referee.join(new, lease_s=60.0)
    await referee.enter("up")
    return referee


async def test_who_lives_comes_first_and_who_has_ended_says_why(
    rows: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "ENDED_MAX", 2)
    for incarnation in (1, 2, 3):
        await (await joined(rows, incarnation)).bury(incarnation, is_proven=True, why="stopped")
    await (await joined(rows, 4)).take("takeover", shards=[1, 2])
    found = await node_rows(rows.fetch)
    assert [one.incarnation for one in found] == [4, 2, 3], "of those that have ended, the last ones"
    alive, *ended = found
    assert (alive.state, alive.shards, alive.capacity, alive.url) == ("up", 2, 50, "http://4")
    assert 50 < alive.lease_left_s <= 60
    assert [(one.state, one.why, one.shards) for one in ended] == [("dead", "stopped", 0)] * 2


async def test_shards_are_told_together_by_their_last_change(rows: Connection) -> None:
    one, two = await joined(rows, 1), await joined(rows, 2)
    await one.take("takeover", shards=[0, 1, 2, 3])
    await one.give({0: (1, 2), 1: (1, 2)}, "moved")
    await rows.fetch("UPDATE shards SET since = to_timestamp(100) WHERE owner = 1")
    await rows.fetch("UPDATE shards SET since = to_timestamp(200.25) WHERE owner = 2")
    await rows.fetch("UPDATE shards SET since = to_timestamp(50) WHERE owner IS NULL")
    found = await last_changes(rows.fetch)
    told = [(change.at_ms, change.owner, change.cause, change.shards) for change in found]
    assert told == [(200_000, two.incarnation, "moved", 2), (100_000, 1, "takeover", 2), (50_000, None, "", 4)]
