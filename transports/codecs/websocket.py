"""WebSocket, RFC 6455, the server's side without a socket: opening handshake, frames in, frames out.

Ours rather than wsproto's because a frame is the unit of work of every live connection: 0.8 to 1 µs here for a text
frame of 100 bytes, 8 µs there (docs/inside/decisions/0004-own-websocket-codec.md). wsproto stays as the oracle of
tests/transports/codecs/test_websocket.py. Extensions are declined: permessage-deflate costs a window of 32 KiB and more
for each connection, and bytes compressed for one subscriber cannot be shared with the next.

An idle decoder holds no buffers. What a peer can make it hold is bounded: one frame or one fragmented message, each
refused by its header, before its payload is buffered, when it would exceed `message_bytes_max`.

Sections named below are those of RFC 6455, unless another RFC is named.
"""

from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Iterable, Mapping
from hashlib import sha1
from typing import Final

from msgspec import Struct

from greenroom.transports.codecs.http_head import has_token

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

# Section 7.4.1.
NORMAL: Final = 1000
PROTOCOL_ERROR: Final = 1002
NO_STATUS: Final = 1005  # never on the wire: stands for a close frame without a code
INVALID_DATA: Final = 1007
MESSAGE_TOO_BIG: Final = 1009

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # section 1.3
_CONTROL_BYTES_MAX: Final = 125  # section 5.5
_REASON_BYTES_MAX: Final = 123  # section 5.5.1: two bytes of the control frame are the code


