"""Answers that come with another message: after what that has recorded, once, or an error when the life has ended."""

from typing import Any

from trio.testing import MockClock

from greenroom.actors.model.errors import HandlerFailed, Unavailable
from greenroom.actors.model.message import Later
from tests.store.journal.faulty_journal import Fault
from tests.supervisors.kernel.small_kernel import Do, Heard, Kernel, Log, Note, Slot, kernel, settled

A = "log:a"


class Waiters(Log):
    """Remembers in memory alone who waits."""

    waiting: list[Later]

    def wait(self) -> Later:
        later = Later()
        self.__dict__.setdefault("waiting", []).append(later)
        return later

    def answer_all(self, text: str) -> None:
        self.note(text)
        for later in self.__dict__.pop("waiting", []):
            self.answer(later, text)


def waits(run: Kernel, entity: str = A) -> Slot:
    return run.send(entity, Do(act=lambda actor: actor.wait()))


def answers(text: str) -> Do:
    return Do(act=lambda actor: actor.answer_all(text))


async def test_the_answer_comes_with_another_message_once_that_is_durable(autojump_clock: MockClock) -> None:
    async with kernel(kinds=(Waiters,)) as run:
        first, second = waits(run), waits(run)
        await settled()
        assert not first.answers and not second.answers
        run.journal.hold()
        run.send(A, answers("now"))
        await settled()
        assert not first.answers, "not before the event behind it is durable"
        run.journal.release()
        await settled()
        assert (first.answer, second.answer) == ("now", "now")
        assert run.let_out == ["now", "now", "now", run.let_out[-1]], "the publication first"


async def test_whoever_waits_when_the_life_ends_is_told_to_ask_again(autojump_clock: MockClock) -> None:
    async with kernel(kinds=(Waiters,)) as run:
        waiting = waits(run)
        await settled()
        broken = run.send(A, Do(act=lambda actor: 1 / 0))
        await broken.answered.wait()
        await settled()
        assert isinstance(broken.answer, HandlerFailed) and isinstance(waiting.answer, Unavailable)
        again = waits(run)
        run.send(A, answers("again"))
        await again.answered.wait()
        assert again.answer == "again"


async def test_an_answer_that_is_lost_with_its_flight_becomes_an_error_and_the_question_is_not_handled_again(
    autojump_clock: MockClock,
) -> None:
    asked: list[int] = []

    def wait(actor: Any) -> Later:
        asked.append(1)
        later: Later = actor.wait()
        actor.note("waits")  # so that it goes with its flight
        return later

    async with kernel(kinds=(Waiters,)) as run:
        run.send(A, Note(text="awake"))
        await settled()
        run.journal.faults["append"] += [Fault.LOST]
        waiting = run.send(A, Do(act=wait))
        await settled()
        await waiting.answered.wait()
        await settled()
        assert isinstance(waiting.answer, Unavailable) and asked == [1]
        assert run.texts(A) == ["awake"]


async def test_an_answer_that_landed_though_nobody_knew_is_given(autojump_clock: MockClock) -> None:
    async with kernel(kinds=(Waiters,)) as run:
        waiting = waits(run)
        await settled()
        run.journal.faults["append"] += [Fault.LANDED_LOST]
        run.send(A, answers("landed"))
        await waiting.answered.wait()
        await settled()
        assert waiting.answer == "landed" and run.texts(A) == ["landed"]


async def test_who_waits_when_the_node_stops_is_told(autojump_clock: MockClock) -> None:
    async with kernel(kinds=(Waiters,)) as run:
        waiting = waits(run)
        run.send(A, Heard(text="x"))
        await settled()
        await run.kernel.drain()
        assert isinstance(waiting.answer, Unavailable)


async def test_an_answer_is_given_once_whatever_the_actor_says(autojump_clock: MockClock) -> None:
    def twice(actor: Any) -> None:
        (later,) = actor.waiting
        actor.answer(later, 1)
        actor.answer(later, 2)

    async with kernel(kinds=(Waiters,)) as run:
        waiting = waits(run)
        run.send(A, Do(act=twice))
        await settled()
        assert waiting.answer == 1
