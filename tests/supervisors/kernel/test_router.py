"""The way to an entity: asks that would wait for one another, and what is told while the node stops."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.model.errors import CallCycle, Refused
from tests.supervisors.kernel.small_kernel import Do, Heard, Log, Note, Read, kernel

A, B, C = "slow:a", "slow:b", "slow:c"


def asks(other: str) -> Do:
    async def act(actor: Log) -> Any:
        await trio.sleep(0.1)
        return await actor.ask(other, Read())

    return Do(act=act)


@pytest.mark.parametrize("circle", [(A, B), (A, B, C)])
async def test_asks_that_cross_are_told_at_once(circle: tuple[str, ...], autojump_clock: MockClock) -> None:
    """None is in another's chain: each handler asks of itself."""
    async with kernel() as run:
        slots = [run.send(entity, asks(other)) for entity, other in zip(circle, circle[1:] + circle[:1], strict=True)]
        await trio.sleep(60)
        answers = [slot.answer for slot in slots]
        assert sum(isinstance(answer, CallCycle) for answer in answers) == 1
        assert sum(answer == [] for answer in answers) == len(circle) - 1
        assert max(slot.answered_at or 0.0 for slot in slots) < 1.0
        assert not run.router.waits


async def test_asks_that_only_meet_are_answered(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        slots = [run.send(A, asks(C)), run.send(B, asks(C)), run.send(A, asks(B))]
        await trio.sleep(60)
        assert [slot.answer for slot in slots] == [[], [], []]


async def test_an_ask_that_was_given_up_is_waited_for_no_more(autojump_clock: MockClock) -> None:
    async with kernel() as run:

        async def act(actor: Log) -> str:
            with trio.move_on_after(1.0):
                await actor.ask(B, Do(act=_sleep))
            return "gave up"

        slot = run.send(A, Do(act=act))
        await trio.sleep(2.0)
        assert (slot.answer, len(run.router.waits)) == ("gave up", 0)
        back = run.send(B, asks(A))
        await trio.sleep(60)
        assert back.answer == []


async def _sleep(actor: Log) -> None:
    await trio.sleep(5.0)


@pytest.mark.parametrize("deep", [False, True])
async def test_a_refusal_inside_a_nursery_of_the_handler_is_a_refusal(deep: bool, autojump_clock: MockClock) -> None:
    async with kernel() as run:

        async def refuse() -> None:
            raise Refused("log.no")

        slot = run.send(A, Do(act=_in_nurseries(refuse, 3 if deep else 1)))
        await trio.sleep(60)
        assert (slot.answer.name, run.instruments.restarts, run.instruments.dead_letters) == ("log.no", 0, 0)


async def test_a_refusal_beside_an_error_is_an_error(autojump_clock: MockClock) -> None:
    async with kernel() as run:

        async def act(actor: Log) -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_raise, Refused("log.no"))
                nursery.start_soon(_raise, ZeroDivisionError("boom"))

        slot = run.send(A, Do(act=act))
        await trio.sleep(60)
        assert (slot.answer.name, run.instruments.dead_letters) == ("internal", 1)


async def _raise(error: Exception) -> None:
    raise error


def _in_nurseries(work: Callable[[], Awaitable[None]], depth: int) -> Callable[[Log], Awaitable[None]]:
    async def act(actor: Log) -> None:
        async with trio.open_nursery():
            if depth > 1:
                await _in_nurseries(work, depth - 1)(actor)
            else:
                await work()

    return act


async def test_what_is_told_without_a_journal_while_the_node_stops_is_no_dead_letter(
    autojump_clock: MockClock,
) -> None:
    async with kernel() as run:

        async def act(actor: Log) -> None:
            await trio.sleep(1.0)
            actor.tell("brief:asleep", Heard(text="too late"))

        run.send(A, Do(act=act))
        await trio.sleep(0.5)
        await run.kernel.drain()
        assert (run.instruments.dead_letters, await run.letters.list(limit=10)) == (0, [])


async def test_an_unknown_kind_is_still_one(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        run.send("log:a", Note(text="x"))
        run.router.tell("nokind:x", Heard(text="x"))
        await trio.sleep(1.0)
        assert run.instruments.dead_letters == 1
