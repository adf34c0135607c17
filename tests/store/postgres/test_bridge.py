"""The bridge: results, errors, cancellation and context across it; timers on trio's clock; an end that always comes."""

import asyncio
import contextvars
import socket
import sys
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
import sniffio
import trio
from trio.testing import MockClock

from greenroom.store.postgres.bridge import TURN_POLLS_MAX, Bridge, BridgeCancelled

colour: contextvars.ContextVar[str] = contextvars.ContextVar("colour", default="none")


@pytest.fixture
async def bridge() -> AsyncIterator[Bridge]:
    async with Bridge(shutdown_s=0.2) as bridge:
        yield bridge


def test_the_private_attributes_that_a_turn_uses_are_what_we_think_they_are() -> None:
    loop: Any = asyncio.SelectorEventLoop()
    left, right = socket.socketpair()
    try:
        seen: list[object] = []
        handle = loop.call_soon(seen.append, "called")
        timer = loop.call_later(60, print)
        assert list(loop._ready) == [handle]
        assert loop._scheduled == [timer]
        assert timer.when() > 0
        assert not handle._cancelled
        handle._run()
        assert seen == ["called"]
        handle.cancel()
        assert handle._cancelled
        loop._ready.clear()
        loop.add_reader(left, seen.append, "readable")
        right.send(b"x")
        loop._process_events(loop._selector.select(0))
        (reading,) = loop._ready
        reading._run()
        assert seen == ["called", "readable"]
        loop._ready.clear()
        assert loop._thread_id is None  # while it does not run
        loop.call_soon(lambda: seen.append(loop._thread_id))
        loop.call_soon(loop.stop)
        loop.run_forever()
        assert threading.get_ident() in seen
        assert callable(loop._asyncgen_firstiter_hook)
        assert callable(loop._asyncgen_finalizer_hook)
    finally:
        loop.close()
        left.close()
        right.close()


async def test_a_turn_is_the_loops_own_whether_timers_are_set_or_not(bridge: Bridge) -> None:
    """The loop is running for those inside, generators are its own, and afterwards nothing of it is left."""
    hooks = sys.get_asyncgen_hooks()

    async def letters() -> AsyncIterator[str]:
        for letter in "ab":
            await asyncio.sleep(0)
            yield letter

    async def look() -> tuple[bool, bool, str]:
        loop: Any = asyncio.get_running_loop()
        found = letters()
        first = await anext(found)
        return loop.is_running(), found in loop._asyncgens, first

    assert await bridge.run(look) == (True, True, "a")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bridge.run, asyncio.sleep, 60)
        await trio.testing.wait_all_tasks_blocked()
        assert await bridge.run(look) == (True, True, "a")
        nursery.cancel_scope.cancel()
    assert sys.get_asyncgen_hooks() == hooks


async def test_a_callback_that_was_cancelled_is_not_called(bridge: Bridge) -> None:
    called: list[int] = []

    async def two() -> None:
        loop = asyncio.get_running_loop()
        first, second = loop.call_soon(called.append, 1), loop.call_soon(called.append, 2)
        first.cancel()
        assert not second.cancelled()
        await asyncio.sleep(0)

    await bridge.run(two)
    assert called == [2]


async def test_a_timer_set_in_a_turn_without_any_is_kept(autojump_clock: MockClock) -> None:
    async with Bridge() as bridge:
        fired = trio.Event()

        async def later() -> None:
            asyncio.get_running_loop().call_later(5, fired.set)

        began = trio.current_time()
        await bridge.run(later)
        await fired.wait()
        assert trio.current_time() - began == pytest.approx(5)
        await bridge.run(later)  # and again, once there is none any more
        fired = trio.Event()
        await bridge.run(later)
        await fired.wait()
        assert trio.current_time() - began == pytest.approx(10)


async def test_what_the_server_says_is_heard_without_a_timer(bridge: Bridge) -> None:
    left, right = socket.socketpair()

    async def line() -> bytes:
        reader, _ = await asyncio.open_unix_connection(sock=left)
        return await reader.readline()

    async with trio.open_nursery() as nursery:
        heard: list[bytes] = []

        async def listen() -> None:
            heard.append(await bridge.run(line))

        nursery.start_soon(listen)
        await trio.testing.wait_all_tasks_blocked()
        for part in (b"he", b"llo", b"\n"):
            right.send(part)
            await trio.testing.wait_all_tasks_blocked(0.01)
    assert heard == [b"hello\n"]
    right.close()


async def test_a_result_and_an_error_come_back(bridge: Bridge) -> None:
    async def add(a: int, b: int) -> int:
        await asyncio.sleep(0)
        return a + b

    async def fail() -> None:
        await asyncio.sleep(0)
        raise ValueError("inner")

    assert await bridge.run(add, 1, 2) == 3
    with pytest.raises(ValueError, match="inner") as caught:
        await bridge.run(fail)
    assert caught.traceback[-1].name == "fail"


async def test_each_side_sees_its_own_library(bridge: Bridge) -> None:
    async def library() -> str:
        assert asyncio.get_running_loop().is_running()
        return sniffio.current_async_library()

    assert await bridge.run(library) == "asyncio"
    assert sniffio.current_async_library() == "trio"
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()


async def test_context_variables_travel_in_and_not_out(bridge: Bridge) -> None:
    async def look() -> str:
        seen = colour.get()
        colour.set("blue")
        await asyncio.sleep(0)
        return seen

    colour.set("green")
    assert await bridge.run(look) == "green"
    assert colour.get() == "green"


