"""What only Postgres can do as a referee: rows of the dead, sessions, terms in heads, claims that join the shards."""

from collections.abc import AsyncIterator, Callable

import pytest
import trio

from greenroom.store.errors import NotOwner, StoreUnavailable
from greenroom.store.journal.journal_postgres import PostgresJournal
from greenroom.store.journal.records import Append, Claimed, Outcome, StoredEvent
from greenroom.store.ownership.referee import Newcomer
from greenroom.store.ownership.referee_postgres import PostgresReferee
from greenroom.store.ownership.sharding import shard_of
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.connection import Connection
from greenroom.store.postgres.pool import Pool

SHARDS = 8
NewNode = Callable[[int], PostgresReferee]


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with Bridge() as bridge, Pool(bridge, database_url, incarnation=99) as pool:
        yield pool


@pytest.fixture
def node(pool: Pool) -> NewNode:
    """A node of that incarnation, on a connection of its own."""
    return lambda incarnation: PostgresReferee(pool.dedicated(f"lease-{incarnation}"), incarnation=incarnation)


async def joined(referee: PostgresReferee, *, lease_s: float = 60.0) -> PostgresReferee:
    await referee.agree(SHARDS)
    await referee.join(Newcomer(url="u", version="1", host="h", process="p"), lease_s=lease_s)
    return referee


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


async def test_terms_begin_above_those_that_heads_have_seen(node: NewNode, pool: Pool) -> None:
    """As in a copy of the heads without these rows."""
    assert isinstance(await claim(pool, 5, term=7), Claimed)
    first = await joined(node(1))
    assert await first.take("start") == dict.fromkeys(range(SHARDS), 8)


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
        await second.bury(1, is_proven=True, why="its process has ended")
        await second.end_sessions(1)
        async with pool.connection() as connection:
            alive = await connection.fetch("SELECT FROM pg_stat_activity WHERE pid = $1", before)
        assert not alive


async def test_behind_a_pooler_only_what_is_stuck_is_ended(pool: Pool, database_url: str) -> None:
    """There a session that bears the name of the dead may have been lent to anybody since, and be again at any time."""
    second = await joined(PostgresReferee(pool.dedicated("lease-2"), incarnation=2, is_pooled=True))
    async with Bridge() as bridge, Pool(bridge, database_url, incarnation=1) as theirs, trio.open_nursery() as nursery:
        idle, lent, stuck = (theirs.dedicated(name) for name in ("idle", "lent", "stuck"))
        before = [(await one.fetch("SELECT pg_backend_pid()"))[0][0] for one in (idle, lent, stuck)]
        ended, is_over = trio.Event(), trio.Event()

        async def hold() -> None:
            with pytest.raises(StoreUnavailable):
                await stuck.fetch("SELECT pg_sleep(8)")
            ended.set()

        async def work() -> None:
            while not is_over.is_set():
                await lent.fetch("SELECT pg_sleep(0.01)")

        nursery.start_soon(hold)
        nursery.start_soon(work)
        async with pool.connection() as connection:
            while not await connection.fetch("SELECT FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(8)'"):
                pass  # it is on its way
        for _ in range(5):
            await second.end_sessions(1)
        with trio.fail_after(4.0):
            await ended.wait()
        is_over.set()
        async with pool.connection() as connection:
            alive = await connection.fetch("SELECT pid FROM pg_stat_activity WHERE pid = ANY ($1::int[])", before)
        assert sorted(row[0] for row in alive) == sorted(before[:2])


