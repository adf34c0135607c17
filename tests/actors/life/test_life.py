"""One life without a kernel: what it decides of a burst, in order, and what it does not let happen."""

from typing import Any

import pytest
from msgspec import Struct

from greenroom.actors.life.decided import MET_MAX
from greenroom.actors.life.departures import Answer, Posted, Rejection
from greenroom.actors.life.life import Life, RefusedTooLate
from greenroom.actors.life.once import Unknown
from greenroom.actors.life.turn import Turn
from greenroom.actors.model.effects import Ephemeral
from greenroom.actors.model.envelope import Envelope, Origin
from greenroom.actors.model.errors import HandlerStuck, Refused
from greenroom.actors.model.kinds import Kind
from greenroom.actors.model.lifecycle import NOTED
from greenroom.actors.model.message import Message, Tell
from greenroom.actors.model.principal import Principal
from greenroom.store.journal.records import Claimed, Head, StoredEvent
from tests.actors.life.small_life import Add, Added, Slot, Sum, World, ask, life_of, total


def test_a_burst_becomes_one_flight_with_its_fence() -> None:
    life = life_of()
    burst: list[Any] = [ask(Add(amount=1)), ask(Add(amount=2)), ask(Add(amount=0))]
    assert life.handle(burst, 0, 0.0, in_flight=False) == 3
    flight = life.decided.take(burst)
    assert flight is not None
    assert (flight.through, flight.fence, flight.items) == (2, 7, burst)
    assert [(event.offset, event.fence) for event in flight.events] == [(1, 7), (2, 7)]
    kinds = [type(one) for one in flight.departures]
    assert kinds == [StoredEvent, Answer, StoredEvent, Answer, Answer], "each reply behind its events"
    assert life.decided.take([]) is None


def test_what_records_nothing_and_waits_for_nothing_is_answered_at_once() -> None:
    life = life_of()
    envelope = ask(Add(amount=0))
    slot = envelope.slot
    assert isinstance(slot, Slot)
    life.handle([envelope], 0, 0.0, in_flight=False)
    assert slot.answers == [0] and life.decided.take([envelope]) is None


def test_a_long_burst_gives_the_loop_back_when_its_time_is_up() -> None:
    world = World()
    world.step_s = 0.0015  # a look is at every sixteenth message: the second one is past 2 ms
    life = life_of(world)
    burst: list[Any] = [Add(amount=1) for _ in range(100)]
    assert life.handle(burst, 0, 0.0, in_flight=False) == 32
    assert life.handle(burst, 32, 0.0, in_flight=False) == 64
    assert total(life) == 64


def test_a_refusal_before_anything_was_recorded_changes_nothing() -> None:
    life = life_of()
    envelope = ask(Add(amount=1, refuse="before"))
    life.handle([envelope], 0, 0.0, in_flight=False)
    flight = life.decided.take([envelope])
    assert flight is not None and not flight.events
    (departure,) = flight.departures
    assert isinstance(departure, Rejection) and isinstance(departure.error, Refused)


def test_after_a_handler_has_failed_what_came_before_it_is_kept_and_nothing_of_it() -> None:
    life = life_of()
    burst: list[Any] = [ask(Add(amount=1)), ask(Add(amount=5, refuse="after"))]
    with pytest.raises(RefusedTooLate):
        life.handle(burst, 0, 0.0, in_flight=False)
    assert life.position == 1
    life.decided.drop_unfinished()
    flight = life.decided.take(burst[:1])
    assert flight is not None and [event.offset for event in flight.events] == [1]
    assert life.actor.offset == 1


class Hasty(Sum):
    """Records before it returns the coroutine that would wait."""

    def handle(self, message: Message) -> Any:
        reply = super().handle(message)
        return self._wait() if isinstance(message, Add) and message.amount == 9 else reply

    async def _wait(self) -> int:
        raise AssertionError("nobody awaits it")


