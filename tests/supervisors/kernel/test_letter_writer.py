"""The letter writer: one letter after the other, and none holds up the others for ever."""

from collections.abc import Callable
from random import Random

import pytest
import trio
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
from tests.supervisors.kernel.small_kernel import Heard


class Failing(MemoryDeadLetters):
    """`fails` says how the next write of a letter ends."""

    def __init__(self, fails: Callable[[DeadLetter], Exception | None]) -> None:
        super().__init__()
        self._fails = fails
        self.tried: list[str] = []

    async def add(self, letter: DeadLetter) -> None:
        self.tried.append(letter.entity)
        error = self._fails(letter)
        if error is not None:
            raise error
        await super().add(letter)


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


async def write(letters: Failing, *entities: str) -> None:
    writer = LetterWriter(
        letters,
        instruments=Instruments(),
        new_backoff=lambda: Backoff(random=Random(1)),
        note_store_unavailable=lambda error: None,
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(writer.run)
        for entity in entities:
            writer.keep(entity, Envelope(Heard(text="x"), Principal(user="ann")), ValueError("given up"))
        with trio.fail_after(60):
            await writer.flushed()
        nursery.cancel_scope.cancel()
