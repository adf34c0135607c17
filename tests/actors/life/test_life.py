"""One life without a kernel: what it decides of a burst, in order, and what it does not let happen."""

from contextlib import nullcontext
from typing import Any

import pytest
from msgspec import Struct

from greenroom.actors.life.departures import Answer, Posted, Rejection
from greenroom.actors.life.life import Life, RefusedTooLate
from greenroom.actors.life.turn import Turn
from greenroom.actors.model.actor import Actor
from greenroom.actors.model.envelope import Envelope, Origin
from greenroom.actors.model.errors import ActorError, HandlerFailed, HandlerStuck, Refused
from greenroom.actors.model.kinds import Kind
from greenroom.actors.model.lifecycle import NOTED, Inspect
from greenroom.actors.model.message import Ask, Event, Message, Tell
from greenroom.actors.model.principal import Principal
from greenroom.store.journal.records import Head, StoredEvent


class Added(Event, tag="sum.added"):
    amount: int


class Add(Ask[int], tag="sum.add"):
    amount: int
    refuse: str = ""  # "before" or "after" recording
    tell: str = ""


class SumState(Struct):
    total: int = 0


class Sum(Actor[SumState]):
    kind = "sum"
    commands = (Add,)
    events = (Added,)
    trouble: Exception | None = None  # of readers

    def handle(self, message: Message) -> Any:
        assert isinstance(message, Add)
        if message.refuse == "before":
            raise Refused("sum.no")
        if message.tell:
            self.tell(message.tell, Add(amount=1))
        if message.amount:
            self.record(Added(amount=message.amount))
        if message.refuse == "after":
            raise Refused("sum.no")
        return self.state.total

    def apply(self, event: Event) -> None:
        assert isinstance(event, Added)
        self.state.total += event.amount

    def view(self) -> Any:
        if self.trouble is not None:
            raise self.trouble
        return {"total": self.state.total}


class World:
    """A clock that a test moves; every entity has a journal."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.step_s = 0.0  # by which each look moves it

    def now(self) -> float:
        return 1000.0

    def monotonic(self) -> float:
        self.seconds += self.step_s
        return self.seconds

    def new_epoch(self) -> str:
        return "e"

    def audience(self, entity: str) -> list[Principal]:
        return []

    def is_durable(self, entity: str, message: Message) -> bool:
        return True

    def is_forgotten(self, slot: object) -> bool:
        return False

    def trace(self, name: str, parent: str) -> Any:
        return nullcontext()

    async def ask(self, entity: str, message: Any, **_: Any) -> Any:
        raise AssertionError("nobody asks here")


class Slot:
    def __init__(self) -> None:
        self.answers: list[Any] = []

    def resolve(self, reply: Any, encoded: bytes | None) -> None:
        self.answers.append(reply)

    def reject(self, error: ActorError) -> None:
        self.answers.append(error)


def life_of(world: World | None = None) -> Life:
    return Life(Kind(Sum), "sum:1", world or World(), Turn(), Head(1, "sum:1", 7, "e", 0))


def total(life: Life) -> int:
    assert isinstance(life.actor.state, SumState)
    return life.actor.state.total


def ask(message: Message, **fields: Any) -> Envelope:
    return Envelope(message=message, slot=Slot(), **fields)


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
    flight = life.decided.take(burst[:1], clean=False)
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
    flight = life.decided.take([first], clean=False)
    assert flight is not None and [event.offset for event in flight.events] == [1]


def test_a_message_told_without_an_event_is_noted_so_that_it_is_committed() -> None:
    life = life_of()
    envelope = ask(Add(amount=0, tell="sum:2"))
    life.handle([envelope], 0, 0.0, in_flight=False)
    flight = life.decided.take([envelope])
    assert flight is not None and flight.consequences is not None
    assert [event.payload for event in flight.events] == [NOTED]
    assert [type(one) for one in flight.departures] == [StoredEvent, Answer, Posted]
    assert len(flight.consequences.outbox) == 1


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


@pytest.mark.parametrize("trouble", [ZeroDivisionError("boom"), HandlerStuck("stuck"), Refused("sum.hidden")])
def test_a_read_that_fails_is_its_readers_trouble(trouble: Exception) -> None:
    life = life_of()
    assert isinstance(life.actor, Sum)
    life.actor.trouble = trouble
    envelope = ask(Inspect())
    assert life.handle([envelope, Add(amount=1)], 0, 0.0, in_flight=False) == 2
    flight = life.decided.take([envelope])
    assert flight is not None
    rejection = flight.departures[0]
    assert isinstance(rejection, Rejection)
    assert type(rejection.error) is (Refused if isinstance(trouble, Refused) else HandlerFailed)
    assert total(life) == 1, "and nobody else's"


def test_a_view_that_records_is_an_error_of_the_entity() -> None:
    class Writing(Sum):
        def view(self) -> Any:
            self.record(Added(amount=1))
            return {}

    life = Life(Kind(Writing), "sum:1", World(), Turn(), Head(1, "sum:1", 7, "e", 0))
    with pytest.raises(RuntimeError, match="must not record"):
        life.handle([ask(Inspect())], 0, 0.0, in_flight=False)
    assert life.actor.effects.events == []


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
