"""Messages and answers that are lost on their way, and owners that end: what whoever asked is told."""

from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.life.flights import PerhapsDone
from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.errors import (
    ActorError,
    OutcomeUnknown,
)
from greenroom.actors.model.lifecycle import Inspect
from greenroom.supervisors.correspondence import asking
from greenroom.supervisors.correspondence.wire import Left, Replied, Sent, decode
from tests.supervisors.correspondence.small_cluster import NOBODY, A, Answer, B, C, cluster
from tests.supervisors.correspondence.small_entities import ANN, Pass, Say


async def test_a_durable_tell_takes_effect_once_over_every_parting(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        run.owners.move("talk:b", B)
        lost: list[type[Any]] = []

        def first_of_each(sender: int, receiver: int, frame: bytes) -> bool:
            kind = type(decode(frame))
            if kind in (Sent, Replied) and kind not in lost:
                lost.append(kind)
                return False
            return True

        run.network.filter = first_of_each
        await run.nodes[A].ask("talk:a", Pass(entity="talk:b", text="x"))
        for _ in range(3):
            await trio.sleep(0.5)
            run.network.part(A, B)
        await trio.sleep(10)
        assert lost == [Sent, Replied]
        assert run.texts("talk:b") == ["x"]
        assert run.nodes[A].kernel.relay.waiting == 0


async def test_a_message_that_was_lost_before_it_arrived_has_an_unknown_outcome(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        answer = run.nodes[B].send("talk:a", Say(text="x"))
        run.network.part(A, B)
        await trio.sleep(1)
        assert isinstance(answer.only, OutcomeUnknown)
        assert run.texts("talk:a") == []


async def test_one_whose_answer_was_lost_too(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        run.network.filter = lambda sender, receiver, frame: type(decode(frame)) is not Replied
        answer = run.nodes[B].send("talk:a", Say(text="x"))
        await trio.sleep(1)
        run.network.part(A, B)
        await trio.sleep(1)
        assert isinstance(answer.only, OutcomeUnknown)
        assert run.texts("talk:a") == ["x"]


@pytest.mark.parametrize("lost", [Sent, Replied])
async def test_a_command_with_an_id_is_sent_again(autojump_clock: MockClock, lost: type[Any]) -> None:
    async with cluster() as run:
        run.network.filter = lambda sender, receiver, frame: type(decode(frame)) is not lost
        answer = run.nodes[B].send("talk:a", Say(text="x"), command_id="k", digest=1, deadline=trio.current_time() + 5)
        await trio.sleep(1)
        run.network.filter = lambda sender, receiver, frame: True
        run.network.part(A, B)
        await trio.sleep(1)
        assert answer.only == 1
        assert run.texts("talk:a") == ["x"]
        assert run.nodes[B].instruments.remote_repeats == 1


async def test_whoever_hears_of_a_parting_may_send_again_at_once(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        router = run.nodes[B].kernel.router
        second = Answer()

        class SendsAgain(Answer):
            def reject(self, error: ActorError) -> None:
                super().reject(error)
                router.submit("talk:a", Envelope(message=Say(text="second"), slot=second))

        first = SendsAgain()
        router.submit("talk:a", Envelope(message=Say(text="first"), slot=first))
        run.network.part(A, B)
        await trio.sleep(1)
        assert isinstance(first.only, OutcomeUnknown)
        assert second.only == 1
        assert len(run.nodes[B].correspondence.asking) == 0


async def test_a_durable_tell_that_was_turned_away_is_taken_later(autojump_clock: MockClock) -> None:
    """By a node that learns of owning its receiver after whoever sends it does."""
    async with cluster() as run:
        run.owners.move("talk:b", B)
        run.owners.of["talk:c"] = C  # who is not there
        node = run.nodes[B]
        node.ownership.look = lambda: None  # type: ignore[method-assign]
        node.ownership.believed["talk:c"] = A
        for n in range(3):
            await node.ask("talk:b", Pass(entity="talk:c", text=f"{n}"))
        await trio.sleep(1)
        run.owners.move("talk:c", A)
        with trio.fail_after(30):
            while node.kernel.relay.waiting:  # noqa: ASYNC110 - virtual time
                await trio.sleep(0.1)
        assert run.texts("talk:c") == ["0", "1", "2"]


async def test_an_owner_that_is_killed(autojump_clock: MockClock) -> None:
    """What was under way to it goes on to the next owner, where that may be done; the others hear that nobody knows."""
    async with cluster() as run:
        await run.nodes[B].ask("talk:a", Say(text="before"))
        with_id = run.nodes[B].send("talk:a", Say(text="x"), command_id="k", digest=1, deadline=trio.current_time() + 5)
        plain = run.nodes[B].send("talk:a", Say(text="y"), deadline=trio.current_time() + 5)
        seen = run.nodes[B].send("talk:a", Inspect(), deadline=trio.current_time() + 5)
        run.kill(A)
        await trio.sleep(0.5)
        run.owners.move("talk:a", B)
        await trio.sleep(1)
        assert isinstance(plain.only, OutcomeUnknown)
        assert with_id.only == 2
        assert msgspec.json.decode(seen.only.view)["texts"] == ["before", "x"]
        assert run.texts("talk:a") == ["before", "x"]


async def test_an_owner_that_has_left(autojump_clock: MockClock) -> None:
    """It has said that it handles nothing any more: what it has not answered is for the next owner, and so is what is
    sent before anybody knows who that is."""
    async with cluster() as run:
        await run.nodes[B].ask("talk:a", Say(text="before"))
        run.network.filter = lambda sender, receiver, frame: type(decode(frame)) is not Sent
        under_way = run.nodes[B].send("talk:a", Say(text="x"), deadline=trio.current_time() + 5)
        await run.nodes[A].kernel.drain()
        run.nodes[A].correspondence.say_left([B])
        await trio.sleep(0.1)
        run.kill(A)
        later = run.nodes[B].send("talk:a", Say(text="y"), deadline=trio.current_time() + 5)
        await trio.sleep(0.5)
        assert not under_way.given and not later.given
        run.owners.move("talk:a", B)
        await trio.sleep(1)
        assert under_way.only == 2 and later.only == 3
        assert run.texts("talk:a") == ["before", "x", "y"]


async def test_an_owner_that_still_handles_something_does_not_say_that_it_has_left(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        said: list[object] = []

        def note(sender: int, receiver: int, frame: bytes) -> bool:
            said.append(type(decode(frame)))
            return True

        run.network.filter = note
        run.nodes[A].correspondence.say_left([B])
        await run.nodes[A].kernel.drain()
        run.nodes[A].correspondence.answering.owes = lambda node: True  # type: ignore[method-assign]
        run.nodes[A].correspondence.say_left([B])
        await trio.sleep(0.1)
        assert Left not in said
        del run.nodes[A].correspondence.answering.owes
        run.nodes[A].correspondence.say_left([B])
        await trio.sleep(0.1)
        assert Left in said


async def test_of_what_may_have_been_handled_nobody_says_that_it_was_not(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        run.network.filter = lambda sender, receiver, frame: type(decode(frame)) is not Replied
        answer = run.nodes[B].send("talk:a", Say(text="one"), principal=ANN, command_id="user 3 ann k")
        await trio.sleep(0.1)
        assert run.texts("talk:a") == ["one"]
        run.owners.of["talk:a"] = NOBODY
        run.network.part(A, B)
        await trio.sleep(2 * asking.HELD_S)
        assert type(answer.only) is OutcomeUnknown


async def test_what_comes_back_in_doubt_is_asked_again_under_its_id(autojump_clock: MockClock) -> None:
    """As where an append's outcome was open when the entity moved away."""
    async with cluster() as run:
        held: list[Envelope] = []
        run.nodes[A].kernel.router.submit = lambda entity, envelope: held.append(envelope)  # type: ignore[method-assign]
        answer = run.nodes[B].send("talk:a", Say(text="one"), principal=ANN, command_id="user 3 ann k")
        await trio.sleep(0.1)
        (envelope,) = held
        assert envelope.slot is not None
        envelope.slot = PerhapsDone(envelope.slot)
        del run.nodes[A].kernel.router.submit
        run.nodes[A].correspondence.asking.submit("talk:a", envelope)
        await trio.sleep(1)
        assert answer.only == 1 and run.texts("talk:a") == ["one"]