@pytest.mark.parametrize("last", [ask(Add(amount=9)), Add(amount=9)], ids=["ask", "tell"])
def test_what_is_recorded_before_a_coroutine_is_returned_is_an_error_and_not_committed(last: Any) -> None:
    life = Life(Kind(Hasty), "sum:1", World(), Turn(), Head(1, "sum:1", 7, "e", 0))
    first = ask(Add(amount=1))
    with pytest.raises(RuntimeError, match="record inside the coroutine"):
        life.handle([first, last], 0, 0.0, in_flight=False)
    assert (life.position, life.waits_for) == (1, None)
    life.decided.drop_unfinished()
    flight = life.decided.take([first])
    assert flight is not None and [event.offset for event in flight.events] == [1]


def test_a_message_told_without_an_event_is_noted_so_that_it_is_committed() -> None:
    life = life_of()
    envelope = ask(Add(amount=0, tell="sum:2"))
    life.handle([envelope], 0, 0.0, in_flight=False)
    flight = life.decided.take([envelope])
    assert flight is not None and flight.consequences is not None
    assert [event.payload for event in flight.events] == [NOTED]
    assert [type(one) for one in flight.departures] == [StoredEvent, Answer, Posted]
    assert flight.consequences.outbox is not None and len(flight.consequences.outbox) == 1


def test_what_is_shown_alone_leaves_once_between_the_event_and_the_answer() -> None:
    class Seen(Struct):
        total: int

    class Showing(Sum):
        def handle(self, message: Message) -> Any:
            reply = super().handle(message)
            self.publish(Seen(reply), key="total")
            return reply

    life = Life(Kind(Showing), "sum:1", World(), Turn(), Head(1, "sum:1", 7, "e", 0))
    burst: list[Any] = [ask(Add(amount=1)), ask(Add(amount=0)), Add(amount=0)]
    assert life.handle(burst, 0, 0.0, in_flight=False) == 3
    flight = life.decided.take(burst)
    assert flight is not None
    kinds = [type(one) for one in flight.departures]
    assert kinds == [StoredEvent, Ephemeral, Answer, Ephemeral, Answer, Ephemeral]
    assert life.decided.take([]) is None


def test_a_bare_tell_that_is_refused_is_heard_by_nobody() -> None:
    class Only(Tell, tag="sum.only"):
        pass

    class Refusing(Sum):
        internal = (Only,)

        def handle(self, message: Message) -> Any:
            if isinstance(message, Only):
                raise Refused("sum.no")
            return super().handle(message)

    life = Life(Kind(Refusing), "sum:1", World(), Turn(), Head(1, "sum:1", 7, "e", 0))
    assert life.handle([Only(), Add(amount=1)], 0, 0.0, in_flight=False) == 2
    assert total(life) == 1


@pytest.mark.parametrize(("sent_in", "handled"), [("", False), (".2", True), (".2restored", False), (".3", False)])
def test_a_message_is_handled_only_in_the_history_in_which_its_cause_is_durable(sent_in: str, handled: bool) -> None:
    """Whether the sender's node or the receiver's has heard of a failover first. Who sent it is told to send it again,
    since no effect of it may stay where its cause was lost."""
    life = life_of(epoch="e.2")
    life.once.learn(Unknown([9], []), {9: 4}, {}, under_way_max=10)
    slot = Slot()
    envelope = Envelope(message=Add(amount=1), slot=slot, source=Origin(9, 5, "sum:9", lineage=sent_in))
    assert life.handle([envelope], 0, 0.0, in_flight=False) == 1
    flight = life.decided.take([envelope])
    assert flight is not None
    assert total(life) == handled and bool(flight.consequences) == handled
    [departure] = [one for one in flight.departures if isinstance(one, Answer | Rejection)]
    assert departure.slot is slot
    assert isinstance(departure, Answer) == handled
    if isinstance(departure, Rejection):
        assert departure.error.temporary


