import signal
import sys
import threading
import time
from functools import partial

import pytest
import structlog
import trio

from greenroom.actors.life.turn import Turn
from greenroom.actors.model.errors import HandlerStuck
from greenroom.supervisors.supervision.watchdog import TurnClock, Verdict, Watchdog

CALM, SLOW, STUCK, STILL_STUCK = Verdict.CALM, Verdict.SLOW, Verdict.STUCK, Verdict.STILL_STUCK


class Owner:
    entity = "room:lobby"


class Secret:
    def __repr__(self) -> str:
        raise AssertionError("the content of a message must not be logged")


def turn_of(owner: object, item: object, serial: int = 1) -> Turn:
    turn = Turn()
    turn.owner, turn.item, turn.serial = owner, item, serial
    return turn


# Deciding: virtual time.


def clock() -> TurnClock:
    return TurnClock(sample_s=0.1, slow_s=0.2, stuck_s=0.4)


def test_a_turn_is_slow_once_then_stuck_for_as_long_as_it_lasts() -> None:
    turn, subject = turn_of(Owner(), Secret()), clock()
    looks = [subject.look(turn, sample / 8) for sample in range(7)]  # 0.125 s apart: exact in binary
    assert looks == [CALM, CALM, SLOW, CALM, STUCK, STILL_STUCK, STILL_STUCK]
    turn.item = None
    assert subject.look(turn, 1.0) is CALM
    assert subject.suspect is None


@pytest.mark.parametrize("change", ["owner", "item", "serial"])
def test_another_turn_starts_from_zero(change: str) -> None:
    turn, subject = turn_of(Owner(), Secret()), clock()
    assert [subject.look(turn, sample / 8) for sample in range(4)] == [CALM, CALM, SLOW, CALM]
    setattr(turn, change, 2 if change == "serial" else Owner())
    assert [subject.look(turn, 0.5 + sample / 8) for sample in range(5)] == [CALM, CALM, SLOW, CALM, STUCK]


def test_an_equal_item_is_not_the_same_item() -> None:
    turn, subject = turn_of(Owner(), [1]), clock()
    subject.look(turn, 0.0)
    turn.item = [1]
    assert subject.look(turn, 0.15) is CALM
    assert subject.look(turn, 0.30) is CALM
    assert subject.look(turn, 0.45) is SLOW


def test_outside_of_a_turn_nothing_ages() -> None:
    turn, subject = Turn(), clock()
    assert {subject.look(turn, sample / 8) for sample in range(20)} == {CALM}


def test_a_process_that_was_stopped_does_not_blame_the_turn() -> None:
    """SIGSTOP for a minute: the clock is far ahead, but the handler has only run for two samples."""
    turn, subject = turn_of(Owner(), Secret()), clock()
    assert subject.look(turn, 0.0) is CALM
    assert subject.look(turn, 0.1) is CALM
    assert subject.look(turn, 60.0) is SLOW
    assert subject.look(turn, 60.05) is CALM


# Doing: real time, since a handler that hangs can't be hurried.


def quick(turn: Turn, **settings: object) -> Watchdog:
    return Watchdog(turn, sample_s=0.02, slow_s=0.1, stuck_s=0.3, **settings)  # type: ignore[arg-type]


def hang() -> None:
    until = time.monotonic() + 5.0
    while time.monotonic() < until:
        pass
    raise AssertionError("nobody interrupted the handler")


def take_turn(turn: Turn, handle: object, item: object = "message") -> BaseException | None:
    """The runner, in the shape that the docstring of Turn asks for."""
    turn.serial += 1
    turn.owner = Owner()
    turn.item = item
    try:
        handle()  # type: ignore[operator]
        turn.item = None
    except Exception as error:
        turn.item = None
        return error
    return None


async def test_a_handler_that_never_returns_is_interrupted_where_it_hangs() -> None:
    turn = Turn()
    watchdog = quick(turn)
    with structlog.testing.capture_logs() as logs:
        async with trio.open_nursery() as nursery:  # owner: this test, which cancels it
            await nursery.start(watchdog.run)
            began = time.monotonic()
            error = take_turn(turn, hang, Secret())
            took_s = time.monotonic() - began
            nursery.cancel_scope.cancel()  # waits for the thread, which logs after it has struck
    assert isinstance(error, HandlerStuck)
    assert "room:lobby" in str(error)
    assert "Secret" in str(error)
    traceback = error.__traceback__
    names = []
    while traceback is not None:
        names.append(traceback.tb_frame.f_code.co_name)
        traceback = traceback.tb_next
    assert names[:2] == ["take_turn", "hang"]
    assert 0.25 < took_s < 1.0
    assert [entry["event"] for entry in logs] == ["handler_slow", "handler_stuck"]
    assert "in hang" in logs[0]["stack"]
    assert logs[0]["entity"] == "room:lobby"
    assert logs[0]["message"] == "Secret"
    assert (watchdog.slow_turns, watchdog.stuck_turns) == (1, 1)


