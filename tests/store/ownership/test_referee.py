"""The referee's promises, on a real Postgres and in memory: leases on its clock, shards whose terms rise."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest

from greenroom.store.ownership.referee import Newcomer, Owned, Referee, ShardsDiffer
from greenroom.store.ownership.referee_memory import MemoryReferee, MemoryShards
from greenroom.store.ownership.referee_postgres import PostgresReferee
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.pool import Pool

SHARDS = 8
ALL = range(SHARDS)


@dataclass
class Court:
    """Where referees of several nodes meet."""

    node: Callable[[int], Referee]
    run_out: Callable[[int], Awaitable[None]]  # that node's lease, a moment ago

    async def owners(self) -> set[int | None]:
        return {row.owner for row in await self.node(99).owned()}

    async def joined(
        self, incarnation: int, *, lease_s: float = 60.0, is_up: bool = True, capacity: int = 100, release: str = ""
    ) -> Referee:
        """One that shares the database."""
        referee = self.node(incarnation)
        await referee.agree(SHARDS)
        new = Newcomer(
            url=f"http://{incarnation}",
            version="1",
            host="h",
            process="p",
            capacity=capacity,
            is_alone=False,
            release=release,
            knowledge=f"what {release} knows",
        )
        await referee.join(new, lease_s=lease_s)
        if is_up:
            assert await referee.enter("up")
        return referee


@pytest.fixture
async def postgres(database_url: str) -> AsyncIterator[Court]:
    async with Bridge() as bridge, Pool(bridge, database_url, incarnation=99) as pool:
        connections = pool.dedicated("rows")

        async def run_out(incarnation: int) -> None:
            sql = "UPDATE nodes SET lease_until = clock_timestamp() - interval '1 ms' WHERE incarnation = $1"
            await connections.fetch(sql, incarnation)

        yield Court(lambda incarnation: PostgresReferee(connections, incarnation=incarnation), run_out)


@pytest.fixture
async def memory() -> Court:
    rows = MemoryShards()

    async def run_out(incarnation: int) -> None:
        rows.nodes[incarnation].lease_until = rows.now() - 0.001

    return Court(lambda incarnation: MemoryReferee(rows, incarnation=incarnation), run_out)


@pytest.fixture(params=["postgres", "memory"])
def court(request: pytest.FixtureRequest) -> Court:
    found: Court = request.getfixturevalue(request.param)
    return found


async def test_who_comes_first_takes_all_and_who_comes_second_finds_nothing(court: Court) -> None:
    first, second = await court.joined(1), await court.joined(2)
    assert await first.take("start") == dict.fromkeys(ALL, 1)
    assert await second.take("start") == {}
    assert await first.take("again") == {}, "what is taken is not taken twice"


async def test_each_takes_those_that_it_names(court: Court) -> None:
    first, second = await court.joined(1), await court.joined(2)
    assert await first.take("start", shards=[1, 2]) == {1: 1, 2: 1}
    assert await second.take("start", shards=[2, 3]) == {3: 1}
    assert await second.take("start", shards=[]) == {}
    assert {one.incarnation: one.shards for one in await first.members()} == {1: 2, 2: 1}


async def test_nodes_see_one_another_with_what_is_left_of_their_leases(court: Court) -> None:
    first = await court.joined(1, capacity=7)
    second = await court.joined(2, is_up=False)
    seen, self = await second.members()
    assert (seen.incarnation, seen.url, seen.version, seen.host, seen.process) == (1, "http://1", "1", "h", "p")
    assert (seen.state, seen.capacity, seen.is_alone, seen.shards) == ("up", 7, False, 0)
    assert (self.incarnation, self.state) == (2, "joining")
    assert 50 < seen.left_s <= 60
    assert await first.renew(120.0)
    later, _ = await second.members()
    assert later.until > seen.until and later.left_s > 100


async def test_nodes_say_whom_they_do_not_reach_with_each_renewal(court: Court) -> None:
    first, second = await court.joined(1), await court.joined(2)
    assert [one.unreached for one in await second.members()] == [(), ()]
    assert await first.renew(60.0, unreached=(2**62, 7))
    assert [one.unreached for one in await second.members()] == [(2**62, 7), ()]
    assert await first.renew(60.0)
    assert [one.unreached for one in await second.members()] == [(), ()]


async def test_a_state_is_only_followed_by_a_later_one(court: Court) -> None:
    node = await court.joined(1)
    assert await node.enter("draining")
    assert await node.enter("up")
    assert [one.state for one in await node.members()] == ["draining"]
    assert await node.take("late") == {}, "whoever leaves takes nothing"
    assert await (await court.joined(2, is_up=False)).take("early") == {}, "nor who is yet to come"


async def test_who_is_alone_is_up_at_once(court: Court) -> None:
    node = court.node(1)
    await node.agree(SHARDS)
    await node.join(Newcomer(url="u", version="1", host="", process=""), lease_s=60.0)
    assert await node.take("start") == dict.fromkeys(ALL, 1)
    (member,) = await node.members()
    assert member.is_alone and member.shards == SHARDS


async def test_nobody_is_declared_dead_before_the_lease_has_run_out_unless_it_is_proven(court: Court) -> None:
    first, second = await court.joined(1), await court.joined(2)
    await first.take("start")
    assert await second.bury(1, is_proven=False, why="lease") is None
    assert await court.owners() == {1}
    freed = await second.bury(1, is_proven=True, why="its process has ended")
    assert freed is not None
    assert sorted((row.shard, row.owner, row.term) for row in freed) == [(shard, None, 2) for shard in ALL]
    assert await court.owners() == {None}
    assert await second.take("takeover") == dict.fromkeys(ALL, 3), "a term for its end, and one for ours"


async def test_a_lease_that_has_run_out_is_enough_and_then_death_is_final(court: Court) -> None:
    first, second = await court.joined(1), await court.joined(2)
    await first.take("start")
    await court.run_out(1)
    assert await first.renew(60.0), "late, and nobody has taken over"
    assert await second.bury(1, is_proven=False, why="lease") is None
    await court.run_out(1)
    assert await second.bury(1, is_proven=False, why="lease")
    assert await second.bury(1, is_proven=False, why="lease") is None, "once"
    assert not await first.renew(60.0)
    assert not await first.enter("up")
    assert await first.take("again") == {}, "the dead take nothing"
    assert [one.incarnation for one in await first.members()] == [2]


async def test_what_the_dead_had_goes_at_once_to_those_who_are_named_and_up(court: Court) -> None:
    first, second = await court.joined(1), await court.joined(2)
    await court.joined(3)
    await court.joined(4, is_up=False)
    await (await court.joined(5)).enter("draining")
    await first.take("start", shards=[0, 1, 2, 3, 4, 5])
    await second.take("start", shards=[6])
    named = {0: 2, 1: 3, 2: 4, 3: 5, 4: 1, 6: 3, 7: 3}
    rows = await second.bury(1, is_proven=True, why="its process has ended", nexts=named)
    assert rows is not None
    assert sorted((row.shard, row.owner, row.term) for row in rows) == [
        (0, 2, 2), (1, 3, 2), (2, None, 2), (3, None, 2), (4, None, 2), (5, None, 2),
    ], "of those that it had, and nobody else's"  # fmt: skip
    known = {row.shard: (row.owner, row.term, row.since) for row in await second.owned()}
    assert known[6][:2] == (2, 1) and known[7][:2] == (None, 0)
    for row in rows:
        assert known[row.shard] == (row.owner, row.term, row.since)
    assert await second.give({0: (2, 3)}, "moved") == {0: 3}, "it is its own at once"


async def test_one_that_had_nothing_is_dead_all_the_same(court: Court) -> None:
    await court.joined(1)
    second = await court.joined(2)
    assert await second.bury(1, is_proven=True, why="its process has ended") == []
    assert [one.incarnation for one in await second.members()] == [2]


async def test_who_has_withdrawn_was_never_there_unless_it_owns_something(court: Court) -> None:
    first, second = await court.joined(1), await court.joined(2)
    await first.take("start", shards=[0])
    for referee in (first, second):
        await referee.withdraw()
    assert [one.incarnation for one in await first.members()] == [1]


async def test_a_shard_goes_from_its_owner_straight_to_the_next(court: Court) -> None:
    first, second = await court.joined(1), await court.joined(2)
    await first.take("start")
    assert await first.give({3: (1, 2), 4: (1, 2)}, "moved") == {3: 2, 4: 2}
    assert {row.shard: (row.owner, row.term) for row in await second.owned() if row.owner == 2} == {
        3: (2, 2),
        4: (2, 2),
    }
    assert await second.take("again") == {}
    assert await second.give({3: (2, 1)}, "back") == {3: 3}


async def test_only_its_owner_gives_a_shard_under_its_term_and_to_one_that_is_up(court: Court) -> None:
    first, second = await court.joined(1), await court.joined(2)
    await court.joined(3, is_up=False)
    leaving = await court.joined(4)
    await leaving.enter("draining")
    await first.take("start", shards=[0, 1, 2])
    assert await second.give({0: (1, 2)}, "stolen") == {}
    assert await first.give({0: (2, 2)}, "late") == {}
    assert await first.give({0: (1, 3), 1: (1, 4), 2: (1, 2)}, "moved") == {2: 2}
    assert await first.give({}, "nothing") == {}
    await second.bury(1, is_proven=True, why="its process has ended")
    assert await first.give({0: (1, 2)}, "from the grave") == {}


async def test_what_its_owner_gives_itself_it_keeps_and_what_was_asked_before_gives_it_away_no_more(
    court: Court,
) -> None:
    first, second = await court.joined(1), await court.joined(2)
    await first.take("start", shards=[0, 1])
    assert await first.give({0: (1, 1)}, "kept") == {0: 2}
    assert await first.give({0: (1, 2)}, "late") == {}
    await first.enter("draining")
    assert await first.give({0: (2, 1), 1: (2, 1)}, "kept") == {0: 3}, "whoever leaves keeps what is its own"
    assert await second.give({0: (3, 2)}, "stolen") == {}
    await second.bury(1, is_proven=True, why="its process has ended")
    assert await first.give({0: (3, 1)}, "from the grave") == {}


async def test_what_has_changed_is_told_apart(court: Court) -> None:
    first = await court.joined(1)
    await first.take("start", shards=[0])
    before = await first.owned()
    assert len(before) == SHARDS and isinstance(before[0], Owned)
    newest = max(row.since for row in before)
    await first.take("more", shards=[5])
    changed = {row.shard for row in await first.owned(since=newest)}
    assert 5 in changed
    assert {row.shard for row in await first.owned(since=newest + 3600)} == set()


async def test_another_number_of_shards_is_refused(court: Court) -> None:
    await court.joined(1)
    with pytest.raises(ShardsDiffer, match="must be 8, as this database was set up with, and is 16"):
        await court.node(2).agree(16)
    await court.node(2).agree(8)


async def test_what_releases_know_is_told_once_also_of_a_node_that_has_just_died(court: Court) -> None:
    first = await court.joined(1)
    assert await first.releases([]) == {}, "it says nothing of its own"
    second = await court.joined(2, release="new")
    await court.joined(3, release="new")
    assert await first.releases([]) == {"new": "what new knows"}
    assert await first.releases(["new", "old"]) == {"new": None}
    assert [one.release for one in await first.members()] == ["", "new", "new"]
    await court.joined(4, release="old")
    for node in (2, 3):
        await first.bury(node, is_proven=True, why="test")
    assert await second.releases(["old"]) == {"new": "what new knows", "old": None}
