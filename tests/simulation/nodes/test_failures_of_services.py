"""What becomes of several nodes when what they share fails: Redis, the database, and the ways to them.

The traps of fenced appends and the failures of nodes, and where each of them is tried:

| What happens | Tried in |
|---|---|
| a check without a lock; the offset alone; a fence of the shard's alone; a load in the statement that raised the fence;
  a process stopped in a transaction; repeatable reads; a reader by position; a cancelled wait for a standby |
  `tests/store/journal/test_traps.py`, one after another; the first four are taken away in
  `tests/simulation/test_guards.py` |
| a standby takes over that lacks claims or events; a timeline that is not heard of |
  `tests/store/journal/test_journal_lineage.py`, `tests/supervisors/kernel/test_failover.py`, the same guards |
| Redis is away, is wiped, fails over, loses and repeats entries | here |
| one node loses Redis; one loses the database, or both; one way only | here |
| two nodes do not hear one another; two groups | here |
| the database restarts, is slow, holds rows locked | here |
| a node stands still, for less than its lease and for more | `test_failures_of_nodes.py` |
| a node is killed, with and without a proof; is drained amid all else | `test_failures_of_nodes.py` |
| clocks are an hour off, and jump; two processes go by one name | `test_failures_of_nodes.py` |
| an entity crashes with appends in flight; replies are lost and commands repeated | `test_failures_of_nodes.py` |
| timers are due while nodes die and clocks are wrong | `test_failures_of_nodes.py` |
| old and new code side by side, out, back and out again | `test_releases.py` |
| all of it at random | `test_at_random.py` |
| each guard of several nodes, taken away | `test_guards_of_nodes.py` |
"""

from collections.abc import Awaitable, Callable

import pytest
import trio
from msgspec.structs import replace

from greenroom.supervisors.simulation.world import World
from tests.simulation.nodes.several import CALM, Asked, living_on, owners, played, shared_out, sound

GONE = {"log: node_buried", "log: node_declared_dead"}

Redis = Callable[[World], Awaitable[None]]


async def is_wiped(world: World) -> None:
    for _ in range(10):
        world.redis.wipe()
        await trio.sleep(1.0)


async def is_away(world: World) -> None:
    await world.redis.restart(8.0, wiped=True)


async def fails_over(world: World) -> None:
    for _ in range(3):
        await world.redis.fail_over(2.0, 1.0)
        await trio.sleep(2.0)


@pytest.mark.parametrize("befalls", [is_wiped, is_away, fails_over])
def test_whatever_becomes_of_redis_nothing_changes_hands_and_nothing_is_lost(befalls: Redis) -> None:
    async def trouble(world: World) -> None:
        await shared_out(world)
        before = owners(world)
        await befalls(world)
        assert owners(world) == before
        await trio.sleep(15.0)

    assert not GONE & sound(played(trouble))


def test_entries_that_are_lost_repeated_and_overtaken_are_nobodys_loss() -> None:
    bad = replace(CALM, entry_lost=0.2, entry_repeated=0.2, entry_late=0.1, entry_unsure=0.1)

    async def trouble(world: World) -> None:
        await trio.sleep(60.0)

    assert not GONE & sound(played(trouble, faults=bad))


@pytest.mark.parametrize("way", ["speaks", "hears", "neither"])
def test_a_node_that_loses_redis_for_a_moment_keeps_what_is_its_own(way: str) -> None:
    """It looks dead to whoever goes by messages. Its lease says that it lives, and so do its answers to clients."""

    async def trouble(world: World) -> None:
        await shared_out(world)
        before, node = owners(world), world.nodes[0]
        node.to_redis.cut(speaks=way == "speaks", hears=way == "hears")
        asked = Asked(node, living_on(world, node))
        async with asked.all_the_time():
            await trio.sleep(5.0)
        node.to_redis.mend()
        await trio.sleep(15.0)
        assert owners(world) == before
        assert asked.away_s < 0.2

    assert not GONE & sound(played(trouble))


@pytest.mark.parametrize("way", ["speaks", "hears", "neither"])
def test_a_node_that_loses_redis_alone_gives_the_others_what_is_its_own(way: str) -> None:
    """Nobody is dead, and nothing is taken by force: it hands over, by the rows alone. Most clients have all again."""

    async def trouble(world: World) -> None:
        await shared_out(world)
        node, other = world.nodes[0], world.nodes[1]
        node.to_redis.cut(speaks=way == "speaks", hears=way == "hears")
        asked = Asked(other, living_on(world, node))
        async with asked.all_the_time():
            await trio.sleep(30.0)
            assert node.incarnation not in {owner for owner, _ in owners(world)}
            after_s = asked.away_s
            await trio.sleep(10.0)
        assert asked.away_s == after_s < 20.0
        node.to_redis.mend()
        await shared_out(world)

    found = sound(played(trouble, minutes=4.0))
    assert not GONE & found and "log: nodes_left_out" in found


