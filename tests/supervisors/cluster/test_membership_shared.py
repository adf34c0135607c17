"""Nodes that share a database: who takes what, who is taken for dead, and what each knows of it. In virtual time."""

import pytest
import trio
from msgspec.structs import replace
from structlog.testing import capture_logs
from trio.testing import MockClock

from greenroom.store.ownership.referee import Owned
from greenroom.supervisors.cluster.lease import DeclaredDead
from greenroom.supervisors.cluster.looking import OVERLAP_S, WHOLE_S
from greenroom.supervisors.cluster.membership import AnotherNode
from tests.supervisors.cluster.memory_cluster import LEASE_S, cluster


async def test_the_first_takes_all_and_the_second_waits_to_be_given_its_part(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        first = await run.start()
        assert len(first.owned) == run.shards and not first.membership.unwanted()
        second = await run.start()
        await trio.sleep(LEASE_S)
        assert set(run.owners()) == {1}
        unwanted = first.membership.unwanted()
        assert set(unwanted.values()) == {2} and run.shards // 4 < len(unwanted) < run.shards * 3 // 4
        assert all(second.membership.owner_of(shard) == 1 for shard in range(run.shards)), "it has read so"
        assert second.owned == set()


async def test_one_that_has_yet_to_come_is_to_have_nothing(autojump_clock: MockClock) -> None:
    """Its kernel does not run yet: what it were given would be away until then."""
    async with cluster() as run:
        first = await run.start()
        second = run.node()
        await second.membership.join()
        await trio.sleep(2.0)
        assert [one.state for one in first.membership.members()] == ["up", "joining"]
        assert not first.membership.unwanted()
        await second.membership.open()
        await trio.sleep(2.0)
        assert first.membership.unwanted()


async def test_what_a_failover_forgets_of_those_that_had_just_come_they_say_again(autojump_clock: MockClock) -> None:
    """The standby has rows in which all are on their way, and nobody has anything."""
    async with cluster() as run:
        nodes = [await run.start() for _ in range(2)]
        await trio.sleep(1.0)
        for row in run.rows.nodes.values():
            row.state = "joining"
        for shard in range(run.shards):
            run.rows.change(shard, None, "forgotten")
        await trio.sleep(3.0)
        assert set(run.owners()) == {1, 2}
        await nodes[0].membership.drain()
        for row in run.rows.nodes.values():
            row.state = "up"
        await trio.sleep(3.0)
        assert {one.incarnation: one.state for one in nodes[1].membership.members()} == {1: "draining", 2: "up"}


async def test_who_was_declared_dead_is_so_once_more_where_a_failover_has_forgotten_it(
    autojump_clock: MockClock,
) -> None:
    """Else it went on, and those who knew would neither speak to it nor hear it any more."""
    async with cluster() as run:
        first, other = [await run.start() for _ in range(2)]
        third = run.node()
        await third.membership.join()
        await third.membership.open()
        await trio.sleep(2.0)
        await trio.sleep(2 * LEASE_S)  # in which the third stands still
        assert run.dead() == {3} and first.gone == other.gone == [3]
        row = run.rows.nodes[3]
        row.is_dead, row.lease_until = False, run.rows.now() + 60.0  # the standby knows of its last renewal alone
        await trio.sleep(2.0)
        assert run.dead() == {3}
        assert row.why == "it was declared dead before"
        assert [one.incarnation for one in first.membership.members()] == [1, 2]
        with pytest.RaisesGroup(DeclaredDead, flatten_subgroups=True):
            await third.membership.run()


async def test_one_that_came_and_went_between_two_looks_is_found_to_be_gone(autojump_clock: MockClock) -> None:
    """What it was sent meanwhile has arrived at nobody, and nothing else would say so."""
    async with cluster() as run:
        first, second = [await run.start() for _ in range(2)]
        await trio.sleep(2.0)
        first.is_cut_off = True
        third = await run.start()
        await trio.sleep(1.5)
        first.linked = [2, 3]
        third.kill()
        run.is_seen = True
        await trio.sleep(1.5)
        assert run.dead() == {3} and second.gone == [3]
        first.is_cut_off = False
        await trio.sleep(1.5)
        assert [one.incarnation for one in first.membership.members()] == [1, 2]
        assert 3 in first.gone and 2 not in first.gone


async def test_what_was_never_read_is_not_taken_for_forgotten(autojump_clock: MockClock) -> None:
    """As by a node that would leave while the database is away, or whose look was under way as it did."""
    async with cluster() as run:
        node, other = [await run.start() for _ in range(2)]
        await trio.sleep(LEASE_S)
        with capture_logs() as logs:
            node.membership._looking.entered = "draining"  # of which the database has yet to hear
            await node.membership._looking.look()
            assert run.rows.nodes[1].state == "up", "that is for whoever drains to say"
            await node.membership.drain()
            await trio.sleep(LEASE_S)
        assert [one for one in logs if one["event"] == "state_forgotten"] == []
        assert {one.incarnation: one.state for one in other.membership.members()} == {1: "draining", 2: "up"}


async def test_those_who_are_left_share_out_what_a_dead_one_had(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        nodes = [await run.start() for _ in range(3)]
        nodes[0].kill()
        began = trio.current_time()
        while None in (owners := run.owners()) or 1 in owners:
            await nodes[1].membership.looked()
        assert LEASE_S - 2 < trio.current_time() - began < LEASE_S + 1.0
        assert set(owners) == {2, 3}, "each has taken its own"
        assert run.dead() == {1}
        await trio.sleep(1.5)
        assert not nodes[1].membership.unwanted() and not nodes[2].membership.unwanted()
        assert nodes[1].owned | nodes[2].owned == set(range(run.shards))
        for node in nodes[1:]:
            assert [node.membership.owner_of(shard) for shard in range(run.shards)] == owners
            assert node.moved


async def test_an_end_that_can_be_seen_is_heeded_at_once(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        first = await run.start()
        await run.start()
        await trio.sleep(10.0)
        run.is_seen = True
        first.kill()
        await trio.sleep(0.5)
        assert set(run.owners()) == {2}


async def test_what_a_dead_one_had_is_theirs_who_are_to_have_it_at_once_and_all_hear_of_it(
    autojump_clock: MockClock,
) -> None:
    """By the word of whoever buries it, and not only once each of them has looked."""
    async with cluster() as run:
        dead, *others = [await run.start() for _ in range(3)]
        await trio.sleep(10.0)
        run.is_seen = True
        dead.kill()
        terms = [one.term for one in run.rows.shards]
        owners = run.owners()
        while 1 in owners:
            await others[0].membership.looked()
            owners = run.owners()
        assert set(owners) == {2, 3}, "never nobody's"
        assert [one.term for one in run.rows.shards] == [term + 1 for term in terms]
        undertaker = next(node for node in others if node.announced)
        told = {shard: node for node, terms in undertaker.announced for shard in terms}
        assert [told[shard] for shard in range(run.shards)] == run.owners()
        await trio.sleep(0.2)
        for node in others:
            assert node.gone == [1]
            assert node.owned == {
                shard for shard, owner in enumerate(run.owners()) if owner == node.referee.incarnation
            }


async def test_what_is_given_by_one_that_knows_more_is_not_handed_back_to_the_dead(autojump_clock: MockClock) -> None:
    """It is told of its new shards before it has looked who there is."""
    async with cluster() as run:
        dead, undertaker, heir = [await run.start() for _ in range(3)]
        await trio.sleep(10.0)
        assert heir.membership.unwanted() == {}
        run.is_seen = True
        dead.kill()
        nexts = undertaker.membership._placement.without({1}, range(run.shards))
        rows = await undertaker.referee.bury(1, is_proven=True, why="seen", nexts=nexts)
        assert rows is not None
        theirs = {row.shard: row.term for row in rows if row.owner == 3}
        heir.membership.hear(3, theirs)
        assert set(theirs) == heir.owned
        assert heir.membership.unwanted() == {}
        await trio.sleep(1.5)
        assert heir.membership.unwanted() == {}
        run.rows.change(shard := min(theirs), 2, "by hand")
        heir.membership.hear(3, {shard: run.rows.change(shard, 3, "back")})
        other = next(one for one in range(run.shards) if one not in theirs)
        heir.membership.hear(3, {other: run.rows.change(other, 3, "by mistake")})
        assert heir.membership.unwanted() == {}
        await heir.membership.looked()
        assert heir.membership.unwanted() == {other: 2}, "once it has looked, it is"


async def test_who_leaves_with_something_left_has_others_own_it_at_once(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        leaving, other = await run.start(), await run.start()
        await trio.sleep(2.0)
        assert set(run.owners()) == {1}
        await leaving.membership.drain()
        await leaving.membership.leave()
        leaving.kill()
        assert set(run.owners()) == {2}
        assert leaving.announced[-1][0] == 2 and len(leaving.announced[-1][1]) == run.shards
        await trio.sleep(2.0)
        assert other.gone == [1] and other.owned == set(range(run.shards))


async def test_an_outage_of_the_database_ends_nobody(autojump_clock: MockClock) -> None:
    """All leases have run out when it is over, and whoever looks first must not bury the rest."""
    async with cluster() as run:
        nodes = [await run.start() for _ in range(5)]
        await trio.sleep(10.0)
        run.is_away = True
        await trio.sleep(60.0)
        run.is_away = False
        await trio.sleep(60.0)
        assert run.dead() == set()
        assert set(run.owners()) == {1}
        assert nodes[0].owned == set(range(run.shards))


async def test_one_that_comes_back_to_a_database_that_others_have_reached_all_the_time_buries_nobody(
    autojump_clock: MockClock,
) -> None:
    """The others' leases were renewed where it could not see it."""
    async with cluster() as run:
        nodes = [await run.start() for _ in range(2)]
        await trio.sleep(10.0)
        nodes[0].is_cut_off = True
        await trio.sleep(3.0)
        nodes[0].is_cut_off = False
        await trio.sleep(60.0)
        assert run.dead() == set()


async def test_one_that_was_cut_off_for_too_long_finds_itself_dead(autojump_clock: MockClock) -> None:
    with pytest.RaisesGroup(DeclaredDead, flatten_subgroups=True):
        async with cluster() as run:
            first, second = await run.start(), await run.start()
            first.is_cut_off = True
            await trio.sleep(20.0)
            assert set(run.owners()) == {2}
            assert second.owned == set(range(run.shards))
            assert first.owned, "it does not know"
            assert trio.current_time() > first.membership.valid_until, "and does not rely on what it knows"
            first.is_cut_off = False
            await trio.sleep(20.0)


async def test_a_lease_is_relied_on_until_a_fifth_of_it_before_its_end_as_of_when_its_renewal_was_sent(
    autojump_clock: MockClock,
) -> None:
    async with cluster() as run:
        node = await run.start()
        await trio.sleep(10.25)
        membership = node.membership
        began = 1.5 * (10.25 // 1.5)  # of the last renewal
        assert membership.valid_until == pytest.approx(began + 0.8 * LEASE_S)
        await membership.fresh()
        run.is_away = True
        before = membership.valid_until
        await trio.sleep_until(before + 0.001)
        assert membership.valid_until == before
        with trio.move_on_after(10.0) as scope:
            await membership.fresh()
        assert scope.cancelled_caught
        run.is_away = False
        with trio.fail_after(1.6):
            await membership.fresh()
        assert membership.valid_until > trio.current_time()


async def test_whoever_asks_is_told_by_rows_that_were_read_since(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        first, second = await run.start(), await run.start()
        await trio.sleep(1.5)
        shard = next(iter(first.membership.unwanted()))
        term = run.rows.change(shard, 2, "by hand")
        assert second.membership.owner_of(shard) == 1
        began, asked = trio.current_time(), second.asked
        async with trio.open_nursery() as nursery:
            for _ in range(1000):
                nursery.start_soon(second.membership.looked)
        assert second.membership.owner_of(shard) == 2 and second.owned == {shard}
        assert trio.current_time() - began <= 0.1
        assert second.asked - asked < 10, "for a thousand who ask"
        first.membership.hear(2, {shard: term})
        assert first.membership.owner_of(shard) == 2, "without a look"


async def test_a_thousand_askers_make_no_more_than_twenty_looks_a_second(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        node = await run.start()
        asked = node.asked
        until = trio.current_time() + 2.0
        while trio.current_time() < until:
            await node.membership.looked()
        assert node.asked - asked < 2.0 * 20 * 3 + 10


async def test_a_refused_claim_has_the_rows_read_anew(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        first = await run.start()
        await run.start()
        await trio.sleep(30.0)
        membership = first.membership
        shard = membership.shard("room:a")
        assert membership.lost("room:a")
        assert not membership.owns("room:a") and membership.owner("room:a") is None
        await trio.sleep(0.2)
        assert membership.owns("room:a"), "the rows say that it is ours"
        assert not membership.lost("room:a")
        run.rows.change(shard, 2, "by hand")
        assert membership.lost("room:a") is False, "nothing was heard of that yet"
        await membership.looked()
        assert membership.owner("room:a") == 2


async def test_one_that_is_alone_and_those_that_share_refuse_one_another(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        await run.start()
        with pytest.raises(AnotherNode, match=r"http://1 serves this database, and this one would be alone"):
            await run.node(is_alone=True).membership.join()
        await run.start()
    async with cluster() as run:
        await run.start(run.node(is_alone=True))
        with pytest.raises(AnotherNode, match="http://1 serves this database, and one at a time can"):
            await run.node().membership.join()
        assert set(run.rows.nodes) == {1}, "nor does it stay in the way"


async def test_who_leaves_frees_what_it_still_has(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        first, second = await run.start(), await run.start()
        first.scope.cancel()
        await first.membership.leave()
        assert first.owned == set()
        await trio.sleep(1.1)
        assert set(run.owners()) == {2} and second.owned == set(range(run.shards))


async def test_who_drains_is_to_have_nothing(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        first, second = await run.start(), await run.start()
        await trio.sleep(1.5)
        await first.membership.drain()
        assert set(first.membership.unwanted()) == set(range(run.shards))
        await trio.sleep(1.5)
        assert not second.membership.unwanted()
        assert [one.state for one in second.membership.members()] == ["draining", "up"]


async def test_the_last_one_that_drains_has_nobody_to_give_anything_to(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        node = await run.start()
        await node.membership.drain()
        assert not node.membership.unwanted()
        await trio.sleep(10.0)
        assert len(node.owned) == run.shards


async def test_capacities_are_heeded(autojump_clock: MockClock) -> None:
    async with cluster(shards=4096) as run:
        first = await run.start(run.node(capacity=300))
        await run.start(run.node(capacity=100))
        await trio.sleep(1.5)
        assert 0.2 < len(first.membership.unwanted()) / 4096 < 0.3


async def test_who_has_left_relies_on_nothing_and_is_not_told_that_it_is_dead(autojump_clock: MockClock) -> None:
    """Its renewals go on beside its leaving, and find it dead, as it wanted to be."""
    async with cluster() as run:
        node = await run.start()
        await trio.sleep(10.0)
        assert node.membership.valid_until > trio.current_time()
        await node.membership.leave()
        assert node.membership.valid_until < trio.current_time()
        await trio.sleep(10.0)
        assert node.membership.valid_until < trio.current_time() and run.dead() == {1}


async def test_one_that_shares_gives_up_where_one_that_is_alone_has_come_while_it_started(
    autojump_clock: MockClock,
) -> None:
    async with cluster() as run:
        sharing = run.node()
        await sharing.membership.join()
        await run.start(run.node(is_alone=True))
        with pytest.raises(AnotherNode, match="http://2 serves this database, and one at a time can"):
            await sharing.membership.open()
        assert set(run.owners()) == {2} and set(run.rows.nodes) == {2}


async def test_a_refused_claim_costs_one_that_is_alone_no_shard(autojump_clock: MockClock) -> None:
    """Nobody else can have it, and nothing would bring it back."""
    async with cluster() as run:
        node = await run.start(run.node(is_alone=True))
        assert not node.membership.lost("room:a")
        await trio.sleep(60.0)
        assert node.membership.owns("room:a")


async def test_one_that_is_alone_takes_again_what_a_failover_has_forgotten_to_be_its_own(
    autojump_clock: MockClock,
) -> None:
    async with cluster() as run:
        run.rows.floor = 10
        node = await run.start(run.node(is_alone=True))
        rows, me = run.rows, node.referee.incarnation
        assert node.membership.term("room:a") == 11
        for number, row in enumerate(rows.shards):
            rows.shards[number] = replace(row, owner=None, term=0)  # as before it had taken any
        assert not node.membership.lost("room:a")
        await trio.sleep(2.0)
        assert {(row.owner, row.term) for row in rows.shards} == {(me, 1)}
        assert node.membership.term("room:a") == 1 and node.membership.owned() == len(rows.shards)


async def test_one_that_is_alone_ends_where_a_failover_has_all_be_anothers_again(autojump_clock: MockClock) -> None:
    """Who started before it, and is dead: the next start buries that, and has all."""
    with pytest.RaisesGroup(DeclaredDead, flatten_subgroups=True):
        async with cluster() as run:
            node = await run.start(run.node(is_alone=True))
            for number, row in enumerate(run.rows.shards):
                run.rows.shards[number] = replace(row, owner=77, term=0)
            run.rows.nodes[77] = replace(run.rows.nodes[node.referee.incarnation], is_dead=False)
            await trio.sleep(60.0)
            node.membership.lost("room:a")
            await trio.sleep(2.0)


async def test_a_change_that_bears_a_time_before_others_is_seen_all_the_same(autojump_clock: MockClock) -> None:
    """The database's clock was set back, or a standby with another one took over."""
    async with cluster() as run:
        first, second, _ = [await run.start() for _ in range(3)]
        await trio.sleep(10.0)
        now = run.rows.now
        run.rows.now = lambda: now() - 3600.0
        for one in run.rows.nodes.values():
            one.lease_until -= 3600.0
        for shard in list(first.membership.unwanted())[:3]:
            run.rows.change(shard, 2, "by hand")
            await trio.sleep(2.5)  # at the second look: the first may have come while it happened
            assert first.membership.owner_of(shard) == second.membership.owner_of(shard) == 2


async def test_what_changed_hands_long_ago_is_not_read_with_each_look(autojump_clock: MockClock) -> None:
    """But for some time, since a change may be seen only after a later one."""
    async with cluster() as run:
        first, second = await run.start(), await run.start()
        await trio.sleep(OVERLAP_S / 2)
        early = run.rows.shards[3]
        run.rows.change(7, 2, "first to be seen")
        run.rows.shards[3] = Owned(3, 2, early.term + 1, trio.current_time() - 1.0)
        await trio.sleep(1.5)
        assert second.membership.owner_of(3) == second.membership.owner_of(7) == 2
        await trio.sleep(OVERLAP_S + 2.0)
        read: list[int] = []
        owned = first.referee.owned

        async def counted(*, since: float | None = None) -> list[Owned]:
            rows = await owned(since=since)
            read.append(len(rows))
            return rows

        first.referee.owned = counted  # type: ignore[method-assign]
        await trio.sleep(10.0)
        assert max(read) == 1
        await trio.sleep(WHOLE_S)
        assert max(read) == run.shards, "all of them now and then"
