"""The time that a statement has, and who hears of it when it is over: on virtual time."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import trio
from trio.testing import MockClock

from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.lapse import Lapse, Lapsed


@contextmanager
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    left, right = socket.socketpair()
    with left, right:
        yield left, right


def in_s(seconds: float) -> Lapse:
    return Lapse(trio.current_time() + seconds)


async def waits(bridge: Bridge, sock: socket.socket, lapse: Lapse) -> float:
    """After how many seconds it lapsed."""
    begun = trio.current_time()
    with pytest.raises(Lapsed):
        await bridge.readable(sock.fileno(), lapse)
    return trio.current_time() - begun


async def test_who_waits_for_too_long_hears_of_it_and_again(autojump_clock: MockClock) -> None:
    async with Bridge() as bridge:
        with pair() as (left, _):
            for seconds in (10.0, 3.0, 10.0):
                assert await waits(bridge, left, in_s(seconds)) == pytest.approx(seconds)


async def test_each_has_its_own_time_whichever_began_first(autojump_clock: MockClock) -> None:
    found: dict[float, float] = {}

    async def one(bridge: Bridge, sock: socket.socket, seconds: float) -> None:
        found[seconds] = await waits(bridge, sock, in_s(seconds))

    async with Bridge() as bridge:
        with pair() as (left, right), pair() as (other, _):
            async with trio.open_nursery() as nursery:
                for sock, seconds in ((left, 10.0), (right, 4.0), (other, 20.0)):
                    nursery.start_soon(one, bridge, sock, seconds)
    assert found == {10.0: pytest.approx(10.0), 4.0: pytest.approx(4.0), 20.0: pytest.approx(20.0)}


async def test_it_can_become_less_and_never_more(autojump_clock: MockClock) -> None:
    async with Bridge() as bridge:
        with pair() as (left, _):
            lapse = in_s(10.0)
            async with trio.open_nursery() as nursery:

                async def shortened() -> None:
                    assert await waits(bridge, left, lapse) == pytest.approx(2.0)

                nursery.start_soon(shortened)
                await trio.sleep(1.0)
                lapse.shorten(trio.current_time() + 1.0)
                lapse.shorten(trio.current_time() + 5.0)


async def test_an_answer_in_time_is_one_though_the_look_comes_later(autojump_clock: MockClock) -> None:
    """The look at the first one's time finds nobody, and the next has all of his."""
    async with Bridge() as bridge:
        with pair() as (left, right):
            right.send(b"x")
            await bridge.readable(left.fileno(), in_s(2.0))
            left.recv(1)
            assert await waits(bridge, left, in_s(10.0)) == pytest.approx(10.0)


async def test_what_is_awaited_otherwise_ends_by_a_scope(autojump_clock: MockClock) -> None:
    lapse = in_s(10.0)
    begun = trio.current_time()
    async with trio.open_nursery() as nursery:

        async def shortens() -> None:
            await trio.sleep(1.0)
            lapse.shorten(trio.current_time() + 1.0)

        nursery.start_soon(shortens)
        with lapse.scope() as scope:
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert trio.current_time() - begun == pytest.approx(2.0)
