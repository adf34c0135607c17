"""A dead letter that somebody wishes for is handled once, or keeps its number and says what was wrong this time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from msgspec import Struct, field
from trio.testing import MockClock

from greenroom.actors.model.actor import Actor
from greenroom.actors.model.envelope import asker_command_id, own_command_id
from greenroom.actors.model.errors import HandlerFailed, Refused, Unavailable
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.message import Ask, Event, Tell
from greenroom.actors.model.principal import Principal
from greenroom.store.journal.dead_letters import DeadLetter, Which, retried, retry_id
from greenroom.supervisors.duties.dead_letter_retries import ANSWER_S, LOOK_S, DeadLetterRetries
from tests.supervisors.kernel.small_kernel import Kernel, kernel

WORLD: dict[str, str] = {}  # what is wrong with it: "broken", "refusing", "stuck" or nothing


class Paid(Event, tag="till.paid"):
    by: str
    system: bool


class Pay(Ask[int], tag="till.pay"):
    pass


class Credit(Tell, tag="till.credit"):
    """From other entities only."""


class TillState(Struct):
    paid: list[str] = field(default_factory=list)


class Till(Actor[TillState]):
    kind = "till"
    commands = (Pay,)
    internal = (Credit,)
    events = (Paid,)

    async def handle(self, message: Pay | Credit) -> Any:
        match WORLD.get("is"):
            case "broken":
                raise ZeroDivisionError("a poison")
            case "refusing":
                raise Refused("till.closed")
            case "stuck":
                await trio.sleep(ANSWER_S * 3)
        self.record(Paid(by=self.principal.user, system=self.principal.system))
        return self.offset

    def apply(self, event: Paid) -> None:
        self.state.paid.append(event.by)

    def view(self) -> Any:
        return {}


@pytest.fixture(autouse=True)
def whole_world() -> None:
    WORLD.clear()


@asynccontextmanager
async def retrying() -> AsyncIterator[Kernel]:
    async with kernel(kinds=(Till,)) as run, trio.open_nursery() as nursery:
        await nursery.start(DeadLetterRetries(kinds=Kinds([Till]), kernel=run.kernel, letters=run.letters).run)
        yield run
        nursery.cancel_scope.cancel()


async def poisoned(run: Kernel, entity: str = "till:a") -> DeadLetter:
    """The letter of a command that a broken world could not handle."""
    WORLD["is"] = "broken"
    with pytest.raises(HandlerFailed):
        await run.ask(entity, Pay(), principal=Principal(user="ann"))
    await trio.sleep(0.1)
    WORLD.clear()
    return (await run.letters.list(limit=1))[0]


def events(run: Kernel) -> list[bytes]:
    return [event.payload for event in run.journal.events("till:a")]


async def test_only_what_is_wished_for_is_handled_then_dropped_as_the_user_who_sent_it(
    autojump_clock: MockClock,
) -> None:
    async with retrying() as run:
        letter, other = await poisoned(run), await poisoned(run)
        await run.letters.wish(Which(ids=(letter.id,)))
        await trio.sleep(2 * LOOK_S)
        assert await run.letters.list(limit=10) == [other]
        assert events(run) == [b'{"type":"till.paid","by":"ann","system":false}']


async def test_a_message_between_entities_is_handled_as_greenrooms_own(autojump_clock: MockClock) -> None:
    async with retrying() as run:
        await run.letters.add(
            DeadLetter(
                entity="till:a",
                message_type="till.credit",
                payload=b'{"type":"till.credit"}',
                principal="",
                error="",
                traceback="",
            )
        )
        await run.letters.wish(Which())
        await trio.sleep(2 * LOOK_S)
        assert await run.letters.list(limit=10) == []
        assert events(run) == [b'{"type":"till.paid","by":"","system":true}']


async def test_one_that_crashes_it_again_stays_one_letter_with_the_newer_failure(autojump_clock: MockClock) -> None:
    async with retrying() as run:
        letter = await poisoned(run)
        WORLD["is"] = "broken"
        await run.letters.wish(Which())
        await trio.sleep(2 * LOOK_S)
        (left,) = await run.letters.list(limit=10)
        assert (left.id, left.wished, left.strikes) == (letter.id, False, 2 * letter.strikes)
        assert "ZeroDivisionError" in left.traceback
        WORLD.clear()
        await run.letters.wish(Which())
        await trio.sleep(2 * LOOK_S)
        assert await run.letters.list(limit=10) == [] and len(events(run)) == 1


async def test_one_that_is_refused_says_why(autojump_clock: MockClock) -> None:
    async with retrying() as run:
        letter = await poisoned(run)
        WORLD["is"] = "refusing"
        await run.letters.wish(Which())
        await trio.sleep(2 * LOOK_S)
        (left,) = await run.letters.list(limit=10)
        assert (left.id, left.wished) == (letter.id, False)
        assert "till.closed" in left.error and left.traceback == letter.traceback


async def test_one_that_nobody_can_read_or_nobody_is_there_for_says_so(autojump_clock: MockClock) -> None:
    async with retrying() as run:
        for entity, payload in (("till:a", b'{"type":"till.pa'), ("till:a", b'{"type":"till.old"}'), ("gone:a", b"{}")):
            await run.letters.add(
                DeadLetter(entity=entity, message_type="x", payload=payload, principal="", error="", traceback="")
            )
        await run.letters.wish(Which())
        await trio.sleep(2 * LOOK_S)
        left = await run.letters.list(limit=10)
        assert len(left) == 3 and not any(letter.wished for letter in left) and all(letter.error for letter in left)


async def test_what_is_temporary_is_tried_again(autojump_clock: MockClock) -> None:
    async with retrying() as run:
        await poisoned(run)
        await run.letters.wish(Which())
        submit, refusals = run.router.submit, 0

        def away(entity: str, envelope: Any) -> None:
            nonlocal refusals
            refusals += 1
            if refusals < 4:
                raise Unavailable("moving")
            submit(entity, envelope)

        run.router.submit = away  # type: ignore[method-assign]
        await trio.sleep(10 * LOOK_S)
        assert (await run.letters.list(limit=10), refusals, len(events(run))) == ([], 4, 1)


async def test_handled_but_not_yet_dropped_is_not_handled_twice(autojump_clock: MockClock) -> None:
    """As after a crash in between: the next node finds the wish, and the same command id."""
    async with retrying() as run:
        letter = await poisoned(run)
        await run.ask("till:a", Pay(), principal=Principal(user="ann"), command_id=retry_id(letter))
        await run.letters.wish(Which())
        await trio.sleep(2 * LOOK_S)
        assert (await run.letters.list(limit=10), len(events(run))) == ([], 1)


async def test_an_entity_that_does_not_answer_holds_up_the_others_for_a_while_only(autojump_clock: MockClock) -> None:
    async with retrying() as run:
        stuck = await poisoned(run, "till:stuck")
        await poisoned(run)
        WORLD["is"] = "stuck"
        await run.letters.wish(Which())
        await trio.sleep(LOOK_S + 1)
        WORLD.clear()
        await trio.sleep(ANSWER_S + LOOK_S)
        left = await run.letters.list(limit=10)
        assert [letter.id for letter in left] == [stuck.id] and len(events(run)) == 1


def test_a_clients_idempotency_key_is_no_retry() -> None:
    letter = DeadLetter(entity="", message_type="", payload=b"", principal="", error="", traceback="", id=5, at_ms=17)
    assert retried(retry_id(letter)) == 5
    keys = ["dead-letters 5", "\0dead-letters 5 17"]
    ids = [own_command_id(Principal(user="\0dead-letters 5"), key) for key in keys]
    ids += [asker_command_id("room:a", key) for key in keys]
    assert [retried(command_id) for command_id in (None, "", *ids)] == [0] * 6
