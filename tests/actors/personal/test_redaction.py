"""What is left of stored values when a user is forgotten."""

from dataclasses import dataclass
from typing import Any, NamedTuple, TypedDict

import msgspec
import pytest
from msgspec import Struct

from greenroom import Personal, Subject, UserId
from greenroom.actors.chat.room.events import Gifted, MessageSent, Muted
from greenroom.actors.chat.room.state import Member, Posted, RoomState
from greenroom.actors.personal.redaction import Redaction, empty, shape_of


def redacted(value: Struct, *, is_about: bool = False) -> Any:
    plain = msgspec.json.decode(msgspec.json.encode(value))
    made = Redaction("ann", "x").redact(shape_of(type(value)), plain, is_about=is_about)
    return msgspec.json.decode(msgspec.json.encode(made), type=type(value))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (MessageSent(author="ann", text="hello", data={"a": 1}), MessageSent(author="x", text="")),
        (MessageSent(author="bob", text="ann"), MessageSent(author="bob", text="ann")),
        (Muted(user="ann", by="bob"), Muted(user="x", by="bob")),
        (Muted(user="bob", by="ann"), Muted(user="bob", by="x")),
        (Gifted(user="ann", item="rose", count=2, total=5), Gifted(user="x", item="rose", count=2, total=5)),
    ],
)
def test_an_event_stays_and_says_nothing_of_them(before: Struct, after: Struct) -> None:
    assert redacted(before) == after


def test_a_state_forgets_them_wherever_it_has_them() -> None:
    state = RoomState(
        owner="ann",
        members={"ann": Member(read=3), "bob": Member(read=4)},
        window={1: Posted(author="ann", text="a", at_ms=1), 2: Posted(author="bob", text="b", at_ms=2)},
        authors={1: "ann", 2: "bob"},
        reactions={2: {"+": ["bob", "ann"]}},
        givers={"ann": 2},
        pinned_message=Posted(author="ann", text="a", at_ms=1),
    )
    assert redacted(state) == RoomState(
        owner="x",
        members={"x": Member(read=3), "bob": Member(read=4)},
        window={1: Posted(author="x", text="", at_ms=1), 2: Posted(author="bob", text="b", at_ms=2)},
        authors={1: "x", 2: "bob"},
        reactions={2: {"+": ["bob", "x"]}},
        givers={"x": 2},
        pinned_message=Posted(author="x", text="", at_ms=1),
    )


class Address(Struct):
    street: Personal[str] = ""
    floor: Personal[int] = 3


class Ordered(Struct, tag="ordered"):
    by: UserId
    to: Address
    note: Personal[str | None] = "x"
    for_: list[Subject] = []


class Said(Struct, tag="said"):
    words: Personal[str]


def test_what_is_nested_is_about_whom_the_struct_around_it_names() -> None:
    order = Ordered(by="ann", to=Address("elm"), for_=["ann", "eve"])
    assert redacted(order) == Ordered(by="x", to=Address("", 0), note=None, for_=["x", "eve"])
    assert redacted(Ordered(by="eve", to=Address("elm"))) == Ordered(by="eve", to=Address("elm"))
    assert redacted(Ordered(by="eve", to=Address("elm"), for_=["ann"])).to == Address("", 0)


def test_what_names_nobody_is_about_whoever_caused_it() -> None:
    assert redacted(Said("hello"), is_about=True) == Said("")
    assert redacted(Said("hello")) == Said("hello")


def test_of_a_union_the_alternative_is_found() -> None:
    shape = shape_of(Ordered | Said | None)
    redaction = Redaction("ann", "x")
    assert redaction.redact(shape, {"type": "said", "words": "w"}, is_about=True) == {"type": "said", "words": ""}
    assert redaction.redact(shape, None) is None


class Line(Struct, array_like=True):
    """As states that have many of them keep them: a list, in the order of its fields."""

    by: Subject
    words: Personal[str]
    for_: list[Subject] = []
    to: Address | None = None


class Rose(Struct, array_like=True, tag="rose"):
    by: Subject
    colour: Personal[str] = "red"


class Lily(Struct, array_like=True, tag="lily"):
    colour: Personal[str]
    by: Subject


class Place(NamedTuple):
    by: Subject
    town: Personal[str]


class Profile(TypedDict):
    user: Subject
    bio: Personal[str]


@dataclass
class Note:
    user: Subject
    words: Personal[str]


class Kept(Struct):
    """Of each way in which values can be written one."""

    lines: dict[int, Line] = {}
    flowers: list[Rose | Lily | None] = []
    place: Place | None = None
    profile: Profile | None = None
    note: Note | None = None
    pairs: list[tuple[Subject, int]] = []
    owned: Line | str | None = None


def test_structs_that_are_lists_are_entered() -> None:
    kept = Kept(lines={1: Line("ann", "hers"), 2: Line("bob", "his", ["ann"], Address("elm")), 3: Line("eve", "eve's")})
    assert redacted(kept) == Kept(
        lines={1: Line("x", ""), 2: Line("bob", "", ["x"], Address("", 0)), 3: Line("eve", "eve's")}
    )
    assert redacted(Kept(owned=Line("ann", "hers"))) == Kept(owned=Line("x", ""))
    assert redacted(Kept(owned="ann")) == Kept(owned="ann"), "a text, which names nobody"


def test_of_lists_with_a_tag_the_alternative_is_found() -> None:
    kept = Kept(flowers=[Rose("ann"), Lily("white", "ann"), Lily("white", "bob"), None])
    assert redacted(kept) == Kept(flowers=[Rose("x", ""), Lily("", "x"), Lily("white", "bob"), None])


def test_so_is_whatever_else_has_fields() -> None:
    kept = Kept(
        place=Place("ann", "Ulm"), profile=Profile(user="ann", bio="b"), note=Note("ann", "n"), pairs=[("ann", 1)]
    )
    assert redacted(kept) == Kept(
        place=Place("x", ""), profile=Profile(user="x", bio=""), note=Note("x", ""), pairs=[("x", 1)]
    )


def test_a_list_that_a_newer_release_has_written_keeps_its_end() -> None:
    left = Redaction("ann", "x").redact(shape_of(Line), ["ann", "hers", [], None, "more"])
    assert left == ["x", "", [], None, "more"]
    assert Redaction("ann", "x").redact(shape_of(Line), ["ann", "hers"]) == ["x", ""]


@pytest.mark.parametrize("declared", [Line, Rose, Lily, Place, Profile, Note, tuple[int, str], list[Line]])
def test_of_each_there_is_an_empty_one(declared: Any) -> None:
    made = empty(shape_of(declared))
    assert msgspec.json.decode(msgspec.json.encode(made), type=declared) is not None
