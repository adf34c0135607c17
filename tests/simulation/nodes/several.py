"""Worlds of several nodes in which what happens is written down, not drawn: a test says who fails, when and how."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import trio
from msgspec.structs import replace

from greenroom.actors.model.errors import ActorError
from greenroom.supervisors.simulation.node import SimulatedNode
from greenroom.supervisors.simulation.troubles import Trouble
from greenroom.supervisors.simulation.world import World
from greenroom.testing import ALL_GUARDS, NO_FAULTS, Faults, Guards, Run, Scenario, run_seed
from tests.simulation.ledger import Count, ledgers

NODES = 3
LEASE_S = 5.0
CALM = replace(NO_FAULTS, latency_s=0.01)
ENTITIES = 12
ASKED_MAX = 3  # entities that are asked all the time: each costs hundreds of messages


def played(
    trouble: Trouble | None,
    *,
    seed: int = 1,
    faults: Faults = CALM,
    guards: Guards = ALL_GUARDS,
    scenario: Scenario | None = None,
    minutes: float = 2.0,
) -> Run:
    """Of ledgers that six clients are busy with, unless another scenario is given."""
    return run_seed(
        scenario or ledgers(ENTITIES, clients=6, pace_s=1.0),
        seed,
        faults=faults,
        guards=guards,
        swarm=False,
        nodes=NODES,
        trouble=trouble,
        minutes=minutes,
    )


def sound(run: Run, acknowledged_min: int = 50) -> set[str]:
    """Nothing went wrong, and something was done. Gives what happened."""
    assert not run.violations, f"{run.violations[0]}\n" + "\n".join(run.timeline.lines(40))
    assert run.acknowledged >= acknowledged_min
    return set(run.timeline.counts)


def owners(world: World) -> list[tuple[int | None, int]]:
    """Of each shard: who, and under which term."""
    return [(row.owner, row.term) for row in world.database.shards.shards]


async def shared_out(world: World) -> None:
    """Return when each node has its part, and nothing is about to move."""
    with trio.fail_after(120):
        while True:
            await trio.sleep(1.0)
            listening = [node for node in world.nodes if node.listening]
            having = {owner for owner, _ in owners(world)}
            moving = [node for node in listening if node._membership is not None and node._membership.unwanted()]
            if having == {node.incarnation for node in listening} and len(having) == NODES and not moving:
                await trio.sleep(1.0)  # what they say of it to one another arrives
                return


def living_on(world: World, node: SimulatedNode) -> list[str]:
    """Entities whose owner it is, by the rows."""
    return [entity for number in range(1, ENTITIES + 1) if world.owner(entity := f"ledger:{number}") is node]


class Asked:
    """Entities that are asked all the time, by a node that stays: how long they were not to be had."""

    def __init__(self, via: SimulatedNode, entities: Iterable[str]) -> None:
        self._via = via
        self._entities = list(entities)[:ASKED_MAX]
        self.away_s = 0.0  # the longest that one of them was, so far

    @asynccontextmanager
    async def all_the_time(self) -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            for entity in self._entities:
                nursery.start_soon(self._ask_on, entity)
            yield
            nursery.cancel_scope.cancel()

    async def _ask_on(self, entity: str) -> None:
        answered_at = trio.current_time()
        while True:
            with trio.move_on_after(0.5):
                if await self._ask(entity):
                    now = trio.current_time()
                    self.away_s = max(self.away_s, now - answered_at)
                    answered_at = now
            await trio.sleep(0.05)

    async def _ask(self, entity: str) -> bool:
        try:
            await self._via.kernel.router.ask(entity, Count(token="asked all the time"))
        except ActorError:
            return False
        return True
