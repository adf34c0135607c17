import msgspec
import pytest

from greenroom.transports.client.messages import decode_command


def test_every_request_with_its_defaults() -> None:
    command = decode_command(b'{"id":1,"subscribe":{"channel":"a"}}')
    assert command.subscribe is not None
    asked = command.subscribe
    assert (asked.recover, asked.epoch, asked.offset, asked.flag, asked.type, len(asked.tf)) == (False, "", 0, 0, 0, 0)
    published = decode_command(b'{"id":1,"publish":{"channel":"a"}}').publish
    assert published is not None and bytes(published.data) == b"null"


@pytest.mark.parametrize(
    "bad",
    [
        b'{"id":"1"}',
        b'{"id":1.5}',
        b'{"id":4294967296}',
        b'{"id":1,"subscribe":{"channel":5}}',
        b'{"id":1,"subscribe":{"offset":-1}}',
        b'{"id":1,"subscribe":{"offset":9007199254740993}}',
        b'{"id":1,"subscribe":{"recover":1}}',
        b'{"id":1,"connect":{"subs":{"a":5}}}',
        b'{"id":1,"connect":{"subs":[]}}',
        b"[]",
        b"{} {}",
        b"",
    ],
)
def test_what_does_not_fit_is_refused(bad: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_command(bad)
