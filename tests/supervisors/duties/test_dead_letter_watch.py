"""When a warning is due, and what it says."""

from typing import Any

import trio
from msgspec.structs import replace
from structlog.testing import capture_logs
from trio.testing import MockClock

from greenroom.config.telemetry.instruments import Instruments
from greenroom.store.errors import StoreUnavailable
from greenroom.store.journal.dead_letters import Census, DeadLetter
from greenroom.store.journal.dead_letters_memory import MemoryDeadLetters
from greenroom.supervisors.duties.dead_letter_watch import LOOK_S, DeadLetterWatch, Growth

LETTER = DeadLetter(entity="bank:a", message_type="bank.credit", payload=b"{}", principal="", error="", traceback="")


def census(last_id: int, since: int) -> Census:
    return Census(stored=last_id, last_id=last_id, since=since)


def test_what_was_there_before_the_first_look_is_not_growth() -> None:
    growth = Growth()
    assert not growth.looked(census(7, 7), now_s=0.0)
    assert growth.seen_id == 7
    assert not growth.looked(census(7, 0), now_s=15.0)
    assert growth.looked(census(8, 1), now_s=30.0)


def test_growth_is_told_at_once_and_then_rarely_and_nothing_of_it_is_left_out() -> None:
    growth = Growth(quiet_s=60.0)
    growth.looked(census(0, 0), now_s=0.0)
    told = []
    for at in range(1, 200):  # a letter a second
        if growth.looked(census(at, at - (growth.seen_id or 0)), now_s=float(at)):
            told.append((at, growth.seen_id))
    assert told == [(1, 1), (61, 61), (121, 121), (181, 181)]


async def test_one_warning_says_how_many_and_which_and_the_gauge_follows(autojump_clock: MockClock) -> None:
    letters, instruments = MemoryDeadLetters(), Instruments()
    await letters.add(LETTER)
    async with trio.open_nursery() as nursery:
        with capture_logs() as said:
            await nursery.start(DeadLetterWatch(letters, instruments).run)
            await trio.sleep(LOOK_S / 2)
            assert instruments.dead_letters_stored == 1
            for kind in ("bank", "room", "bank"):
                await letters.add(replace(LETTER, entity=f"{kind}:b", message_type=f"{kind}.x"))
            await trio.sleep(3 * LOOK_S)
        nursery.cancel_scope.cancel()
    (warning,) = said
    assert (warning["event"], warning["log_level"]) == ("dead_letters_growing", "warning")
    assert (warning["stored"], warning["new"], warning["of_these"]) == (4, 3, 2)
    assert (warning["mostly_kind"], warning["mostly_message"]) == ("bank", "bank.x")
    assert instruments.dead_letters_stored == 4


async def test_a_store_that_is_away_is_looked_at_again(autojump_clock: MockClock) -> None:
    instruments = Instruments()

    class Away(MemoryDeadLetters):
        looks = 0

        async def census(self, *, after: int) -> Any:
            self.looks += 1
            if self.looks < 3:
                raise StoreUnavailable("away")
            return await super().census(after=after)

    letters = Away()
    await letters.add(LETTER)
    async with trio.open_nursery() as nursery:
        await nursery.start(DeadLetterWatch(letters, instruments).run)
        await trio.sleep(2.5 * LOOK_S)
        nursery.cancel_scope.cancel()
    assert (letters.looks, instruments.dead_letters_stored) == (3, 1)
