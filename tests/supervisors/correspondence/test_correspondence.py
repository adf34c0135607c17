"""What goes wrong between two nodes, and what is made of it."""

import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.model.errors import (
    ActorError,
    HandlerFailed,
    OutcomeUnknown,
    Overloaded,
    Unavailable,
    UnknownKind,
)
from greenroom.actors.model.lifecycle import Inspect
from greenroom.supervisors.correspondence import wire
from greenroom.supervisors.correspondence.wire import NotHeld, Replied, encode
from tests.supervisors.correspondence.small_cluster import (
    A,
    B,
    Put,
    Say,
    cluster,
)


async def test_a_link_that_takes_no_more(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        run.network.full.add((B, A))
        with pytest.raises(Overloaded):
            run.nodes[B].send("talk:a", Say(text="x"))
        assert len(run.nodes[B].correspondence.asking) == 0
        with pytest.raises(UnknownKind):
            run.nodes[B].send("none:a", Say(text="x"))


async def test_an_answer_that_could_not_be_sent_is_lost_and_that_is_said(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        plain = run.nodes[B].send("talk:a", Say(text="x"))
        with_id = run.nodes[B].send("talk:a", Say(text="y"), command_id="k", digest=1)
        run.network.full.add((A, B))
        await trio.sleep(1)
        assert plain.given == []
        run.network.full.clear()
        await trio.sleep(1)
        assert isinstance(plain.only, OutcomeUnknown)
        assert with_id.only == 2
        assert run.texts("talk:a") == ["x", "y"]


async def test_a_reply_that_is_too_large_to_travel(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("greenroom.supervisors.correspondence.correspondence.FRAME_BYTES_MAX", 2000)
    async with cluster() as run:
        await run.nodes[A].ask("talk:a", Say(text="x" * 3000))
        answer = run.nodes[B].send("talk:a", Inspect())
        await trio.sleep(1)
        assert isinstance(answer.only, HandlerFailed)
        with pytest.raises(HandlerFailed):
            run.nodes[B].send("talk:a", Say(text="x" * 3000))


async def test_what_cannot_be_read_is_counted_and_passed_over(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        for frame in (b"", b"\x02abc", wire.HEAD + b"\xff", encode(NotHeld(77)), encode(Replied(78, b"{"))):
            run.network.send(B, A, frame)
        assert await run.nodes[B].ask("talk:a", Say(text="x")) == 1
        assert run.nodes[A].instruments.frames_unreadable == 3


async def test_errors_that_are_raised_at_once(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        run.nodes[B].ownership.believed["talk:a"] = 99  # whom the links do not know
        with pytest.raises(Unavailable):
            run.nodes[B].send("talk:a", Say(text="x"))
        with pytest.raises(ActorError):
            await run.nodes[B].ask("talk:a", Put(user="x"))
