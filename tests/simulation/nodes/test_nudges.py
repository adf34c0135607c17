"""Nudges between nodes of a simulated world: who is awake hears them, and nobody else notices, whatever happens."""

from typing import Any, ClassVar

import trio
from msgspec.structs import replace

from greenroom import Message, Tell
from greenroom.supervisors.simulation.world import World
from greenroom.testing import Scenario
from tests.simulation.ledger import Ledger, ledgers
from tests.simulation.nodes.several import ENTITIES, played, shared_out, sound

ALL = [f"ledger:{number}" for number in range(1, ENTITIES + 1)]


class Poke(Tell, tag="ledger.poke"):
    number: int


class Poked(Ledger):
    """Notes outside the world what it was nudged with."""

    internal = (Poke,)
    heard: ClassVar[set[tuple[int, str]]] = set()

    def handle(self, message: Message) -> Any:
        if isinstance(message, Poke):
            self.heard.add((message.number, self.entity))
            return None
        return super().handle(message)


def scenario() -> Scenario:
    Poked.heard = set()
    return replace(ledgers(ENTITIES, clients=6, pace_s=1.0), kinds=(Poked,))


def awake(world: World) -> set[str]:
    return {cell.entity for node in world.nodes if node.listening for cell in node.kernel.system.awake()} & {*ALL}


def test_those_who_are_awake_hear_it_on_all_nodes() -> None:
    seen: list[tuple[set[str], set[str], set[str]]] = []

    async def trouble(world: World) -> None:
        await shared_out(world)
        for number in range(10):
            before = awake(world)
            world.nodes[number % 3].kernel.router.nudge(ALL, Poke(number=number))
            await trio.sleep(1.0)
            heard = {entity for at, entity in Poked.heard if at == number}
            seen.append((before, heard, awake(world)))

    sound(played(trouble, scenario=scenario()))
    for before, heard, after in seen:
        assert before & after <= heard <= before
    assert len(seen) == 10 and sum(len(heard) for _, heard, _ in seen) > 50


def test_nodes_that_come_and_go_meanwhile_are_harmed_by_none() -> None:
    async def trouble(world: World) -> None:
        await shared_out(world)

        async def nudge() -> None:
            number = 0
            while True:
                number += 1
                for node in world.nodes:
                    if node.listening:
                        node.kernel.router.nudge(ALL, Poke(number=number))
                await trio.sleep(0.2)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(nudge)
            world.nodes[0].kill()
            await trio.sleep(20.0)
            world.pause(world.nodes[1])
            await trio.sleep(3.0)
            world.resume(world.nodes[1])
            await trio.sleep(20.0)
            nursery.cancel_scope.cancel()

    sound(played(trouble, scenario=scenario()))
