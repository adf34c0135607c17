"""Handlers that raise, refuse, or do what can't be done."""

import itertools
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.life.turn import Turn
from greenroom.actors.model.entity import BadEntity
from greenroom.actors.model.errors import HandlerFailed, HandlerStuck, OutcomeUnknown, Refused, Unavailable
from greenroom.actors.model.lifecycle import Passivate
from greenroom.config.limits import SupervisionConfig
from greenroom.store.journal.dead_letters import DeadLetter
from greenroom.supervisors.supervision.watchdog import Watchdog
from tests.store.journal.faulty_journal import Fault
from tests.supervisors.kernel.small_kernel import (
    ANN,
    Do,
    Fail,
    Heard,
    Log,
    Note,
    Noted,
    Read,
    kernel,
    settled,
    texts_of,
)

A = "log:a"
B = "log:b"


class Opaque:
    """JSON has no word for it."""


async def test_a_message_that_keeps_killing_its_actor_becomes_a_dead_letter_and_the_rest_goes_on(
    autojump_clock: MockClock,
) -> None:
    async with kernel() as run:
        before = run.send(A, Note(text="before"))
        poison = run.send(A, Fail(text="never"), principal=ANN, trace="00-aa-bb-01")
        after = run.send(A, Note(text="after"))
        await trio.sleep(60)
        assert (before.answer, type(poison.answer), after.answer) == (1, HandlerFailed, 2)
        assert run.texts(A) == ["before", "after"] == texts_of(run, A)
        [letter] = await run.letters.list(limit=10)
        assert isinstance(letter, DeadLetter)
        assert (letter.entity, letter.message_type, letter.principal, letter.strikes) == (A, "log.fail", "ann", 3)
        assert b"never" in letter.payload and "ZeroDivisionError: boom" in letter.traceback
        assert (letter.trace, run.instruments.dead_letters, run.instruments.restarts) == ("00-aa-bb-01", 1, 3)


