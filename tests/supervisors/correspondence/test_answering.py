"""What other nodes send: A owns everything that is not moved, B asks."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.errors import CallCycle, DeadlineExceeded, OutcomeUnknown, Overloaded
from greenroom.actors.model.lifecycle import Inspect, Inspected
from greenroom.supervisors.correspondence import answering
from greenroom.supervisors.correspondence.wire import Replied, Sent, decode, encode
from greenroom.transports.errors import http_error_body
from tests.supervisors.correspondence.small_cluster import A, B, C, cluster
from tests.supervisors.correspondence.small_entities import ANN, Meet, Refuse, Say, Slow, Through


async def test_what_is_inspected_is_as_on_the_owners_node(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        await run.nodes[A].ask("talk:a", Say(text="one"))
        there, here = (run.nodes[node].send("talk:a", Inspect(), principal=ANN) for node in (B, A))
        await trio.sleep(0.1)
        assert isinstance(there.only, Inspected)
        assert there.only == here.only


@pytest.mark.parametrize("how", ["own", "busy", "invalid", "overloaded", "none", "boom"])
async def test_a_refusal_is_the_one_of_the_owners_node(autojump_clock: MockClock, how: str) -> None:
    async with cluster() as run:
        answers = [run.nodes[node].send("talk:a", Refuse(how=how)) for node in (A, B)]
        await trio.sleep(5)
        here, there = (answer.only for answer in answers)
        assert http_error_body(there) == http_error_body(here)


async def test_what_nobody_waits_for_any_more_is_not_handled(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        run.nodes[B].send("slow:a", Slow(seconds=2.0))
        with trio.move_on_after(1.0):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(run.nodes[B].ask, "slow:a", Through(entity="talk:a", text="no"))
                await trio.sleep(0.5)
                nursery.cancel_scope.cancel()
        await trio.sleep(5)
        assert run.texts("talk:a") == []
        assert len(run.nodes[B].correspondence.asking) == len(run.nodes[A].correspondence.answering) == 0


async def test_an_answer_that_nobody_waits_for_any_more_is_not_sent(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        answer = run.nodes[B].send("slow:a", Slow(seconds=1.0))
        await trio.sleep(0.5)
        run.network.part(A, B)
        frames = run.network.frames
        await trio.sleep(5)
        assert isinstance(answer.only, OutcomeUnknown)
        assert run.network.frames == frames
        assert len(run.nodes[A].correspondence.answering) == 0


async def test_an_answer_from_before_a_parting_is_none_to_what_came_after(autojump_clock: MockClock) -> None:
    """The first copy's answer is decided after the link has begun anew."""
    async with cluster() as run:
        answer = run.nodes[B].send("slow:a", Slow(seconds=1.0), command_id="k", digest=1)
        await trio.sleep(0.5)
        run.network.part(A, B)
        sent: list[Any] = []

        def note(sender: int, receiver: int, frame: bytes) -> bool:
            sent.append(decode(frame))
            return True

        run.network.filter = note
        await trio.sleep(5)
        assert answer.only == "1.0"
        assert [type(one) for one in sent] == [Sent, Replied]


async def test_a_node_that_owns_it_no_longer_says_so(autojump_clock: MockClock) -> None:
    async with cluster(A, B, C) as run:
        run.nodes[B].ownership.believed["talk:a"] = A
        await run.move("talk:a", C)
        assert await run.nodes[B].ask("talk:a", Say(text="x")) == 1
        assert run.nodes[C].awake() == {"talk:a"}
        assert run.owners.looks >= 1


async def test_the_order_is_kept_where_the_new_owner_learns_of_it_late(autojump_clock: MockClock) -> None:
    """The first of them are turned away, and what is behind them must not be taken."""
    async with cluster() as run:
        run.owners.move("talk:a", None)
        run.owners.of["talk:a"] = C  # who is not there
        run.nodes[B].ownership.believed["talk:a"] = A
        answers = [run.nodes[B].send("talk:a", Say(text=f"{n}")) for n in range(5)]
        turned_away = 0

        def then_it_owns(sender: int, receiver: int, frame: bytes) -> bool:
            nonlocal turned_away
            if type(decode(frame)) is Sent and sender == B:
                turned_away += 1
                if turned_away == 3:
                    run.owners.move("talk:a", A)
            return True

        run.network.filter = then_it_owns
        await trio.sleep(2)
        assert [answer.only for answer in answers] == [1, 2, 3, 4, 5]
        assert run.texts("talk:a") == ["0", "1", "2", "3", "4"]