async def test_a_renewal_beside_one_that_is_under_way_does_not_wait_for_it(pool: Pool) -> None:
    connections = {name: pool.dedicated(name) for name in ("members", "lease", "spare")}
    spare = connections["spare"]
    referee = PostgresReferee(connections["members"], incarnation=1, lease=connections["lease"], spare=spare)
    await joined(referee)
    left = "SELECT extract(epoch FROM lease_until - clock_timestamp()) FROM nodes"
    async with trio.open_nursery() as nursery:
        lock = "WITH held AS (SELECT FROM nodes FOR UPDATE) SELECT pg_sleep(0.5) FROM held"
        nursery.start_soon(connections["lease"].fetch, lock)
        async with pool.connection() as connection:
            while not await connection.fetch("SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'"):
                pass  # it is on its way
        began = trio.current_time()
        assert await referee.renew_beside(120.0) is None
        assert trio.current_time() - began < 0.4
        assert (await spare.fetch(left))[0][0] < 61
    assert await referee.renew_beside(120.0) is True
    assert (await spare.fetch(left))[0][0] > 100
    await referee.bury(1, is_proven=True, why="stopped")
    assert await referee.renew_beside(60.0) is False


# Claims: what a shard's owner may, and nobody else.


async def claim(pool: Pool, incarnation: int, *, term: int, entity: str = "room:a") -> Claimed | Exception:
    journal = PostgresJournal(pool, incarnation=incarnation, shards=SHARDS)
    (found,) = await journal.claim({entity: term}, window=0)
    return found


async def test_an_owner_claims_under_its_term_and_nobody_else_under_any(node: NewNode, pool: Pool) -> None:
    first = await joined(node(1))
    await first.take("start")
    claimed = await claim(pool, 1, term=1)
    assert isinstance(claimed, Claimed) and claimed.head.fence == 1 << 32 | 1
    for incarnation, term in ((2, 1), (2, 7), (1, 2)):
        assert isinstance(await claim(pool, incarnation, term=term), NotOwner)


async def test_what_is_nobodys_is_claimed_under_no_term(node: NewNode, pool: Pool) -> None:
    """A standby may have taken over that lacks who owns what: a head above its terms would be nobody's for ever."""
    first, second = await joined(node(1)), await joined(node(2))
    async with pool.connection() as connection:
        await connection.fetch("UPDATE shards SET term = 3, owner = NULL")
    for term in (3, 4, 7):
        assert isinstance(await claim(pool, 1, term=term), NotOwner)
    terms = await second.take("takeover")
    assert isinstance(await claim(pool, 2, term=terms[0]), Claimed)
    assert await first.take("takeover") == {}


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


async def test_what_another_owns_is_refused_alone_and_each_is_claimed_under_its_own_term(
    node: NewNode, pool: Pool
) -> None:
    await (await joined(node(1))).take("start")
    names = [f"room:{number}" for number in range(2 * SHARDS)]
    async with pool.connection() as connection:
        await connection.fetch("UPDATE shards SET term = 10 + shard, owner = CASE WHEN shard < 3 THEN 2 ELSE 1 END")
    terms = {name: 10 + shard_of(name, SHARDS) for name in names}
    found = await PostgresJournal(pool, incarnation=1, shards=SHARDS).claim(terms, window=0)
    for name, one in zip(names, found, strict=True):
        if shard_of(name, SHARDS) < 3:
            assert isinstance(one, NotOwner), name
        else:
            assert isinstance(one, Claimed) and one.head.fence == terms[name] << 32 | 1, name
    wrong = dict.fromkeys(names, 12)
    found = await PostgresJournal(pool, incarnation=1, shards=SHARDS).claim(wrong, window=0)
    assert all(isinstance(one, NotOwner) for one in found), "under no other shard's term"


async def test_to_warm_up_is_to_claim_nothing_and_to_append_nothing(pool: Pool) -> None:
    await PostgresJournal(pool, incarnation=1, shards=SHARDS).warm(lanes=3)
    async with pool.connection() as connection:
        for table in ("heads", "journal", "outbox"):
            assert await connection.fetch(f"SELECT FROM {table}") == []
        rows = await connection.fetch(
            "SELECT split_part(application_name, ' ', 3) FROM pg_stat_activity WHERE datname = current_database()"
        )
    assert {"claim-0", "claim-1", "lane-0", "lane-1", "lane-2"} <= {row[0] for row in rows}


async def test_without_any_owner_whoever_comes_may_claim(pool: Pool) -> None:
    """As tools do that work on a database that no node serves."""
    assert isinstance(await claim(pool, 1, term=1), Claimed)
