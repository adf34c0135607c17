"""The referee on a real Postgres: leases on its clock, shards that change hands only from nobody to somebody."""

from collections.abc import AsyncIterator, Callable

import pytest

from greenroom.store.errors import NotOwner
from greenroom.store.journal.journal_postgres import PostgresJournal
from greenroom.store.journal.records import Append, Claimed, Outcome, StoredEvent
from greenroom.store.ownership.referee import Referee, ShardsDiffer
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.connection import Connection
from greenroom.store.postgres.pool import Pool

SHARDS = 8
NewNode = Callable[[int], Referee]


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with Bridge() as bridge, Pool(bridge, database_url, incarnation=99) as pool:
        yield pool


@pytest.fixture
def node(pool: Pool) -> NewNode:
    """A node of that incarnation, on a connection of its own."""
    return lambda incarnation: Referee(pool.dedicated(f"lease-{incarnation}"), incarnation=incarnation)


async def joined(referee: Referee, *, lease_s: float = 60.0) -> Referee:
    await referee.agree(SHARDS)
    await referee.join(url=f"http://{referee.incarnation}", version="1", host="h", process="p", lease_s=lease_s)
    return referee


async def run_out(pool: Pool, incarnation: int) -> None:
    async with pool.connection() as connection:
        await connection.fetch(
            "UPDATE nodes SET lease_until = clock_timestamp() - interval '1 ms' WHERE incarnation = $1", incarnation
        )


async def owners(pool: Pool) -> set[int | None]:
    async with pool.connection() as connection:
        return {row[0] for row in await connection.fetch("SELECT DISTINCT owner FROM shards")}


async def test_who_comes_first_takes_all_and_who_comes_second_finds_nothing(node: NewNode) -> None:
    first, second = await joined(node(1)), await joined(node(2))
    assert await first.take("start") == dict.fromkeys(range(SHARDS), 1)
    assert await second.take("start") == {}
    assert await first.take("again") == {}, "what is taken is not taken twice"


async def test_a_node_is_seen_by_the_others_with_what_is_left_of_its_lease(node: NewNode) -> None:
    first, second = await joined(node(1)), await joined(node(2))
    (seen,) = await second.others()
    assert (seen.incarnation, seen.url, seen.host, seen.process) == (1, "http://1", "h", "p")
    assert 50 < seen.left_s <= 60
    assert await first.renew(120.0)
    (later,) = await second.others()
    assert later.until > seen.until and later.left_s > 100


async def test_nobody_is_declared_dead_before_the_lease_has_run_out_unless_it_is_proven(
    node: NewNode, pool: Pool
) -> None:
    first, second = await joined(node(1)), await joined(node(2))
    await first.take("start")
    assert not await second.bury(1, is_proven=False, why="lease")
    assert await owners(pool) == {1}
    assert await second.bury(1, is_proven=True, why="its process has ended")
    assert await owners(pool) == {None}
    assert await second.take("takeover") == dict.fromkeys(range(SHARDS), 3), "a term for its end, and one for ours"


async def test_a_lease_that_has_run_out_is_enough_and_then_death_is_final(node: NewNode, pool: Pool) -> None:
    first, second = await joined(node(1)), await joined(node(2))
    await first.take("start")
    await run_out(pool, 1)
    assert await first.renew(60.0), "late, and nobody has taken over"
    assert not await second.bury(1, is_proven=False, why="lease")
    await run_out(pool, 1)
    assert await second.bury(1, is_proven=False, why="lease")
    assert not await second.bury(1, is_proven=False, why="lease"), "once"
    assert not await first.renew(60.0)
    assert await first.take("again") == {}, "the dead take nothing"
    assert [one.incarnation for one in await first.others()] == [2]


async def test_what_a_dead_node_owns_is_to_be_had(node: NewNode, pool: Pool) -> None:
    """Its own taking may have come to its end after its burial had looked for what it owns."""
    first, second = await joined(node(1)), await joined(node(2))
    async with pool.connection() as connection:
        await connection.fetch("UPDATE shards SET owner = 1, term = 1")
        assert await second.take("start") == {}, "of one that lives it is not"
        await connection.fetch("UPDATE nodes SET state = 'dead', ended_at = now() - interval '8 days'")
        third = await joined(node(3))
        assert await third.take("takeover") == dict.fromkeys(range(SHARDS), 2)
    assert not await first.renew(60.0)