@pytest.mark.parametrize(("way", "redis_too"), [("neither", False), ("speaks", False), ("hears", True)])
def test_a_node_that_loses_the_database_is_replaced_and_answers_nothing_old(way: str, redis_too: bool) -> None:
    """What it is asked while others have its entities it does not answer from memory: see `Checker.read`."""

    async def trouble(world: World) -> None:
        await shared_out(world)
        node, other = world.nodes[0], world.nodes[1]
        for reach in [node.to_database, *([node.to_redis] if redis_too else [])]:
            reach.cut(speaks=way == "speaks", hears=way == "hears")
        asked = Asked(other, living_on(world, node))
        async with asked.all_the_time():
            await trio.sleep(15.0)
        assert node.incarnation not in {owner for owner, _ in owners(world)} or way == "speaks"
        assert asked.away_s < 12.0
        node.to_database.mend()
        node.to_redis.mend()
        await trio.sleep(10.0)

    sound(played(trouble))


def test_two_nodes_of_which_one_does_not_hear_the_other_for_a_moment_leave_everything_where_it_is() -> None:
    async def trouble(world: World) -> None:
        await shared_out(world)
        before = owners(world)
        one, other, third = world.nodes
        world.redis.cut(one.incarnation, other.incarnation)
        asked = Asked(third, living_on(world, one) + living_on(world, other))
        async with asked.all_the_time():
            await trio.sleep(6.0)
        assert asked.away_s < 0.5
        world.redis.mend_ways()
        asked = Asked(one, living_on(world, other))
        async with asked.all_the_time():
            await trio.sleep(5.0)
        assert asked.away_s < 2.0
        assert owners(world) == before

    assert not GONE & sound(played(trouble))


def test_of_two_groups_that_both_reach_the_database_the_larger_one_has_everything() -> None:
    async def trouble(world: World) -> None:
        await shared_out(world)
        one, *others = world.nodes
        for other in others:
            world.redis.cut(one.incarnation, other.incarnation)
            world.redis.cut(other.incarnation, one.incarnation)
        asked = Asked(others[0], living_on(world, one))
        async with asked.all_the_time():
            await trio.sleep(30.0)
        assert {owner for owner, _ in owners(world)} == {other.incarnation for other in others}
        assert asked.away_s < 20.0
        world.redis.mend_ways()
        await shared_out(world)

    assert not GONE & sound(played(trouble, minutes=4.0))


def test_of_two_nodes_that_do_not_hear_one_another_one_has_nothing_until_they_do() -> None:
    """Both are heard by the third. What either asks is answered, for what they own is where both reach it."""

    async def trouble(world: World) -> None:
        await shared_out(world)
        one, other, third = world.nodes
        world.redis.cut(one.incarnation, other.incarnation)
        world.redis.cut(other.incarnation, one.incarnation)
        theirs = living_on(world, one)[:1] + living_on(world, other)[:1]
        async with Asked(one, theirs).all_the_time(), Asked(other, theirs).all_the_time():
            await trio.sleep(40.0)
        having = {owner for owner, _ in owners(world)}
        assert third.incarnation in having and len(having) == 2
        world.redis.mend_ways()
        await shared_out(world)

    assert not GONE & sound(played(trouble, minutes=4.0))


@pytest.mark.parametrize("down_s", [1.0, 20.0])
def test_a_database_that_restarts_is_found_with_the_same_owners(down_s: float) -> None:
    """However long it was away: then everybody's lease has run out, and nobody has seen anybody silent."""

    async def trouble(world: World) -> None:
        await shared_out(world)
        before = owners(world)
        await world.database.restart(down_s)
        await trio.sleep(15.0)
        assert owners(world) == before

    assert not GONE & sound(played(trouble))


def test_a_slow_database_ends_nobody() -> None:
    async def trouble(world: World) -> None:
        await shared_out(world)
        before = owners(world)
        world.database.is_sluggish = True
        await trio.sleep(40.0)
        assert owners(world) == before

    assert not GONE & sound(played(trouble))


def test_rows_that_a_dead_nodes_statement_holds_locked_delay_a_takeover_by_no_more_than_that() -> None:
    """A second, as the database is told for sessions that do nothing within a transaction."""

    async def trouble(world: World) -> None:
        await shared_out(world)
        node, other = world.nodes[0], world.nodes[1]
        lost = living_on(world, node)
        rows = world.database.rows.by_entity
        asked = Asked(other, lost)

        async def die_with_locks() -> None:
            node.kill()
            async with world.database.locked([rows[entity].head.id for entity in lost if entity in rows]):
                await trio.sleep(1.0)

        async with asked.all_the_time():
            await die_with_locks()
            await trio.sleep(8.0)
        assert asked.away_s < 2.0

    sound(played(trouble, faults=replace(CALM, proven=1.0)))
