"""WebSocket as a client speaks it, and no more of it than a load generator needs. Sans-I/O.

The server's own codec is not used here: a benchmark that shares code with what it measures can share its mistakes.
Source: RFC 6455.
"""

from base64 import b64encode
from hashlib import sha1
from struct import Struct, unpack_from

PATH = "/connection/websocket"
KEY = b64encode(b"greenroom-bench!")  # sixteen bytes; the server can't tell a fixed key from a random one
ACCEPT = b64encode(sha1(KEY + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
PING = b"{}"
_SHORT, _MEDIUM, _LONG = Struct(">BB4s"), Struct(">BBH4s"), Struct(">BBQ4s")


def upgrade(host: str, path: str = PATH) -> bytes:
    """The request that opens a WebSocket."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY.decode()}\r\n\r\n"
    ).encode()


def text(payload: bytes, mask: bytes = b"\x37\xfa\x21\x3d") -> bytes:
    """A masked text frame. One mask for all is allowed to a test and costs the server what a fresh one costs."""
    size = len(payload)
    stream = (mask * (size // 4 + 1))[:size]
    body = (int.from_bytes(payload, "little") ^ int.from_bytes(stream, "little")).to_bytes(size, "little")
    if size < 126:
        return _SHORT.pack(0x81, 0x80 | size, mask) + body
    if size < 65_536:
        return _MEDIUM.pack(0x81, 0xFE, size, mask) + body
    return _LONG.pack(0x81, 0xFF, size, mask) + body


class ServerClosed(Exception):
    """The server ended the connection. `code` is 1006 when it said no word."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code


def split(data: bytes) -> tuple[list[bytes], bytes, ServerClosed | None]:
    """Payloads of the whole data frames in `data`, the unfinished rest, and the close frame that ended them."""
    payloads = []
    at, end = 0, len(data)
    while end - at >= 2:
        size, start = data[at + 1], at + 2
        if size == 126:
            start = at + 4
            if end < start:
                break
            size = data[at + 2] << 8 | data[at + 3]
        elif size == 127:
            start = at + 10
            if end < start:
                break
            (size,) = unpack_from(">Q", data, at + 2)
        if end < start + size:
            break
        opcode = data[at]
        if opcode == 0x81:
            payloads.append(data[start : start + size])
        elif opcode == 0x88:
            body = data[start : start + size]
            code = int.from_bytes(body[:2], "big") if len(body) >= 2 else 1005
            return payloads, b"", ServerClosed(code, body[2:].decode(errors="replace"))
        elif opcode not in (0x89, 0x8A):
            return payloads, b"", ServerClosed(1002, f"the server sent a frame that starts with {opcode:#x}")
        at = start + size
    return payloads, data[at:] if at else data, None
