"""WebSocket, RFC 6455, the server's side without a socket: frames in, frames out. `handshake.py` opens it.

Ours rather than wsproto's because a frame is the unit of work of every live connection: 0.8 to 1 µs here for a text
frame of 100 bytes, 8 µs there (docs/inside/decisions/0004-own-websocket-codec.md). wsproto stays as the oracle of
tests/transports/codecs/test_websocket.py. Extensions are declined: permessage-deflate costs a window of 32 KiB and more
for each connection, and bytes compressed for one subscriber cannot be shared with the next.

An idle decoder holds no buffers. What a peer can make it hold is bounded by `line_bytes_max`: a binary message, refused
by its header, before its payload is buffered, when it would exceed that, or one line of a text message. A text message
may be as long as it likes, since SDKs put whatever they have to say at once into one, a command a line: of one that is
longer than `line_bytes_max` whole lines are events as they come.

Sections named below are those of RFC 6455, unless another RFC is named.
"""

from typing import Final

from msgspec import Struct

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


# A text message is its bare UTF-8 bytes: it is nearly every event, and the JSON decoder wants bytes. One that is longer
# than a line may be is several events, each whole lines without those that are blank.
Event = bytes | Binary | Ping | Pong | Close


# --- frames in, section 5 ---

# Unmasking up to this many bytes is one XOR of two big integers; above it, one table look-up per byte, four strides,
# is faster (measured: docs/inside/decisions/0004). The key is the mask times 0x...00000001_00000001: the mask once per
# word.
_XOR_BYTES_MAX: Final = 512
_REPEAT: Final = tuple(
    int.from_bytes(b"\x01\0\0\0" * words, "little") for words in range((_XOR_BYTES_MAX + 7) // 4 + 1)
)
_XOR_TABLES: Final = tuple(bytes(byte ^ key for byte in range(256)) for key in range(256))


class _Long:
    """Of a text message that is longer than a line may be."""

    __slots__ = ("is_last", "is_split", "mask")

    def __init__(self) -> None:
        self.mask = b""  # of the frame under way, as its next byte needs it
        self.is_last = False  # the frame under way ends the message
        self.is_split = False  # what is kept of the message has no end of a line


def _unmask_long(payload: bytes, mask: bytes) -> bytes:
    plain = bytearray(payload)
    for lane in range(4):
        plain[lane::4] = plain[lane::4].translate(_XOR_TABLES[mask[lane]])
    return bytes(plain)


class FrameDecoder:
    """Bytes of a client in, whole messages and control frames out, however the network cuts them."""

    __slots__ = (
        "_finished",
        "_fragment_opcode",
        "_left",
        "_line_bytes_max",
        "_long",
        "_message",
        "_need",
        "_rest",
    )

    def __init__(self, *, line_bytes_max: int) -> None:
        self._line_bytes_max = line_bytes_max
        self._rest: bytearray | None = None  # an unfinished frame
        self._need = 0  # bytes that `_rest` must have before looking at it again is worth it
        # Of a fragmented message: a bytearray, not a list of parts, so that endless empty fragments cost nothing.
        self._message: bytearray | None = None
        self._fragment_opcode = 0
        self._long: _Long | None = None  # a text message that is longer than a line may be
        self._left = 0  # payload bytes that are still to come of a frame of such a message
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
            self._message = self._long = None
            error.before = events
            raise
        if taken < len(data):
            self._rest = bytearray(data[taken:])
        return events

    def _take_frames(self, data: bytes, events: list[Event]) -> int:
        """Decode the whole frames at the head of `data`; returns how many bytes they took."""
        size = len(data)
        at = self._take_long(data, 0, events) if self._left else 0
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
            if length > self._line_bytes_max or not plain:
                self._check_bound(first, length)
                if length > self._line_bytes_max:
                    if start > size:
                        self._need = start - at
                        return at
                    self._begin_long(first, length, data[start - 4 : start])
                    at = self._take_long(data, start, events)
                    continue
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
        by its own, text by its lines."""
        if first & CLOSE or (self._fragment_opcode if self._message is not None else first & 0x0F) == TEXT:
            return
        so_far = 0 if self._message is None else len(self._message)
        if so_far + length > self._line_bytes_max:
            raise WebSocketError(MESSAGE_TOO_BIG, f"message over {self._line_bytes_max} bytes")

    def _begin_long(self, first: int, length: int, mask: bytes) -> None:
        """A frame of text that is longer than a line may be: its payload is taken as it comes."""
        if self._message is None:
            self._fragment_opcode = TEXT
            self._message = bytearray()
        if self._long is None:
            self._long = _Long()
        self._long.mask = mask
        self._long.is_last = first >= 0x80
        self._left = length

    def _take_long(self, data: bytes, at: int, events: list[Event]) -> int:
        """What has come of such a frame, from `at` on; returns where it ends."""
        long = self._long
        assert long is not None
        payload = data[at : at + self._left]
        self._left -= len(payload)
        text = _unmask_long(payload, long.mask)
        turned = len(payload) % 4
        long.mask = long.mask[turned:] + long.mask[:turned]
        self._take_lines(long, text, events, is_last=long.is_last and not self._left)
        return at + len(payload)

    def _take_lines(self, long: "_Long", text: bytes, events: list[Event], *, is_last: bool) -> None:
        """More of a long text message. The lines that it completes are an event, without those that are blank."""
        message = self._message
        assert message is not None
        searched = len(message) if long.is_split else 0
        long.is_split = True
        message += text
        end = len(message) if is_last else message.rfind(b"\n", searched) + 1
        lines = [line for line in bytes(message[:end]).split(b"\n") if line.strip()]
        del message[:end]
        if is_last:
            self._message = self._long = None
        for number, line in enumerate(lines):
            try:
                self._check_line(len(line))
                _check_utf8(line)
            except WebSocketError:
                if number:
                    events.append(b"\n".join(lines[:number]))
                raise
        if lines:
            events.append(b"\n".join(lines))
        self._check_line(len(message))

    def _check_line(self, length: int) -> None:
        if length > self._line_bytes_max:
            raise WebSocketError(MESSAGE_TOO_BIG, f"a line over {self._line_bytes_max} bytes")

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
                    self._message = bytearray()
                if self._fragment_opcode == TEXT and (
                    self._long is not None or len(self._message) + len(payload) > self._line_bytes_max
                ):
                    self._long = self._long or _Long()
                    self._take_lines(self._long, payload, events, is_last=first >= 0x80)
                    return False
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
