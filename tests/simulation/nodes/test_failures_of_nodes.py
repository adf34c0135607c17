"""What becomes of several nodes when one of them fails, or what is on it. The table of all such cases is in
`test_failures_of_services.py`.
"""

from random import Random

import trio
from msgspec.structs import replace

from greenroom.supervisors.simulation.world import World
from greenroom.testing import Faults, Work
from tests.simulation.couriers import couriers
from tests.simulation.ledger import Add, Fumble, ledgers
from tests.simulation.nodes.several import (
    CALM,
    ENTITIES,
    LEASE_S,
    Asked,
    living_on,
    owners,
    played,
    shared_out,
    sound,
)

GONE = {"log: node_buried", "log: node_declared_dead"}
PROVEN = replace(CALM, proven=1.0)


def test_a_node_that_stands_still_for_less_than_its_lease_loses_nothing() -> None:
    async def trouble(world: World) -> None:
        await shared_out(world)
        before, node = owners(world), world.nodes[0]
        for _ in range(3):
            world.pause(node)
            await trio.sleep(LEASE_S / 2)
            world.resume(node)
            await trio.sleep(LEASE_S)
        assert owners(world) == before

    assert not GONE & sound(played(trouble))


def test_a_node_that_stands_still_for_longer_wakes_as_nobody() -> None:
    """What it has is others' by then. What it was about to write is refused, it answers nothing, and ends."""

    async def trouble(world: World) -> None:
        await shared_out(world)
        node, other = world.nodes[0], world.nodes[1]
        world.pause(node)
        asked = Asked(other, living_on(world, node))
        async with asked.all_the_time():
            await trio.sleep(4 * LEASE_S)
        assert asked.away_s < LEASE_S + 1.5
        world.resume(node)
        with trio.fail_after(LEASE_S):
            await node.ended.wait()
        await trio.sleep(10.0)

    assert sound(played(trouble)) >= GONE


def test_a_node_whose_end_is_proven_is_replaced_within_half_a_second() -> None:
    async def trouble(world: World) -> None:
        await shared_out(world)
        node, other = world.nodes[0], world.nodes[1]
        asked = Asked(other, living_on(world, node))

        async def kill() -> None:
            await trio.sleep(1.0)
            node.kill()

        async with asked.all_the_time():
            await kill()
            await trio.sleep(10.0)
        assert asked.away_s < 0.5

    assert "log: node_buried" in sound(played(trouble, faults=PROVEN))


def test_a_node_whose_host_is_gone_is_replaced_when_its_lease_has_run_out() -> None:
    async def trouble(world: World) -> None:
        await shared_out(world)
        node, other = world.nodes[0], world.nodes[1]
        asked = Asked(other, living_on(world, node))

        async def kill() -> None:
            await trio.sleep(1.0)
            node.kill()

        async with asked.all_the_time():
            await kill()
            await trio.sleep(10.0)
        assert 2.0 < asked.away_s < 6.0

    assert "log: node_buried" in sound(played(trouble))


def test_clocks_that_are_an_hour_off_and_jump_decide_nothing() -> None:
    async def trouble(world: World) -> None:
        await shared_out(world)
        before = owners(world)
        for number in range(4):
            for node in world.nodes:
                node.jump(3600.0 if number % 2 else -3600.0)
            await trio.sleep(5.0)
        assert owners(world) == before

    assert not GONE & sound(played(trouble, faults=replace(CALM, skew_s=3600.0)))


def test_two_processes_that_go_by_one_name_are_two_nodes() -> None:
    """As of a copied image, or of an orchestrator that starts one twice: each start has an incarnation of its own."""

    async def trouble(world: World) -> None:
        await shared_out(world)
        twin = await world.start_node(process=world.nodes[0].process)
        assert twin.incarnation != world.nodes[0].incarnation
        await trio.sleep(25.0)
        assert twin.incarnation in {owner for owner, _ in owners(world)}
        await world.bury(twin)
        await trio.sleep(10.0)

    sound(played(trouble))


def test_an_entity_that_fails_with_appends_in_flight_goes_on_without_them_or_with_them() -> None:
    """Never with half of it, and never again under the fence of the life that failed."""
    in_flight = replace(CALM, lost=0.3, slow=0.1, repeated=0.05, late_s=5.0)

    def work(draw: Random, user: str) -> Work:
        token = f"{user}-{draw.getrandbits(60)}"
        entity = f"ledger:{draw.randint(1, ENTITIES)}"
        if draw.random() < 0.6:
            return Work(entity, Fumble(token=token), f"{token} 1")
        return Work(entity, Add(token=token, times=2), f"{token} 2")

    async def trouble(world: World) -> None:
        await trio.sleep(90.0)

    scenario = replace(ledgers(ENTITIES, clients=6, pace_s=1.0), work=work)
    happened = sound(played(trouble, faults=in_flight, scenario=scenario))
    assert "append lost" in happened


def test_what_is_asked_again_since_its_answer_was_lost_is_done_once() -> None:
    """On every way: to the client, between nodes, and to the database."""
    torn = replace(CALM, entry_lost=0.1, entry_repeated=0.2, entry_unsure=0.1, lost=0.1, repeated=0.1)

    async def trouble(world: World) -> None:
        await shared_out(world)
        one, *others = world.nodes
        for number in range(15):
            for connection in world.connections:
                connection.sever()
            for other in others:
                world.redis.cut(other.incarnation, one.incarnation)  # it is asked, and not heard
            await trio.sleep(world.draw.uniform(0.5, 4.0))
            if number % 2:
                world.redis.mend_ways()

    assert "connection broke" in sound(played(trouble, faults=torn))


def test_a_timer_that_is_due_while_nodes_die_and_clocks_are_wrong_takes_effect_once() -> None:
    """And in time, once somebody owns its entity: the audit of the couriers knows every occurrence."""

    async def trouble(world: World) -> None:
        await shared_out(world)
        for world.proven in (True, False):
            world.nodes[0].kill()
            await world.database.restart(1.0)
            await trio.sleep(15.0)

    sound(played(trouble, scenario=couriers(clients=6, pace_s=3.0), faults=replace(CALM, skew_s=2.0)))


def test_nodes_that_come_and_go_in_the_middle_of_everything_take_nothing_with_them() -> None:
    """Each is drained while others are cut off, stand still or die, and Redis loses what is on its way."""
    faults = Faults(
        crash_every_s=30.0,
        stop_every_s=8.0,
        stall_every_s=20.0,
        stall_s=8.0,
        down_s=2.0,
        restart_every_s=60.0,
        failover_every_s=0.0,
        cut_every_s=15.0,
        cut_s=8.0,
        parted_every_s=20.0,
        redis_every_s=10.0,
        entry_lost=0.05,
        proven=1.0,
    )
    happened = sound(played(None, faults=faults, minutes=2.0))
    assert {"drains", "log: shards_moved", "redis restarts", "log: link_parted", "cut off"} <= happened
