"""Stored events of former shapes: renamed, split, meaningless, chained; and what cannot be read says why."""

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from msgspec import Struct

from greenroom import Actor, Event
from greenroom.actors.model.kinds import BadEntityClass, Kind
from greenroom.actors.model.lifecycle import NOTED
from greenroom.actors.model.upcasters import STEPS_MAX, UnreadableEvent, Upcaster


class Paid(Event, tag="till.paid"):
    cents: int
    by: str = ""


class Closed(Event, tag="till.closed"):
    pass


class TillState(Struct):
    cents: int = 0


def paid_in_euros(stored: dict[str, Any]) -> dict[str, Any]:
    """`till.paid` once had `euros`."""
    if "euros" in stored:
        stored["cents"] = round(stored.pop("euros") * 100)
    return stored


def cashed(stored: dict[str, Any]) -> dict[str, Any]:
    """The first name of `till.paid`."""
    return {"type": "till.paid", "euros": stored["amount"]}


def cashed_and_closed(stored: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"type": "till.cashed", "amount": stored["amount"]}, {"type": "till.closed"}]


class Till(Actor[TillState]):
    kind = "till"
    events = (Paid, Closed)
    upcasters: ClassVar[Mapping[str, Upcaster]] = {
        "till.paid": paid_in_euros,
        "till.cashed": cashed,
        "till.cashed_and_closed": cashed_and_closed,
        "till.greeted": lambda stored: [],
        "till.broken": lambda stored: stored["missing"],
        "till.wrong": lambda stored: {"type": "till.paid", "cents": "many"},
        "till.text": lambda stored: "till.paid",  # type: ignore[dict-item, return-value]
        "till.round": lambda stored: stored | {"n": stored["n"] + 1},
    }

    def apply(self, event: Any) -> None:
        pass


def decode(stored: Any) -> list[Event]:
    return list(Kind(Till).decode_events(msgspec.json.encode(stored)))


@pytest.mark.parametrize(
    ("stored", "present"),
    [
        ({"type": "till.paid", "cents": 5, "by": "ann"}, [Paid(cents=5, by="ann")]),
        ({"type": "till.paid", "euros": 1.5, "by": "ann"}, [Paid(cents=150, by="ann")]),
        ({"type": "till.cashed", "amount": 2}, [Paid(cents=200)]),  # by way of euros
        ({"type": "till.cashed_and_closed", "amount": 2}, [Paid(cents=200), Closed()]),
        ({"type": "till.greeted", "text": "hi"}, []),
        ({"type": "till.closed"}, [Closed()]),
    ],
)
def test_a_stored_event_is_read_as_what_it_is_now(stored: Any, present: list[Event]) -> None:
    assert decode(stored) == present


def test_the_runtime_s_own_event_is_no_event_of_the_entity() -> None:
    assert list(Kind(Till).decode_events(NOTED)) == []


@pytest.mark.parametrize(
    ("stored", "says"),
    [
        ({"type": "till.gone"}, r"till: stored event 'till\.gone'.*till\.gone"),
        ({"type": "till.paid"}, r"'till\.paid'.*cents"),
        ({"type": "till.broken"}, r"'till\.broken'.*upcaster raised KeyError\('missing'\)"),
        ({"type": "till.wrong"}, r"'till\.wrong'.*many.*\$\.cents"),
        ({"type": "till.text"}, r"'till\.text'.*not a JSON object"),
        ({"type": "till.round", "n": 0}, rf"'till\.round'.*{STEPS_MAX} upcasts"),
        ({"type": ["till.paid"]}, r"till: stored event"),
        ({}, r"till: stored event None"),
        ([], r"till: stored event None"),
    ],
)
def test_what_cannot_be_read_says_which_event_and_why(stored: Any, says: str) -> None:
    with pytest.raises(UnreadableEvent, match=says):
        decode(stored)


@given(st.binary(max_size=30))
@example(b'{"type":"till.paid","by":"\xff"}')
@example(b"[" * 10_000)
def test_bytes_that_are_no_event_are_unreadable_and_nothing_else(payload: bytes) -> None:
    assume(payload != NOTED)
    with pytest.raises(UnreadableEvent):
        Kind(Till).decode_events(payload)


def test_an_upcaster_may_change_what_it_was_given() -> None:
    stored = {"type": "till.paid", "euros": 1}
    assert Kind(Till).stored_events.upcast(stored) == [{"type": "till.paid", "cents": 100}]
    assert stored == {"type": "till.paid", "euros": 1}


@pytest.mark.parametrize("upcasters", [{"room.message": paid_in_euros}, {"till.paid": "paid"}, {1: paid_in_euros}])
def test_upcasters_are_functions_by_tags_of_their_kind(upcasters: Any) -> None:
    with pytest.raises(BadEntityClass, match="upcasters"):
        Kind(type("Other", (Till,), {"upcasters": upcasters}))
