"""The letter writer: one letter after the other, and none holds up the others for ever."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
import trio
import trio.testing
from structlog.testing import capture_logs
from trio.testing import MockClock

from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.principal import Principal
from greenroom.config.telemetry.instruments import Instruments
from greenroom.store.errors import DataRefused, StoreUnavailable
from greenroom.store.journal.dead_letters import DeadLetter
from greenroom.store.journal.dead_letters_memory import MemoryDeadLetters
from greenroom.supervisors.kernel.letter_writer import LetterWriter
from greenroom.supervisors.supervision.backoff import Backoff
from tests.supervisors.kernel.small_kernel import Do, Heard, kernel, settled


class Failing(MemoryDeadLetters):
    """`fails` says how the next write of a letter ends."""

    def __init__(self, fails: Callable[[DeadLetter], Exception | None]) -> None:
        super().__init__()
        self._fails = fails
        self.tried: list[str] = []

    async def add(self, letter: DeadLetter, *, key: int | None = None) -> None:
        self.tried.append(letter.entity)
        error = self._fails(letter)
        if error is not None:
            raise error
        await super().add(letter, key=key)


@pytest.mark.parametrize("error", [DataRefused("no such character"), ValueError("a bug")])
async def test_a_letter_that_is_refused_is_left_out_with_a_log_and_the_others_are_written(
    error: Exception, autojump_clock: MockClock
) -> None:
    letters = Failing(lambda letter: error if letter.entity == "log:bad" else None)
    with capture_logs() as logs:
        await write(letters, "log:a", "log:bad", "log:b")
    assert [letter.entity for letter in await letters.list(limit=10)] == ["log:b", "log:a"]
    assert letters.tried == ["log:a", "log:bad", "log:b"], "it is not tried again"
    assert [line["entity"] for line in logs if line["event"] == "dead_letter_dropped"] == ["log:bad"]


async def test_a_store_that_is_away_is_waited_for(autojump_clock: MockClock) -> None:
    away = [StoreUnavailable("away")] * 3
    letters = Failing(lambda letter: away.pop() if away else None)
    await write(letters, "log:a", "log:b")
    assert [letter.entity for letter in await letters.list(limit=10)] == ["log:b", "log:a"]
    assert letters.tried == ["log:a"] * 4 + ["log:b"]


async def test_letters_of_what_is_erased_are_not_written_and_the_one_under_way_is_waited_for(
    autojump_clock: MockClock,
) -> None:
    letters = MemoryDeadLetters()
    writer = LetterWriter(
        letters,
        instruments=Instruments(),
        new_backoff=lambda: Backoff(random=Random(0), first_s=0.1, max_s=0.1),
        note_store_unavailable=lambda _: None,
    )
    for entity in ("log:gone", "log:a", "log:gone"):
        writer.keep(entity, Envelope(message=Heard(text=entity)), ValueError())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer.forget, "log:gone")
        await trio.testing.wait_all_tasks_blocked()
        await nursery.start(writer.run)
        await writer.flushed()
        nursery.cancel_scope.cancel()
    assert [letter.entity for letter in await letters.list(limit=10)] == ["log:a", "log:gone"]  # the first: under way
    assert writer.waiting_bytes == 0


class Forgetful(MemoryDeadLetters):
    """Keeps every letter, and loses the first answer."""

    def __init__(self) -> None:
        super().__init__()
        self._lost = False

    async def add(self, letter: DeadLetter, *, key: int | None = None) -> None:
        await super().add(letter, key=key)
        if not self._lost:
            self._lost = True
            raise StoreUnavailable("the wire went silent")


async def test_a_letter_whose_answer_was_lost_is_kept_once(autojump_clock: MockClock) -> None:
    """Twice, it would be handled twice by whoever has all of them handled again."""
    letters = Forgetful()
    await write(letters, "log:a", "log:b")
    assert [letter.entity for letter in await letters.list(limit=10)] == ["log:b", "log:a"]


async def test_what_waits_when_a_run_ends_is_written_by_the_next(autojump_clock: MockClock) -> None:
    away = [StoreUnavailable("away")] * 3
    letters = Failing(lambda letter: away.pop() if away else None)
    writer = writer_of(letters)
    for entity in ("log:a", "log:b", "log:c"):
        give_up(writer, entity)
    with trio.move_on_after(0.01):
        await writer.run()
    assert await letters.list(limit=10) == []
    async with trio.open_nursery() as nursery:  # owner: the test
        await nursery.start(writer.run)
        with trio.fail_after(60):
            await writer.flushed()
        nursery.cancel_scope.cancel()
    assert [letter.entity for letter in await letters.list(limit=10)] == ["log:c", "log:b", "log:a"]


@pytest.mark.parametrize(("size", "kept"), [(10, 5), (1_000, 2), (100_000, 1)])
@pytest.mark.bound("dead letters waiting to be written")
async def test_those_that_wait_are_bounded_in_number_and_in_bytes(
    size: int, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("greenroom.supervisors.kernel.letter_writer.WAITING_MAX", 5)
    monkeypatch.setattr("greenroom.supervisors.kernel.letter_writer.WAITING_BYTES_MAX", 3_000)
    writer = writer_of(MemoryDeadLetters())
    with capture_logs() as logs:
        for number in range(8):
            give_up(writer, f"log:{number}", "x" * size)
    assert sum(line["event"] == "dead_letter_dropped" for line in logs) == 8 - kept


def writer_of(letters: MemoryDeadLetters) -> LetterWriter:
    return LetterWriter(
        letters,
        instruments=Instruments(),
        new_backoff=lambda: Backoff(random=Random(1)),
        note_store_unavailable=lambda error: None,
    )


def give_up(writer: LetterWriter, entity: str, text: str = "x") -> None:
    writer.keep(entity, Envelope(Heard(text=text), Principal(user="ann")), ValueError("given up"))


async def write(letters: MemoryDeadLetters, *entities: str) -> None:
    writer = writer_of(letters)
    async with trio.open_nursery() as nursery:  # owner: this call
        await nursery.start(writer.run)
        for entity in entities:
            give_up(writer, entity)
        with trio.fail_after(60):
            await writer.flushed()
        nursery.cancel_scope.cancel()


async def test_a_letter_waits_for_a_store_that_is_down(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        add, tries = run.letters.add, 0

        async def flaky(letter: Any, *, key: int | None = None) -> None:
            nonlocal tries
            tries += 1
            if tries < 5:
                raise StoreUnavailable("down")
            await add(letter)

        run.letters.add = flaky  # type: ignore[method-assign]
        run.router.tell("nokind:x", Heard(text="x"))
        await trio.sleep(60)
        assert (len(await run.letters.list(limit=10)), tries) == (1, 5)


async def test_a_letter_that_cannot_be_written_does_not_take_the_system_down() -> None:
    async with kernel() as run:
        add = run.letters.add

        async def broken(letter: Any, *, key: int | None = None) -> None:
            raise ValueError("no such text")

        run.letters.add = broken  # type: ignore[method-assign]
        run.router.tell("nokind:x", Heard(text="x"))
        run.router.tell("nokind:x", Do(act=len))  # can't even be encoded
        await settled()
        run.letters.add = add  # type: ignore[method-assign]
        run.router.tell("nokind:y", Heard(text="y"))
        await settled()
        assert [letter.entity for letter in await run.letters.list(limit=10)] == ["nokind:y"]
        assert run.instruments.dead_letters == 3