class WebSocketError(Exception):
    """The peer broke the protocol or a bound: send `close_frame(code, reason)`, then close.

    `before` holds the events that the same `feed` had already completed, so that how the network cut the bytes does not
    decide whether a good message in front of a bad one is seen.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason
        self.before: list[Event] = []


class BadHandshake(Exception):
    """The request cannot become a WebSocket: answer with the HTTP `status` and `headers`, `reason` as the body."""

    def __init__(self, status: int, reason: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason
        self.headers = headers


class Binary(Struct, frozen=True):
    """A whole binary message."""

    payload: bytes


class Ping(Struct, frozen=True):
    """Answer with `pong_frame(payload)`: section 5.5.3 wants the same payload back."""

    payload: bytes


class Pong(Struct, frozen=True):
    """An answer to a ping, or a one-way sign of life (section 5.5.3)."""

    payload: bytes


class Close(Struct, frozen=True):
    """The peer says goodbye; nothing follows (section 5.5.1). Answer with `close_frame(code)`, where NO_STATUS echoes
    as an empty frame."""

    code: int
    reason: str


# A text message is its bare UTF-8 bytes: it is nearly every event, and the JSON decoder wants bytes.
Event = bytes | Binary | Ping | Pong | Close


# --- opening handshake, section 4.2 ---


def accept_key(key: bytes) -> bytes:
    """The value of Sec-WebSocket-Accept that answers Sec-WebSocket-Key: section 4.2.2, step 5."""
    return b64encode(sha1(key + _GUID, usedforsecurity=False).digest())


def choose_subprotocol(headers: Mapping[bytes, bytes], supported: Iterable[bytes]) -> bytes | None:
    """The first of `supported`, in our order, that the client offers. An absent or empty offer gives None, and then the
    response has no such field (section 4.2.2, step 5)."""
    offer = headers.get(b"sec-websocket-protocol")
    if not offer:
        return None
    offered = {name.strip() for name in offer.split(b",")}
    return next((name for name in supported if name in offered), None)


def handshake_response(method: str, headers: Mapping[bytes, bytes], *, subprotocol: bytes | None = None) -> bytes:
    """The 101 response to an upgrade request. `headers` has lower-case names; `subprotocol` is the chosen one.

    Raises: BadHandshake with 405, 400 or 426.
    """
    # Section 4.2.1, in the order of its list. RFC 9110 wants Allow with a 405 (15.5.6), Upgrade with a 426 (15.5.22).
    if method != "GET":
        raise BadHandshake(405, "a WebSocket opens with GET", ((b"Allow", b"GET"),))
    if not has_token(headers.get(b"upgrade", b""), b"websocket"):
        raise BadHandshake(
            426, "this address speaks WebSocket", ((b"Upgrade", b"websocket"), (b"Connection", b"Upgrade"))
        )
    if not has_token(headers.get(b"connection", b""), b"upgrade"):
        raise BadHandshake(400, "Connection: Upgrade is missing")
    # Section 4.4: to another version we say which one is spoken here.
    if headers.get(b"sec-websocket-version") != b"13":
        raise BadHandshake(426, "only WebSocket version 13 is spoken here", ((b"Sec-WebSocket-Version", b"13"),))
    key = headers.get(b"sec-websocket-key", b"")
    try:
        nonce = b64decode(key, validate=True)
    except NotBase64:
        nonce = b""
    if len(nonce) != 16:
        raise BadHandshake(400, "Sec-WebSocket-Key must be 16 bytes in base64")
    # Section 9.1: extensions that the response does not name are declined.
    lines = [
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ",
        accept_key(key),
    ]
    if subprotocol is not None:
        lines += (b"\r\nSec-WebSocket-Protocol: ", subprotocol)
    lines.append(b"\r\n\r\n")
    return b"".join(lines)


# --- frames in, section 5 ---

# Unmasking up to this many bytes is one XOR of two big integers; above it, one table look-up per byte, four strides,
# is faster (measured: docs/inside/decisions/0004). The key is the mask times 0x...00000001_00000001: the mask once per
# word.
_XOR_BYTES_MAX: Final = 512
_REPEAT: Final = tuple(
    int.from_bytes(b"\x01\0\0\0" * words, "little") for words in range((_XOR_BYTES_MAX + 7) // 4 + 1)
)
_XOR_TABLES: Final = tuple(bytes(byte ^ key for byte in range(256)) for key in range(256))


def _unmask_long(payload: bytes, mask: bytes) -> bytes:
    plain = bytearray(payload)
    for lane in range(4):
        plain[lane::4] = plain[lane::4].translate(_XOR_TABLES[mask[lane]])
    return bytes(plain)


class FrameDecoder:
    """Bytes of a client in, whole messages and control frames out, however the network cuts them."""

    __slots__ = ("_finished", "_fragment_opcode", "_message", "_message_bytes_max", "_need", "_rest")

    def __init__(self, *, message_bytes_max: int) -> None:
        self._message_bytes_max = message_bytes_max
        self._rest: bytearray | None = None  # an unfinished frame
        self._need = 0  # bytes that `_rest` must have before looking at it again is worth it
        # Of a fragmented message: a bytearray, not a list of parts, so that endless empty fragments cost nothing.
        self._message: bytearray | None = None
        self._fragment_opcode = 0
        self._finished = False

    def feed(self, data: bytes | memoryview) -> list[Event]:
        """The events that `data` completes, in order; [] when more bytes are needed, and always [] after Close.

        Raises: WebSocketError, with the events before it; later calls give [].
        """
        events: list[Event] = []
        if self._rest is not None:
            self._rest += data
            if len(self._rest) < self._need:
                return events
            data = bytes(self._rest)
            self._rest = None
        elif type(data) is not bytes:
            data = bytes(data)
        if self._finished:
            return events
        try:
            taken = self._take_frames(data, events)
        except WebSocketError as error:
            self._finished = True
            self._message = None
            error.before = events
            raise
        if taken < len(data):
            self._rest = bytearray(data[taken:])
        return events

    def _take_frames(self, data: bytes, events: list[Event]) -> int:
        """Decode the whole frames at the head of `data`; returns how many bytes they took."""
        size = len(data)
        at = 0
        while size - at >= 2:
            first = data[at]
            length = data[at + 1] - 0x80  # the top bit says masked; section 5.1: a client's frame must be
            plain = first == 0x81 and self._message is None  # a whole text message in one frame: the usual case
            if length < 0:
                raise WebSocketError(PROTOCOL_ERROR, "unmasked frame")
            if not plain:
                self._check_head(first, length)
            start = at + 6
            # Section 5.2: 126 and 127 announce a length of 16 and of 63 bits, and the shortest form MUST be used.
            if length > 125:
                if length == 126:
                    if size - at < 4:
                        self._need = 4
                        return at
                    length = (data[at + 2] << 8) | data[at + 3]
                    if length < 126:
                        raise WebSocketError(PROTOCOL_ERROR, "length not in its shortest form")
                    start = at + 8
                else:
                    if size - at < 10:
                        self._need = 10
                        return at
                    length = int.from_bytes(data[at + 2 : at + 10], "big")
                    if length >> 63:
                        raise WebSocketError(PROTOCOL_ERROR, "length of more than 63 bits")
                    if length < 0x1_0000:
                        raise WebSocketError(PROTOCOL_ERROR, "length not in its shortest form")
                    start = at + 14
            if length > self._message_bytes_max or not plain:
                self._check_bound(first, length)
            end = start + length
            if end > size:
                self._need = end - at
                return at
            if length <= _XOR_BYTES_MAX:
                # Section 5.3: the mask stands right before the payload, so one integer holds both; its low word is the
                # key.
                words = (length + 7) >> 2
                masked = int.from_bytes(data[start - 4 : end], "little")
                key = (masked & 0xFFFF_FFFF) * _REPEAT[words]
                payload = (masked ^ key).to_bytes(words << 2, "little")[4 : length + 4]
            else:
                payload = _unmask_long(data[start:end], data[start - 4 : start])
            at = end
            if plain:
                if not payload.isascii():
                    _check_utf8(payload)
                events.append(payload)
            elif self._take_unusual(first, payload, events):
                self._finished = True
                return size
        self._need = 2
        return at

    def _check_head(self, first: int, length: int) -> None:
        opcode = first & 0x0F
        # Section 5.2: the reserved bits belong to extensions, and none was agreed on; likewise the unknown opcodes.
        if first & 0x70:
            raise WebSocketError(PROTOCOL_ERROR, "reserved bits set")
        if opcode >= CLOSE:
            if opcode > PONG:
                raise WebSocketError(PROTOCOL_ERROR, "unknown opcode")
            # Section 5.5: a control frame is never fragmented, and its payload at most 125 bytes.
            if not first & 0x80:
                raise WebSocketError(PROTOCOL_ERROR, "fragmented control frame")
            if length > _CONTROL_BYTES_MAX:
                raise WebSocketError(PROTOCOL_ERROR, "control frame too long")
        elif opcode > BINARY:
            raise WebSocketError(PROTOCOL_ERROR, "unknown opcode")
        # Section 5.4: a message's fragments follow one another; only control frames may come between them.
        elif opcode == CONTINUATION:
            if self._message is None:
                raise WebSocketError(PROTOCOL_ERROR, "nothing to continue")
        elif self._message is not None:
            raise WebSocketError(PROTOCOL_ERROR, "a message inside a fragmented one")

    def _check_bound(self, first: int, length: int) -> None:
        """Section 10.4: limits on frames and on messages put together of them are ours to set. A control frame is bound
        by its own."""
        so_far = 0 if self._message is None else len(self._message)
        if not first & CLOSE and so_far + length > self._message_bytes_max:
            raise WebSocketError(MESSAGE_TOO_BIG, f"message over {self._message_bytes_max} bytes")

    def _take_unusual(self, first: int, payload: bytes, events: list[Event]) -> bool:
        """Handle any frame but a whole text message; True when it was the last one."""
        match first & 0x0F:
            case 0x9:
                events.append(Ping(payload))
            case 0xA:
                events.append(Pong(payload))
            case 0x8:
                events.append(_close_event(payload))
                return True
            case opcode:
                if self._message is None:
                    self._fragment_opcode = opcode
                    self._message = bytearray(payload)
                else:
                    self._message += payload
                if first & 0x80:
                    message = bytes(self._message)
                    self._message = None
                    if self._fragment_opcode == BINARY:
                        events.append(Binary(message))
                    else:
                        _check_utf8(message)
                        events.append(message)
        return False


def _check_utf8(text: bytes) -> str:
    """Section 8.1: text that is not UTF-8 fails the connection; checked when the message is whole, since section 5.6
    lets a fragment end inside a character."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise WebSocketError(INVALID_DATA, "text is not UTF-8") from None


