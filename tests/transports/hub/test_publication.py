import json

import msgspec
import pytest

from greenroom.store.journal.journal import StoredEvent
from greenroom.transports.hub.publication import encode_publication, one_line, push_prefix


def test_the_first_of_a_stream_carries_the_epoch_and_info_is_that_of_a_client() -> None:
    first = json.loads(encode_publication(StoredEvent(1, 5, b'{"a":1}'), epoch="ab"))
    assert first == {"data": {"a": 1}, "offset": 1, "epoch": "ab", "time": 5}
    second = json.loads(encode_publication(StoredEvent(2, 6, b"{}", b'{"user":"ann","client":"c"}'), epoch="ab"))
    assert second == {"data": {}, "info": {"user": "ann", "client": "c"}, "offset": 2, "time": 6}


@pytest.mark.parametrize("raw", [b'{\n"a": 1}', b'{"a":1\r\n}', b"[1,\r2]", b'{"text":"a\\nb"}', b'{"a":1}'])
def test_line_ends_outside_of_strings_go_and_the_value_stays(raw: bytes) -> None:
    clean = one_line(raw)
    assert not set(clean) & set(b"\r\n")
    assert json.loads(clean) == json.loads(raw)
    assert b"\n" not in encode_publication(StoredEvent(2, 6, raw), epoch="ab")


def test_a_channel_may_hold_quotes() -> None:
    whole = push_prefix('note:"a"\\') + b"{}}}"
    assert msgspec.json.decode(whole) == {"push": {"channel": 'note:"a"\\', "pub": {}}}
