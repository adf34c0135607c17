"""The end of a turn: a flush that took long is followed by a rest, but only where the loop is short of time, and one
that would take long lets others have their turn."""

from collections.abc import Iterator
from itertools import pairwise
from time import perf_counter

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.transports.sockets import flusher as flusher_module
from greenroom.transports.sockets import flusher as module
from greenroom.transports.sockets.flusher import HOPS, LOOK, Flusher, TurnEnd
from greenroom.transports.sockets.rests import CROWD, FEW, REST_S_MAX


class Peer:
    peer = "peer"

    def __init__(self) -> None:
        self.flushes = 0
        self.flushed_at = perf_counter()

    def flush(self) -> None:
        self.flushes += 1

    def abort(self) -> None:
        raise AssertionError("a flush failed")


def flusher_that_rests() -> Flusher:
    """For REST_S_MAX, since no flush takes less than a billionth of that."""
    return Flusher(None, TurnEnd(), lambda: False, rest_share=1e9)  # type: ignore[arg-type]


def some() -> list[Peer]:
    return [Peer() for _ in range(FEW + 1)]


def add(flusher: Flusher, peers: list[Peer]) -> None:
    for peer in peers:
        flusher.add(peer)


async def test_where_the_loop_has_time_nobody_waits(mock_clock: MockClock) -> None:
    flusher, peers = flusher_that_rests(), some()
    peer = peers[0]
    async with trio.open_nursery() as nursery:
        await nursery.start(flusher.run)
        for number in range(1, 4):
            add(flusher, peers)
            await wait_all_tasks_blocked()  # virtual time stands still
            assert peer.flushes == number
        nursery.cancel_scope.cancel()


async def test_while_the_loop_is_busy_what_is_produced_leaves_together(mock_clock: MockClock) -> None:
    flusher, peers = flusher_that_rests(), some()
    peer = peers[0]

    async def busy() -> None:
        while True:
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        await nursery.start(flusher.run)
        nursery.start_soon(busy)
        add(flusher, peers)
        for _ in range(50):
            await trio.lowlevel.checkpoint()
        assert peer.flushes == 1
        for _ in range(50):
            add(flusher, peers)
            await trio.lowlevel.checkpoint()
        assert peer.flushes == 1
        mock_clock.jump(REST_S_MAX)
        for _ in range(50):
            await trio.lowlevel.checkpoint()
        assert peer.flushes == 51, "all that was added meanwhile, in one flush"
        nursery.cancel_scope.cancel()


async def test_a_flush_for_a_few_is_not_rested_after_however_busy_the_loop_is(mock_clock: MockClock) -> None:
    flusher, peer = flusher_that_rests(), Peer()

    async def busy() -> None:
        while True:
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        await nursery.start(flusher.run)
        nursery.start_soon(busy)
        for number in range(1, 4):
            flusher.add(peer)
            for _ in range(3):
                await trio.lowlevel.checkpoint()
            assert peer.flushes == number
        nursery.cancel_scope.cancel()


class Fanned:
    """A hub that gives these sockets something, all at the first flush."""

    def __init__(self, sockets: list[Peer]) -> None:
        self.flusher = Flusher(None, TurnEnd(), self._give, rest_share=0.0)  # type: ignore[arg-type]
        self._sockets = sockets

    def _give(self) -> bool:
        sockets, self._sockets = self._sockets, []
        for one in sockets:
            self.flusher.add(one)
        return False


def standing_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """All passes of the scheduler come before HOPS_S is over: on a busy machine one may take longer than that."""
    monkeypatch.setattr(module, "perf_counter", lambda: 0.0)


def ticking() -> Iterator[float]:
    at = 0.0
    while True:
        at += 1.0
        yield at


async def test_many_sockets_are_flushed_in_slices_and_a_reply_does_not_wait_behind_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ticks = ticking()
    monkeypatch.setattr(module, "perf_counter", lambda: next(ticks))  # a slice is over each time one looks
    many = [Peer() for _ in range(20 * LOOK)]
    flusher = Fanned(many).flusher
    replied = Peer()
    seen: list[tuple[int, int]] = []

    async def other() -> None:
        for turn in range(8):
            seen.append((sum(one.flushes for one in many), replied.flushes))
            if turn == 3:
                flusher.add(replied)
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        await nursery.start(flusher.run)
        flusher.wake()
        nursery.start_soon(other)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert {one.flushes for one in many} == {1}
    served = [one for one, _ in seen]
    assert max(later - earlier for earlier, later in pairwise(served)) <= 2 * LOOK
    assert seen[-1][0] < len(many), "still under way"
    assert seen[-1][1] == 1


