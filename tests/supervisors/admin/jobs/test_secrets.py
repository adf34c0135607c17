"""What operators are not shown of a job, and do not overwrite."""

from typing import Any, NamedTuple

import pytest
from msgspec import Struct, field

from greenroom import Job, Secret, Work
from greenroom.actors.personal.redaction import shape_of
from greenroom.supervisors.admin.jobs.secrets import NotRestored, hidden, restored

HIDDEN = "[redacted]"


class Card(Struct):
    number: Secret[str]
    name: str = ""


class Seat(NamedTuple):
    name: str
    number: Secret[str]


class Row(Struct, array_like=True):
    name: str
    number: Secret[str]
    more: str = ""


class Tagged(Struct, array_like=True, tag="row"):
    number: Secret[str]


class Pin(Struct):
    pin: Secret[str]


class Door(Struct, tag="open", tag_field="kind"):
    code: Secret[str]


class Shut(Struct, tag="shut", tag_field="kind"):
    code: Pin


class Charge(Job, queue="q", tag="job.charge"):
    cents: int
    card: Card
    spare: Card | None = None
    cards: list[Card] = field(default_factory=list)
    by_shop: dict[str, Card] = field(default_factory=dict)
    pin: Secret[int | None] = None
    maybe: Secret[str] | None = None
    pair: tuple[str, Secret[str]] = ("", "")
    seat: Seat | None = None
    row: Row | None = None
    tagged: Tagged | None = None
    either: Door | Shut | None = None
    codes: dict[str, Pin | int] = field(default_factory=dict)
    by_code: dict[Secret[str], int] = field(default_factory=dict)

    async def run(self, work: Work) -> None:
        pass


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"cents": 5, "card": {"number": "4", "name": "a"}}, {"cents": 5, "card": {"number": HIDDEN, "name": "a"}}),
        ({"spare": {"number": "4"}}, {"spare": {"number": HIDDEN}}),
        ({"cards": [{"number": "4"}, {"number": "5"}]}, {"cards": [{"number": HIDDEN}, {"number": HIDDEN}]}),
        ({"by_shop": {"a": {"number": "4"}}}, {"by_shop": {"a": {"number": HIDDEN}}}),
        ({"pin": 1234, "maybe": "x"}, {"pin": HIDDEN, "maybe": HIDDEN}),
        ({"card": "no card at all"}, {"card": "no card at all"}),
        ({"pair": ["a", "4"]}, {"pair": ["a", HIDDEN]}),
        ({"seat": ["a", "4"]}, {"seat": ["a", HIDDEN]}),
        ({"row": ["a", "4", "b"]}, {"row": ["a", HIDDEN, "b"]}),
        ({"tagged": ["row", "4"]}, {"tagged": ["row", HIDDEN]}),
        ({"either": {"kind": "open", "code": "4"}}, {"either": {"kind": "open", "code": HIDDEN}}),
        ({"either": {"kind": "shut", "code": {"pin": "4"}}}, {"either": {"kind": "shut", "code": HIDDEN}}),
        ({"codes": {"a": {"pin": "4"}}}, {"codes": {"a": {"pin": HIDDEN}}}),
        ({"by_code": {"4": 1}}, {"by_code": HIDDEN}),
    ],
)
def test_what_the_class_marks_is_not_shown_wherever_it_stands(value: Any, shown: Any) -> None:
    assert hidden(value, shape_of(Charge)) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"password": "x", "token_ttl_s": 900}, {"password": HIDDEN, "token_ttl_s": 900}),
        ({"deep": [{"api_key": {"a": 1}}]}, {"deep": [{"api_key": HIDDEN}]}),
        ({"url": "postgres://a:secret@host/x"}, {"url": f"postgres://a:{HIDDEN}@host/x"}),
        (["Bearer abcdefgh", None, True, 1.5], [f"Bearer {HIDDEN}", None, True, 1.5]),
    ],
)
def test_where_no_class_is_known_it_is_as_in_logs(value: Any, shown: Any) -> None:
    assert hidden(value) == shown


@pytest.mark.parametrize(
    ("edited", "stored"),
    [
        ({"film": "b", "token": HIDDEN}, {"film": "b", "token": "t"}),
        ({"film": "a", "token": "new"}, {"film": "a", "token": "new"}),
        ({"film": "a"}, {"film": "a"}),
    ],
)
def test_what_was_not_shown_stays_unless_it_is_written_over(edited: Any, stored: Any) -> None:
    assert restored(edited, {"film": "a", "token": HIDDEN}, {"film": "a", "token": "t"}) == stored


LONG = "x" * 20_000
STORED = {
    "film": "a",
    "token": "t",
    "card": {"number": "4", "name": "n"},
    "cards": [{"number": "4", "n": 1}, {"number": "5", "n": 2}],
    "long": LONG,
    "bidi": "a\u202eb",
    "sizes": [1, 2],
    "on": True,
    "share": 1.0,
}
SHOWN = hidden(STORED) | {
    "card": {"number": HIDDEN, "name": "n"},
    "cards": [{"number": HIDDEN, "n": 1}, {"number": HIDDEN, "n": 2}],
}


def without(name: str, value: Any) -> dict[str, Any]:
    return {key: one for key, one in value.items() if key != name}


@pytest.mark.parametrize(
    ("edited", "field"),
    [
        (SHOWN | {"cards": list(reversed(SHOWN["cards"]))}, "arguments.cards"),
        (SHOWN | {"cards": SHOWN["cards"][1:]}, "arguments.cards"),
        (SHOWN | {"cards": [SHOWN["cards"][0] | {"n": 3}, SHOWN["cards"][1]]}, "arguments.cards"),
        (without("token", SHOWN) | {"key": HIDDEN}, "arguments.key"),
        (SHOWN | {"film": HIDDEN}, "arguments.film"),
        (SHOWN | {"token": f"{HIDDEN}2"}, "arguments.token"),
        (SHOWN | {"card": {"numbers": HIDDEN, "name": "n"}}, "arguments.card.numbers"),
        (SHOWN | {"more": [{"number": HIDDEN}]}, r"arguments.more\[0\].number"),
        (SHOWN | {"long": SHOWN["long"] + "y"}, "arguments.long"),
        (without("long", SHOWN) | {"longer": SHOWN["long"]}, "arguments.long"),
        (SHOWN | {"bidi": SHOWN["bidi"] + "c"}, "arguments.bidi"),
        ("no object", "arguments"),
    ],
)
def test_what_was_shown_otherwise_than_it_is_stored_can_not_be_changed(edited: Any, field: str) -> None:
    with pytest.raises(NotRestored, match=f"^`{field}`|`arguments.long` is shown"):
        restored(edited, SHOWN, STORED)


@pytest.mark.parametrize(
    ("change", "stored"),
    [
        ({}, {}),
        ({"film": "b", "sizes": [2, 1, 3]}, {"film": "b", "sizes": [2, 1, 3]}),
        ({"card": {"number": HIDDEN, "name": "m"}}, {"card": {"number": "4", "name": "m"}}),
        ({"card": {"number": "9", "name": "m"}}, {"card": {"number": "9", "name": "m"}}),
        ({"card": {"name": "m"}}, {"card": {"name": "m"}}),
        ({"on": 1, "share": 1}, {"on": 1, "share": 1.0}),
    ],
)
def test_all_else_can_and_what_was_left_alone_is_as_it_was(change: Any, stored: Any) -> None:
    made = restored(SHOWN | change, SHOWN, STORED)
    assert made == STORED | stored and type(made["on"]) is type(change.get("on", True))
