"""Commands that are repeated: the first reply again, and nothing happens."""

import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.life import command_ids
from greenroom.actors.model.message import Done
from greenroom.store.journal.records import Remembered
from tests.supervisors.kernel.small_kernel import Do, Log, Note, kernel, settled

A = "log:a"


async def test_a_repeated_command_gets_the_first_reply_and_nothing_happens_again(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        slots = [run.send(A, Note(text="x"), command_id="once") for _ in range(3)]
        await settled()
        slots.append(run.send(A, Note(text="x"), command_id="once"))
        await settled()
        assert [slot.answer for slot in slots] == [1, 1, 1, 1]
        assert slots[-1].encoded == b"1"
        assert run.texts(A) == ["x"]


async def test_a_repeat_waits_for_the_first_to_be_durable() -> None:
    async with kernel() as run:
        run.journal.hold()
        run.send(A, Note(text="x"), command_id="once")
        await settled()
        again = run.send(A, Note(text="x"), command_id="once")
        await settled()
        assert again.answers == []
        run.journal.release()
        await settled()
        assert again.answer == 1


async def test_a_repeat_is_answered_across_a_restart_of_the_node_and_from_beyond_what_a_claim_brings_along(
    autojump_clock: MockClock,
) -> None:
    async with kernel() as run:
        for number in range(200):
            run.send(A, Note(text=str(number)), command_id=f"id-{number}")
        await trio.sleep(1)
    async with kernel(rows=run.journal.rows, incarnation=2) as other:
        slots = [other.send(A, Note(text="again"), command_id=f"id-{number}") for number in (0, 100, 199)]
        new = other.send(A, Note(text="new"), command_id="new")
        await trio.sleep(60)
        assert [slot.answer for slot in slots] == [1, 101, 200]
        assert (new.answer, other.journal.offset(A)) == (201, 201)


async def test_more_repeats_at_once_than_are_remembered_are_all_answered(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_ids, "REMEMBERED_MAX", 4)
    async with kernel() as run:
        for number in range(100):
            run.send(A, Note(text=str(number)), command_id=f"id-{number}")
        await trio.sleep(1)
        run.journal.hold()
        slots = [run.send(A, Note(text="again"), command_id=f"id-{number}") for number in range(100)]
        await settled()
        run.journal.release()
        await trio.sleep(60)
        assert [slot.answer for slot in slots] == list(range(1, 101))
        assert run.journal.offset(A) == 100


async def test_a_reply_stored_in_a_shape_of_long_ago_is_given_as_it_is() -> None:
    async with kernel() as run:
        run.send(A, Note(text="x"), command_id="once")
        await settled()
        life = run.cell(A).life
        assert life is not None
        life.once.remember("once", Remembered(b'{"offset":1}'))
        again = run.send(A, Note(text="x"), command_id="once")
        await settled()
        assert (again.answer, again.encoded) == ({"offset": 1}, b'{"offset":1}')


async def test_a_command_without_a_reply_is_repeated_as_done() -> None:
    async with kernel() as run:

        def act(actor: Log) -> None:
            actor.note("x")

        slots = [run.send(A, Do(act=act), command_id="once") for _ in range(2)]
        await settled()
        assert [slot.answer for slot in slots] == [Done(), {}]
