"""Durable timers: each fires once at its time, whatever becomes of its append."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.model.actor import TIMER_NAME_MAX
from greenroom.actors.model.errors import HandlerFailed
from greenroom.actors.model.message import Message
from greenroom.store.journal.journal_memory import MemoryRows
from tests.store.journal.faulty_journal import Fault
from tests.supervisors.kernel.cells.desks import A, Desk, SetTimers, SlowDesk, desks, texts
from tests.supervisors.kernel.small_kernel import Note


async def test_a_timer_fires_once_at_its_time_also_of_an_entity_that_sleeps(autojump_clock: MockClock) -> None:
    async with desks() as run:
        run.send(A, SetTimers(timers=[{"name": "soon", "after": 0.5}, {"name": "later", "after": 500}]))
        await trio.sleep(1)
        assert texts(run, A) == ["soon 0.5"]
        await trio.sleep(300)
        assert run.awake() == set()
        await trio.sleep(300)
        assert texts(run, A) == ["soon 0.5", "later 500"]
        assert run.journal.rows.by_entity[A].timers == {}


@pytest.mark.parametrize(
    ("missed", "expected"),
    [
        ("last", ["tick 100", "tick 900"]),
        ("all", [f"tick {at}" for at in range(100, 1000, 100)]),
        ("skip", ["tick 100"]),
    ],
)
async def test_timers_due_while_nobody_ran_come_as_they_say(
    missed: str, expected: list[str], autojump_clock: MockClock
) -> None:
    rows = MemoryRows()
    async with desks(rows=rows) as run:
        run.send(A, SetTimers(timers=[{"name": "tick", "every": 100.0, "missed": missed}]))
        await trio.sleep(150)
    await trio.sleep(800)  # 950
    async with desks(rows=rows, incarnation=2) as run:
        await trio.sleep(10)
        assert texts(run, A) == expected
        await trio.sleep(50)
        assert texts(run, A) == [*expected, "tick 1000"], "and then as always"


@pytest.mark.parametrize("mood", ["willing", "silent", "busy"])
@pytest.mark.parametrize("fault", [Fault.LOST, Fault.LANDED_LOST, Fault.UNAVAILABLE])
async def test_a_timer_takes_effect_once_whatever_becomes_of_its_append(
    fault: Fault, mood: str, autojump_clock: MockClock
) -> None:
    for skipped in range(3):
        async with desks() as run:
            begun = trio.current_time()
            run.send(A, SetTimers(timers=[{"name": "tick", "every": 10.0}], mood=mood), command_id="once")
            await trio.sleep(5)
            run.journal.faults["append"] += [Fault.NONE] * skipped + [fault] * 2
            await trio.sleep(70)
            expected = [f"tick {begun + after:g}" for after in range(10, 80, 10)]
            Desk.busy.clear()
            assert texts(run, A) == ([] if mood == "silent" else expected)


async def test_a_firing_that_is_refused_for_good_is_a_dead_letter_and_the_timer_goes_on(
    autojump_clock: MockClock,
) -> None:
    for mood in ("refuses", "poison"):
        async with desks() as run:
            begun = trio.current_time()
            run.send(A, SetTimers(timers=[{"name": "tick", "every": 100.0}], mood=mood))
            await trio.sleep(250)
            assert len(run.journal.rows.letters.rows) == 2
            assert run.journal.rows.by_entity[A].timers["tick"].due_ms == int((begun + 300) * 1000)


async def test_a_handler_may_set_or_cancel_the_timer_that_it_is_told_of(autojump_clock: MockClock) -> None:
    async with desks() as run:
        run.send(A, SetTimers(timers=[{"name": "again", "after": 5}], mood="again"))
        run.send(A, SetTimers(timers=[{"name": "ends", "every": 5.0}], mood="cancels"))
        await trio.sleep(60)
        assert sorted(texts(run, A)) == ["again 5", "again 5", "ends 5"]
        assert run.journal.rows.by_entity[A].timers == {}


async def test_a_timer_is_moved_and_cancelled_by_its_name_even_in_its_own_burst(autojump_clock: MockClock) -> None:
    async with desks() as run:
        run.send(A, SetTimers(timers=[{"name": "a", "after": 5}, {"name": "a", "after": 8}]))
        run.send(A, SetTimers(timers=[{"name": "b", "after": 5}], cancel=["b", "never was"]))
        run.send(A, SetTimers(timers=[{"name": "c", "after": 5}]))
        await trio.sleep(1)
        run.send(A, SetTimers(timers=[], cancel=["c"]))
        await trio.sleep(60)
        assert texts(run, A) == ["a 8"]


async def test_names_of_timers_are_any_text(autojump_clock: MockClock) -> None:
    async with desks() as run:
        run.send(
            A,
            SetTimers(timers=[{"name": name, "after": 5} for name in ("\0", "ä\U0001f600", " ", "x" * TIMER_NAME_MAX)]),
        )
        await trio.sleep(60)
        assert sorted(texts(run, A)) == ["\0 5", "  5", "x" * TIMER_NAME_MAX + " 5", "ä\U0001f600 5"]


@pytest.mark.parametrize("name", ["", "x" * (TIMER_NAME_MAX + 1)])
async def test_a_timer_without_a_fitting_name_is_refused(name: str, autojump_clock: MockClock) -> None:
    async with desks() as run:
        slot = run.send(A, SetTimers(timers=[{"name": name, "after": 5}]))
        after = run.send(A, Note(text="after"))
        await trio.sleep(60)
        assert isinstance(slot.answer, HandlerFailed) and after.answer == 1


@pytest.mark.bound("durable timers of an entity")
async def test_more_timers_than_the_kind_allows_are_refused(autojump_clock: MockClock) -> None:
    async with desks() as run:
        run.send(A, SetTimers(timers=[{"name": str(number), "after": 500} for number in range(5)]))
        slot = run.send(A, SetTimers(timers=[{"name": "one more", "after": 500}]))
        moved = run.send(A, SetTimers(timers=[{"name": "0", "after": 5}]))
        await trio.sleep(1)
        assert slot.answer.name == "timers.too_many" and not isinstance(moved.answer, Exception)


async def test_a_timer_that_no_release_knows_wakes_nobody_for_ever_and_holds_up_no_other(
    autojump_clock: MockClock,
) -> None:
    async with desks() as run:
        run.send(A, SetTimers(timers=[{"name": "a", "after": 5}, {"name": "b", "after": 6}]))
        await trio.sleep(1)
        row = run.journal.rows.by_entity[A].timers["a"]
        row.body = row.body.replace(b"log.ring", b"log.newer")
        await trio.sleep(20)
        assert texts(run, A) == ["b 6"]
        assert list(run.journal.rows.by_entity[A].timers) == ["a"]


async def test_a_timers_message_that_the_kind_does_not_know_fails_where_it_is_set(autojump_clock: MockClock) -> None:
    class Foreign(Desk):
        internal = ()

    async with desks(Foreign) as run:
        slot = run.send(A, SetTimers(timers=[{"name": "a", "after": 5}]))
        await trio.sleep(60)
        assert isinstance(slot.answer, Exception) and run.journal.rows.by_entity[A].timers == {}


async def test_a_slow_handler_of_a_quick_timer_misses_none(autojump_clock: MockClock) -> None:
    async with desks(SlowDesk) as run:
        run.send(A, SetTimers(timers=[{"name": "tick", "every": 1.5, "missed": "last"}]))
        await trio.sleep(8)
        assert texts(run, A)[:3] == ["tick 1.5", "tick 3", "tick 4.5"]


async def test_firings_do_not_pile_up_while_the_store_fails_again_and_again(autojump_clock: MockClock) -> None:
    handled = 0

    class Counting(Desk):
        def handle(self, message: Message) -> Any:
            nonlocal handled
            handled += 1
            return super().handle(message)

    async with desks(Counting) as run:
        run.send(A, SetTimers(timers=[{"name": str(number), "after": 5} for number in range(5)]))
        await trio.sleep(1)
        run.journal.faults["append"] += [Fault.LOST] * 30
        await trio.sleep(120)
        assert texts(run, A) == [f"{number} 5" for number in range(5)]
        assert handled < 30 * 5 * 3, "each is handled again, not once more for each failure"
