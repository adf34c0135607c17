"""A flush that took long is followed by a rest, but only where the loop is short of time."""

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.transports.sockets.flusher import REST_S_MAX, Flusher, TurnEnd


class Peer:
    peer = "peer"

    def __init__(self) -> None:
        self.flushes = 0

    def flush(self) -> None:
        self.flushes += 1

    def abort(self) -> None:
        raise AssertionError("a flush failed")


def flusher_that_rests() -> Flusher:
    """For REST_S_MAX, since no flush takes less than a billionth of that."""
    return Flusher(None, TurnEnd(), lambda: None, rest_share=1e9)  # type: ignore[arg-type]


async def test_where_the_loop_has_time_nobody_waits(mock_clock: MockClock) -> None:
    flusher, peer = flusher_that_rests(), Peer()
    async with trio.open_nursery() as nursery:
        await nursery.start(flusher.run)
        for number in range(1, 4):
            flusher.add(peer)
            await wait_all_tasks_blocked()  # virtual time stands still
            assert peer.flushes == number
        nursery.cancel_scope.cancel()


async def test_while_the_loop_is_busy_what_is_produced_leaves_together(mock_clock: MockClock) -> None:
    flusher, peer = flusher_that_rests(), Peer()

    async def busy() -> None:
        while True:
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        await nursery.start(flusher.run)
        nursery.start_soon(busy)
        flusher.add(peer)
        for _ in range(50):
            await trio.lowlevel.checkpoint()
        assert peer.flushes == 1
        for _ in range(50):
            flusher.add(peer)
            await trio.lowlevel.checkpoint()
        assert peer.flushes == 1
        mock_clock.jump(REST_S_MAX)
        for _ in range(50):
            await trio.lowlevel.checkpoint()
        assert peer.flushes == 51, "all that was added meanwhile, in one flush"
        nursery.cancel_scope.cancel()
