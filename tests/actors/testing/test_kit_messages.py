"""In the kit: what an entity tells users and other entities."""

# ruff: noqa: F811 - fixtures are imported, and then arguments

from typing import Any

import pytest
from msgspec import Struct

from greenroom import Actor, Event, Tell
from greenroom.actors.identity import Push, Session
from greenroom.actors.model.entity import BadEntity
from greenroom.testing import Kit, Notice
from tests.actors.testing.probe import Rang, kit  # noqa: F401 - fixtures


class Call(Tell, tag="crier.call"):
    user: str


class Send(Tell, tag="crier.send"):
    entity: str


class Called(Event, tag="crier.called"):
    pass


class CrierState(Struct):
    calls: int = 0


class Crier(Actor[CrierState]):
    kind = "crier"
    internal = (Call, Send)
    events = (Called,)

    def handle(self, message: Call | Send) -> None:
        match message:
            case Call():
                self.notify(message.user, {"price": (1, 2)})
            case Send():
                self.tell(message.entity, Rang(name="x"))
        self.record(Called())

    def apply(self, event: Called) -> None:
        self.state.calls += 1


def crier(others: list[type[Actor[Any]]] | None) -> Kit[Crier]:
    return Kit(Crier, others=others)


@pytest.mark.parametrize("others", [None, [], [Session]])
def test_what_users_are_shown_is_collected_and_was_told_to_their_session(
    others: list[type[Actor[Any]]] | None,
) -> None:
    kit = crier(others)
    kit.tell(Call(user="ann: x"))
    assert kit.notified == [Notice("ann: x", {"price": [1, 2]})]
    (told,) = kit.told
    assert (told.entity, told.message, told.durable) == ("session:ann: x", Push(data={"price": (1, 2)}), True)


@pytest.mark.parametrize("others", [None, [Session]])
@pytest.mark.parametrize("user", ["", "a\nb", "x" * 256])
def test_a_user_id_that_can_be_no_key_is_refused_where_it_is_written(
    user: str, others: list[type[Actor[Any]]] | None
) -> None:
    kit = crier(others)
    with pytest.raises(BadEntity):
        kit.tell(Call(user=user))
    assert (kit.told, kit.notified, kit.offset) == ([], [], 0)


@pytest.mark.parametrize("others", [None, [Session]])
def test_a_name_without_a_colon_is_refused_where_it_is_written(others: list[type[Actor[Any]]] | None) -> None:
    kit = crier(others)
    with pytest.raises(BadEntity, match="no colon"):
        kit.tell(Send(entity="no colon"))
    assert (kit.told, kit.offset) == ([], 0)


def test_with_others_given_a_kind_that_is_not_among_them_is_refused_where_it_is_written() -> None:
    kit = crier([])
    with pytest.raises(TypeError, match="no kind 'other' is installed"):
        kit.tell(Send(entity="other:1"))
    assert (kit.told, kit.notified, kit.offset) == ([], [], 0)