async def test_who_has_withdrawn_was_never_there_unless_it_owns_something(node: NewNode) -> None:
    first, second = await joined(node(1)), await joined(node(2))
    await first.take("start")
    for referee in (first, second):
        await referee.withdraw()
    assert await second.others() != [] == await first.others()


async def test_terms_begin_above_those_that_heads_have_seen(node: NewNode, pool: Pool) -> None:
    """As in a copy of the heads without these rows."""
    assert isinstance(await claim(pool, 5, term=7), Claimed)
    first = await joined(node(1))
    assert await first.take("start") == dict.fromkeys(range(SHARDS), 8)


async def test_another_number_of_shards_is_refused(node: NewNode) -> None:
    await joined(node(1))
    with pytest.raises(ShardsDiffer, match="must be 8, as this database was set up with, and is 16"):
        await node(2).agree(16)
    await node(2).agree(8)


async def test_rows_of_the_dead_are_kept_for_a_week(node: NewNode, pool: Pool) -> None:
    first = await joined(node(1))
    await first.bury(1, is_proven=True, why="stopped")
    await joined(node(2))
    async with pool.connection() as connection:
        await connection.fetch("UPDATE nodes SET ended_at = ended_at - interval '8 days' WHERE incarnation = 1")
        await joined(node(3))
        left = await connection.fetch("SELECT incarnation FROM nodes ORDER BY 1")
    assert [row[0] for row in left] == [2, 3]


async def test_sessions_of_the_dead_are_ended(node: NewNode, pool: Pool, database_url: str) -> None:
    await joined(node(1))
    second = await joined(node(2))
    async with Bridge() as bridge, Pool(bridge, database_url, incarnation=1) as theirs:
        held: Connection = theirs.dedicated("lane-0")
        before = (await held.fetch("SELECT pg_backend_pid()"))[0][0]
        assert await second.bury(1, is_proven=True, why="its process has ended")
        async with pool.connection() as connection:
            alive = await connection.fetch("SELECT FROM pg_stat_activity WHERE pid = $1", before)
        assert not alive


# Claims: what a shard's owner may, and nobody else.


async def claim(pool: Pool, incarnation: int, *, term: int, entity: str = "room:a") -> Claimed | Exception:
    journal = PostgresJournal(pool, incarnation=incarnation, shards=SHARDS)
    (found,) = await journal.claim([entity], term=term, window=0)
    return found


async def test_an_owner_claims_under_its_term_and_nobody_else_under_any(node: NewNode, pool: Pool) -> None:
    first = await joined(node(1))
    await first.take("start")
    claimed = await claim(pool, 1, term=1)
    assert isinstance(claimed, Claimed) and claimed.head.fence == 1 << 32 | 1
    for incarnation, term in ((2, 1), (2, 7), (1, 2)):
        assert isinstance(await claim(pool, incarnation, term=term), NotOwner)


async def test_the_dead_neither_claim_nor_append_once_another_has_taken_over(node: NewNode, pool: Pool) -> None:
    first, second = await joined(node(1)), await joined(node(2))
    await first.take("start")
    claimed = await claim(pool, 1, term=1)
    assert isinstance(claimed, Claimed)
    await second.bury(1, is_proven=True, why="its process has ended")
    assert isinstance(await claim(pool, 1, term=1), NotOwner), "not in a shard that is nobody's either"
    terms = await second.take("takeover")
    taken = await claim(pool, 2, term=terms[0])
    assert isinstance(taken, Claimed) and taken.head.fence == 3 << 32 | 1
    append = Append(claimed.head.id, claimed.head.fence, 0, [StoredEvent(1, 0, b'{"type":"x"}')])
    assert await PostgresJournal(pool, incarnation=1).append([append]) == [Outcome.FENCED]


async def test_without_any_owner_whoever_comes_may_claim(pool: Pool) -> None:
    """As tools do that work on a database that no node serves."""
    assert isinstance(await claim(pool, 1, term=1), Claimed)
