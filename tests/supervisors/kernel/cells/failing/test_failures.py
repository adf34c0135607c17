"""Handlers that raise, refuse, or do what can't be done."""

from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.model.entity import BadEntity
from greenroom.actors.model.errors import HandlerFailed, Refused
from greenroom.actors.model.lifecycle import Passivate
from greenroom.config.limits import SupervisionConfig
from greenroom.store.journal.dead_letters import DeadLetter
from tests.supervisors.kernel.small_kernel import (
    ANN,
    Do,
    Fail,
    Heard,
    Log,
    Note,
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