async def test_the_order_is_kept_of_those_turned_away_last(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others may have been turned away long ago, and have gone elsewhere since."""
    monkeypatch.setattr(answering, "AWAY_MAX", 2)
    async with cluster() as run:
        believed = run.nodes[B].ownership.believed
        for entity in ("talk:1", "talk:2", "talk:a"):
            run.owners.of[entity] = C  # who is not there
        for entity in ("talk:1", "talk:2"):
            believed[entity] = A
            run.nodes[B].send(entity, Say(text="x"), deadline=trio.current_time() + 0.5)
            await trio.sleep(1)
        believed["talk:a"] = A
        answers = [run.nodes[B].send("talk:a", Say(text=f"{n}")) for n in range(5)]
        turned_away = 0

        def then_it_owns(sender: int, receiver: int, frame: bytes) -> bool:
            nonlocal turned_away
            if type(decode(frame)) is Sent and sender == B:
                turned_away += 1
                if turned_away == 3:
                    run.owners.move("talk:a", A)
            return True

        run.network.filter = then_it_owns
        await trio.sleep(2)
        assert [answer.only for answer in answers] == [1, 2, 3, 4, 5]


@pytest.mark.bound("messages of one other node that are not answered yet")
async def test_more_than_is_answered_at_once_for_one_node_is_overloaded(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "SERVING_MAX", 3)
    async with cluster(A, B, C) as run:
        answers = [run.nodes[B].send("slow:a", Slow(seconds=1.0)) for _ in range(3)]
        await trio.sleep(0.1)
        too_many = run.nodes[B].send("talk:a", Say(text="x"))
        assert await run.nodes[C].ask("talk:a", Say(text="y")) == 1
        await trio.sleep(0.1)
        assert isinstance(too_many.only, Overloaded)
        assert len(run.nodes[A].correspondence.answering) == 3
        await trio.sleep(4)
        assert [answer.only for answer in answers] == ["1.0"] * 3
        assert await run.nodes[B].ask("talk:a", Say(text="z")) == 2
        assert len(run.nodes[A].correspondence.answering) == 0


@pytest.mark.parametrize(
    "sent", [Sent(7, "gone:a", 0, b"{}"), Sent(7, "talk:a", 0, b'{"type":"talk.new"}'), Sent(7, "no entity", 1, b"")]
)
async def test_what_this_release_does_not_know_is_refused_for_now(autojump_clock: MockClock, sent: Sent) -> None:
    async with cluster() as run:
        answers: list[Any] = []

        def note(sender: int, receiver: int, frame: bytes) -> bool:
            if sender == A:
                answers.append(decode(frame))
            return True

        run.network.filter = note
        run.network.send(B, A, encode(sent))
        await trio.sleep(1)
        (answer,) = answers
        assert (answer.name, answer.temporary) == ("not_in_release", True)


async def test_a_node_that_stops_turns_away_what_another_may_do(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        await run.nodes[A].kernel.drain()
        answer = run.nodes[B].send("talk:a", Say(text="x"), deadline=trio.current_time() + 5)
        await trio.sleep(0.5)
        assert answer.given == []
        run.owners.move("talk:a", B)
        await trio.sleep(1)
        assert answer.only == 1


async def test_the_reply_slot_of_a_message_that_was_handed_back_goes_to_its_asker(autojump_clock: MockClock) -> None:
    """A mailbox that is handed back when its entity moves comes to the router again, with what others had sent."""
    async with cluster(A, B, C) as run:
        run.nodes[B].send("slow:a", Slow(seconds=1.0))
        await trio.sleep(0.1)
        answer = run.nodes[B].send("slow:a", Slow(seconds=0.0))
        await trio.sleep(0.1)
        (cell,) = run.nodes[A].kernel.system.awake()
        (envelope,) = cell.mailbox.take(10)
        assert isinstance(envelope, Envelope)
        run.owners.move("slow:a", C)
        run.nodes[A].kernel.system._cells.pop("slow:a")
        run.nodes[A].kernel.router.submit("slow:a", envelope)
        await trio.sleep(3)
        assert answer.only == "0.0"
        assert run.nodes[C].awake() == {"slow:a"}


@pytest.mark.parametrize("later_s", [0.0, 0.0002, 0.05])
async def test_of_two_handlers_that_ask_each_other_over_two_nodes_one_is_refused_at_once(
    autojump_clock: MockClock, later_s: float
) -> None:
    """Their asks cross; or the second one asks when the first one's ask has arrived, behind its own message."""
    async with cluster() as run:
        run.owners.move("slow:b", B)
        answers = [run.nodes[A].send("slow:a", Meet(entity="slow:b"))]
        await trio.sleep(later_s)
        answers.append(run.nodes[B].send("slow:b", Meet(entity="slow:a")))
        await trio.sleep(1.0)
        given = [one.only for one in answers]
        assert [type(one) for one in given].count(CallCycle) == 1, given
        assert given.count("0.0") == 1
        assert not run.nodes[A].kernel.router.waits and not run.nodes[B].kernel.router.waits


async def test_an_ask_that_was_given_up_over_there_is_waited_for_no_more(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        run.owners.move("slow:b", B)
        run.nodes[B].send("slow:b", Slow(seconds=3.0))
        given_up = run.nodes[A].send("slow:a", Meet(entity="slow:b"), deadline=trio.current_time() + 1.0)
        await trio.sleep(0.5)
        assert len(run.nodes[B].kernel.router.waits) == 1
        await trio.sleep(1.0)
        assert isinstance(given_up.only, DeadlineExceeded)
        assert not run.nodes[A].kernel.router.waits and not run.nodes[B].kernel.router.waits
        parted = run.nodes[A].send("slow:a", Meet(entity="slow:b"))
        await trio.sleep(0.5)
        run.network.part(A, B)
        await trio.sleep(0.5)
        assert isinstance(parted.only, OutcomeUnknown)
        assert not run.nodes[A].kernel.router.waits and not run.nodes[B].kernel.router.waits
