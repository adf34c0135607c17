"""How a WebSocket opens, by the rules of RFC 6455."""

import pytest

from greenroom.transports.codecs.handshake import (
    BadHandshake,
    accept_key,
    choose_subprotocol,
    handshake_response,
)

GOOD = {
    b"host": b"a",
    b"upgrade": b"WebSocket",
    b"connection": b"keep-alive, Upgrade",
    b"sec-websocket-version": b"13",
    b"sec-websocket-key": b"dGhlIHNhbXBsZSBub25jZQ==",
}


def test_the_example_of_the_rfc() -> None:
    assert accept_key(GOOD[b"sec-websocket-key"]) == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    answer = handshake_response("GET", GOOD | {b"sec-websocket-extensions": b"permessage-deflate"})
    assert answer == (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({b"sec-websocket-key": None}, 400),
        ({b"sec-websocket-key": b"short"}, 400),
        ({b"sec-websocket-key": b"dGhlIHNhbXBsZSBub25jZQ==!"}, 400),
        ({b"sec-websocket-key": b"\xff" * 24}, 400),
        ({b"sec-websocket-key": b"dGhlIHNhbXBsZSBub25jZQ=="[:-4]}, 400),
        ({b"sec-websocket-version": b"8"}, 426),
        ({b"sec-websocket-version": None}, 426),
        ({b"upgrade": None}, 426),
        ({b"upgrade": b"h2c"}, 426),
        ({b"connection": b"keep-alive"}, 400),
    ],
)
def test_bad_handshakes(changes: dict[bytes, bytes | None], status: int) -> None:
    headers = {name: value for name, value in (GOOD | changes).items() if value is not None}
    with pytest.raises(BadHandshake) as caught:
        handshake_response("GET", headers)
    assert caught.value.status == status
    if b"sec-websocket-version" in changes:
        assert (b"Sec-WebSocket-Version", b"13") in caught.value.headers


def test_only_get_opens_a_websocket() -> None:
    with pytest.raises(BadHandshake) as caught:
        handshake_response("POST", GOOD)
    assert caught.value.status == 405


def test_subprotocols() -> None:
    ours = (b"centrifuge-protobuf", b"centrifuge-json")
    offer = b"sec-websocket-protocol"
    assert choose_subprotocol({offer: b"x, centrifuge-json,centrifuge-protobuf"}, ours) == b"centrifuge-protobuf"
    assert choose_subprotocol({offer: b"x"}, ours) is None
    assert choose_subprotocol({offer: b""}, ours) is None  # centrifuge-python up to 0.5 sends it empty
    assert choose_subprotocol({}, ours) is None
    assert b"\r\nSec-WebSocket-Protocol: centrifuge-json\r\n" in handshake_response(
        "GET", GOOD, subprotocol=b"centrifuge-json"
    )
