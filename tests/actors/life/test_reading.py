"""Reading is no business of the entity's: what fails there is its reader's trouble."""

from typing import Any

import pytest
from msgspec import Raw

from greenroom.actors.life.departures import Rejection
from greenroom.actors.life.life import Life
from greenroom.actors.life.reading import attended
from greenroom.actors.life.turn import Turn
from greenroom.actors.model.errors import HandlerFailed, HandlerStuck, Refused
from greenroom.actors.model.kinds import Kind
from greenroom.actors.model.lifecycle import Inspect, Naming
from greenroom.actors.model.principal import Principal
from greenroom.store.journal.records import Head
from tests.actors.life.small_life import Add, Added, Sum, World, ask, life_of, total


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
    assert life.actor.effects.events == ()


@pytest.mark.parametrize(
    ("naming", "are_named"),
    [
        (Naming(3, 100), True),
        (Naming(2, 100), False),
        (Naming(3, 3), True),
        (Naming(3, 2), False),
        (Naming(), False),
    ],
)
def test_watchers_are_counted_always_and_named_where_they_are_few(naming: Naming, are_named: bool) -> None:
    watchers = [
        Principal(user="ann", client="1", info=b"{}"),
        Principal(user="ann", client="2", info=b"1"),
        Principal(user="bob", client="3"),
    ]
    found = attended(watchers, naming)
    assert (found.clients, found.users) == (3, 2)
    assert found.named == ({"1": Raw(b"{}"), "2": Raw(b"1")} if are_named else None)


def test_who_watches_is_answered_to_whoever_may_watch() -> None:
    class Hidden(Sum):
        def may_watch(self) -> None:
            raise Refused("sum.hidden")

    life = life_of()
    question = ask(Inspect(audience=Naming(10, 10)))
    life.handle([question], 0, 0.0, in_flight=False)
    assert question.slot is None, "it was answered at once"
    life = Life(Kind(Hidden), "sum:1", World(), Turn(), Head(1, "sum:1", 7, "e", 0))
    refused = ask(Inspect(audience=Naming(10, 10)))
    life.handle([refused], 0, 0.0, in_flight=False)
    flight = life.decided.take([refused])
    assert flight is not None
    assert isinstance(flight.departures[0], Rejection)