def test_whom_it_tells_for_the_first_time_is_certain_of_one_that_was_new() -> None:
    for offset, first_to in ((0, [{"sum:2"}, {"sum:3"}]), (4, [set(), set()])):
        life = Life(Kind(Sum), "sum:1", World(), Turn(), Head(1, "sum:1", 7, "e", offset))
        life.wake(Claimed(Head(1, "sum:1", 7, "e", offset), None, offset, []))
        found = []
        for names in (["sum:2"], ["sum:2", "sum:3"]):
            burst: list[Any] = [ask(Add(amount=1, tell=name)) for name in names]
            life.handle(burst, 0, 0.0, in_flight=False)
            flight = life.decided.take(burst)
            assert flight is not None
            (posted,) = [one for one in flight.departures if isinstance(one, Posted)]
            found.append(set(posted.first_to))
        assert found == first_to


def test_one_that_tells_very_many_is_certain_of_nobody() -> None:
    life = Life(Kind(Sum), "sum:1", World(), Turn(), Head(1, "sum:1", 7, "e", 0))
    life.wake(Claimed(Head(1, "sum:1", 7, "e", 0), None, 0, []))
    for number in range(MET_MAX + 2):
        envelope = ask(Add(amount=1, tell=f"sum:{number}"))
        life.handle([envelope], 0, 0.0, in_flight=False)
        flight = life.decided.take([envelope])
        assert flight is not None
        (posted,) = [one for one in flight.departures if isinstance(one, Posted)]
        assert bool(posted.first_to) == (number < MET_MAX)


def test_whose_state_is_ahead_of_the_journal_answers_no_glance() -> None:
    """What never became durable is heard by nobody, though no number tells it any more."""
    life = life_of()
    life.actor.record(Added(amount=3))
    life.decided.drop_unfinished()
    assert life.actor.offset == 0 and total(life) == 3
    assert life.glance(Add(amount=0)) is None
    other = life_of()
    assert other.glance(Add(amount=0)) == 0
    other.ended = True
    assert other.glance(Add(amount=0)) is None


def test_a_glance_is_answered_by_what_is_durable_and_leaves_all_as_it_was() -> None:
    life = life_of()
    actor, head = life.actor, life.head
    assert head is not None
    whose = actor.principal = Principal(user="ann")
    assert life.glance(Add(amount=0)) == 0
    actor.record(Added(amount=3))
    head.offset = 1
    assert life.glance(Add(amount=0)) is None, "its handler is not through"
    assert actor.effects.events == [Added(amount=3)]
    actor.effects.drop()
    assert life.glance(Add(amount=0)) == 3
    assert life.glance(Add(amount=0, refuse="before")) is None
    head.offset = 0
    assert life.glance(Add(amount=0)) is None, "that may be lost yet"
    assert actor.principal is whose


def test_what_is_more_than_an_answer_is_no_glance() -> None:
    for refuse in ("", "after"):
        for message in (Add(amount=1, refuse=refuse), Add(amount=0, tell="sum:2", refuse=refuse)):
            life = life_of()
            with pytest.raises(TypeError, match="no message to glance with"):
                life.glance(message)
            assert not life.actor.effects.events and not life.actor.effects.others and life.actor.offset == 0
            never_was = message.amount > 0
            assert life.decided.is_ahead is never_was is (life.decided.encode_state() is None)
            assert life.glance(Add(amount=0)) == (None if never_was else 0)


@pytest.mark.parametrize("error", [HandlerStuck("as the watchdog raises it"), ZeroDivisionError("boom")])
def test_of_a_glance_that_is_interrupted_or_fails_nothing_stays(error: Exception) -> None:
    class Failing(Sum):
        def handle(self, message: Message) -> Any:
            super().handle(message)
            raise error

    life = Life(Kind(Failing), "sum:1", World(), Turn(), Head(1, "sum:1", 7, "e", 0))
    with pytest.raises(type(error)):
        life.glance(Add(amount=1))
    assert not life.actor.effects.events and life.actor.offset == 0 and life.decided.is_ahead
    life = Life(Kind(Failing), "sum:1", World(), Turn(), Head(1, "sum:1", 7, "e", 0))
    with pytest.raises(type(error)):
        life.glance(Add(amount=0, tell="sum:2"))
    assert not life.actor.effects.others and life.decided.is_ahead is isinstance(error, HandlerStuck)
