"""What becomes of the flights of a former life, by what the journal holds."""

from typing import Any

import pytest

from greenroom.actors.life.departures import Answer, Rejection
from greenroom.actors.life.flights import Flight, answers_of, command_ids_of, doubt, repeatable, sort_flights
from greenroom.actors.model.envelope import Envelope, Firing
from greenroom.actors.model.errors import NotHere, OutcomeUnknown, Overloaded, Refused
from greenroom.store.journal.records import Remembered, StoredEvent
from tests.actors.life.small_life import Add, Slot

FENCE = 7


def event(offset: int, fence: int = FENCE) -> StoredEvent:
    return StoredEvent(offset, 9, b"{}", fence=fence)


def flight(*offsets: int, through: int = 0, items: list[Any] | None = None) -> Flight:
    return Flight(offsets[-1] if offsets else through, FENCE, [event(one) for one in offsets], None, [], items or [])


def ask(command_id: str | None = None) -> Envelope:
    return Envelope(Add(amount=1), slot=Slot(), command_id=command_id)


def test_what_landed_departs_and_what_did_not_is_handled_again() -> None:
    again = Add(amount=3)
    flights = [flight(1, 2), flight(3, items=[again])]
    found = sort_flights(flights, {1: event(1), 2: event(2)}, {})
    assert (found.landed, found.answers, found.again) == ([flights[0]], [], [again])


def test_half_a_flight_has_not_landed_nor_has_one_that_another_life_wrote() -> None:
    flights = [flight(1, 2)]
    assert sort_flights(flights, {1: event(1)}, {}).landed == []
    assert sort_flights(flights, {1: event(1), 2: event(2, fence=8)}, {}).landed == []


def test_what_waited_behind_events_departs_with_them_and_alone_is_handled_again() -> None:
    alone, behind = flight(through=0, items=[Add(amount=0)]), flight(through=1)
    assert sort_flights([alone], {}, {}).again == alone.items
    assert sort_flights([flight(1), behind], {1: event(1)}, {}).landed == [flight(1), behind]


def test_a_command_that_only_the_journal_remembered_is_answered() -> None:
    known, unknown = ask("a"), ask("b")
    flights = [flight(1, items=[known, unknown])]
    assert command_ids_of(flights) == ["a", "b"]
    found = sort_flights(flights, {}, {"a": Remembered(b"5")})
    assert (found.answers, found.again) == ([Answer(known.slot, 5, b"5")], [unknown])  # type: ignore[arg-type]


@pytest.mark.parametrize(("suspected", "strikes", "again"), [(False, 0, False), (True, 0, True), (False, 1, True)])
def test_a_timer_fires_anew_by_itself_unless_it_is_under_suspicion(suspected: bool, strikes: int, again: bool) -> None:
    fired = Envelope(Add(amount=1), source=Firing("t", 5), strikes=strikes)
    assert bool(sort_flights([flight(1, items=[fired])], {}, {}, suspected=suspected).again) is again


def test_whoever_waits_for_a_flight() -> None:
    slot = Slot()
    answer, rejection = Answer(slot, 1, None), Rejection(slot, Overloaded())
    one = flight(1)
    one.departures += [event(1), answer, rejection]
    assert answers_of([one, flight(2)]) == [answer, rejection]


def test_whoever_waits_for_what_may_have_landed_never_hears_that_it_was_not_handled() -> None:
    landed_perhaps, traceless = ask("one"), ask()
    slots: list[Any] = [landed_perhaps.slot, traceless.slot]
    flights = [flight(1, items=[landed_perhaps, ask()]), flight(through=1, items=[traceless])]
    assert repeatable(flights) == [landed_perhaps, traceless]
    doubt(flights)
    for envelope in (landed_perhaps, traceless):
        assert envelope.slot is not None
        envelope.slot.reject(NotHere("gone"))
    assert [type(slot.answers[0]) for slot in slots] == [OutcomeUnknown, NotHere]


def test_but_it_hears_what_its_message_is_answered_or_refused_with_elsewhere() -> None:
    answered, refused = ask("one"), ask("two")
    slots: list[Any] = [answered.slot, refused.slot]
    doubt([flight(1, 2, items=[answered, refused])])
    assert answered.slot is not None and refused.slot is not None
    answered.slot.resolve("reply", None)
    refused.slot.reject(Refused("room.muted"))
    assert slots[0].answers == ["reply"] and isinstance(slots[1].answers[0], Refused)
