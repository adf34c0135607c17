"""Outgoing messages: their numbers rise, and their bytes come back as what they were."""

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from greenroom.actors.life.outgoing import NUMBERS_MAX, Outgoing, decode_body, encode_body, sequence

OFFSETS = st.integers(1, (1 << 47) - 1)  # an era of 15 bits, 32 of offset: Head.position
NUMBERS = st.integers(0, NUMBERS_MAX - 1)


@given(st.tuples(OFFSETS, NUMBERS), st.tuples(OFFSETS, NUMBERS))
def test_numbers_rise_with_the_event_and_then_with_the_place(one: tuple[int, int], other: tuple[int, int]) -> None:
    assert (sequence(*one) < sequence(*other)) == (one < other)
    assert sequence(*one) < 1 << 63, "a bigint"


def test_more_messages_than_have_numbers_are_refused() -> None:
    with pytest.raises(AssertionError):
        sequence(1, NUMBERS_MAX)


texts = st.text(st.characters(exclude_categories=["Cs"]))
messages = st.builds(
    Outgoing,
    st.builds(sequence, OFFSETS, NUMBERS),
    texts,
    st.dictionaries(texts, texts | st.integers(-(2**53), 2**53)).map(lambda body: Raw(msgspec.json.encode(body))),
    texts,
    st.none() | texts,
)


@given(st.lists(messages))
def test_a_row_comes_back_as_it_was(row: list[Outgoing]) -> None:
    back = decode_body(encode_body(row))
    assert [(one.seq, one.entity, bytes(one.message), one.about, one.trace) for one in back] == [
        (one.seq, one.entity, bytes(one.message), one.about, one.trace) for one in row
    ]


@given(st.binary())
def test_what_is_no_row_is_refused(body: bytes) -> None:
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
        decode_body(body)


def test_what_a_former_release_wrote_is_read() -> None:
    assert decode_body(b'[[65536,"log:b",{"type":"log.heard"}]]') == [
        Outgoing(65536, "log:b", Raw(b'{"type":"log.heard"}'))
    ]
