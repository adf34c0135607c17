"""Nodes of two releases on one database: what the newer one adds the older refuses for the time being, and nobody loses
it. What either of them has stored the other reads, or leaves alone.
"""

from random import Random
from typing import Any

import pytest
import trio
from msgspec import Struct, field

from greenroom.actors.model.actor import Actor, KindLimits
from greenroom.actors.model.kinds import OtherReleases
from greenroom.actors.model.message import Ask, Event, Message
from greenroom.supervisors.simulation.troubles import Trouble
from greenroom.supervisors.simulation.world import NEWER, World
from greenroom.testing import Run, Scenario, Work
from tests.simulation.nodes.several import NODES, played, shared_out, sound

KEYS = 5
SEEDS = 6  # within which a guard that is taken away is missed


class Put(Ask[int], tag="jar.put"):
    token: str
    colour: str = ""  # the newer one alone knows it


class Turn(Ask[int], tag="jar.turn"):
    """What the newer one alone can do, and records as what the older one can't read."""

    token: str


class WasPut(Event, tag="jar.was_put"):
    token: str
    colour: str = ""


class Turned(Event, tag="jar.turned"):
    token: str


class Contents(Struct):
    count: int = 0
    colours: list[str] = field(default_factory=list)


class Jar(Actor[Contents]):
    kind = "jar"
    commands = (Put, Turn)
    events = (WasPut, Turned)
    limits = KindLimits(snapshot_every=10, history_events=60)

    def handle(self, message: Message) -> int:
        match message:
            case Put():
                self.record(WasPut(token=message.token, colour=message.colour))
            case Turn():
                self.record(Turned(token=message.token))
        return self.offset

    def apply(self, event: Event) -> None:
        match event:
            case WasPut():
                self.state.count += 1
                if event.colour:
                    self.state.colours = [*self.state.colours[-20:], event.colour]
            case Turned():
                self.state.colours.reverse()

    def view(self) -> Any:
        return {"count": self.state.count, "last": self.state.colours[-1:]}


class Screw(Ask[int], tag="lid.screw"):
    token: str


class Screwed(Event, tag="lid.screwed"):
    token: str


class Lid(Actor[Contents]):
    """A kind that the older release has not."""

    kind = "lid"
    commands = (Screw,)
    events = (Screwed,)

    def handle(self, message: Message) -> int:
        assert isinstance(message, Screw)
        self.record(Screwed(token=message.token))
        return self.offset

    def apply(self, event: Event) -> None:
        self.state.count += 1

    def view(self) -> Any:
        return {"turns": self.state.count}


class OlderPut(Ask[int], tag="jar.put"):
    token: str


class OlderWasPut(Event, tag="jar.was_put"):
    token: str


class Count(Struct):
    count: int = 0


class OlderJar(Actor[Count]):
    kind = "jar"
    commands = (OlderPut,)
    events = (OlderWasPut,)
    limits = Jar.limits

    def handle(self, message: Message) -> int:
        assert isinstance(message, OlderPut)
        self.record(OlderWasPut(token=message.token))
        return self.offset

    def apply(self, event: Event) -> None:
        self.state.count += 1

    def view(self) -> Any:
        return {"count": self.state.count}


class Puts:
    """What clients ask for: of what is newer nothing before a node has it."""

    def __init__(self) -> None:
        self.next = 0
        self.newer = False

    def __call__(self, draw: Random, user: str) -> Work:
        self.next += 1
        token = f"{user}-{self.next}"
        chance = draw.random() if self.newer else 0.5
        if chance > 0.75:
            return Work(f"lid:{draw.randint(1, KEYS)}", Screw(token=token), f"{token} ")
        entity = f"jar:{draw.randint(1, KEYS)}"
        if chance < 0.1 and entity < "jar:3":  # of most the older one can read all events
            return Work(entity, Turn(token=token), f"{token} ")
        colour = draw.choice(("red", "blue")) if chance < 0.4 else ""
        return Work(entity, Put(token=token, colour=colour), f"{token} {colour}")


def jars() -> Scenario:
    return Scenario(
        kinds=(Jar, Lid),
        older=(OlderJar,),
        channels=tuple(f"jar:{number}" for number in range(1, KEYS + 1)),
        work=Puts(),
        records=lambda message: True,
        mark=lambda event: f"{event['token']} {event.get('colour', '')}",
        clients=4,
        pace_s=1.5,
    )


async def begun(world: World) -> None:
    """One of the newer ones serves: clients that know of it come."""
    puts = world.scenario.work
    assert isinstance(puts, Puts)
    with trio.fail_after(30.0):
        while not puts.newer and not any(node.listening and node.is_of(NEWER) for node in world.nodes):  # noqa: ASYNC110
            await trio.sleep(0.1)
    puts.newer = True


async def change(world: World, release: int, nodes: int = NODES) -> None:
    """So many of them, one after another."""
    world.release = release
    for _ in range(nodes):
        world.changing = True
        leaving = world.nodes[0]
        await leaving.drain(5.0)
        await world.bury(leaving)
        await world.start_node()
        world.changing = False
        await trio.sleep(4.0)
        await begun(world)


async def out_and_back_and_out(world: World) -> None:
    await shared_out(world)
    await change(world, NEWER)
    await trio.sleep(3.0)
    await change(world, NEWER - 1, 2)
    await trio.sleep(3.0)
    await change(world, NEWER)


async def with_deaths(world: World) -> None:
    await shared_out(world)
    for release in (NEWER, NEWER - 1, NEWER):
        world.release = release
        for _ in range(NODES):
            world.nodes[0].kill()
            await trio.sleep(9.0)
            await begun(world)


def rolled(trouble: Trouble, seed: int) -> Run:
    return played(trouble, seed=seed, scenario=jars(), minutes=4.0)


@pytest.mark.parametrize("trouble", [out_and_back_and_out, with_deaths])
def test_a_release_goes_out_and_back_and_out_again(trouble: Trouble) -> None:
    run = rolled(trouble, seed=1)
    assert "log: release_lacks" in sound(run)
    assert any("not_in_release" in line for line in run.timeline.lines()), "the older one has refused what it lacks"


def test_without_knowing_what_others_know_it_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an older node does not read of a message is gone, and so is what it leaves out of a snapshot."""
    with monkeypatch.context() as patched:
        patched.setattr(OtherReleases, "learn", lambda *_, **__: False)
        missed = next(seed for seed in range(1, SEEDS) if rolled(out_and_back_and_out, seed).violations)
    sound(rolled(out_and_back_and_out, missed))
