"""Samples decode as what they are samples of, whatever its bounds."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from greenroom.actors.model.message import Event
from greenroom.actors.schema.description import describe_struct
from greenroom.actors.schema.samples import SAMPLES_MAX, event_samples


class Inner(Struct):
    next: "Inner | None" = None
    kept: list["Inner"] = []


class Bounded(Event, tag="x.bounded"):
    low: Annotated[int, Meta(ge=5)]
    above: Annotated[int, Meta(gt=5)]
    below: Annotated[int, Meta(lt=-5)]
    even: Annotated[int, Meta(gt=4, multiple_of=2)]
    share: Annotated[float, Meta(gt=0, lt=1)]
    minus: Annotated[float, Meta(le=-3)]
    short: Annotated[str, Meta(min_length=3, max_length=4)]
    code: Annotated[str, Meta(pattern="^[a-z][0-9]$")]
    some: Annotated[list[int], Meta(min_length=2)]
    pair: tuple[int, str]
    by_name: Annotated[dict[str, float], Meta(min_length=1)]
    either: int | str | None
    one: Literal["a", "b"]
    at: datetime
    price: Decimal
    inner: Inner


class Wide(Event, tag="x.wide"):
    a: Literal[tuple(range(150))]  # type: ignore[valid-type]


def samples(event: type[Event]) -> list[object]:
    struct, structs = describe_struct(event)
    tag = event.__struct_config__.tag
    assert isinstance(tag, str)
    return event_samples(tag, struct, structs)


def test_every_sample_is_one_that_the_type_may_have_written() -> None:
    found = samples(Bounded)
    assert len(found) > 5
    for one in found:
        msgspec.json.decode(msgspec.json.encode(one), type=Bounded)
    assert {one["one"] for one in found if isinstance(one, dict)} == {"a", "b"}, "with each value that is named"
    assert {type(one["either"]) for one in found if isinstance(one, dict)} == {int, str, type(None)}


def test_there_are_so_many_and_not_more() -> None:
    assert len(samples(Wide)) == SAMPLES_MAX