def _close_event(payload: bytes) -> Close:
    if not payload:
        return Close(NO_STATUS, "")
    code = int.from_bytes(payload[:2], "big")
    # Section 5.5.1: a body begins with a code of two bytes. Section 7.4: the codes that may travel, among them those
    # registered with IANA since (1012 to 1014), then those of libraries and of applications.
    if len(payload) == 1 or not (1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999):
        raise WebSocketError(PROTOCOL_ERROR, "bad close code")
    return Close(code, _check_utf8(payload[2:]))


# --- frames out: whole, and unmasked as section 5.1 wants of a server ---


def frame_header(opcode: int, length: int) -> bytes:
    """The header of an unfragmented server frame, for callers that put payloads together themselves."""
    if length < 126:
        return bytes((0x80 | opcode, length))
    if length < 0x1_0000:
        return bytes((0x80 | opcode, 126, length >> 8, length & 0xFF))
    return bytes((0x80 | opcode, 127)) + length.to_bytes(8, "big")


_TEXT_HEADERS: Final = tuple(frame_header(TEXT, length) for length in range(1024))


def text_frame(payload: bytes) -> bytes:
    """One text message; `payload` must be UTF-8, which is not checked."""
    length = len(payload)
    return (_TEXT_HEADERS[length] if length < 1024 else frame_header(TEXT, length)) + payload


