"""Which changes are compatible, which break what, and that each is told by its rule."""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta, Struct

from greenroom import Actor, Ask, Done, Event, Tell
from greenroom.actors.model.kinds import Kind
from greenroom.actors.model.message import Message
from greenroom.actors.model.upcasters import Upcaster
from greenroom.actors.schema.description import Schema, describe, from_text, to_text
from greenroom.actors.schema.rules import RULES, Broken, Comparison, compare
from tests.actors.schema.making import struct_class

Fields = list[tuple[Any, ...]]
NO_FIELDS: Fields = []


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Fewer(Enum):
    RED = "red"


def event(fields: Fields = NO_FIELDS, *, tag: str = "shop.sold", **how: Any) -> type[Event]:
    return struct_class(Event, "Sold", fields, tag=tag, **how)


def command(fields: Fields = NO_FIELDS, *, reply: Any = Done, tag: str = "shop.buy", **how: Any) -> type[Message]:
    base: type[Message] = Tell if reply is None else Ask
    made: Any = struct_class(base, "Buy", fields, tag=tag, **how)
    if reply is not None:
        made.__orig_bases__ = (Ask[reply],)
    buy: type[Message] = made
    return buy


def plain(*fields: tuple[Any, ...], **how: Any) -> type[Struct]:
    return msgspec.defstruct("Plain", fields, **how)


def shop(
    *,
    events: tuple[type[Event], ...] = (event(),),
    commands: tuple[type[Message], ...] = (),
    internal: tuple[type[Message], ...] = (),
    ephemerals: tuple[type[Struct], ...] = (),
    state: type[Any] = Struct,
    upcasters: Mapping[str, Upcaster] | None = None,
    durable: bool = True,
) -> Kind:
    class Shop(Actor[state]):  # type: ignore[valid-type]
        kind = "shop"

        def handle(self, message: Any) -> Any:
            raise NotImplementedError

        def apply(self, event: Any) -> None:
            raise NotImplementedError

        def view(self) -> Any:
            return {}

    Shop.commands, Shop.events, Shop.internal = commands, events, internal
    Shop.ephemerals, Shop.durable, Shop.upcasters = ephemerals, durable, upcasters or {}
    return Kind(Shop)


def change(before: Kind | Schema, after: Kind) -> Comparison:
    """As a lock file compares them."""
    locked = before if isinstance(before, Schema) else describe([before])
    return compare(from_text(to_text(locked)), describe([after]), [after])


def rules(before: Kind | Schema, after: Kind) -> list[str]:
    return [broken.rule for broken in change(before, after).broken]


def of_events(before: type[Event], after: type[Event]) -> list[str]:
    return rules(shop(events=(before,)), shop(events=(after,)))


