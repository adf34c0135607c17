"""When everything is collected; and that what comes and goes all the time leaves the collector nothing to find."""

import gc
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import structlog
import trio

from bench.counter import Add, Ledger
from bench.kernel import in_memory
from greenroom.actors.model.lifecycle import Passivate
from greenroom.supervisors.duties import collector
from greenroom.supervisors.duties.collector import (
    FORCED_EVERY_S,
    FULL_EVERY,
    MIDDLE_EVERY,
    NEVER,
    PAUSE_MAX_S,
    YOUNG_MAX,
    Collector,
)


class Process:
    """A heap in which a full collection takes a microsecond a block."""

    def __init__(self) -> None:
        self.blocks = 1_000
        self.memory = 0
        self.young = 0  # collections of the young
        self.collected: list[int] = []
        self.threshold: tuple[int, ...] = ()
        self.at = self.frozen = 0

    def collect(self) -> int:
        self.at += self.blocks - self.frozen
        self.collected.append(self.blocks)
        return 0

    def freeze(self) -> None:
        self.frozen = self.blocks


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Process:
    found = Process()
    fake = SimpleNamespace(
        collect=found.collect,
        freeze=found.freeze,
        get_stats=lambda: [{"collections": found.young}, {"collections": 0}, {"collections": len(found.collected)}],
        set_threshold=lambda *threshold: setattr(found, "threshold", threshold),
    )
    monkeypatch.setattr(collector, "gc", fake)
    return found


def settled(process: Process, memory_bytes_max: int = 0) -> Collector:
    found = Collector(
        memory_bytes=lambda: process.memory,
        memory_bytes_max=memory_bytes_max,
        timer=lambda: process.at / 1e6,
        blocks=lambda: process.blocks,
    )
    found.settle()
    assert process.threshold == (YOUNG_MAX, MIDDLE_EVERY, NEVER)
    process.collected.clear()
    return found


def test_everything_is_collected_now_and_then_while_that_is_short(process: Process) -> None:
    garbage = settled(process)
    process.blocks += 1_000
    process.young += FULL_EVERY - 1
    garbage.look(0.0)
    assert process.collected == []
    process.young += 1
    garbage.look(10.0)
    garbage.look(20.0)
    assert process.collected == [2_000]


def test_it_is_not_when_that_would_be_long(process: Process) -> None:
    garbage = settled(process)
    process.blocks += round(PAUSE_MAX_S * 1e6) + 1
    process.young += 100 * FULL_EVERY
    garbage.look(0.0)
    assert process.collected == []


def test_when_memory_has_run_out_it_is_once_in_a_while(process: Process) -> None:
    garbage = settled(process, memory_bytes_max=1 << 30)
    process.blocks += 10_000_000
    seen = []
    with structlog.testing.capture_logs() as logs:
        for now, memory in ((0.0, 1 << 29), (10.0, 1 << 31), (20.0, 1 << 31), (10.0 + FORCED_EVERY_S, 1 << 31)):
            process.memory, process.young = memory, process.young + 1
            garbage.look(now)
            seen.append(len(process.collected))
    assert seen == [0, 1, 1, 2]
    assert [(log["event"], log["took_s"]) for log in logs] == [("memory_collected", 10.0)] * 2


@pytest.fixture
def counting_alone() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def test_entities_that_wake_and_sleep_leave_nothing_to_find(counting_alone: None) -> None:
    async with in_memory(Ledger) as kernel:
        gc.disable()
        for number in range(50):
            await kernel.router.ref(f"ledger:{number}").ask(Add(amount=1), command_id=f"{number}")
        gc.collect()
        for cell in kernel.system.awake():
            cell.mailbox.put_control(Passivate())
        while kernel.system.awake():
            await trio.lowlevel.checkpoint()
        assert gc.collect() < 50, "some object of each entity was in a cycle"
