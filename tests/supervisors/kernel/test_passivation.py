"""Who is asked to sleep, and how many must be looked at to find them."""

from types import SimpleNamespace
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.model.actor import KindLimits
from greenroom.actors.model.errors import Overloaded
from greenroom.config.limits import PassivationConfig
from greenroom.supervisors.kernel.passivation import Passivation
from tests.supervisors.kernel.small_kernel import Do, Heard, Log, Read, kernel, settled


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


async def test_those_who_look_let_others_have_their_turn(autojump_clock: MockClock) -> None:
    cells, passivation = awake(5_000, PassivationConfig())
    asked_before: list[int] = []

    async def other() -> None:
        asked_before.append(len(asked(cells)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        await passivation._sweep(now=1e6)
    assert 0 < asked_before[0] < 5_000 == len(asked(cells))


A = "log:a"


B = "log:b"


async def test_an_idle_actor_sleeps_and_a_busy_one_does_not(autojump_clock: MockClock) -> None:
    async with kernel(passivation=PassivationConfig(idle_s=10.0, sweep_s=1.0)) as run:
        await run.ask(A, Read())
        for _ in range(5):
            await run.ask(B, Read())
            await trio.sleep(4)
        assert run.awake() == {B}
        await trio.sleep(12)
        assert run.awake() == set()


async def test_a_kind_may_sleep_earlier_than_the_node_asks_for(autojump_clock: MockClock) -> None:
    class Brisk(Log):
        limits = KindLimits(idle_s=5.0)

    async with kernel(kinds=(Brisk,), passivation=PassivationConfig(idle_s=100.0, sweep_s=1.0)) as run:
        await run.ask(A, Read())
        await trio.sleep(4)
        assert run.awake() == {A}
        await trio.sleep(3)
        assert run.awake() == set()


@pytest.mark.bound("entities awake")
async def test_over_budget_the_longest_idle_sleep_first_and_who_may_not_does_not_keep_the_others_awake(
    autojump_clock: MockClock,
) -> None:
    async with kernel(passivation=PassivationConfig(awake_max=10, sweep_s=1.0)) as run:

        def act(actor: Log) -> None:
            actor.after(1000, Heard(text="later"))

        await run.ask("log:0", Do(act=act))
        for number in range(1, 10):
            await trio.sleep(0.01)
            await run.ask(f"log:{number}", Read())
        with pytest.raises(Overloaded):
            run.send("log:10", Read())
            run.send("log:11", Read())
        await trio.sleep(3.5)
        assert run.awake() == {"log:0", *(f"log:{number}" for number in range(2, 10))}
        run.send("log:10", Read())
        await settled()


async def test_over_its_memory_budget_a_node_puts_a_tenth_to_sleep_each_time(autojump_clock: MockClock) -> None:
    bytes_used = 200
    async with kernel(
        passivation=PassivationConfig(memory_bytes_max=100, sweep_s=1.0), memory_bytes=lambda: bytes_used
    ) as run:
        for number in range(100):
            await run.ask(f"log:{number}", Read())
        await trio.sleep(1.5)
        assert len(run.awake()) == 90
        bytes_used = 50
        await trio.sleep(5)
        assert len(run.awake()) == 90


async def test_what_the_sweep_asks_does_not_pile_up_before_an_actor_that_cannot_listen(
    autojump_clock: MockClock,
) -> None:
    async with kernel(passivation=PassivationConfig(idle_s=1.0, sweep_s=1.0)) as run:
        run.journal.down = True
        run.send(A, Read())
        await trio.sleep(600)
        control = run.cell(A).mailbox.control
        assert control is not None and len(control) == 1
        run.journal.down = False
        await trio.sleep(20)