def pong_frame(payload: bytes = b"") -> bytes:
    """Raises: ValueError when `payload` is over 125 bytes."""
    return _control_frame(PONG, payload)


def close_frame(code: int, reason: str = "") -> bytes:
    """The goodbye; a reason over 123 bytes of UTF-8 is cut at a character. NO_STATUS gives a frame without a code.

    Raises: ValueError for a code that must not travel.
    """
    if code == NO_STATUS:
        return _control_frame(CLOSE, b"")
    # Section 7.4.1: these stand for what never was on the wire, or for nothing yet; 7.4.2: below 1000 nothing is used.
    if not 1000 <= code <= 4999 or code in (1004, 1006, 1015):
        raise ValueError(f"close code {code} must not be sent")
    text = reason.encode(errors="replace")
    if len(text) > _REASON_BYTES_MAX:
        text = text[:_REASON_BYTES_MAX].decode(errors="ignore").encode()
    return _control_frame(CLOSE, code.to_bytes(2, "big") + text)


def _control_frame(opcode: int, payload: bytes) -> bytes:
    if len(payload) > _CONTROL_BYTES_MAX:
        raise ValueError(f"control frame of {len(payload)} bytes, at most {_CONTROL_BYTES_MAX}")
    return bytes((0x80 | opcode, len(payload))) + payload


def masked_text_frame(payload: bytes, mask: bytes) -> bytes:
    """One text message as a client sends it, for load generators and tests; `mask` is 4 bytes."""
    length = len(payload)
    header = frame_header(TEXT, length)
    if length > _XOR_BYTES_MAX:
        masked = _unmask_long(payload, mask)  # its own inverse
    else:
        key = int.from_bytes(mask, "little") * _REPEAT[(length + 3) >> 2]
        masked = (int.from_bytes(payload, "little") ^ key).to_bytes(length + 3, "little")[:length]
    # The second byte of a header is 0x80 short of saying "masked".
    return b"%b%c%b%b%b" % (header[:1], header[1] | 0x80, header[2:], mask, masked)
