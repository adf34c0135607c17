"""Reading is no business of the entity's: what fails there is its reader's trouble."""

from typing import Any

import pytest

from greenroom.actors.life.departures import Rejection
from greenroom.actors.life.life import Life
from greenroom.actors.life.turn import Turn
from greenroom.actors.model.errors import HandlerFailed, HandlerStuck, Refused
from greenroom.actors.model.kinds import Kind
from greenroom.actors.model.lifecycle import Inspect
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
