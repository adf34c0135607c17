"""Repeats of commands that memory has forgotten: found in the journal, at nobody else's cost."""

import trio
from trio.testing import MockClock

from greenroom.actors.life.command_ids import REMEMBERED_MAX
from tests.supervisors.kernel.small_kernel import Kernel, Note, kernel

A = "log:a"


async def forgotten(run: Kernel, *command_ids: str) -> None:
    """Commands under these ids, and so many behind them that memory has none of them any more."""
    for command_id in command_ids:
        run.send(A, Note(text="x"), command_id=command_id)
    for number in range(REMEMBERED_MAX + 100):
        run.send(A, Note(text="other"), command_id=f"other {number}")
        if number % 200 == 0:
            await trio.sleep(0.01)
    await trio.sleep(1)
    life = run.cell(A).life
    assert life is not None and life.once.ids is not None
    assert all(command_id not in life.once.ids.replies for command_id in command_ids)


async def test_a_client_that_repeats_old_ids_again_and_again_slows_nobody_down(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        await forgotten(run, *(f"old {number}" for number in range(12)))
        claims = run.journal.calls.count("claim")
        for number in range(12):
            repeat = run.send(A, Note(text="x"), command_id=f"old {number}")
            began = trio.current_time()
            other = run.send(A, Note(text="hello"), command_id=f"good {number}")
            await trio.sleep(0.5)
            assert repeat.answer == number + 1
            assert other.answered_at == began, "no backoff: nothing is broken"
        assert run.journal.calls.count("claim") - claims == 1, "after the first one they are looked up before handling"
        assert run.instruments.restarts == 0


async def test_the_same_old_id_is_looked_for_once(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        await forgotten(run, "old")
        for _ in range(5):
            slot = run.send(A, Note(text="x"), command_id="old")
            await trio.sleep(0.5)
            assert slot.answer == 1
        assert run.journal.calls.count("replies") == 1


async def test_an_id_that_nobody_used_before_is_looked_up_and_then_handled_once(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        await forgotten(run, "old")
        run.send(A, Note(text="x"), command_id="old")
        await trio.sleep(0.5)
        offset = run.journal.offset(A)
        new = [run.send(A, Note(text="new"), command_id="new") for _ in range(3)]
        await trio.sleep(0.5)
        assert [slot.answer for slot in new] == [offset + 1] * 3
        assert run.journal.offset(A) == offset + 1
