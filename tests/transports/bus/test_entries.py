import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.transports.bus.entries import VERSION, BadEntry, Entry, UnknownVersion, decode, encode

numbers = st.integers(0, 2**64 - 1)


@given(node=numbers, number=numbers, acknowledged=numbers, frames=st.lists(st.binary(max_size=300)))
def test_what_is_written_is_read(node: int, number: int, acknowledged: int, frames: list[bytes]) -> None:
    entry = Entry(VERSION, node, 7, number, acknowledged, 3, frames)
    assert decode(encode(entry)) == entry


@given(st.binary(max_size=100))
def test_what_is_no_entry_is_refused(raw: bytes) -> None:
    try:
        decode(raw)
    except BadEntry:
        return
    assert raw[:2] == encode(Entry(VERSION, 1, 1, 1, 1, 0, []))[:2]


def test_another_version_is_told_apart_whatever_its_form() -> None:
    with pytest.raises(UnknownVersion, match="version 2"):
        decode(msgspec.msgpack.encode([2, {"quite": "another form"}]))


def test_one_that_was_cut_is_refused() -> None:
    raw = encode(Entry(VERSION, 1, 1, 1, 1, 0, [b"a frame"]))
    for size in range(len(raw)):
        with pytest.raises(BadEntry):
            decode(raw[:size])
