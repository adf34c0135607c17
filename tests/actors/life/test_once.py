"""What takes effect once waits until the journal has said what is known of it."""

from typing import Any

from greenroom.actors.life.departures import Answer, Rejection
from greenroom.actors.life.durable_timers import DurableTimers
from greenroom.actors.life.life import Life
from greenroom.actors.life.once import NEW_MAX, Once, Unknown
from greenroom.actors.life.turn import Turn
from greenroom.actors.model.envelope import Envelope, Firing, Origin
from greenroom.actors.model.kinds import Kind
from greenroom.actors.model.schedule import Schedule, encode_timer
from greenroom.store.journal.consequences.timers import TimerRow
from greenroom.store.journal.records import Claimed, Head
from tests.actors.life.small_life import Add, Slot, Sum, World, ask, life_of, total


def test_a_delivery_waits_for_its_senders_mark_and_takes_effect_once() -> None:
    life = life_of()
    first = Envelope(message=Add(amount=1), slot=Slot(), source=Origin(9, 5, "sum:9"))
    assert life.handle([first], 0, 0.0, in_flight=False) == 0
    unknown = life.once.unknown([first])
    assert unknown.senders == [9]
    life.waits_for = None
    life.once.learn(unknown, {9: 4}, {}, under_way_max=10)
    assert life.handle([first], 0, 0.0, in_flight=False) == 1
    again = Envelope(message=Add(amount=1), slot=Slot(), source=Origin(9, 5, "sum:9"))
    assert life.handle([again], 0, 0.0, in_flight=False) == 1
    flight = life.decided.take([first, again])
    assert flight is not None and flight.consequences is not None
    assert total(life) == 1
    assert flight.consequences.marks == {9: 5}


def test_a_timer_that_was_put_off_is_due_again_and_one_in_the_mailbox_is_not() -> None:
    once, kind = Once(), Kind(Sum)
    row = TimerRow("a", 500, encode_timer(Add(amount=1), Schedule()))
    once.timers = DurableTimers([row])

    def due() -> list[Envelope]:
        return once.due_timers(kind, "sum:1", now_ms=1000, queued_at=3.0)

    (envelope,) = due()
    assert (envelope.message, envelope.source, envelope.queued_at) == (Add(amount=1), Firing("a", 500), 3.0)
    assert due() == []
    once.put_off(Firing("a", 500))
    assert len(due()) == 1


def test_a_delivery_that_overtook_another_is_put_off_and_one_handled_before_is_answered() -> None:
    once = Once()
    once.learn(Unknown([9], []), {9: 4}, {}, under_way_max=10)
    departures: list[Any] = []
    assert not once.admits(ask(Add(amount=1)), Origin(9, 4, "sum:9"), departures.append)
    assert not once.admits(ask(Add(amount=1)), Origin(9, 7, "sum:9", after=6), departures.append)
    assert [type(one) for one in departures] == [Answer, Rejection]
    assert once.admits(ask(Add(amount=1)), Origin(9, 5, "sum:9"), departures.append) and len(departures) == 2


def test_what_is_certain_without_the_journal_is_not_asked_for() -> None:
    """Of an entity that was new, and of a first message; until it has heard of so many that some are forgotten."""
    once = Once()
    assert not once.knows(9, is_first=False)
    assert once.knows(9, is_first=True) and once.knows(9, is_first=False)
    new = Once()
    new.is_new = True
    assert all(new.knows(sender, is_first=False) for sender in range(NEW_MAX))
    assert not new.knows(NEW_MAX, is_first=False) and new.knows(3, is_first=False)
    assert not new.is_new


def test_an_entity_is_new_that_had_recorded_nothing_when_it_was_claimed() -> None:
    for offset, is_new in ((0, True), (1, False)):
        life = Life(Kind(Sum), "sum:1", World(), Turn(), Head(1, "sum:1", 7, "e", offset))
        life.wake(Claimed(Head(1, "sum:1", 7, "e", offset), None, offset, []))
        delivery = Envelope(message=Add(amount=1), slot=Slot(), source=Origin(9, 5, "sum:9"))
        assert life.handle([delivery], 0, 0.0, in_flight=False) == is_new
        assert (life.waits_for is None) == is_new


def test_a_first_message_is_certain_only_of_a_life_that_was_awake_when_it_was_told() -> None:
    """Else another node's life may have handled it before this one was claimed."""
    life = Life(Kind(Sum), "sum:1", World(), Turn(), Head(1, "sum:1", 7, "e", 4))
    life.wake(Claimed(Head(1, "sum:1", 7, "e", 4), None, 4, []))
    woken_at = life.once.woken_at
    for first_at, is_handled in ((0, False), (woken_at, False), (woken_at + 1, True)):
        delivery = Envelope(message=Add(amount=1), slot=Slot(), source=Origin(9, 5, "sum:9"), first_at=first_at)
        assert life.handle([delivery], 0, 0.0, in_flight=False) == is_handled
