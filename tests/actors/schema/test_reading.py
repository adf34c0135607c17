"""Where no rule is broken, whatever was stored decodes; where types only widen, none is. For random types."""

import json
from typing import Annotated, Any, Literal

import msgspec
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st
from msgspec import Meta, Struct

from greenroom import Actor, Event
from greenroom.actors.model.kinds import Kind
from greenroom.actors.schema.description import describe, from_text, to_text
from greenroom.actors.schema.rules import compare
from greenroom.actors.schema.samples import event_samples
from tests.actors.schema.making import struct_class

Spec = tuple[Any, ...]  # of a type: a tree that can be changed, and built

NAMES = ("a", "b", "c")
small = st.integers(-3, 3)
bound = st.none() | small
length = st.none() | st.integers(0, 3)
words = st.sampled_from(["", "x", "ab", "xyz", "1"])
leaves = st.one_of(
    st.tuples(st.just("int"), bound, bound, st.booleans()),
    st.tuples(st.just("float"), bound, bound, st.booleans()),
    st.tuples(st.just("str"), length, length),
    st.tuples(
        st.just("one_of"), st.sets(words | small, min_size=1, max_size=3).map(lambda all_: tuple(sorted(all_, key=str)))
    ),
    st.sampled_from([("bool",), ("null",), ("any",)]),
)


def around(inner: st.SearchStrategy[Spec]) -> st.SearchStrategy[Spec]:
    return st.one_of(
        st.tuples(st.just("list"), inner, length),
        st.tuples(st.just("dict"), inner),
        st.tuples(st.just("tuple"), inner, inner),
        st.tuples(st.just("or_null"), inner),
        structs(inner),
    )


def structs(inner: st.SearchStrategy[Spec]) -> st.SearchStrategy[Spec]:
    field = st.tuples(inner, st.booleans())  # and whether it has a default
    fields = st.dictionaries(st.sampled_from(NAMES), field, max_size=3)
    how = st.sampled_from(["", "", "", "array_like", "forbid_unknown_fields"])
    return st.tuples(st.just("struct"), fields.map(lambda found: tuple(found.items())), how)


specs = st.recursive(leaves, around, max_leaves=5)


@st.composite
def changed(draw: st.DrawFn, spec: Spec) -> Spec:
    """The same, or nearly, or at times something else altogether."""
    match draw(st.sampled_from(["keep"] * 4 + ["inside"] * 12 + ["or_null", "any", "replace"])):
        case "keep":
            return spec
        case "or_null":
            return ("or_null", spec)
        case "any":
            return ("any",)
        case "replace":
            return draw(specs)
    match spec:
        case ("int" | "float", low, high, strict):
            return (draw(st.sampled_from(["int", "float"])), draw(nudged(low)), draw(nudged(high)), strict)
        case ("str", low, high):
            return ("str", draw(nudged(low, 0)), draw(nudged(high, 0)))
        case ("one_of", values):
            more = draw(st.sets(words | small, max_size=2))
            return (
                ("one_of", tuple(sorted({*values, *more}, key=str))) if draw(st.booleans()) else (*spec[:1], values[:1])
            )
        case ("list", inner, longest):
            return ("list", draw(changed(inner)), draw(nudged(longest, 0)))
        case ("dict", inner):
            return ("dict", draw(changed(inner)))
        case ("tuple", *inner):
            return ("tuple", *(draw(changed(one)) for one in inner))
        case ("or_null", inner):
            return draw(st.sampled_from([inner, ("or_null", draw(changed(inner)))]))
        case ("struct", fields, how):
            kept = {name: (draw(changed(one)), default or draw(st.booleans())) for name, (one, default) in fields}
            if draw(st.integers(0, 3)) == 0:
                kept.pop(draw(st.sampled_from(NAMES)), None)
            if draw(st.integers(0, 3)) == 0:
                kept.setdefault(draw(st.sampled_from(NAMES)), (draw(leaves), draw(st.booleans())))
            return ("struct", tuple(kept.items()), how)
    return spec


@st.composite
def widened(draw: st.DrawFn, spec: Spec) -> Spec:
    """Reads all that `spec` writes, and perhaps more."""
    match draw(st.sampled_from(["keep"] + ["inside"] * 4 + ["or_null", "any"])):
        case "keep":
            return spec
        case "or_null":
            return ("or_null", spec)
        case "any":
            return ("any",)
    match spec:
        case ("int" | "float" as name, low, high, strict):
            lower = None if low is None else draw(st.sampled_from([None, low, low - 1]))
            higher = None if high is None else draw(st.sampled_from([None, high, high + 1]))
            return (draw(st.sampled_from([name, "float"])), lower, higher, strict and lower == low)
        case ("str", low, high):
            return ("str", draw(st.sampled_from([None, low])), draw(st.sampled_from([None, high])))
        case ("one_of", values):
            return ("one_of", tuple(sorted({*values, *draw(st.sets(words | small, max_size=2))}, key=str)))
        case ("list", inner, longest):
            return ("list", draw(widened(inner)), draw(st.sampled_from([None, longest])))
        case ("tuple", *inner) if draw(st.booleans()):
            return ("tuple", *(draw(widened(one)) for one in inner))
        case ("dict" | "or_null" as name, inner):
            return (name, draw(widened(inner)))
        case ("struct", fields, how):
            kept = {name: (draw(widened(one)), default or draw(st.booleans())) for name, (one, default) in fields}
            for name in draw(st.sets(st.sampled_from(("d", "e")))):  # at the end, as arrays need it
                kept[name] = (draw(leaves), True)
            return ("struct", tuple(kept.items()), "" if how == "forbid_unknown_fields" else how)
    return spec


