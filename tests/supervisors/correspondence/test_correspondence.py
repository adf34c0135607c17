"""What goes wrong between two nodes, and what is made of it."""

import msgspec
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
from greenroom.supervisors.correspondence import correspondence, wire
from greenroom.supervisors.correspondence.feeds import LAP_S
from greenroom.supervisors.correspondence.wire import (
    FeedEnded,
    Kicked,
    NotHeld,
    Rejected,
    Replied,
    Sent,
    decode,
    encode,
)
from tests.steps import counted_steps
from tests.supervisors.correspondence.seeing import by_type, counting
from tests.supervisors.correspondence.small_cluster import A, B, cluster
from tests.supervisors.correspondence.small_entities import ANN, BOB, Put, Say


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


@pytest.mark.bound("answers and feeds that one other node could not be given")
async def test_when_too_much_is_lost_to_be_named_it_is_as_after_a_parting(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(correspondence, "OWED_MAX", 3)
    async with cluster() as run:
        rooms = [f"talk:{n}" for n in range(6)]
        seats = [run.nodes[B].watch(room, ANN) for room in rooms]
        await trio.sleep(0.1)
        run.network.full.add((A, B))
        plain = run.nodes[B].send("talk:0", Say(text="plain"))
        with_ids = [run.nodes[B].send(room, Say(text="x"), command_id="k", digest=1) for room in rooms]
        await trio.sleep(1)
        owed = run.nodes[A].correspondence._owed[B]
        assert (len(owed.numbers), len(owed.feeds), owed.everything) == (0, 0, True)
        run.network.full.clear()
        await trio.sleep(3)
        assert isinstance(plain.only, OutcomeUnknown)
        assert [answer.only for answer in with_ids] == [2, 1, 1, 1, 1, 1]
        for room in rooms:
            await run.nodes[A].ask(room, Say(text="later"))
        await trio.sleep(0.1)
        assert [seat.offsets for seat in seats] == [[1, 2, 3], *([[1, 2]] * 5)]
        assert not run.nodes[A].correspondence._owed


@pytest.mark.bound("what one node says to another at once")
async def test_what_is_too_large_to_travel(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(correspondence, "FRAME_BYTES_MAX", 2000)
    async with cluster() as run:
        seat = run.nodes[B].watch("talk:b", ANN)
        assert await run.nodes[B].ask("talk:b", Say(text="x" * 1000)) == 1
        frames = counting(run)
        await run.nodes[A].ask("talk:b", Put(user="u" * 3000))  # published, and no part of the view
        await trio.sleep(1)
        assert (seat.offsets, seat.starts_over) == ([1, 2], 0)
        assert len(by_type(frames, FeedEnded)) == 1
        assert max(len(encode(frame)) for frame in frames) <= 2000
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
        await trio.sleep(1)
        assert await run.nodes[B].ask("talk:a", Say(text="x")) == 1
        assert run.nodes[A].instruments.frames_unreadable == 3


async def test_a_frame_that_cannot_be_read_is_as_a_parting_to_both_ends(autojump_clock: MockClock) -> None:
    """It may have been the question, or the answer, or a kick: nobody waits for what will not come."""
    async with cluster() as run:
        seats = [run.nodes[B].watch("talk:a", who) for who in (ANN, BOB)]
        await trio.sleep(0.1)
        for lost in (Sent, Replied):
            garbled = True

            def garble(sender: int, receiver: int, frame: bytes, lost: type = lost) -> bool:
                nonlocal garbled
                if garbled and isinstance(decode(frame), lost):
                    garbled = False
                    run.network.send(sender, receiver, wire.HEAD + b"\xff")
                    return False
                return True

            run.network.filter = garble
            plain = run.nodes[B].send("talk:a", Say(text="plain"))
            with_id = run.nodes[B].send("talk:a", Say(text="id"), command_id=lost.__name__, digest=1)
            await trio.sleep(3)
            assert isinstance(plain.only, OutcomeUnknown) and isinstance(with_id.only, int)
        assert run.texts("talk:a").count("id") == 2, "each once"
        run.network.filter = lambda sender, receiver, frame: not isinstance(decode(frame), Kicked)
        await run.nodes[A].ask("talk:a", Put(user="ann"))
        await trio.sleep(0.1)
        assert seats[0].starts_over == 0
        run.network.filter = lambda sender, receiver, frame: True
        run.network.send(A, B, wire.HEAD + b"\xff")  # the kick
        await trio.sleep(2)
        assert (seats[0].starts_over, seats[1].starts_over) == (1, 0)
        assert [error.name for error in seats[0].refusals] == ["talk.out"]


async def test_a_frame_of_a_newer_release_is_passed_over_or_refused_and_parts_nothing(
    autojump_clock: MockClock,
) -> None:
    """While a release is rolled out, nobody who waits or watches notices what the older one does not know."""
    async with cluster() as run:
        seat = run.nodes[B].watch("talk:a", ANN)
        run.network.filter = lambda sender, receiver, frame: not isinstance(decode(frame), Replied)
        waits = run.nodes[B].send("talk:a", Say(text="x"))
        await trio.sleep(0.1)
        run.network.filter = lambda sender, receiver, frame: True
        frames = counting(run)
        for sender, receiver in ((A, B), (B, A)):
            for tag in (wire.HINTS[3], wire.QUESTIONS[3]):
                newer = wire.HEAD + msgspec.msgpack.encode([tag, 77, {"any": "thing"}])
                run.nodes[receiver].correspondence.received(sender, newer)
        await trio.sleep(1)
        assert (waits.given, seat.starts_over) == ([], 0), "nobody has heard of a parting"
        refusals = by_type(frames, Rejected)
        assert [(one.number, one.name, one.temporary) for one in refusals] == [(77, "not_in_release", True)] * 2
        for node in (A, B):
            instruments = run.nodes[node].instruments
            assert (instruments.frames_of_newer_releases, instruments.frames_unreadable) == (2, 0)


async def test_a_node_that_speaks_another_version_of_the_wire_is_refused_at_once(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither can read the other: whoever asks hears so, and nobody waits for a deadline."""
    async with cluster() as run:
        frames = 0

        def other_version(sender: int, receiver: int, frame: bytes) -> bool:
            nonlocal frames
            frames += 1
            run.nodes[receiver].correspondence.received(sender, b"\x02" + frame[1:])
            return False

        run.network.filter = other_version
        plain = run.nodes[B].send("talk:a", Say(text="x"))
        with_id = run.nodes[B].send("talk:a", Say(text="x"), command_id="k", digest=1, deadline=trio.current_time() + 3)
        await trio.sleep(1)
        assert isinstance(plain.only, OutcomeUnknown)
        with pytest.raises(Unavailable, match="another version"):
            run.nodes[B].send("talk:b", Say(text="x"))
        await trio.sleep(3)
        assert with_id.only.temporary
        assert frames < 10, "they do not go on telling one another that they do not understand"
        run.network.filter = lambda sender, receiver, frame: True
        run.nodes[B].correspondence.received(A, encode(NotHeld(77)))
        assert await run.nodes[B].ask("talk:a", Say(text="x")) == 1, "it has been replaced by one that is understood"
        run.network.filter = other_version
        run.nodes[B].send("talk:a", Say(text="y"))
        await trio.sleep(1)
        assert run.nodes[B].correspondence._strangers == {A}
        run.kill(A)
        assert not run.nodes[B].correspondence._strangers, "nobody remembers those who are gone"


async def test_errors_that_are_raised_at_once(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        run.nodes[B].ownership.believed["talk:a"] = 99  # whom the links do not know
        with pytest.raises(Unavailable):
            run.nodes[B].send("talk:a", Say(text="x"))
        with pytest.raises(ActorError):
            await run.nodes[B].ask("talk:a", Put(user="x"))


async def test_where_nobody_watches_what_is_elsewhere_hardly_anybody_is_woken(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        await run.nodes[B].ask("talk:a", Say(text="x"))
        await trio.sleep(5.0)
        with counted_steps() as taken:
            await trio.sleep(60.0)
        for part, most in (("Rechecks.run", 0), ("CatchingUp.run", 0), ("Feeds.run", 2 * 60 / LAP_S * 1.1)):
            assert sum(steps for name, steps in taken.items() if name.endswith(part)) <= most, (part, taken)
