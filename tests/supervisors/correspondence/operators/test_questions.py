"""What operators ask of other nodes: answered in time, or not at all."""

from collections.abc import Awaitable, Callable

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from greenroom.actors.model.errors import Unavailable
from greenroom.supervisors.correspondence import questions
from greenroom.supervisors.correspondence.questions import Questions
from greenroom.supervisors.correspondence.wire import Question, Told

A, B = 1, 2


class Pair:
    """Two nodes, with a link between them that may be cut."""

    def __init__(self, answer: Callable[[bytes], Awaitable[bytes]]) -> None:
        self.is_cut = False
        self.asks = Questions(answer=answer, send=lambda node, frame: self._send(A, frame))
        self.answers = Questions(answer=answer, send=lambda node, frame: self._send(B, frame))

    def _send(self, sender: int, frame: Question | Told) -> None:
        if self.is_cut:
            raise Unavailable("no such node")
        receiver = self.answers if sender == A else self.asks
        if isinstance(frame, Question):
            receiver.asked(sender, frame)
        else:
            receiver.told(sender, frame)


async def shouted(question: bytes) -> bytes:
    return question.upper()


async def test_a_question_is_answered(autojump_clock: MockClock) -> None:
    pair = Pair(shouted)
    async with trio.open_nursery() as nursery:
        await nursery.start(pair.answers.run)
        assert await pair.asks.ask(B, b"how are you", within_s=1.0) == b"HOW ARE YOU"
        nursery.cancel_scope.cancel()


async def test_who_does_not_answer_is_waited_for_no_longer_than_said(autojump_clock: MockClock) -> None:
    async def never(question: bytes) -> bytes:
        await trio.sleep_forever()
        raise AssertionError

    pair = Pair(never)
    async with trio.open_nursery() as nursery:
        await nursery.start(pair.answers.run)
        began = trio.current_time()
        assert await pair.asks.ask(B, b"x", within_s=1.0) is None
        assert trio.current_time() - began == pytest.approx(1.0)
        nursery.cancel_scope.cancel()


async def test_of_a_node_that_is_gone_or_only_starting_nothing_is_waited_for(autojump_clock: MockClock) -> None:
    pair = Pair(shouted)
    began = trio.current_time()
    assert await pair.asks.ask(B, b"x", within_s=9.0) is None, "its part of this is not running"
    pair.is_cut = True
    assert await pair.asks.ask(B, b"x", within_s=9.0) is None
    assert trio.current_time() == began


async def test_a_link_that_parts_ends_the_wait(autojump_clock: MockClock) -> None:
    pair = Pair(shouted)
    pair.asks._send = lambda node, frame: None
    began = trio.current_time()
    said: list[bytes | None] = []

    async def ask() -> None:
        said.append(await pair.asks.ask(B, b"x", within_s=9.0))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        pair.asks.parted(3)
        await trio.testing.wait_all_tasks_blocked()
        assert not said
        pair.asks.parted(B)
    assert said == [None]
    assert trio.current_time() == began, "and not only once its time is up"


async def test_an_answer_of_another_node_or_a_late_one_is_nobodys(autojump_clock: MockClock) -> None:
    pair = Pair(shouted)
    pair.asks._send = lambda node, frame: pair.asks.told(3, Told(1, b"from a stranger"))
    assert await pair.asks.ask(B, b"x", within_s=0.5) is None
    pair.asks.told(B, Told(1, b"late"))


async def test_a_question_that_raises_is_not_answered_and_harms_nobody(autojump_clock: MockClock) -> None:
    async def broken(question: bytes) -> bytes:
        if question == b"bad":
            raise ZeroDivisionError
        return b"fine"

    pair = Pair(broken)
    async with trio.open_nursery() as nursery:
        await nursery.start(pair.answers.run)
        with capture_logs() as logs:
            assert await pair.asks.ask(B, b"bad", within_s=1.0) is None
        assert [one["event"] for one in logs] == ["question_failed"]
        assert await pair.asks.ask(B, b"good", within_s=1.0) == b"fine"
        nursery.cancel_scope.cancel()


@pytest.mark.bound("questions of operators that other nodes have yet to answer, and of theirs that are being answered")
async def test_both_sides_are_bounded(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "ANSWERING_MAX", 2)
    gate = trio.Event()

    async def slow(question: bytes) -> bytes:
        await gate.wait()
        return b"at last"

    pair = Pair(slow)
    said: list[bytes | None] = []

    async def ask() -> None:
        said.append(await pair.asks.ask(B, b"x", within_s=4.0))

    async with trio.open_nursery() as nursery:
        await nursery.start(pair.answers.run)
        for _ in range(3):
            nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        assert said == [None], "the third is turned away at once"
        monkeypatch.setattr(questions, "ASKED_MAX", 2)
        assert await pair.asks.ask(B, b"x", within_s=4.0) is None
        gate.set()
        await trio.sleep(0.1)
        assert said == [None, b"at last", b"at last"]
        nursery.cancel_scope.cancel()
