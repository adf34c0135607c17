"""Messages to oneself after a while: bounded for each entity, and gone with the life that waits for them."""

from typing import Any, ClassVar

import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.model.actor import KindLimits
from greenroom.actors.model.errors import Refused
from tests.supervisors.kernel.small_kernel import Brief, Do, Fail, Heard, Kernel, Log, Note, Slow, after, kernel

A = "log:a"


class Few(Log):
    limits: ClassVar[KindLimits] = KindLimits(afters_max=3)


def wait(count: int, seconds: float = 10.0) -> Do:
    def act(actor: Any) -> None:
        for number in range(count):
            actor.after(seconds, Heard(text=str(number)))

    return Do(act=act)


@pytest.mark.bound("messages of an entity to itself by `after`, on their way")
async def test_more_than_the_kind_allows_are_refused_however_they_are_asked_for(autojump_clock: MockClock) -> None:
    async with kernel(kinds=(Few, Brief, Slow)) as run:
        with pytest.raises(Refused, match=r"afters\.too_many"):
            await run.ask(A, wait(4))
        await run.ask(A, wait(2))
        with pytest.raises(Refused, match=r"afters\.too_many"):
            await run.ask(A, wait(2))
        await run.ask(A, wait(1))
        await trio.sleep(11)
        assert run.texts(A) == ["0", "1", "0"]
        await run.ask(A, wait(3))  # those have come: there is room again


async def test_what_is_not_durable_yet_counts_too(autojump_clock: MockClock) -> None:
    def both(actor: Any) -> None:
        actor.note("x")
        actor.after(10, Heard(text="later"))

    async with kernel(kinds=(Few, Brief, Slow)) as run:
        run.journal.hold()
        slots = [run.send(A, Do(act=both)) for _ in range(3)]
        late = run.send(A, wait(1))
        await trio.sleep(1)
        run.journal.release()
        await trio.sleep(1)
        assert all(slot.answers for slot in slots)
        assert late.answer.name == "afters.too_many"


async def test_those_of_a_life_that_has_ended_are_kept_no_longer(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        afters = run.kernel.afters
        await run.ask(A, wait(900, 3600.0))
        await run.ask("log:b", wait(10, 3600.0))
        assert len(afters) == 910
        run.send(A, Fail())
        await trio.sleep(60)
        assert len(afters) == 10
        assert len(afters._heap) < 100
        assert not [life for life in afters._numbers_of if life.ended]
        await run.ask(A, wait(900, 3600.0))
        await trio.sleep(3601)
        assert run.texts("log:b") == [str(number) for number in range(10)]
        assert len(run.texts(A)) == 900
        assert len(afters) == 0


async def test_many_that_are_due_at_once_leave_others_their_turn() -> None:
    async with kernel() as run:
        turns = []

        async def take_turns() -> None:
            while True:
                turns.append(len(run.kernel.afters))
                await trio.lowlevel.checkpoint()

        await run.ask(A, wait(900, 0.05))
        async with trio.open_nursery() as nursery:  # owner: the test
            nursery.start_soon(take_turns)
            while len(run.kernel.afters):
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        assert len({left for left in turns if 0 < left < 900}) > 5
        assert await run.ask(A, Note(text="x")) > 0


B = "log:b"


def pending(run: Kernel, entity: str) -> int:
    """Its messages to itself that have not come yet."""
    life = run.cell(entity).life
    return life.actor.afters if life is not None else 0


async def test_messages_after_a_while_come_in_their_order(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        await run.ask(A, after(3, "third"))
        await run.ask(A, after(1, "first"))
        await run.ask(B, after(2, "another entity's"))
        await run.ask(A, after(2, "second"))
        await trio.sleep(2.5)
        assert run.texts(A) == ["first", "second"]
        assert pending(run, A) == 1
        await trio.sleep(100)
        assert run.texts(A) == ["first", "second", "third"]
        assert run.texts(B) == ["another entity's"]


@pytest.mark.parametrize("seconds", [float("nan"), -1.0, 0.0])
async def test_a_timer_for_no_time_at_all_fires_at_once(seconds: float, autojump_clock: MockClock) -> None:
    async with kernel() as run:
        await run.ask(A, after(seconds, "x"))
        await trio.sleep(0.1)
        assert run.texts(A) == ["x"]


async def test_a_timer_does_not_survive_the_actor_and_does_not_keep_its_successor_awake(
    autojump_clock: MockClock,
) -> None:
    async with kernel() as run:
        await run.ask(A, after(10, "never"))
        run.send(A, Fail())
        await trio.sleep(5)
        assert pending(run, A) == 0
        await trio.sleep(20)
        assert run.texts(A) == []