TYPES_THAT_WIDEN: list[tuple[Any, Any]] = [
    (int, int),
    (int, int | None),
    (int, float),
    (int, int | str),
    (int, Any),
    (Literal["a"], str),
    (Literal["a"], Literal["a", "b"]),
    (Literal["a", None], str | None),
    (Colour, str),
    (Fewer, Colour),
    (Fewer, Literal["red"]),
    (Annotated[str, Meta(max_length=5)], str),
    (Annotated[str, Meta(max_length=5)], Annotated[str, Meta(max_length=6)]),
    (Annotated[str, Meta(min_length=2)], Annotated[str, Meta(min_length=1)]),
    (Annotated[int, Meta(gt=1)], Annotated[int, Meta(ge=2)]),
    (Annotated[int, Meta(ge=1, le=5)], Annotated[int, Meta(ge=0, lt=7)]),
    (Annotated[int, Meta(multiple_of=4)], Annotated[int, Meta(multiple_of=2)]),
    (list[int], list[int | None]),
    (list[int], set[float]),
    (tuple[int, str], list[int | str]),
    (tuple[int, str], tuple[float, str]),
    (dict[str, int], dict[str, float]),
    (msgspec.Raw, Any),
    (plain(("a", int)), plain(("a", int | None), ("b", int, 0))),
]
TYPES_THAT_BREAK: list[tuple[Any, Any, str]] = [
    (int, str, "field-type-changed"),
    (int | None, int, "field-type-changed"),
    (float, int, "field-type-changed"),
    (Any, int, "field-type-changed"),
    (bool, int, "field-type-changed"),
    (str, bytes, "field-type-changed"),
    (str, Literal["a"], "field-type-changed"),
    (Literal["a", "b"], Literal["a"], "enum-value-removed"),
    (Literal[1], Literal["1"], "enum-value-removed"),
    (Colour, Fewer, "enum-value-removed"),
    (Literal["abc"], Annotated[str, Meta(max_length=2)], "constraint-tightened"),
    (str, Annotated[str, Meta(max_length=5)], "constraint-tightened"),
    (str, Annotated[str, Meta(pattern="^a")], "constraint-tightened"),
    (Annotated[str, Meta(min_length=1)], Annotated[str, Meta(min_length=2)], "constraint-tightened"),
    (Annotated[int, Meta(ge=1)], Annotated[int, Meta(gt=1)], "constraint-tightened"),
    (Annotated[float, Meta(ge=1)], Annotated[float, Meta(gt=1)], "constraint-tightened"),
    (int, Annotated[int, Meta(le=10)], "constraint-tightened"),
    (Annotated[int, Meta(multiple_of=2)], Annotated[int, Meta(multiple_of=4)], "constraint-tightened"),
    (list[int], Annotated[list[int], Meta(max_length=3)], "constraint-tightened"),
    (list[int | None], list[int], "field-type-changed"),
    (list[int], tuple[int, int], "field-type-changed"),
    (tuple[int, int], tuple[int], "field-type-changed"),
    (dict[str, int], dict[str, str], "field-type-changed"),
    (dict[str, Any], plain(("a", int)), "field-type-changed"),
    (plain(("a", int)), plain(), "field-removed"),
    (plain(), plain(("a", int)), "field-added-without-default"),
    (plain(("a", int, 0)), plain(("a", int)), "field-became-required"),
    (plain(("a", int, 0)), plain(("a", int, 1)), "default-changed"),
    (plain(("a", int)), plain(("a", int), array_like=True), "field-type-changed"),
    (plain(("a", int)), plain(forbid_unknown_fields=True), "unknown-fields-refused"),
    (
        plain(("a", int), ("b", int), array_like=True),
        plain(("b", int), ("a", int), array_like=True),
        "field-moved",
    ),
    (plain(tag="a") | plain(tag="b"), plain(tag="a"), "tag-removed"),
]


def test_what_has_not_changed_breaks_nothing() -> None:
    kind = shop(events=(event([("a", list[Colour | None], [])]),), commands=(command(reply=dict[str, int]),))
    same = change(kind, kind)
    assert same == Comparison([], describe([kind]))


@pytest.mark.parametrize(("before", "after"), TYPES_THAT_WIDEN, ids=str)
def test_a_wider_type_reads_what_is_stored(before: Any, after: Any) -> None:
    assert of_events(event([("f", before)]), event([("f", after)])) == []


@pytest.mark.parametrize(("before", "after", "rule"), TYPES_THAT_BREAK, ids=str)
def test_a_narrower_type_breaks_a_rule(before: Any, after: Any, rule: str) -> None:
    assert set(of_events(event([("f", before)]), event([("f", after)]))) == {rule}
    assert set(of_events(event([("f", list[before])]), event([("f", list[after])]))) == {rule}


@pytest.mark.parametrize(
    ("before", "after", "broken"),
    [
        (event(), event([("a", int, 1)]), []),
        (event(), event([("a", int)]), ["field-added-without-default"]),
        (event([("a", int)]), event(), ["field-removed"]),
        (event([("a", int)]), event([("a", int, 1)]), []),
        (event([("a", int, 1)]), event([("a", int)]), ["field-became-required"]),
        (event([("a", int, 1)]), event([("a", int, 2)]), ["default-changed"]),
        (event([("a", int)]), event([("b", int)]), ["field-removed", "field-added-without-default"]),
        (event(), event(tag="shop.bought"), ["event-removed"]),
        (event(), event(tag_field="kind"), ["tag-field-changed"]),
        (event([("a", int)]), event(forbid_unknown_fields=True), ["unknown-fields-refused"]),
    ],
)
def test_events(before: type[Event], after: type[Event], broken: list[str]) -> None:
    assert of_events(before, after) == broken


