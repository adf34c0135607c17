import socket
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from greenroom.transports.sockets import poller as poller_module
from greenroom.transports.sockets.poller import READABLE, READY_MAX, WRITABLE, Poller


def take(sock: socket.socket) -> None:
    """What has come to it; what it was does not matter."""
    sock.recv(100)


class Owner:
    def __init__(self, act: Callable[[int], None] = lambda events: None) -> None:
        self.events: list[int] = []
        self._act = act

    def on_ready(self, events: int) -> None:
        self.events.append(events)
        self._act(events)


def pair() -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    return ours, theirs


@pytest.fixture(params=["best", "portable"])
def make(request: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Poller]:
    """What the system has, and what systems without epoll get."""
    if request.param == "portable":
        monkeypatch.setattr(poller_module, "_new_poll", poller_module._Selector)
    return Poller


async def test_those_who_are_ready_are_called_and_those_removed_are_not(make: Callable[[], Poller]) -> None:
    poller = make()
    (a, to_a), (b, to_b), (c, to_c) = pair(), pair(), pair()

    def read_and_remove(events: int) -> None:
        a.recv(100)
        if c.fileno() in poller._owners:
            poller.remove(c.fileno())  # earlier in the same batch, perhaps
            c.close()

    first, second, third = Owner(read_and_remove), Owner(lambda events: take(b)), Owner()
    for sock, owner in ((a, first), (b, second), (c, third)):
        poller.add(sock.fileno(), owner)
    assert len(poller) == 3
    async with trio.open_nursery() as nursery:
        await nursery.start(poller.run)
        to_a.send(b"x")
        to_c.send(b"x")
        await wait_all_tasks_blocked(0.01)
        assert first.events == [READABLE]
        assert len(third.events) <= 1
        to_b.send(b"x")
        await wait_all_tasks_blocked(0.01)
        assert second.events == [READABLE]
        nursery.cancel_scope.cancel()
    for sock in (a, b, to_a, to_b, to_c):
        sock.close()


async def test_writing_is_watched_when_asked_for(make: Callable[[], Poller]) -> None:
    poller = make()
    ours, theirs = pair()

    def once(events: int) -> None:
        poller.watch(ours.fileno())

    owner = Owner(once)
    poller.add(ours.fileno(), owner)
    async with trio.open_nursery() as nursery:
        await nursery.start(poller.run)
        await wait_all_tasks_blocked(0.01)
        assert owner.events == []
        poller.watch(ours.fileno(), write=True)
        await wait_all_tasks_blocked(0.01)
        assert owner.events == [WRITABLE]
        nursery.cancel_scope.cancel()
    ours.close()
    theirs.close()


async def test_it_can_run_again_and_has_forgotten_the_life_before(make: Callable[[], Poller]) -> None:
    poller = make()
    ours, theirs = pair()
    owner = Owner(lambda events: take(ours))
    poller.add(ours.fileno(), owner)
    for life in (1, 2):
        async with trio.open_nursery() as nursery:
            await nursery.start(poller.run)
            theirs.send(b"x")
            await wait_all_tasks_blocked(0.01)
            assert len(owner.events) == life
            nursery.cancel_scope.cancel()
        assert len(poller) == 0
        poller.remove(ours.fileno())
        poller.add(ours.fileno(), owner)
    ours.close()
    theirs.close()


async def test_many_that_are_ready_at_once_are_served_in_slices(
    make: Callable[[], Poller], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when thousands of connections are lost in one moment: a batch of them, then others have a turn."""
    monkeypatch.setattr(poller_module, "SLICE_S", 0.0)
    poller, pairs, turns = make(), [pair() for _ in range(4 * READY_MAX)], 0
    served: dict[int, int] = {}  # socket -> the turn in which it was

    def serve(sock: socket.socket) -> Owner:
        def once(events: int) -> None:
            take(sock)
            served[sock.fileno()] = turns

        return Owner(once)

    for ours, theirs in pairs:
        theirs.send(b"x")
        poller.add(ours.fileno(), serve(ours))
    async with trio.open_nursery() as nursery:
        await nursery.start(poller.run)
        while len(served) < len(pairs):
            turns += 1
            with trio.fail_after(5):
                await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    assert (
        max(Counter(served.values()).values()) <= 2 * READY_MAX
    )  # a pass of the scheduler may end with one, and begin
    for ours, theirs in pairs:
        ours.close()
        theirs.close()


async def test_many_that_are_always_ready_leave_others_their_turn(make: Callable[[], Poller]) -> None:
    poller = make()
    pairs = [pair() for _ in range(3 * READY_MAX)]
    owners = [Owner() for _ in pairs]
    for (ours, theirs), owner in zip(pairs, owners, strict=True):
        theirs.send(b"x")
        poller.add(ours.fileno(), owner)
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            await nursery.start(poller.run)
            for _ in range(50):
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
    assert all(owner.events for owner in owners)
    for ours, theirs in pairs:
        ours.close()
        theirs.close()
