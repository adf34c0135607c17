"""Who reads views, who waits for that, and who is turned away."""

from math import inf

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from greenroom.actors.life.many import admission
from greenroom.actors.life.many.admission import AT_ONCE, AWAY_S, HELD_S, HURRY_S, PATIENCE_S, Admission, ReadTurn
from greenroom.actors.model.envelope import Envelope, Origin, TaskSlot
from greenroom.actors.model.errors import Overloaded
from greenroom.actors.model.message import Message
from greenroom.actors.model.principal import Principal
from greenroom.config.telemetry.instruments import Instruments

ANN = Principal(user="ann")


class Look(Message, tag="test.look"):
    pass


def command(deadline: float = inf) -> Envelope:
    return Envelope(message=Look(), slot=TaskSlot(), deadline=deadline, principal=ANN)


async def _one() -> int:
    return 1


class Door:
    """Messages that come, each in a task of its own, until the test lets them out."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.instruments = Instruments()
        self.admission = Admission(self.instruments)
        self.inside: dict[str, ReadTurn] = {}
        self.waited_s: dict[str, float] = {}
        self.refused: dict[str, float] = {}
        self.reads_for_long = True
        self._nursery = nursery

    async def come(self, *names: str, envelope: Envelope | None = None, may_refuse: bool = True) -> trio.CancelScope:
        async def read(name: str, turn: ReadTurn, scope: trio.CancelScope) -> None:
            begun = trio.current_time()
            with scope:
                try:
                    await turn.read(self._answer(name, turn, begun), may_refuse=may_refuse)
                except Overloaded:
                    self.refused[name] = trio.current_time() - begun

        for name in names:
            scope = trio.CancelScope()
            come = envelope or command()
            turn = self.admission.turn(come.deadline, is_command=come.is_command)
            self._nursery.start_soon(read, name, turn, scope)
            await trio.testing.wait_all_tasks_blocked()
        return scope

    async def _answer(self, name: str, turn: ReadTurn, begun: float) -> None:
        self.inside[name] = turn
        self.waited_s[name] = trio.current_time() - begun
        if self.reads_for_long:
            await trio.sleep_forever()

    async def go(self, *names: str) -> None:
        for name in names:
            self.inside.pop(name).end()
            await trio.testing.wait_all_tasks_blocked()

    async def fill(self) -> None:
        await self.come(*(f"first{number}" for number in range(AT_ONCE)))
        assert len(self.inside) == AT_ONCE


@pytest.fixture
def door(nursery: trio.Nursery) -> Door:
    return Door(nursery)


async def test_so_many_read_at_once_and_others_in_their_order(door: Door, autojump_clock: MockClock) -> None:
    await door.fill()
    await door.come("ann", "bob")
    await door.go("first0")
    assert "ann" in door.inside and "bob" not in door.inside
    await door.go("ann")
    assert "bob" in door.inside
    await door.come("eve")
    await door.go("bob", "eve")
    await door.come("sam")
    assert door.waited_s["sam"] == 0.0


async def test_who_has_begun_goes_on_however_many_wait(door: Door, autojump_clock: MockClock) -> None:
    await door.fill()
    await door.come("ann")
    assert await door.inside["first0"].read(_one(), may_refuse=True) == 1
    assert "ann" not in door.inside
    await door.go("first0")
    assert "ann" in door.inside


async def test_a_burst_waits_for_longer_than_those_behind_a_line_that_stands(
    door: Door, autojump_clock: MockClock
) -> None:
    """Whoever is inside stays, by coming again: the line never ends."""
    await door.fill()
    await door.come("burst")
    for number in range(30):
        await trio.sleep(PATIENCE_S / 20)
        await door.come(f"more{number}")
        await door.go(next(iter(door.inside)))
        await door.come(f"late{number}")
    await trio.sleep(2 * PATIENCE_S)
    assert door.refused, "more is asked than is read"
    assert max(door.refused.values()) <= PATIENCE_S + 0.001
    assert min(door.refused.values()) == pytest.approx(HURRY_S)
    assert door.instruments.turned_away_reads == len(door.refused)


async def test_a_burst_is_turned_away_after_a_second(
    door: Door, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "HELD_S", 100.0)
    await door.fill()
    await door.come("ann")
    await trio.sleep(PATIENCE_S - 0.1)
    assert not door.refused
    await trio.sleep(0.2)
    assert list(door.refused) == ["ann"]


async def test_nobody_waits_until_there_is_no_time_left_to_read(
    door: Door, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "HELD_S", 100.0)
    await door.fill()
    await door.come("ann", envelope=command(deadline=trio.current_time() + 0.4))
    await trio.sleep(1.0)
    assert door.refused == {"ann": pytest.approx(0.2)}


async def test_who_reads_for_long_holds_up_nobody_for_ever(door: Door, autojump_clock: MockClock) -> None:
    await door.fill()
    await trio.sleep(HELD_S / 2)
    await door.come("ann")
    await trio.sleep(HELD_S)
    assert door.waited_s["ann"] == pytest.approx(HELD_S / 2)
    await door.go(*(f"first{number}" for number in range(AT_ONCE)))
    await door.come("bob")
    assert door.waited_s["bob"] == 0.0


async def test_who_does_something_else_meanwhile_holds_up_nobody(door: Door, autojump_clock: MockClock) -> None:
    door.reads_for_long = False
    await door.fill()
    await door.come("ann")
    await trio.sleep(2 * AWAY_S)
    assert door.waited_s["ann"] == pytest.approx(AWAY_S)
    assert not door.refused


@pytest.mark.parametrize(
    "envelope",
    [
        Envelope(message=Look(), principal=ANN),
        Envelope(message=Look(), principal=ANN, slot=TaskSlot(), source=Origin(sender=1, seq=1, entity="feed:bob")),
        Envelope(message=Look(), principal=ANN, slot=TaskSlot(), chain=("feed:bob",)),
        Envelope(message=Look(), slot=TaskSlot()),  # Greenroom itself asks, for a job, say
    ],
)
async def test_what_is_part_of_what_is_read_already_never_waits(
    door: Door, autojump_clock: MockClock, envelope: Envelope
) -> None:
    await door.fill()
    await door.come("tell", envelope=envelope)
    assert door.waited_s["tell"] == 0.0


async def test_what_has_recorded_something_is_not_turned_away(door: Door, autojump_clock: MockClock) -> None:
    await door.fill()
    await door.come("ann", may_refuse=False)
    assert door.waited_s["ann"] == 0.0


async def test_who_leaves_the_line_leaves_no_gap(door: Door, autojump_clock: MockClock) -> None:
    await door.fill()
    ann = await door.come("ann")
    await door.come("bob")
    ann.cancel()
    await door.go("first0")
    assert "bob" in door.inside and "ann" not in door.inside
    eve = await door.come("eve")
    door.inside.pop("first1").end()
    eve.cancel()  # called, and gone before it has heard
    await trio.testing.wait_all_tasks_blocked()
    for name in list(door.inside):
        await door.go(name)
    assert not door.admission._inside and not door.admission._line


@pytest.mark.bound("commands in line to read views")
async def test_the_line_has_a_bound(door: Door, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "LINE_MAX", 2)
    await door.fill()
    await door.come("ann", "bob", "eve")
    assert door.refused == {"eve": 0.0}
