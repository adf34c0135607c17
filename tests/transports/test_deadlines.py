import pytest
import trio
from trio.testing import MockClock

from greenroom.transports.deadlines import TICK_S, Deadlines
from tests.steps import counted_steps


class Waiting:
    def __init__(self) -> None:
        self.done = False
        self.expired_at: float | None = None

    def expire(self) -> None:
        assert self.expired_at is None
        self.expired_at = trio.current_time()


async def test_what_is_not_done_expires_soon_after_its_deadline_and_what_is_done_is_let_go(
    autojump_clock: MockClock,
) -> None:
    deadlines = Deadlines()
    async with trio.open_nursery() as nursery:
        await nursery.start(deadlines.run)
        begun = trio.current_time()
        late = [(after, Waiting()) for after in (0.0, 0.05, 0.3, 1.0, 1.01, 7.77)]
        done = Waiting()
        for after, waiting in late:
            deadlines.add(begun + after, waiting)
        deadlines.add(begun + 0.5, done)
        deadlines.add(begun - 10, past := Waiting())
        done.done = True
        await trio.sleep(20)
        for after, waiting in (*late, (0.0, past)):
            assert waiting.expired_at is not None
            assert begun + after <= waiting.expired_at <= begun + after + 2 * TICK_S + 1e-9
        assert done.expired_at is None
        assert deadlines._ticks == {}
        nursery.cancel_scope.cancel()


async def test_what_is_answered_leaves_at_once() -> None:
    deadlines = Deadlines()
    waiting = Waiting()
    tick = deadlines.add(60.0, waiting)
    deadlines.add(60.0, Waiting())
    assert len(deadlines) == 2
    tick.pop(waiting, None)
    tick.pop(waiting, None)
    assert len(deadlines) == 1


async def test_one_that_raises_does_not_keep_the_others_from_hearing(autojump_clock: MockClock) -> None:
    class Broken(Waiting):
        def expire(self) -> None:
            raise ZeroDivisionError("boom")

    deadlines = Deadlines()
    async with trio.open_nursery() as nursery:
        await nursery.start(deadlines.run)
        at = trio.current_time() + 1
        first, last, later = Broken(), Waiting(), Waiting()
        for one in (first, last):
            deadlines.add(at, one)
        deadlines.add(at + 5, later)
        await trio.sleep(10)
        assert last.expired_at == pytest.approx(at, abs=2 * TICK_S)
        assert later.expired_at == pytest.approx(at + 5, abs=2 * TICK_S)
        nursery.cancel_scope.cancel()


async def test_one_that_comes_later_and_is_due_earlier_expires_in_time(autojump_clock: MockClock) -> None:
    deadlines = Deadlines()
    async with trio.open_nursery() as nursery:
        await nursery.start(deadlines.run)
        deadlines.add(trio.current_time() + 60.0, Waiting())
        await trio.sleep(1.0)
        due = trio.current_time() + 2.0
        deadlines.add(due, early := Waiting())
        await trio.sleep(3.0)
        assert early.expired_at is not None and due <= early.expired_at <= due + TICK_S + 1e-9
        nursery.cancel_scope.cancel()


async def test_nobody_is_woken_where_nothing_is_to_expire(autojump_clock: MockClock) -> None:
    deadlines = Deadlines()
    async with trio.open_nursery() as nursery:
        await nursery.start(deadlines.run, name="deadlines")
        deadlines.add(trio.current_time() + 1.0, Waiting())
        await trio.sleep(10.0)
        with counted_steps() as taken:
            await trio.sleep(60.0)
        assert taken["deadlines"] == 0
        nursery.cancel_scope.cancel()