async def test_cancelling_the_caller_cancels_the_task_and_waits_for_its_end(bridge: Bridge) -> None:
    steps: list[str] = []

    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0.01)
            steps.append("cleaned up")
            raise

    with trio.move_on_after(0.01) as scope:
        await bridge.run(slow)
    assert scope.cancelled_caught
    assert steps == ["cleaned up"]


async def test_a_task_that_ends_well_despite_the_cancel_gives_its_result(bridge: Bridge) -> None:
    async def landed() -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "landed"
        return "not reached"

    with trio.move_on_after(0.01) as scope:
        assert await bridge.run(landed) == "landed"
    assert not scope.cancelled_caught


async def test_a_cancelled_error_never_leaks(bridge: Bridge) -> None:
    async def give_up() -> None:
        raise asyncio.CancelledError

    with pytest.raises(BridgeCancelled):
        await bridge.run(give_up)


async def test_sockets_and_threads_wake_the_loop(bridge: Bridge) -> None:
    async def resolve_and_talk() -> bytes:
        loop = asyncio.get_running_loop()
        await loop.getaddrinfo("127.0.0.1", 80)  # an executor thread
        left, right = socket.socketpair()
        reader, writer = await asyncio.open_unix_connection(sock=left)
        right.setblocking(False)
        await loop.sock_sendall(right, b"hello\n")
        line = await reader.readline()
        writer.close()
        right.close()
        return line

    assert await bridge.run(resolve_and_talk) == b"hello\n"


async def test_timers_follow_trios_clock(autojump_clock: MockClock) -> None:
    async with Bridge() as bridge:
        began = trio.current_time()
        await bridge.run(asyncio.sleep, 3_600)
        assert trio.current_time() - began == pytest.approx(3_600)


async def test_an_earlier_timer_set_later_is_not_missed(autojump_clock: MockClock) -> None:
    done: list[int] = []
    async with Bridge() as bridge, trio.open_nursery() as nursery:

        async def nap(seconds: int) -> None:
            await bridge.run(asyncio.sleep, seconds)
            done.append(seconds)

        for seconds in (50, 10, 30):
            nursery.start_soon(nap, seconds)
            await trio.sleep(1)
    assert done == [10, 30, 50]


async def test_a_busy_loop_does_not_starve_trio(bridge: Bridge) -> None:
    spins = 0

    async def spin() -> None:
        nonlocal spins
        while True:
            spins += 1
            await asyncio.sleep(0)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(bridge.run, spin)
        while spins == 0:
            await trio.lowlevel.checkpoint()
        before = spins
        for _ in range(3):
            await trio.lowlevel.checkpoint()
        assert 0 < spins - before <= 6 * TURN_POLLS_MAX
        nursery.cancel_scope.cancel()


async def test_many_calls_at_once(bridge: Bridge) -> None:
    results: list[int] = []

    async def one(n: int) -> None:
        results.append(await bridge.run(asyncio.sleep, 0.001 * (n % 3), n))

    async with trio.open_nursery() as nursery:
        for n in range(300):
            nursery.start_soon(one, n)
    assert sorted(results) == list(range(300))


async def test_closing_cancels_what_still_runs() -> None:
    ended: list[str] = []

    async def background() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("ended")

    async def start() -> asyncio.Task[None]:
        return asyncio.create_task(background())

    async with Bridge() as bridge:
        task = await bridge.run(start)
        await bridge.run(asyncio.sleep, 0)
    assert ended == ["ended"]
    assert task.cancelled()
    with pytest.raises(BridgeCancelled):
        await bridge.run(asyncio.sleep, 0)


async def test_closing_does_not_wait_for_ever_and_frees_the_callers(autojump_clock: MockClock) -> None:
    released = False

    async def stubborn() -> None:
        while not released:
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                continue

    async def caller(bridge: Bridge) -> None:
        nonlocal released
        with pytest.raises(BridgeCancelled):
            await bridge.run(stubborn)
        released = True

    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        async with Bridge(shutdown_s=5) as bridge:
            nursery.start_soon(caller, bridge)
            await trio.sleep(0.1)
    assert released
    assert trio.current_time() - began < 10


async def test_cancelling_all_around_it_ends_callers_and_bridge() -> None:
    async def hold(task_status: trio.TaskStatus[None]) -> None:
        async with Bridge() as bridge:
            task_status.started()
            await bridge.run(asyncio.sleep, 60)

    with trio.fail_after(2):
        async with trio.open_nursery() as nursery:
            await nursery.start(hold)
            nursery.cancel_scope.cancel()


async def test_serve_is_the_same_lifetime_as_a_child() -> None:
    bridge = Bridge()
    async with trio.open_nursery() as nursery:
        await nursery.start(lambda task_status: bridge.serve(task_status=task_status))
        assert await bridge.run(asyncio.sleep, 0, "ready") == "ready"
        nursery.cancel_scope.cancel()


async def test_a_crash_inside_a_turn_frees_the_callers_and_ends_the_holder() -> None:
    async def crash() -> None:
        raise SystemExit(3)  # asyncio lets this one out of its loop

    with trio.fail_after(2), pytest.raises(BaseExceptionGroup) as caught:
        async with Bridge() as bridge, trio.open_nursery() as nursery:
            nursery.start_soon(bridge.run, asyncio.sleep, 60)
            await trio.testing.wait_all_tasks_blocked()
            await bridge.run(crash)
    assert caught.value.subgroup(SystemExit) is not None
