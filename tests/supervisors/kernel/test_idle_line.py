"""Who is asked to sleep, and how many must be looked at to find them."""

from types import SimpleNamespace
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.model.actor import KindLimits
from greenroom.config.limits import PassivationConfig
from greenroom.supervisors.kernel.idle_line import IdleLine
from greenroom.supervisors.kernel.passivation import Passivation


class Box:
    told = False

    def __init__(self) -> None:
        self.asked = 0

    def put_control(self, _: object) -> None:
        self.asked += 1


class FakeCell:
    looks = 0

    def __init__(self, entity: str, at: float, idle_s: float = 60.0) -> None:
        self.entity = entity
        self.at = at
        self.mailbox = Box()
        self.kind = SimpleNamespace(limits=KindLimits(idle_s=idle_s))

    @property
    def last_active(self) -> float:
        FakeCell.looks += 1
        return self.at


def awake(number: int, config: PassivationConfig, **how: Any) -> tuple[dict[str, Any], Passivation]:
    cells: dict[str, Any] = {}
    passivation = Passivation(cells, config, memory_bytes=lambda: 0)
    for at in range(number):
        cell: Any = FakeCell(f"log:{at}", float(at), **how)
        cells[cell.entity] = cell
        passivation.woke(cell)
    return cells, passivation


def asked(cells: dict[str, Any]) -> list[str]:
    return [entity for entity, cell in cells.items() if cell.mailbox.asked]


async def test_nearly_full_only_those_are_looked_at_that_are_asked_or_have_been_active_since() -> None:
    cells, passivation = awake(10_000, PassivationConfig(awake_max=11_100, idle_s=1e9), idle_s=1e9)
    for one in ("log:0", "log:3"):
        cells[one].at = 20_000.0  # a message since
    FakeCell.looks = 0
    await passivation._shed(now=30_000.0)
    assert asked(cells) == [f"log:{at}" for at in (1, 2, 4, 5, 6, 7, 8, 9, 10, 11)], "ten too many, the longest idle"
    assert FakeCell.looks <= 24, "not all that are awake"
    FakeCell.looks = 0
    await passivation._sweep(now=30_000.0)
    assert FakeCell.looks == 0, "nobody has been idle for so long"


async def test_who_is_asked_comes_last_and_is_asked_again_only_when_all_others_were() -> None:
    cells, passivation = awake(5, PassivationConfig(awake_max=5, idle_s=1e9), idle_s=1e9)
    for now in (10.0, 11.0, 12.0):
        await passivation._shed(now)
    assert [cell.mailbox.asked for cell in cells.values()] == [1, 1, 1, 0, 0]


async def test_each_kind_has_its_own_time() -> None:
    cells, passivation = awake(1, PassivationConfig(idle_s=100.0), idle_s=5.0)
    slow: Any = FakeCell("slow:0", 0.0, idle_s=1e9)
    cells["slow:0"] = slow
    passivation.woke(slow)
    await passivation._sweep(now=6.0)
    assert asked(cells) == ["log:0"]
    await passivation._sweep(now=101.0)
    assert asked(cells) == ["log:0", "slow:0"], "no kind has longer than the node"


@pytest.mark.parametrize("again", [False, True])
def test_nothing_is_kept_of_who_has_ended(again: bool) -> None:
    cells: dict[str, Any] = {}
    line: IdleLine[Any] = IdleLine(cells)
    for at in range(3):
        line.join("log:a", float(at))  # woke, slept, woke
    if again:
        cells["log:a"] = FakeCell("log:a", 2.0)
    found = [line.step(10.0) for _ in range(3)]
    assert found[:2] == [None, None]
    assert found[2] is cells.get("log:a")
    assert (len(line), line.first) == ((1, 10.0) if again else (0, float("inf")))


async def test_those_who_look_let_others_have_their_turn(autojump_clock: MockClock) -> None:
    cells, passivation = awake(5_000, PassivationConfig())
    asked_before: list[int] = []

    async def other() -> None:
        asked_before.append(len(asked(cells)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        await passivation._sweep(now=1e6)
    assert 0 < asked_before[0] < 5_000 == len(asked(cells))