async def test_many_replies_are_flushed_in_slices_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a user whose thousand connections are told at once that they end."""
    monkeypatch.setattr(module, "SLICE_S", 0.0)
    standing_still(monkeypatch)
    flusher, many = Flusher(None, TurnEnd(), lambda: False, rest_share=0.0), [Peer() for _ in range(20 * LOOK)]  # type: ignore[arg-type]
    seen: list[int] = []

    async def other() -> None:
        while not seen or seen[-1] < len(many):
            seen.append(sum(one.flushes for one in many))
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        await nursery.start(flusher.run)
        add(flusher, many)
        nursery.start_soon(other)
        with trio.fail_after(5):
            await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert {one.flushes for one in many} == {1}
    assert max(later - earlier for earlier, later in pairwise(seen)) <= LOOK


async def test_a_command_of_several_hops_waits_for_one_slice_and_not_at_each_hop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From the poller to the entity, from there to the flusher: a pass of the scheduler each."""
    monkeypatch.setattr(module, "SLICE_S", 0.0)
    standing_still(monkeypatch)
    many = [Peer() for _ in range(50 * LOOK)]
    flusher = Fanned(many).flusher
    replied, waited = Peer(), list[int]()

    async def command() -> None:
        for _ in range(3):
            await trio.lowlevel.checkpoint()
        asked = sum(one.flushes for one in many)
        for _ in range(HOPS - 2):
            await trio.lowlevel.checkpoint()
        flusher.add(replied)
        while not replied.flushes:
            await trio.lowlevel.checkpoint()
        waited.append(sum(one.flushes for one in many) - asked)

    async with trio.open_nursery() as nursery:
        await nursery.start(flusher.run)
        flusher.wake()
        nursery.start_soon(command)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert waited[0] <= LOOK


async def test_what_is_published_between_two_slices_of_a_flush_is_handed_out_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The hub is asked at the first slice alone, so whoever wakes the flusher amid the others wakes it for one more."""
    monkeypatch.setattr(flusher_module, "SLICE_S", 0.0)
    crowd, late, hub = [Peer() for _ in range(10 * LOOK + 5)], Peer(), list[Peer]()

    def hand_out() -> bool:
        add(flusher, hub)
        hub.clear()
        return False

    flusher = Flusher(None, TurnEnd(), hand_out, rest_share=0.0)  # type: ignore[arg-type]
    async with trio.open_nursery() as nursery:
        await nursery.start(flusher.run)
        hub += crowd
        flusher.wake()
        for _ in range(3):
            await trio.lowlevel.checkpoint()
        assert 0 < sum(peer.flushes for peer in crowd) < len(crowd)
        hub.append(late)
        flusher.wake()
        await wait_all_tasks_blocked()
        assert (sum(peer.flushes for peer in crowd), late.flushes) == (len(crowd), 1)
        nursery.cancel_scope.cancel()


def test_what_the_hub_has_for_a_connection_goes_along_with_its_reply() -> None:
    """In one call and not in two: a connect is followed by the presence of its user."""
    order: list[str] = []

    class Replied(Peer):
        def flush(self) -> None:
            order.append("socket")

    def hand_out() -> bool:
        order.append("hub")
        return False

    flusher = Flusher(None, TurnEnd(), hand_out, rest_share=0.0)  # type: ignore[arg-type]
    flusher.add(Replied())
    flusher.flush()
    assert order == ["hub", "socket"]


def test_a_goodbye_waits_for_all_of_it() -> None:
    many = [Peer() for _ in range(20 * LOOK)]
    Fanned(many).flusher.flush()
    assert {one.flushes for one in many} == {1}


async def test_what_is_produced_while_a_crowd_is_served_waits_for_the_next_flush(
    mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else there would be no end of the flush, no rest, and a message a call."""
    monkeypatch.setattr(flusher_module, "SLICE_S", 0.0)
    crowd = [Peer() for _ in range(CROWD)]
    handed_out = 0

    def hand_out() -> bool:
        nonlocal handed_out
        handed_out += 1
        for peer in crowd:
            flusher.add(peer)
        return False

    flusher = Flusher(None, TurnEnd(), hand_out, rest_share=1e9)  # type: ignore[arg-type]

    async def publishes() -> None:
        while True:
            flusher.wake()
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        await nursery.start(flusher.run)
        nursery.start_soon(publishes)
        for _ in range(100):
            await trio.lowlevel.checkpoint()
        assert handed_out == 1 and {peer.flushes for peer in crowd} == {1}
        nursery.cancel_scope.cancel()


async def test_a_crowd_is_rested_after_though_the_loop_is_idle(mock_clock: MockClock) -> None:
    flusher, crowd = flusher_that_rests(), [Peer() for _ in range(CROWD)]
    async with trio.open_nursery() as nursery:
        await nursery.start(flusher.run)
        for flushes in (1, 1, 2):
            for peer in crowd:
                flusher.add(peer)
            if flushes == 2:
                mock_clock.jump(REST_S_MAX)
            await wait_all_tasks_blocked()
            assert crowd[0].flushes == (flushes if flushes == 1 else 3)
        nursery.cancel_scope.cancel()


async def test_what_the_hub_hands_out_asks_for_no_second_flush(mock_clock: MockClock) -> None:
    """It leaves in the flush that asked for it; what the hub is told meanwhile is for the next."""
    peer, asked, published = Peer(), 0, 0

    def hand_out() -> bool:
        nonlocal asked, published
        asked += 1
        if published:
            published -= 1
            flusher.add(peer)
        if published:  # by a watcher that what was handed out has woken
            flusher.wake()
        return False

    flusher = Flusher(None, TurnEnd(), hand_out, rest_share=0.0)  # type: ignore[arg-type]
    async with trio.open_nursery() as nursery:
        await nursery.start(flusher.run)
        for publications in (1, 3):
            asked, peer.flushes, published = 0, 0, publications
            flusher.wake()
            await wait_all_tasks_blocked()
            assert (asked, peer.flushes) == (publications, publications)
        flusher.add(peer)  # by a task
        await wait_all_tasks_blocked()
        assert (asked, peer.flushes) == (publications + 1, publications + 1)
        nursery.cancel_scope.cancel()
