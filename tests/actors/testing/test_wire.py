"""Between a test and an entity, commands and replies are as strict as between a client and the server."""

from typing import Annotated, Any

import pytest
from msgspec import Meta, Raw, Struct

from greenroom.actors.model.actor import Actor
from greenroom.actors.model.errors import HandlerFailed, InvalidCommand, Overloaded, UnknownCommand
from greenroom.actors.model.kinds import Kind
from greenroom.actors.model.lifecycle import Answered
from greenroom.actors.model.message import Ask, Tell
from greenroom.actors.model.principal import SYSTEM, Principal
from greenroom.actors.testing.wire import Slot, arrived, reply_to

ANN = Principal(user="ann")


class Set(Ask[int], tag="cup.set"):
    level: Annotated[int, Meta(ge=0)]


class Spill(Tell, tag="cup.spill"):
    pass


class CupState(Struct):
    pass


class Cup(Actor[CupState]):
    kind = "cup"
    durable = False
    commands = (Set,)
    internal = (Spill,)

    def handle(self, message: Any) -> Any: ...
    def view(self) -> Any: ...


def test_what_the_decoder_refuses_does_not_arrive() -> None:
    kind = Kind(Cup)
    assert arrived(Set(level=1), ANN, kind) == Set(level=1)
    with pytest.raises(InvalidCommand, match="level"):
        arrived(Set(level=-1), ANN, kind)


def test_internal_messages_are_for_entities_and_reports_for_everybody() -> None:
    kind = Kind(Cup)
    assert arrived(Spill(), SYSTEM, kind) == Spill()
    with pytest.raises(UnknownCommand, match="cup takes no Spill from 'ann'"):
        arrived(Spill(), ANN, kind)
    report = Answered(entity="a:b", about="x", reply=Raw(b"{}"))
    assert arrived(report, ANN, kind) is report


def test_a_reply_is_what_its_message_promises() -> None:
    assert reply_to(Set(level=1), 5) == 5
    with pytest.raises(AssertionError, match="Set promises another reply than 'five'"):
        reply_to(Set(level=1), "five")


def test_a_test_sees_what_a_handler_raised_and_a_refusal_as_it_is() -> None:
    slot = Slot()
    failed = HandlerFailed("ValueError")
    failed.__cause__ = ValueError("boom")
    slot.reject(failed)
    with pytest.raises(ValueError, match="boom"):
        slot.answer()
    slot.reject(Overloaded())
    with pytest.raises(Overloaded):
        slot.answer()
