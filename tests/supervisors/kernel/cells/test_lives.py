"""One life after another: how often an entity is built anew, how long it waits for that, and what keeps it down."""

import itertools
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.life.turn import Turn
from greenroom.actors.model.errors import HandlerFailed, HandlerStuck, OutcomeUnknown, Unavailable
from greenroom.actors.model.lifecycle import Passivate
from greenroom.config.limits import SupervisionConfig
from greenroom.supervisors.kernel.cells.ending import Ending, unanswered, unhandled
from greenroom.supervisors.supervision.watchdog import Watchdog
from tests.store.journal.faulty_journal import Fault
from tests.supervisors.kernel.small_kernel import (
    Do,
    Fail,
    Log,
    Note,
    Noted,
    Read,
    kernel,
    settled,
)

A = "log:a"
B = "log:b"


async def test_too_many_restarts_keep_the_entity_down_for_a_while(autojump_clock: MockClock) -> None:
    supervision = SupervisionConfig(restarts_max=2, strikes_max=100, backoff_max_s=5.0)
    async with kernel(supervision=supervision) as run:
        poison = run.send(A, Fail())
        waiting = run.send(A, Note(text="x"))
        await trio.sleep(1)
        assert isinstance(poison.answer, Unavailable) and isinstance(waiting.answer, Unavailable)
        assert run.awake() == set()
        with pytest.raises(Unavailable):
            run.send(A, Note(text="x"))
        await trio.sleep(5)
        assert (await run.ask(A, Note(text="x")), run.texts(A)) == (1, ["x"])


async def test_restarts_wait_longer_each_time(autojump_clock: MockClock) -> None:
    born_s: list[float] = []

    class Fragile(Log):
        def handle(self, message: Any) -> Any:
            born_s.append(trio.current_time())
            raise ZeroDivisionError

    supervision = SupervisionConfig(restarts_max=9, strikes_max=9, backoff_first_s=1.0, backoff_max_s=64.0)
    async with kernel(kinds=(Fragile,), supervision=supervision) as run:
        run.send(A, Read())
        await trio.sleep(300)
    waits_s = [later - earlier for earlier, later in itertools.pairwise(born_s)]
    assert len(waits_s) == 8
    assert all(wait_s <= 2.0**number for number, wait_s in enumerate(waits_s))
    assert sum(waits_s[4:]) > sum(waits_s[:4])


async def test_an_apply_that_raises_on_replay_answers_everybody_and_keeps_the_entity_down(
    autojump_clock: MockClock,
) -> None:
    class Broken(Log):
        fail = False

        def apply(self, event: Noted) -> None:
            if self.fail:
                raise ZeroDivisionError
            super().apply(event)

    async with kernel(kinds=(Broken,)) as run:
        run.send(A, Note(text="x"))
        await settled()
        Broken.fail = True
        run.journal.faults["append"] += [Fault.LOST]
        run.journal.hold()
        Broken.fail = False
        lost = run.send(A, Note(text="y"))
        await settled()
        Broken.fail = True
        run.journal.release()
        await trio.sleep(60)
        assert isinstance(lost.answer, OutcomeUnknown)
        assert run.awake() == set()


async def test_a_handler_that_never_returns_is_a_dead_letter_at_once(autojump_clock: MockClock) -> None:
    async with kernel() as run:

        def act(actor: Log) -> None:
            raise HandlerStuck("as the watchdog raises it")

        stuck = run.send(A, Do(act=act))
        after = run.send(A, Note(text="after"))
        await trio.sleep(1)
        assert (type(stuck.answer), after.answer, run.instruments.dead_letters) == (HandlerFailed, 1, 1)


async def test_the_watchdog_ends_a_busy_loop_in_a_handler() -> None:
    """In real time and with a real signal: what `Turn` says while a handler runs is what the watchdog acts upon."""
    turn = Turn()
    async with kernel(turn=turn) as run:

        def act(actor: Log) -> None:
            while True:
                pass

        watchdog = Watchdog(turn, stuck_s=0.1, slow_s=0.05, sample_s=0.01)
        async with trio.open_nursery() as nursery:
            await nursery.start(watchdog.run)
            stuck = run.send(A, Do(act=act))
            after = run.send(A, Note(text="after"))
            with trio.fail_after(20):
                while not after.answers:  # noqa: ASYNC110 - a real clock, a real signal
                    await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
        assert (type(stuck.answer), after.answer, turn.item) == (HandlerFailed, 1, None)


async def test_the_watchdog_ends_a_busy_loop_in_apply_when_an_entity_wakes() -> None:
    """Of an event of an older release: this one's `apply` may be another. It is not tried again at once."""

    class Endless(Log):
        stuck = 0

        def apply(self, event: Noted) -> None:
            if Endless.stuck:
                Endless.stuck += 1
                while True:
                    pass
            super().apply(event)

    turn = Turn()
    async with kernel(kinds=(Endless,), turn=turn) as run:
        await run.ask(A, Note(text="x"))
        run.cell(A).mailbox.put_control(Passivate())
        await settled()
        Endless.stuck = 1
        watchdog = Watchdog(turn, stuck_s=0.1, slow_s=0.05, sample_s=0.01)
        async with trio.open_nursery() as nursery:
            await nursery.start(watchdog.run)
            stuck = run.send(A, Read())
            with trio.fail_after(20):
                while not stuck.answers:  # noqa: ASYNC110 - a real clock, a real signal
                    await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
        assert (type(stuck.answer), Endless.stuck, turn.item) == (Unavailable, 2, None)


# What they end with.


@pytest.mark.parametrize(
    ("ending", "handled", "waiting"),
    [
        (Ending.STOPPED, "outcome_unknown", "unavailable"),
        (Ending.FAILED, "outcome_unknown", "unavailable"),
        (Ending.DAMAGED, "outcome_unknown", "unavailable"),
        (Ending.REFUSED, "outcome_unknown", "not_owner"),
        (Ending.BEHIND, "outcome_unknown", "not_in_release"),
        (Ending.ERASED, "forgotten", "forgotten"),
    ],
    ids=lambda one: one.value if isinstance(one, Ending) else "",
)
def test_who_may_have_been_handled_hears_something_else_than_who_was_not(
    ending: Ending, handled: str, waiting: str
) -> None:
    assert (unanswered(ending).name, unhandled(ending).name) == (handled, waiting)
