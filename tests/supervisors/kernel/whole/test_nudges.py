"""Nudges on one node: who hears them, whom they leave asleep, and what they leave room for."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.model.actor import KindLimits
from greenroom.actors.model.message import Message, Tell
from greenroom.config.limits import PassivationConfig
from tests.supervisors.kernel.small_kernel import Do, Log, Note, Read, kernel, settled, texts_of

A, B, C = "poked:a", "poked:b", "poked:c"
BRISK = PassivationConfig(sweep_s=1.0)


class Poke(Tell, tag="poked.poke"):
    text: str = "poked"


class Poked(Log):
    """Notes in memory alone what it is nudged with."""

    kind = "poked"
    base_tags = "log"
    internal = (Poke,)
    limits = KindLimits(mailbox_messages=8, idle_s=10.0)

    def handle(self, message: Message) -> Any:
        if isinstance(message, Poke):
            self.state.texts.append(message.text)
            return None
        return super().handle(message)


async def test_those_who_are_awake_hear_it_and_nobody_is_woken(autojump_clock: MockClock) -> None:
    async with kernel(kinds=(Poked,)) as run:
        await run.ask(A, Read())
        run.router.nudge([A, B, A], Poke())
        await settled()
        assert texts_of(run, A) == ["poked"], "once, however often it was named"
        assert run.awake() == {A}


async def test_one_that_is_waking_hears_it(autojump_clock: MockClock) -> None:
    async with kernel(kinds=(Poked,)) as run:
        slot = run.send(A, Read())
        run.router.nudge([A], Poke())
        await settled()
        assert slot.answer in ([], ["poked"]) and texts_of(run, A) == ["poked"]


async def test_nobody_is_kept_awake(autojump_clock: MockClock) -> None:
    """A feed is nudged as often as those post whom its user follows, long after that user has left."""
    async with kernel(kinds=(Poked,), passivation=BRISK) as run:
        await run.ask(A, Read())
        await run.ask(B, Read())
        for number in range(15):
            run.router.nudge([A, B], Poke())
            if number < 8:
                await run.ask(B, Read())
            await trio.sleep(1)
        assert run.awake() == {B}, "whom somebody else has spoken to meanwhile"
        await trio.sleep(10)
        assert run.awake() == set()


async def test_a_command_among_nudges_keeps_it_awake(autojump_clock: MockClock) -> None:
    async with kernel(kinds=(Poked,), passivation=BRISK) as run:
        await run.ask(A, Read())
        await trio.sleep(8)
        run.router.nudge([A], Poke())
        slot = run.send(A, Read())
        run.router.nudge([A], Poke())
        await trio.sleep(8)
        assert slot.answer == ["poked"] and run.awake() == {A}


@pytest.mark.bound("nudges that wait in a mailbox")
async def test_what_finds_no_room_is_lost_and_commands_find_some(autojump_clock: MockClock) -> None:
    async with kernel(kinds=(Poked,)) as run:
        await run.ask(A, Read())
        for number in range(20):
            run.router.nudge([A], Poke(text=str(number)))
        slots = [run.send(A, Note(text=f"note {number}")) for number in range(6)]
        await settled()
        assert texts_of(run, A) == ["0", "1", *(f"note {number}" for number in range(6))]
        assert [slot.answer for slot in slots] == [1, 2, 3, 4, 5, 6]
        run.router.nudge([A], Poke(text="again"))
        await settled()
        assert texts_of(run, A)[-1] == "again"


async def test_an_entity_nudges_once_what_it_recorded_is_durable(autojump_clock: MockClock) -> None:
    def act(actor: Log) -> None:
        actor.note("posted")
        actor.nudge([A, C], Poke())

    async with kernel(kinds=(Poked,)) as run:
        await run.ask(A, Read())
        await run.ask(B, Read())
        run.journal.hold()
        slot = run.send(B, Do(act=act))
        await settled()
        assert texts_of(run, A) == []
        run.journal.release()
        await slot.answered.wait()
        await settled()
        assert texts_of(run, A) == ["poked"] and run.awake() == {A, B}


async def test_a_mistake_in_a_nudge_is_the_handlers(autojump_clock: MockClock) -> None:
    def act(actor: Log) -> None:
        actor.nudge([f"poked:{number}" for number in range(1001)], Poke())

    async with kernel(kinds=(Poked,)) as run:
        slot = run.send(A, Do(act=act))
        await trio.sleep(60)
        assert slot.answer.name == "internal" and "1001 entities" in str(slot.answer)
        with pytest.raises(TypeError, match="no Tell of its `internal`"):
            run.router.nudge([A], Note(text="a command"))
