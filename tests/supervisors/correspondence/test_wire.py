from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.model.effects import Kick
from greenroom.actors.model.envelope import Origin
from greenroom.actors.model.principal import Principal
from greenroom.supervisors.correspondence import wire
from greenroom.supervisors.correspondence.wire import Frame, OfNewerRelease, Sent, Undecodable, decode, encode

TEXTS = st.text(max_size=20)
NUMBERS = st.integers(min_value=0, max_value=2**63 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
PRINCIPALS = st.builds(
    Principal,
    user=TEXTS,
    roles=st.frozensets(TEXTS, max_size=3),
    client=TEXTS,
    info=st.none() | st.binary(max_size=20),
    issued_at=FLOATS,
    connected_at=FLOATS,
    system=st.booleans(),
    granted=st.booleans(),
)
KICKS = st.builds(
    Kick,
    code=NUMBERS,
    reason=TEXTS,
    user=st.none() | TEXTS,
    everywhere=st.booleans(),
    but=st.frozensets(TEXTS, max_size=3),
    but_roles=st.frozensets(TEXTS, max_size=3),
)
ORIGINS = st.builds(Origin, sender=NUMBERS, seq=NUMBERS, entity=TEXTS, about=TEXTS, after=NUMBERS)
TOLD_ROWS = st.tuples(st.binary(max_size=20), NUMBERS, st.none() | st.binary(max_size=20))
BY_TYPE: dict[Any, st.SearchStrategy[Any]] = {
    int: NUMBERS,
    str: TEXTS,
    bytes: st.binary(max_size=50),
    bool: st.booleans(),
    Principal: PRINCIPALS,
    Kick: KICKS,
    dict[str, bytes]: st.dictionaries(TEXTS, st.binary(max_size=20), max_size=3),
    dict[str, bytes] | None: st.none() | st.dictionaries(TEXTS, st.binary(max_size=20), max_size=3),
    dict[str, list[tuple[bytes, int, bytes | None]]]: st.dictionaries(
        TEXTS, st.lists(TOLD_ROWS, max_size=3), max_size=3
    ),
    dict[int, list[Principal]]: st.dictionaries(NUMBERS, st.lists(PRINCIPALS, max_size=3), max_size=3),
    dict[int, int]: st.dictionaries(NUMBERS, NUMBERS, max_size=5),
    list[tuple[str, str]]: st.lists(st.tuples(TEXTS, TEXTS), max_size=3),
    list[int]: st.lists(NUMBERS, max_size=5),
    list[str]: st.lists(TEXTS, max_size=5),
    list[Principal]: st.lists(PRINCIPALS, max_size=3),
    tuple[str, ...]: st.lists(TEXTS, max_size=3).map(tuple),
    str | None: st.none() | TEXTS,
    bytes | None: st.none() | st.binary(max_size=20),
    int | None: st.none() | st.integers(min_value=-(2**63), max_value=2**63 - 1),
    float | None: st.none() | FLOATS,
    Principal | None: st.none() | PRINCIPALS,
    Origin | None: st.none() | ORIGINS,
}
FRAMES = st.one_of(
    *(
        st.builds(cls, **{field.name: BY_TYPE[field.type] for field in msgspec.structs.fields(cls)})
        for cls in Frame.__args__
    )
)


@given(FRAMES)
def test_a_frame_comes_out_as_it_went_in(frame: Frame) -> None:
    assert decode(encode(frame)) == frame


@given(st.binary(max_size=200))
def test_what_is_no_frame_is_refused(data: bytes) -> None:
    """Nothing but Undecodable, whatever comes."""
    for found in (data, wire.HEAD + data):
        with suppress(Undecodable):
            assert encode(decode(found))


@given(FRAMES, st.data())
def test_a_frame_cut_short_is_refused(frame: Frame, data: st.DataObject) -> None:
    whole = encode(frame)
    with pytest.raises(Undecodable):
        decode(whole[: data.draw(st.integers(min_value=0, max_value=len(whole) - 1))])


def test_another_version_is_refused_by_its_number() -> None:
    with pytest.raises(Undecodable, match=r"version 2, and this node speaks 1"):
        decode(b"\x02" + encode(wire.NotHeld(1))[1:])


def test_a_frame_of_a_release_with_more_fields_is_read() -> None:
    newer = msgspec.msgpack.encode([1, 7, "talk:a", 0, b"{}", None, 1.5, None, None, None, (), None, 0, "new"])
    assert decode(wire.HEAD + newer) == Sent(7, "talk:a", 0, b"{}", left_s=1.5)


def test_a_frame_of_a_release_with_fewer_fields_is_read() -> None:
    assert decode(wire.HEAD + msgspec.msgpack.encode([1, 7, "talk:a", 0, b"{}"])) == Sent(7, "talk:a", 0, b"{}")


def test_what_a_release_does_with_a_frame_it_does_not_know_is_said_by_the_tag() -> None:
    """Passed over, or refused by its number; of any other nobody knows what it was."""

    def found(*fields: object) -> tuple[type[Undecodable], int | None]:
        with pytest.raises(Undecodable) as raised:
            decode(wire.HEAD + msgspec.msgpack.encode(fields))
        return raised.type, getattr(raised.value, "question", None)

    for tag in (wire.HINTS[0], wire.HINTS[-1]):
        assert found(tag) == found(tag, "talk:a", {"of": ["any", "form"]}) == (OfNewerRelease, None)
    for tag in (wire.QUESTIONS[0], wire.QUESTIONS[-1]):
        assert found(tag, 7, b"?") == (OfNewerRelease, 7)
        assert found(tag) == found(tag, "seven") == (Undecodable, None)
    assert {found(tag, 7)[0] for tag in (wire.HINTS[0] - 1, wire.QUESTIONS[-1] + 1)} == {Undecodable}


def test_frames_that_came_after_the_first_are_such_that_an_older_release_knows_what_to_do() -> None:
    """Those up to 26 all releases know. Whoever adds one chooses its tag by what is to become of it where it is not
    known; should that be neither of the two, VERSION is to be another."""
    tags = {cls.__struct_config__.tag for cls in Frame.__args__}
    assert tags - set(range(1, 27)) <= {*wire.HINTS, *wire.QUESTIONS}
