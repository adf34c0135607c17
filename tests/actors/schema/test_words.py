"""Fields in words."""

import math
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct, field

from greenroom import Actor, Ask, Done, Event
from greenroom.actors.jobs.texts import NAME_PATTERN
from greenroom.actors.model.kinds import Kind
from greenroom.actors.schema.description import describe
from greenroom.actors.schema.words import field_in_words, number


class Seat(Struct):
    row: int
    side: str = ""


class Odd(Ask[Done], tag="odd.command"):
    plain: str
    short: Annotated[str, Meta(max_length=5)]
    exact: Annotated[str, Meta(min_length=4, max_length=4)]
    filled: Annotated[str, Meta(min_length=1)]
    shaped: Annotated[str, Meta(pattern="^a+$")]
    name: Annotated[str, Meta(max_length=9, pattern=NAME_PATTERN)]
    count: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    seconds: Annotated[float, Meta(gt=0, le=60.0)] | None = None
    loud: bool = False
    anything: Any = None
    side: Literal["left", "right"] = "left"
    seats: Annotated[list[Seat], Meta(max_length=9)] = field(default_factory=list)
    prices: dict[str, float] = field(default_factory=dict)
    either: int | str


class Happened(Event, tag="odd.happened"):
    pass


class OddState(Struct):
    pass


class OddActor(Actor[OddState]):
    kind = "odd"
    commands = (Odd,)
    events = (Happened,)

    def handle(self, message: Odd) -> Any:
        raise NotImplementedError

    def apply(self, event: Happened) -> None:
        raise NotImplementedError

    def view(self) -> Any:
        return {}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("plain", "`plain` text"),
        ("short", "`short` text of up to 5 characters"),
        ("exact", "`exact` text of 4 characters"),
        ("filled", "`filled` text of at least 1 characters"),
        ("shaped", "`shaped` text matching `^a+$`"),
        ("name", "`name` text of up to 9 characters without control characters"),
        ("count", "`count?` integer from 1 to 1,000,000, 1 unless given"),
        ("seconds", "`seconds?` number above 0 and of at most 60"),
        ("loud", "`loud?` true or false, `false` unless given"),
        ("anything", "`anything?` any JSON"),
        ("side", "`side?` `left` or `right`, `left` unless given"),
        ("seats", "`seats?` list of up to 9 items ({row, side?})"),
        ("prices", "`prices?` object: text → number"),
        ("either", "`either` integer or text"),
    ],
)
def test_a_field_in_words(name: str, words: str) -> None:
    schema = describe([Kind(OddActor)]).kinds["odd"]
    assert field_in_words(name, schema.commands["odd.command"].fields[name], schema.structs) == words


def test_numbers_as_people_write_them() -> None:
    assert number(math.inf) == "for ever"
    assert [number(value) for value in (1, 1_000_000, 316_224_000.0, 0.5)] == ["1", "1,000,000", "316,224,000", "0.5"]
