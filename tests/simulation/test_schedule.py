"""A seed decides the order of everything; what of trio that relies on is still there."""

import os
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import Any

import trio
from trio._core import _run

from greenroom.supervisors.simulation.schedule import NODE, RunQueue, Schedule

ROOT = Path(__file__).parents[2]
WORLD = """
from greenroom.testing import run_seed
from tests.simulation.ledger import ledgers
run = run_seed(ledgers(), {seed}, minutes=2.0)
print(f"{{run.trace:08x}} {{run.steps}} {{run.acknowledged}} {{run.seen}}")
"""


def world(seed: int, hash_seed: int) -> str:
    """The trace of a world in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", WORLD.format(seed=seed)],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": str(hash_seed), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout


def test_trio_still_has_what_we_rely_on() -> None:
    """A flag, a generator of its own, and a queue of runnable tasks that is emptied batch by batch."""
    assert trio.__version__.split(".")[:2] == ["0", "35"], "a new trio: see whether the seeds of old still repeat"
    assert _run._ALLOW_DETERMINISTIC_SCHEDULING in (False, True)  # hypothesis switches it on where it is imported
    assert callable(_run._r.seed) and callable(_run._r.shuffle)

    async def look() -> None:
        assert len(_run.GLOBAL_RUN_CONTEXT.runner.runq) == 0

    trio.run(look)


def order(seed: int) -> list[int]:
    """In which order fifty tasks that are woken together take their turns."""
    turns: list[int] = []

    async def take_turns(number: int, go: trio.Event) -> None:
        await go.wait()
        turns.append(number)
        await trio.sleep(1.0)
        turns.append(number)

    async def main() -> None:
        go = trio.Event()
        async with trio.open_nursery() as nursery:
            for number in range(50):
                nursery.start_soon(take_turns, number, go)
            await trio.sleep(1.0)
            go.set()

    Schedule(seed).run(main)
    return turns


def test_the_seed_decides_the_order() -> None:
    assert order(1) == order(1)
    assert order(1) != order(2)


def test_the_same_world_in_two_processes_is_the_same_to_the_step() -> None:
    first = world(5, hash_seed=1)
    assert first.split()[1:] != ["0", "0", "0"]
    assert world(5, hash_seed=2) == first
    assert world(6, hash_seed=1) != first


def test_a_stalled_process_stands_still_while_time_goes_on() -> None:
    ticks: list[tuple[str, float]] = []
    schedule = Schedule(1)

    async def tick(name: str) -> None:
        NODE.set(name)
        for _ in range(4):
            ticks.append((name, trio.current_time()))
            await trio.sleep(1.0)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tick, "held")
            nursery.start_soon(tick, "free")
            await trio.sleep(0.5)
            schedule.stall("held")
            await trio.sleep(2.0)
            schedule.resume("held")

    schedule.run(main)
    assert [at for name, at in ticks if name == "free"] == [0.0, 1.0, 2.0, 3.0]
    assert [at for name, at in ticks if name == "held"] == [0.0, 2.5, 3.5, 4.5]


def test_tasks_that_are_runnable_when_their_process_stalls_are_held_too() -> None:
    class Task:
        def __init__(self, node: str) -> None:
            self.context = {NODE: node}

    mine: Any = Task("a")
    other: Any = Task("b")
    queue = RunQueue(deque([mine, other]))
    queue.hold("a")
    assert list(queue) == [other]
    queue.release("a")
    assert list(queue) == [other, mine]


def test_what_is_global_is_put_back() -> None:
    import gc
    import random

    random.seed(1)
    expected = random.random()
    random.seed(1)
    before = _run._ALLOW_DETERMINISTIC_SCHEDULING, gc.isenabled()
    order(3)
    assert random.random() == expected
    assert (_run._ALLOW_DETERMINISTIC_SCHEDULING, gc.isenabled()) == before


def test_tasks_that_wake_one_another_for_ever_are_noticed() -> None:
    schedule = Schedule(1)
    scope = trio.CancelScope()
    schedule.stuck = scope.cancel

    async def spin() -> None:
        with scope:
            while True:
                await trio.lowlevel.checkpoint()

    schedule.run(spin)
    assert scope.cancelled_caught
