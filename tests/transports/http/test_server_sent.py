"""Cursors that are read as they were written, and bytes that streams share."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.store.journal.records import StoredEvent
from greenroom.transports.http.server_sent import SharedSseEncoding, SseEncoding, decode_positions, encode_positions
from greenroom.transports.hub.publication import Publication
from greenroom.transports.hub.watching import Position

POSITIONS = st.none() | st.tuples(st.text("abcXYZ09", min_size=1), st.integers(0, 10**15))


@given(st.lists(POSITIONS, min_size=1, max_size=32))
def test_a_cursor_is_read_as_it_was_written(positions: list[Any]) -> None:
    made = [Position(*one) if one is not None else None for one in positions]
    assert decode_positions(encode_positions(made), len(made)) == made


@given(st.text(max_size=100), st.integers(1, 5))
def test_any_text_is_a_cursor_of_some_kind(text: str, channels: int) -> None:
    found = decode_positions(text, channels)
    assert len(found) == channels
    for one in found:
        assert one is None or (one.epoch and one.offset >= 0)


@pytest.mark.parametrize("text", ["", "5", ":5", "e:", "e:-1", "e:1.5", "e:x", "e:" + "9" * 17, "e:٣", "e:1,e:2", "-"])
def test_what_does_not_fit_is_a_position_not_known(text: str) -> None:
    assert decode_positions(text, 1) == [None]


def test_an_overlong_cursor_is_not_looked_at() -> None:
    assert decode_positions("e:1," * 2000, 2001) == [None] * 2001


def test_one_channel_shares_its_bytes_and_several_get_their_ids_from_the_stream() -> None:
    batch = [Publication(StoredEvent(offset, 9, b'{"n":%d}' % offset), "ep") for offset in (1, 2)]
    alone = SseEncoding.publications("talk:a", "ep", batch).decode()
    assert alone.count("\n\n") == 2
    assert alone.startswith('id: ep:1\ndata: {"channel":"talk:a",')
    shared = SharedSseEncoding.publications("talk:a", "ep", batch).decode()
    assert "id:" not in shared
    assert [one.partition("\ndata: ")[0] for one in shared.split("\n\n")[:-1]] == ["1", "2"]
    assert [json.loads(one.partition("\ndata: ")[2])["data"]["n"] for one in shared.split("\n\n")[:-1]] == [1, 2]