@pytest.mark.parametrize(
    ("before", "after", "broken"),
    [
        (command(), command([("a", int, 1)]), []),
        (command(), command([("a", int)]), ["field-added-without-default"]),
        (command([("a", int)]), command(), ["field-removed"]),
        (command([("a", int, 1)]), command([("a", int, 2)]), []),  # what a client leaves out is ours to choose
        (command([("a", int, 1)], omit_defaults=True), command([("a", int, 2)]), ["default-changed"]),
        (command(), command(tag="shop.sell"), ["command-removed"]),
        (command(reply=None), command(), []),
        (command(), command(reply=None), ["reply-removed"]),
        (command(reply=int), command(reply=int | None), ["reply-widened"]),
        (command(reply=int | None), command(reply=int), []),
        (command(reply=Literal["a"]), command(reply=Literal["a", "b"]), ["reply-widened"]),
        (command(reply=plain(("a", int))), command(reply=plain(("a", int), ("b", int))), []),
        (command(reply=plain(("a", int))), command(reply=plain()), ["reply-field-removed"]),
        (command(reply=plain(("a", int, 0))), command(reply=plain()), ["reply-field-removed"]),
        (command(reply=plain(("a", int))), command(reply=plain(("a", int, 0))), []),
        (
            command(reply=plain(("a", int))),
            command(reply=plain(("a", int, 0), omit_defaults=True)),
            ["reply-field-optional"],
        ),
        (
            command(reply=plain(("a", int, 1))),
            command(reply=plain(("a", int, 0), omit_defaults=True)),
            ["reply-default-changed"],
        ),
    ],
)
def test_commands_and_replies(before: type[Message], after: type[Message], broken: list[str]) -> None:
    assert rules(shop(commands=(before,)), shop(commands=(after,))) == broken


def test_messages_that_become_internal_are_refused_to_clients_and_not_the_other_way_round() -> None:
    assert rules(shop(commands=(command(),)), shop(internal=(command(),))) == ["command-removed"]
    assert rules(shop(internal=(command(),)), shop(commands=(command(),))) == []
    assert rules(shop(internal=(command(),)), shop()) == ["internal-removed"]


def test_publications_are_read_by_older_peers() -> None:
    def shown(*fields: tuple[Any, ...], tag: str = "shop.shown", **how: Any) -> Kind:
        return shop(ephemerals=(plain(*fields, tag_field="type", tag=tag, **how),))

    assert rules(shown(("a", int)), shown(("a", int), ("b", int))) == []
    assert rules(shown(("a", int)), shown(("b", int))) == ["ephemeral-field-removed"]
    assert rules(shown(("a", int)), shown(("a", float))) == ["ephemeral-widened"]
    assert rules(shown(), shown(tag="shop.seen")) == ["ephemeral-removed"]
    assert rules(shown(("a", int)), shown(("a", int, 0), omit_defaults=True)) == ["ephemeral-field-optional"]
    assert rules(shown(("a", int, 1)), shown(("a", int, 0), omit_defaults=True)) == ["ephemeral-default-changed"]


def test_snapshots() -> None:
    def state(*fields: tuple[Any, ...], **how: Any) -> Kind:
        return shop(state=plain(*fields, **how))

    assert rules(state(("a", int, 0)), state(("b", int, 0))) == []  # the events say it again
    assert rules(state(("a", int, 0)), state(("a", str, ""))) == ["field-type-changed"]
    assert rules(state(("a", int, 0)), state(("a", int, 1))) == []
    assert rules(state(("a", int, 0), omit_defaults=True), state(("a", int, 1))) == ["default-changed"]


def test_kinds() -> None:
    assert [one.rule for one in compare(describe([shop()]), describe([])).broken] == ["kind-removed"]
    assert compare(describe([]), describe([shop()])).broken == []
    assert rules(shop(), shop(durable=False)) == ["kind-not-durable"]
    assert rules(shop(durable=False), shop()) == []


class Tree(Struct):
    value: int
    branches: "list[Tree]" = []


class TreeOfText(Struct):
    value: str
    branches: "list[TreeOfText]" = []


def test_types_that_hold_themselves() -> None:
    assert of_events(event([("f", Tree)]), event([("f", Tree)])) == []
    (broken,) = change(shop(events=(event([("f", Tree)]),)), shop(events=(event([("f", TreeOfText)]),))).broken
    assert (broken.field, broken.rule) == ("f.value", "field-type-changed")


