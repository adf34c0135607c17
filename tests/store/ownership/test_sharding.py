"""Shards: the same in every release, since what is stored is shared out by them."""

import asyncio

import asyncpg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from greenroom.store.ownership.sharding import SHARDS, mask_of, shard_of, shard_sql


def test_an_entity_stays_on_its_shard_in_every_release() -> None:
    assert [shard_of(name, SHARDS) for name in ("room:lobby", "session:ann", "room:é")] == [2215, 142, 2033]


@given(st.text(), st.integers(1, 65_536))
def test_a_shard_is_one_of_those_that_there_are(entity: str, shards: int) -> None:
    assert 0 <= shard_of(entity, shards) < shards


def test_entities_are_spread_evenly() -> None:
    counts = [0] * 16
    for number in range(16_000):
        counts[shard_of(f"room:{number}", 16)] += 1
    assert 850 < min(counts) <= max(counts) < 1_150


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"))), st.integers(1, 65_536))
def test_sql_says_the_same(database_url: str, entities: list[str], shards: int) -> None:
    async def ask() -> list[int]:
        connection = await asyncpg.connect(database_url)
        try:
            rows = "unnest($1::text[]) WITH ORDINALITY AS e (entity, n)"
            sql = f"SELECT {shard_sql('entity', '$2::int')} FROM {rows} ORDER BY n"
            return [row[0] for row in await connection.fetch(sql, entities, shards)]
        finally:
            await connection.close()

    assert asyncio.run(ask()) == [shard_of(entity, shards) for entity in entities]


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 100).flatmap(lambda n: st.tuples(st.just(n), st.frozensets(st.integers(0, n - 1)))))
def test_a_mask_has_a_bit_for_each_as_postgres_numbers_them(
    database_url: str, case: tuple[int, frozenset[int]]
) -> None:
    shards, owned = case

    async def ask() -> list[int]:
        connection = await asyncpg.connect(database_url)
        try:
            sql = "SELECT n FROM generate_series(0, $2::int - 1) n WHERE get_bit($1::bytea, n) = 1"
            return [row[0] for row in await connection.fetch(sql, mask_of(owned, shards), shards)]
        finally:
            await connection.close()

    assert asyncio.run(ask()) == sorted(owned)