async def test_a_handler_that_blocks_in_a_system_call_is_interrupted_too() -> None:
    turn = Turn()
    async with trio.open_nursery() as nursery:  # owner: this test, which cancels it
        await nursery.start(quick(turn).run)
        assert isinstance(take_turn(turn, partial(time.sleep, 5.0)), HandlerStuck)
        nursery.cancel_scope.cancel()


async def test_a_handler_that_swallows_the_first_interrupt_gets_a_second() -> None:
    def stubborn() -> None:
        try:
            hang()
        except HandlerStuck:
            hang()

    turn = Turn()
    async with trio.open_nursery() as nursery:  # owner: this test, which cancels it
        await nursery.start(quick(turn).run)
        assert isinstance(take_turn(turn, stubborn), HandlerStuck)
        nursery.cancel_scope.cancel()


async def test_slow_work_outside_of_a_turn_is_never_interrupted() -> None:
    turn = Turn()
    watchdog = quick(turn)
    async with trio.open_nursery() as nursery:  # owner: this test, which cancels it
        await nursery.start(watchdog.run)
        time.sleep(0.5)  # noqa: ASYNC251 - holds the loop past stuck_s
        nursery.cancel_scope.cancel()
    assert (watchdog.slow_turns, watchdog.stuck_turns) == (0, 0)


async def test_many_short_turns_are_none_of_its_business() -> None:
    """All together they take longer than stuck_s; the same owner and the same message object each time."""
    turn, item = Turn(), Secret()
    watchdog = quick(turn)
    async with trio.open_nursery() as nursery:  # owner: this test, which cancels it
        await nursery.start(watchdog.run)
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            assert take_turn(turn, lambda: None, item) is None
        nursery.cancel_scope.cancel()
    assert (watchdog.slow_turns, watchdog.stuck_turns) == (0, 0)


def accuse(watchdog: Watchdog, turn: Turn) -> None:
    """As the thread does, but at a moment of our choosing: the Python-level handler runs before this returns."""
    clock = watchdog._clock
    clock.look(turn, 0.0)
    watchdog._accused = clock.suspect


def test_a_signal_that_comes_after_its_turn_hits_nobody() -> None:
    turn = turn_of(Owner(), Secret())
    watchdog = quick(turn)
    accuse(watchdog, turn)
    turn.serial += 1  # the next turn, of the same owner and item
    watchdog._interrupt(signal.SIGUSR2, sys._getframe())
    assert watchdog._accused is None


def test_a_stray_signal_hits_nobody() -> None:
    quick(turn_of(Owner(), Secret()))._interrupt(signal.SIGUSR2, sys._getframe())


def test_a_signal_that_comes_when_the_handler_has_returned_hits_nobody() -> None:
    turn = turn_of(Owner(), Secret())
    watchdog = quick(turn)
    accuse(watchdog, turn)
    turn.item = None  # the runner's own lines, still of the same turn
    watchdog._interrupt(signal.SIGUSR2, sys._getframe())
    turn.item = Secret()
    accuse(watchdog, turn)
    with pytest.raises(HandlerStuck):
        watchdog._interrupt(signal.SIGUSR2, sys._getframe())


async def test_the_signal_and_the_thread_are_given_back() -> None:
    def mine(*_: object) -> None: ...

    before = signal.signal(signal.SIGUSR2, mine)
    try:
        threads = threading.active_count()
        for _ in range(3):
            async with trio.open_nursery() as nursery:  # owner: this test, which cancels it
                await nursery.start(quick(Turn()).run)
                assert signal.getsignal(signal.SIGUSR2) is not mine
                nursery.cancel_scope.cancel()
            assert signal.getsignal(signal.SIGUSR2) is mine
            assert threading.active_count() == threads
    finally:
        signal.signal(signal.SIGUSR2, before)


def test_outside_the_main_thread_it_only_logs() -> None:
    turn = Turn()
    watchdog = quick(turn)
    outcome: list[BaseException | None] = []
    before = signal.getsignal(signal.SIGUSR2)

    async def main() -> None:
        async with trio.open_nursery() as nursery:  # owner: this loop, which cancels it
            await nursery.start(watchdog.run)
            outcome.append(take_turn(turn, partial(time.sleep, 0.5)))
            nursery.cancel_scope.cancel()

    with structlog.testing.capture_logs() as logs:
        thread = threading.Thread(target=trio.run, args=(main,))
        thread.start()
        thread.join(5)
    assert not thread.is_alive()
    assert outcome == [None]
    assert [(entry["event"], entry.get("interrupted")) for entry in logs] == [
        ("handler_slow", None),
        ("handler_stuck", False),
    ]
    assert signal.getsignal(signal.SIGUSR2) is before


def test_settings_without_meaning_are_refused() -> None:
    with pytest.raises(ValueError, match="sample_s"):
        Watchdog(Turn(), sample_s=1.0, slow_s=0.5)