def test_an_alternative_is_held_against_the_one_of_its_tag() -> None:
    def of(*fields: tuple[Any, ...]) -> Kind:
        return shop(events=(event([("f", plain(tag="a") | plain(*fields, tag="b") | None)]),))

    broken = change(of(("x", int), ("y", int)), of(("x", str), ("y", str))).broken
    assert [(one.field, one.rule) for one in broken] == [("f.x", "field-type-changed"), ("f.y", "field-type-changed")]


def test_what_is_told_of_a_broken_rule() -> None:
    bound = Annotated[str, Meta(max_length=5)]
    (broken,) = change(
        shop(events=(event([("note", list[plain(("text", str))])]),)),  # type: ignore[misc]
        shop(events=(event([("note", list[plain(("text", bound))])]),)),  # type: ignore[misc]
    ).broken
    text = str(broken)
    for word in ("shop", "event shop.sold", "note[].text", "constraint-tightened", "unbounded -> 5", "upcaster for"):
        assert word in text
    (renamed,) = change(shop(events=(event(),)), shop(events=(event(tag="shop.bought"),))).broken
    assert "'shop.bought' has the same fields" in str(renamed)
    for rule in RULES:
        assert RULES[rule] in str(Broken("shop", "event shop.sold", "", rule, "detail"))


# Upcasters.

EUROS = event([("euros", float)])
CENTS = event([("cents", int)])


def to_cents(stored: dict[str, Any]) -> dict[str, Any]:
    if "euros" in stored:
        stored["cents"] = round(stored.pop("euros") * 100)
    return stored


def test_an_upcaster_allows_what_would_break_and_the_lock_remembers_the_past_shape() -> None:
    before, after = shop(events=(EUROS,)), shop(events=(CENTS,), upcasters={"shop.sold": to_cents})
    assert rules(before, shop(events=(CENTS,))) == ["field-removed", "field-added-without-default"]
    first = change(before, after)
    assert first.broken == []
    assert list(first.following.kinds["shop"].past) == ["shop.sold"]
    again = change(first.following, after)
    assert again == Comparison([], first.following)
    for careless in (None, {"shop.sold": lambda stored: stored}):
        assert rules(first.following, shop(events=(CENTS,), upcasters=careless)) == ["upcaster-removed"]
    assert rules(first.following, shop(events=(EUROS,))) == ["field-removed", "field-added-without-default"]


def test_a_tag_may_go_when_an_upcaster_reads_it() -> None:
    sold = event(tag="shop.traded")
    upcasters: tuple[Upcaster, ...] = (lambda stored: [], lambda stored: {"type": "shop.traded"})
    for made in upcasters:
        assert rules(shop(), shop(events=(sold,), upcasters={"shop.sold": made})) == []


def test_past_shapes_pile_up_as_types_change_again() -> None:
    pence = event([("pence", int)])

    def to_pence(stored: dict[str, Any]) -> dict[str, Any]:
        stored = to_cents(stored)
        if "cents" in stored:
            stored["pence"] = stored.pop("cents")
        return stored

    first = change(shop(events=(EUROS,)), shop(events=(CENTS,), upcasters={"shop.sold": to_cents}))
    second = change(first.following, shop(events=(pence,), upcasters={"shop.sold": to_pence}))
    assert second.broken == []
    assert len(second.following.kinds["shop"].past["shop.sold"]) == 2


@pytest.mark.parametrize(
    ("upcaster", "broken"),
    [
        (lambda stored: stored, ["field-removed", "field-added-without-default"]),  # has nothing to do with it
        (lambda stored: {"type": "shop.sold", "cents": "1"}, ["upcaster-fails", "upcaster-changes-present"]),
        (lambda stored: {"type": "shop.gone"}, ["upcaster-fails", "upcaster-changes-present"]),
        (lambda stored: {"type": "shop.sold", "cents": 0}, ["upcaster-changes-present"]),
        (
            lambda stored: {"type": "shop.sold", "cents": stored["euros"]},
            ["upcaster-fails", "upcaster-changes-present"],
        ),
    ],
)
def test_upcasters_are_tried_on_samples(upcaster: Callable[[Any], Any], broken: list[str]) -> None:
    assert rules(shop(events=(EUROS,)), shop(events=(CENTS,), upcasters={"shop.sold": upcaster})) == broken