async def test_a_poisonous_tell_becomes_a_dead_letter_as_well(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        run.router.ref(A).tell(Fail())
        run.router.ref(A).tell(Heard(text="after"))
        await trio.sleep(60)
        assert run.texts(A) == ["after"]
        assert len(await run.letters.list(limit=10)) == 1


async def test_a_message_that_json_has_no_words_for_becomes_a_dead_letter_too(autojump_clock: MockClock) -> None:
    """It comes through no outbox, so it may hold anything: here a function."""

    def act(actor: Log) -> None:
        raise ZeroDivisionError

    async with kernel() as run:
        slots = [run.send(A, Do(act=act)), run.send(A, Note(text="after"))]
        await trio.sleep(60)
        assert (type(slots[0].answer), slots[1].answer) == (HandlerFailed, 1)
        (letter,) = await run.letters.list(limit=10)
        assert (letter.message_type, letter.payload, letter.strikes) == ("log.do", b"", 3)
        assert letter.error.startswith("ZeroDivisionError()") and "can't be kept" in letter.error


async def test_a_message_that_fails_once_is_handled_again(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        tries = 0

        def act(actor: Log) -> str:
            nonlocal tries
            tries += 1
            actor.note("x")
            actor.tell(B, Heard(text="told"))
            if tries == 1:
                raise RuntimeError("once")
            return "reply"

        slot = run.send(A, Do(act=act))
        await trio.sleep(1)
        assert (slot.answer, run.texts(A), run.texts(B)) == ("reply", ["x"], ["told"])


async def test_what_a_failed_handler_had_recorded_is_not_waited_for(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        run.send(A, Read())
        await settled()
        run.journal.hold()
        noted = run.send(A, Note(text="x"))
        await settled()
        read = run.send(A, Read())
        run.send(A, Fail(text="never"))
        await settled()
        run.journal.release()
        await settled()
        assert (noted.answer, read.answer) == (1, ["x"])
        await trio.sleep(60)


async def test_an_entity_that_gives_up_lets_the_commits_under_way_finish(autojump_clock: MockClock) -> None:
    async with kernel(supervision=SupervisionConfig(restarts_max=0)) as run:
        run.send(A, Read())
        await settled()
        run.journal.hold()
        noted = run.send(A, Note(text="x"))
        await settled()
        run.send(A, Fail())
        await settled()
        run.journal.release()
        await settled()
        assert (noted.answer, run.audience.shown[A], run.awake()) == (1, [1], set())


async def test_refused_after_recording_takes_the_record_back(autojump_clock: MockClock) -> None:
    async with kernel() as run:

        def act(actor: Log) -> None:
            actor.note("never")
            raise Refused("log.too_late")

        before = run.send(A, Note(text="before"))
        slot = run.send(A, Do(act=act))
        after = run.send(A, Read())
        await trio.sleep(60)
        assert (before.answer, type(slot.answer), after.answer) == (1, HandlerFailed, ["before"])


async def test_a_tell_that_is_refused_is_dropped_without_a_restart() -> None:
    async with kernel() as run:

        def act(actor: Log) -> None:
            actor.tell(B, Heard(text="never"))
            raise Refused("log.no")

        ref = run.router.ref(A)
        ref.tell(Heard(text="before"))
        ref.tell(Do(act=act))
        ref.tell(Heard(text="after"))
        await settled()
        assert run.texts(A) == ["before", "after"]
        assert (run.instruments.restarts, run.texts(B)) == (0, [])


async def test_a_snapshot_never_holds_what_a_failed_handler_had_applied(autojump_clock: MockClock) -> None:
    class Short(Log):
        limits = msgspec.structs.replace(Log.limits, snapshot_every=1)

    async with kernel(kinds=(Short,)) as run:
        run.send(A, Note(text="x"))
        run.send(A, Fail(text="never"))
        await trio.sleep(60)
        assert run.journal.rows.by_entity[A].snapshot in (None, b'{"texts":["x"]}')
        read = run.send(A, Read())
        await settled()
        assert read.answer == ["x"]


@pytest.mark.parametrize("what", ["event", "reply", "stored reply"])
async def test_what_json_has_no_word_for_fails_its_command_alone_and_leaves_nothing_behind(
    what: str, autojump_clock: MockClock
) -> None:
    async with kernel() as run:

        def act(actor: Log) -> Any:
            actor.note("first")
            if what == "event":
                actor.note(Opaque())  # type: ignore[arg-type]
            return Opaque() if "reply" in what else None

        slot = run.send(A, Do(act=act), command_id=None if what == "reply" else "once")
        after = run.send(A, Note(text="after"))
        await trio.sleep(60)
        if what == "reply":  # whoever waits in this process may be given anything
            assert (isinstance(slot.answer, Opaque), run.texts(A)) == (True, ["first", "after"])
        else:
            assert isinstance(slot.answer, HandlerFailed)
            assert (after.answer, run.texts(A)) == (1, ["after"])


async def test_what_nobody_could_be_told_is_refused_where_it_is_written() -> None:
    async with kernel() as run:

        def act(actor: Log) -> str:
            for entity, error in (("nokind:x", TypeError), ("not an entity", BadEntity), ("slow:b", TypeError)):
                with pytest.raises(error):
                    actor.tell(entity, Heard(text="lost"))
            return "reply"

        slot = run.send(A, Do(act=act))
        await settled()
        assert (slot.answer, await run.letters.list(limit=10)) == ("reply", [])


async def test_a_state_that_cannot_be_encoded_costs_the_snapshot_only(autojump_clock: MockClock) -> None:
    class Odd(Log):
        limits = msgspec.structs.replace(Log.limits, snapshot_every=2)

    async with kernel(kinds=(Odd,)) as run:

        def act(actor: Odd) -> None:
            actor.state.texts.append(Opaque())  # type: ignore[arg-type]

        run.send(A, Do(act=act))
        slots = [run.send(A, Note(text=str(number))) for number in range(50)]
        await settled()
        assert [slot.answer for slot in slots] == list(range(1, 51))
        run.cell(A).mailbox.put_control(Passivate())
        await settled()
        assert (run.awake(), run.instruments.restarts) == (set(), 0)


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
