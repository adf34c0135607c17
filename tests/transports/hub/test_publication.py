import json

import msgspec
import pytest

from greenroom.store.journal.records import StoredEvent
from greenroom.transports.hub.publication import Publication, first_that_fit, one_line, publications, push_prefix


def test_the_first_of_a_stream_carries_the_epoch_and_info_is_that_of_a_client() -> None:
    first = json.loads(Publication(StoredEvent(1, 5, b'{"a":1}'), "ab").json)
    assert first == {"data": {"a": 1}, "offset": 1, "epoch": "ab", "time": 5}
    second = json.loads(Publication(StoredEvent(2, 6, b"{}", b'{"user":"ann","client":"c"}'), "ab").json)
    assert second == {"data": {}, "info": {"user": "ann", "client": "c"}, "offset": 2, "time": 6}


@pytest.mark.parametrize("raw", [b'{\n"a": 1}', b'{"a":1\r\n}', b"[1,\r2]", b'{"text":"a\\nb"}', b'{"a":1}'])
def test_line_ends_outside_of_strings_go_and_the_value_stays(raw: bytes) -> None:
    clean = one_line(raw)
    assert not set(clean) & set(b"\r\n")
    assert json.loads(clean) == json.loads(raw)
    assert b"\n" not in Publication(StoredEvent(2, 6, raw), "ab").json


def test_a_channel_may_hold_quotes() -> None:
    whole = push_prefix('note:"a"\\') + b"{}}}"
    assert msgspec.json.decode(whole) == {"push": {"channel": 'note:"a"\\', "pub": {}}}


def test_stored_events_become_publications_in_their_order() -> None:
    found = publications([StoredEvent(3, 5, b"{}"), StoredEvent(2, 5, b"{}")], "ab")
    assert [(one.offset, json.loads(one.json)["offset"]) for one in found] == [(3, 3), (2, 2)]


def test_the_first_publications_that_fit_and_at_least_one() -> None:
    found = publications([StoredEvent(offset, 7, b"{}") for offset in (1, 2, 3)], "e")
    size = sum(len(one.json) for one in found)
    assert len(first_that_fit(found, bytes_max=size)) == 3
    assert len(first_that_fit(found, bytes_max=size - 1)) == 2
    assert len(first_that_fit(found, bytes_max=0)) == 1
    assert first_that_fit([], bytes_max=0) == []
