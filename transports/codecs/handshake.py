"""The opening handshake of a WebSocket, section 4.2 of RFC 6455, the server's side without a socket.

Sections named below are those of RFC 6455, unless another RFC is named.
"""

from binascii import Error as NotBase64
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable, Mapping
from hashlib import sha1
from typing import Final

from greenroom.transports.codecs.http_head import has_token

_SWITCHING: Final = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
)
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # section 1.3


class BadHandshake(Exception):
    """The request cannot become a WebSocket: answer with the HTTP `status` and `headers`, `reason` as the body."""

    def __init__(self, status: int, reason: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason
        self.headers = headers


def accept_key(key: bytes) -> bytes:
    """The value of Sec-WebSocket-Accept that answers Sec-WebSocket-Key: section 4.2.2, step 5."""
    return b2a_base64(sha1(key + _GUID, usedforsecurity=False).digest(), newline=False)


def choose_subprotocol(headers: Mapping[bytes, bytes], supported: Iterable[bytes]) -> bytes | None:
    """The first of `supported`, in our order, that the client offers. An absent or empty offer gives None, and then the
    response has no such field (section 4.2.2, step 5)."""
    offer = headers.get(b"sec-websocket-protocol")
    if not offer:
        return None
    offered = {name.strip() for name in offer.split(b",")}
    return next((name for name in supported if name in offered), None)


def handshake_response(
    method: str, headers: Mapping[bytes, bytes], *, upgrades: bool = False, subprotocol: bytes | None = None
) -> bytes:
    """The 101 response to an upgrade request. `headers` has lower-case names; `upgrades` when Connection and Upgrade
    have been looked at, as `Request.upgrade` says; `subprotocol` is the chosen one.

    Raises: BadHandshake with 405, 400 or 426.
    """
    # Section 4.2.1, in the order of its list. RFC 9110 wants Allow with a 405 (15.5.6), Upgrade with a 426 (15.5.22).
    if method != "GET":
        raise BadHandshake(405, "a WebSocket opens with GET", ((b"Allow", b"GET"),))
    if not (upgrades or has_token(headers.get(b"upgrade", b""), b"websocket")):
        raise BadHandshake(
            426, "this address speaks WebSocket", ((b"Upgrade", b"websocket"), (b"Connection", b"Upgrade"))
        )
    if not (upgrades or has_token(headers.get(b"connection", b""), b"upgrade")):
        raise BadHandshake(400, "Connection: Upgrade is missing")
    # Section 4.4: to another version we say which one is spoken here.
    if headers.get(b"sec-websocket-version") != b"13":
        raise BadHandshake(426, "only WebSocket version 13 is spoken here", ((b"Sec-WebSocket-Version", b"13"),))
    key = headers.get(b"sec-websocket-key", b"")
    try:
        nonce = a2b_base64(key, strict_mode=True)
    except NotBase64:
        nonce = b""
    if len(nonce) != 16:
        raise BadHandshake(400, "Sec-WebSocket-Key must be 16 bytes in base64")
    # Section 9.1: extensions that the response does not name are declined.
    chosen = b"" if subprotocol is None else b"\r\nSec-WebSocket-Protocol: " + subprotocol
    return b"%b%b%b\r\n\r\n" % (_SWITCHING, accept_key(key), chosen)
