"""Faults of an entity's own code, or around it, stay its own: nobody else feels them, and nothing is lost with them."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.life.life import Life
from greenroom.config.limits import SupervisionConfig
from tests.store.journal.faulty_journal import Fault
from tests.supervisors.kernel.small_kernel import Do, Note, Read, kernel

A = "log:a"


class Unshowable(Exception):
    def __repr__(self) -> str:
        return f"Unshowable({self.code})"  # type: ignore[attr-defined]


async def test_an_exception_that_cannot_be_shown_takes_nobody_else_down(autojump_clock: MockClock) -> None:
    def fail(actor: Any) -> None:
        raise Unshowable("x")

    async with kernel() as run:
        await run.ask("log:other", Note(text="fine"))
        poisoned = run.send(A, Do(act=fail))
        after = run.send(A, Note(text="goes on"))
        await trio.sleep(60)
        assert poisoned.answer.name == "internal"
        assert after.answer == 1
        assert await run.ask("log:other", Read()) == ["fine"]


async def test_whoever_watches_an_entity_that_failed_over_a_commit_is_not_left_behind(
    autojump_clock: MockClock,
) -> None:
    """Its events may have landed, and only its next life can say so."""
    async with kernel(supervision=SupervisionConfig(restarts_max=1)) as run:
        await run.ask(A, Note(text="x"))
        run.journal.faults["append"] += [Fault.LANDED_LOST]
        run.journal.faults["read"] += [Fault.CRASHES] * 3
        run.send(A, Note(text="y"))
        await trio.sleep(1)
        assert run.awake() == set()
        began: list[int] = []
        run.audience.began = lambda entity, epoch, offset: began.append(offset)  # type: ignore[method-assign]
        await trio.sleep(60)
        assert began[-1:] == [2]


async def test_a_strike_that_fails_loses_no_message(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever fails while a failed handler is being dealt with: all that was taken goes back."""
    strike = Life.strike
    failing = [True]

    def flaky(self: Life, *args: Any) -> bool:
        if failing.pop():
            failing.append(False)
            raise RuntimeError("a mistake of ours")
        failing.append(False)
        return strike(self, *args)

    monkeypatch.setattr(Life, "strike", flaky)
    tried = []

    def once(actor: Any) -> str:
        tried.append(1)
        if len(tried) == 1:
            raise ZeroDivisionError
        return "done"

    async with kernel() as run:
        slots = [run.send(A, Note(text="before")), run.send(A, Do(act=once)), run.send(A, Note(text="after"))]
        await trio.sleep(60)
        assert [slot.answer for slot in slots] == [1, "done", 2]
