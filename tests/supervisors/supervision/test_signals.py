import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from greenroom.supervisors.supervision.signals import drain_on_signal, on_hangup

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
async def test_the_first_signal_asks_for_a_drain_and_the_second_for_the_exit(signum: signal.Signals) -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    drain = trio.Event()
    exits: list[int] = []
    async with trio.open_nursery() as nursery:  # owner: this test, which cancels it
        await nursery.start(_watch(drain, exits.append))
        os.kill(os.getpid(), signum)
        with trio.fail_after(5):
            await drain.wait()
        await trio.testing.wait_all_tasks_blocked()
        assert exits == []
        os.kill(os.getpid(), signal.SIGTERM)  # either may be the second
        with trio.fail_after(5):
            while not exits:
                await trio.lowlevel.checkpoint()
        assert exits == [1]
        nursery.cancel_scope.cancel()
    assert before == (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT))


async def test_two_signals_before_the_loop_looks_are_no_way_to_miss_the_second() -> None:
    drain = trio.Event()
    exits: list[int] = []
    async with trio.open_nursery() as nursery:  # owner: this test, which cancels it
        await nursery.start(_watch(drain, exits.append))
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        with trio.fail_after(5):
            await drain.wait()
            while not exits:
                await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()


STUCK_AFTER_THE_FIRST = """
import os, signal, trio
from functools import partial
from greenroom.supervisors.supervision.signals import drain_on_signal, on_hangup

async def main():
    drain = trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(drain_on_signal, same_s=0), drain)
        os.kill(os.getpid(), signal.SIGTERM)
        await drain.wait()
        await trio.testing.wait_all_tasks_blocked()
        print("draining", flush=True)
        while True:
            pass

trio.run(main)
"""


def test_the_second_signal_ends_a_process_whose_loop_hangs() -> None:
    """Not through the loop: it is what doesn't answer."""
    code = "import trio.testing\n" + STUCK_AFTER_THE_FIRST
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:  # the log line of the drain may come first
                if line == "draining\n":
                    break
            process.terminate()
            assert process.wait(timeout=5) == 1
            assert process.stderr is not None
            assert "second signal: exiting at once" in process.stderr.read()
        finally:
            process.kill()


async def test_one_wish_that_arrives_twice_is_one_wish() -> None:
    """A supervisor above may pass on to us what its whole group has had already."""
    drain = trio.Event()
    exits: list[int] = []
    async with trio.open_nursery() as nursery:  # owner: this test, which cancels it
        await nursery.start(_watch(drain, exits.append, same_s=60.0))
        os.kill(os.getpid(), signal.SIGTERM)
        with trio.fail_after(5):
            await drain.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        await trio.testing.wait_all_tasks_blocked()
        assert exits == []
        nursery.cancel_scope.cancel()


def _watch(drain: trio.Event, force_exit: Callable[[int], object], *, same_s: float = 0.0):  # type: ignore[no-untyped-def]
    async def run(*, task_status: trio.TaskStatus[None]) -> None:
        await drain_on_signal(drain, force_exit=force_exit, same_s=same_s, task_status=task_status)

    return run


async def test_a_hangup_is_heard_and_ends_nothing() -> None:
    heard: list[int] = []
    async with trio.open_nursery() as nursery:  # owner: this test, which cancels it
        await nursery.start(on_hangup, lambda: heard.append(1))
        for count in (1, 2):
            os.kill(os.getpid(), signal.SIGHUP)
            with trio.fail_after(5):
                while len(heard) < count:
                    await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