def nudged(limit: int | None, least: int = -5) -> st.SearchStrategy[int | None]:
    if limit is None:
        return st.sampled_from([None, None, 2])
    return st.sampled_from([limit, limit, None, max(least, limit - 1), max(least, limit + 1)])


def build(spec: Spec) -> Any:
    match spec:
        case ("int" | "float" as name, low, high, strict):
            limits = {"gt" if strict else "ge": low, "le": high}
            given_limits = {key: value for key, value in limits.items() if value is not None}
            base: Any = {"int": int, "float": float}[name]
            return Annotated[base, Meta(**given_limits)] if given_limits else base
        case ("str", low, high):
            return Annotated[str, Meta(min_length=low, max_length=high)]
        case ("one_of", values):
            return Literal[values]
        case ("list", inner, longest):
            return Annotated[list[build(inner)], Meta(max_length=longest)]  # type: ignore[misc]
        case ("dict", inner):
            return dict[str, build(inner)]  # type: ignore[misc]
        case ("tuple", *inner):
            return tuple[tuple(build(one) for one in inner)]  # type: ignore[misc]
        case ("or_null", inner):
            return build(inner) | None
        case ("struct", fields, how):
            options: dict[str, Any] = {how: True} if how else {}
            return msgspec.defstruct("Made", build_fields(fields), kw_only=True, **options)
    return {"bool": bool, "null": None, "any": Any}[spec[0]]


def build_fields(fields: tuple[tuple[str, tuple[Spec, bool]], ...]) -> list[Any]:
    return [(name, build(one), *([None] if default else [])) for name, (one, default) in fields]


def written(spec: Spec) -> st.SearchStrategy[Any]:
    """Values that the type may have written, as JSON."""
    match spec:
        case ("int", low, high, strict):
            return st.integers(None if low is None else low + strict, high)
        case ("float", low, high, strict):
            return st.floats(low, high, exclude_min=strict and low is not None, allow_nan=False, allow_infinity=False)
        case ("str", low, high):
            return st.text(st.sampled_from("ab1"), min_size=low or 0, max_size=6 if high is None else high)
        case ("one_of", values):
            return st.sampled_from(values)
        case ("list", inner, longest):
            return st.lists(written(inner), max_size=4 if longest is None else longest)
        case ("dict", inner):
            return st.dictionaries(words, written(inner), max_size=2)
        case ("tuple", *inner):
            return st.tuples(*(written(one) for one in inner)).map(list)
        case ("or_null", inner):
            return st.none() | written(inner)
        case ("struct", fields, how):
            values = written_fields(fields)
            return values.map(lambda found: [found[name] for name, _ in fields]) if how == "array_like" else values
        case ("any",):
            return st.sampled_from([None, True, 1, 1.5, "x", [], {"a": 1}])
        case ("bool",):
            return st.booleans()
    return st.none()


def written_fields(fields: tuple[tuple[str, tuple[Spec, bool]], ...]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({name: written(one) for name, (one, _) in fields})


class NoState(Struct):
    pass


class Shop(Actor[NoState]):
    kind = "shop"

    def apply(self, event: Any) -> None:
        raise NotImplementedError


def shop(fields: tuple[tuple[str, tuple[Spec, bool]], ...]) -> Kind:
    sold = struct_class(Event, "Sold", build_fields(fields), tag="shop.sold")
    return Kind(type("Shop", (Shop,), {"events": (sold,)}))


def possible(spec: Any) -> bool:
    """Bounds leave room for a value."""
    match spec:
        case ("int" | "float", low, high, strict):
            return low is None or high is None or low + strict <= high
        case ("str", low, high):
            return low is None or high is None or low <= high
        case tuple():
            return all(possible(one) for one in spec)
    return True


@st.composite
def events(draw: st.DrawFn) -> tuple[tuple[str, tuple[Spec, bool]], ...]:
    fields: tuple[tuple[str, tuple[Spec, bool]], ...]
    _, fields, _ = draw(structs(specs))
    assume(possible(fields))
    return fields


def build_both(before: Any, after: Any) -> tuple[Kind, Kind]:
    try:
        return shop(before), shop(after)
    except (TypeError, ValueError):  # such as a union of null and null
        assume(False)
        raise


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_where_no_rule_is_broken_all_that_was_stored_decodes(data: st.DataObject) -> None:
    before = data.draw(events())
    _, after, _ = data.draw(changed(("struct", before, "")).filter(lambda spec: spec[0] == "struct" and possible(spec)))
    old, new = build_both(before, after)
    broken = compare(from_text(to_text(describe([old]))), describe([new]), [new]).broken
    event("changed, compatible" if not broken and before != after else "other")
    for _ in range(5):
        stored = msgspec.json.encode({"type": "shop.sold"} | data.draw(written_fields(before)))
        (was,) = old.decode_events(stored)
        if not broken:
            (now,) = new.decode_events(stored)
            again = json.loads(msgspec.json.encode(now))
            for name, value in json.loads(msgspec.json.encode(was)).items():
                assert name in again, f"{name} is lost, with {value!r}"


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_change_that_only_widens_breaks_no_rule(data: st.DataObject) -> None:
    before = data.draw(events())
    _, after, _ = data.draw(widened(("struct", before, "")).filter(lambda spec: spec[0] == "struct"))
    old, new = build_both(before, after)
    assert compare(from_text(to_text(describe([old]))), describe([new]), [new]).broken == []


@settings(max_examples=100, deadline=None)
@given(events())
def test_samples_are_of_their_type(fields: tuple[tuple[str, tuple[Spec, bool]], ...]) -> None:
    kind, _ = build_both(fields, fields)
    described = describe([kind]).kinds["shop"]
    samples = event_samples("shop.sold", described.events["shop.sold"], described.structs)
    assert samples
    for sample in samples:
        kind.decode_events(msgspec.json.encode(sample))
