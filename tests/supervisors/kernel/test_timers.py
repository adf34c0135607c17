"""Durable timers in cells that are built anew: what a firing does is done once, and none keeps its entity down."""

from typing import Any
from zoneinfo import ZoneInfoNotFoundError

import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.model import schedule
from greenroom.actors.model.errors import Refused
from greenroom.config.limits import SupervisionConfig
from tests.store.journal.faulty_journal import Fault
from tests.supervisors.kernel.small_kernel import Brief, Do, Heard, Log, Note, Read, Slow, kernel

A, B = "log:a", "brief:b"


def daily(actor: Any) -> None:
    actor.set_timer("daily", Heard(text="tick"), cron="* * * * *", timezone="US/Eastern")


async def test_a_timer_whose_schedule_cannot_be_computed_is_given_up(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A time zone may go with an upgrade of the system."""

    def gone(key: str) -> Any:
        raise ZoneInfoNotFoundError(f"No time zone found with key {key}")

    async with kernel() as run:
        await run.ask(A, Do(act=daily))
        await run.ask(A, Note(text="fine"))
        monkeypatch.setattr(schedule, "ZoneInfo", gone)
        await trio.sleep(200)
        assert run.texts(A).count("tick") == 0
        (letter,) = run.journal.rows.letters.rows
        assert (letter.entity, letter.message_type) == (A, "log.heard")
        assert "US/Eastern" in letter.error
        assert run.journal.rows.by_entity[A].timers == {}, "its row has ended"
        assert run.instruments.restarts == 0
        assert await run.ask(A, Read()) == ["fine"]


class Ticking(Log):
    """Tells on what its timer tells it, and records nothing."""

    def handle(self, message: Any) -> Any:
        if isinstance(message, Heard):
            assert self.fired is not None
            self.tell(B, Heard(text=f"tick of {self.fired.due_s:g}"))
            return None
        return super().handle(message)


async def test_what_a_firing_does_leaves_only_when_it_is_durable_that_it_has_fired(autojump_clock: MockClock) -> None:
    async with kernel(kinds=(Ticking, Brief, Slow)) as run:
        await run.ask(A, Do(act=lambda actor: actor.set_timer("t", Heard(text="x"), after=5)))
        await run.ask(B, Read())
        run.journal.faults["append"] += [Fault.LOST]
        await trio.sleep(20)
        assert await run.ask(B, Read()) == ["tick of 5"]


async def test_a_firing_that_waits_is_there_once_however_often_the_entity_is_built_anew(
    autojump_clock: MockClock,
) -> None:
    looked = []

    class Later(Log):
        def handle(self, message: Any) -> Any:
            if isinstance(message, Heard):
                looked.append(trio.current_time())
                raise Refused("log.later", status=429)
            return super().handle(message)

    supervision = SupervisionConfig(restarts_max=1000, strikes_max=1000)
    failing = [True]

    def fail(actor: Any) -> None:
        if failing:
            raise ZeroDivisionError

    async with kernel(kinds=(Later, Brief, Slow), supervision=supervision) as run:
        await run.ask(A, Do(act=lambda actor: actor.set_timer("t", Heard(text="x"), after=5)))
        await trio.sleep(4)
        run.send(A, Do(act=fail))  # tried again and again, the firing behind it
        await trio.sleep(30)
        assert run.instruments.restarts > 3
        assert looked == []
        failing.clear()
        await trio.sleep(6)
        assert len(set(looked)) == len(looked) >= 1, "one copy for each look"
