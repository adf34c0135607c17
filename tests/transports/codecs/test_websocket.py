"""Our WebSocket codec against wsproto, in both directions, and against the rules of RFC 6455 one by one."""

import struct
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wsproto.frame_protocol import CloseReason, FrameProtocol, Opcode

from greenroom.transports.codecs.websocket import (
    Binary,
    Close,
    Event,
    FrameDecoder,
    Ping,
    Pong,
    WebSocketError,
    close_frame,
    frame_header,
    masked_text_frame,
    pong_frame,
    text_frame,
)

# A busy machine is not a failure.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
MASK = b"\x12\x34\x56\x78"
BYTES_MAX = 100_000


def client_frame(first: int, payload: bytes = b"", *, length: bytes | None = None) -> bytes:
    """A frame with any first byte, right or wrong; `length` overrides the bytes after it (0x80 must be set by hand)."""
    if length is None:
        header = frame_header(first & 0x0F, len(payload))
        length = bytes((header[1] | 0x80,)) + header[2:]
    masked = bytes(byte ^ MASK[index % 4] for index, byte in enumerate(payload))
    return bytes((first,)) + length + MASK + masked


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    borders = sorted({0, len(data), *(at % (len(data) + 1) for at in cuts)})
    return [data[start:end] for start, end in pairwise(borders)]


def decode(chunks: list[bytes], *, bytes_max: int = BYTES_MAX) -> tuple[list[Event], int | None]:
    """All events, and the code of the error that ended them."""
    decoder = FrameDecoder(line_bytes_max=bytes_max)
    events: list[Event] = []
    for chunk in chunks:
        try:
            events += decoder.feed(chunk)
        except WebSocketError as error:
            assert decoder.feed(client_frame(0x81, b"late")) == []
            return events + error.before, error.code
    return events, None


def error_code(data: bytes, *, bytes_max: int = BYTES_MAX) -> int | None:
    whole = decode([data], bytes_max=bytes_max)
    dribbled = decode([data[at : at + 1] for at in range(len(data))], bytes_max=bytes_max)
    assert whole == dribbled
    return whole[1]


# --- frames in: wsproto as the client ---

lengths = st.one_of(
    st.integers(0, 20), st.sampled_from([124, 125, 126, 127, 511, 512, 513, 1_000, 65_535, 65_536, 70_001])
)
cuts = st.lists(st.integers(0, 200_000), max_size=12)
texts = st.one_of(st.text(max_size=300), st.builds(lambda length: "aé€😀"[length % 4] * length, st.integers(0, 9_000)))
payloads = st.one_of(st.binary(max_size=200), lengths.map(lambda length: Random(length).randbytes(length)))
controls = st.tuples(st.sampled_from(["ping", "pong"]), st.binary(max_size=125))


@st.composite
def conversations(draw: st.DrawFn) -> tuple[bytes, list[Event]]:
    """What a wsproto client sends, messages in fragments with control frames between them, and what it means."""
    client = FrameProtocol(client=True, extensions=[])
    sent = bytearray()
    expected: list[Event] = []

    def control(kind: str, payload: bytes) -> None:
        nonlocal sent
        sent += client.ping(payload) if kind == "ping" else client.pong(payload)
        expected.append(Ping(payload) if kind == "ping" else Pong(payload))

    for _ in range(draw(st.integers(0, 4))):
        message = draw(st.one_of(texts, payloads))
        parts = [message[start:end] for start, end in _pieces(draw, len(message))]
        for index, part in enumerate(parts):
            sent += client.send_data(part, fin=index == len(parts) - 1)
            if index < len(parts) - 1:
                for kind, payload in draw(st.lists(controls, max_size=2)):
                    control(kind, payload)
        expected.append(message.encode() if isinstance(message, str) else Binary(message))
        for kind, payload in draw(st.lists(controls, max_size=1)):
            control(kind, payload)
    if draw(st.booleans()):
        code = draw(st.one_of(st.sampled_from([1000, 1001, 1002, 1003, 1007, 1008, 1011]), st.integers(3000, 4999)))
        reason = draw(st.text(max_size=30))
        sent += client.close(code, reason)
        expected.append(Close(code, reason))
    return bytes(sent), expected


def _pieces(draw: st.DrawFn, length: int) -> list[tuple[int, int]]:
    borders = [0, *sorted(draw(st.lists(st.integers(0, length), max_size=4))), length]
    return list(pairwise(borders))


@unhurried
@given(conversations(), cuts)
def test_a_wsproto_client_is_understood_however_its_bytes_are_cut(
    conversation: tuple[bytes, list[Event]], cuts: list[int]
) -> None:
    data, expected = conversation
    assert decode(cut(data, cuts)) == (expected, None)


@unhurried
@given(texts, cuts)
def test_fragments_may_split_a_character(text: str, cuts: list[int]) -> None:
    payload = text.encode()
    parts = cut(payload, cuts) or [b""]
    frames = [
        client_frame((0x80 if index == len(parts) - 1 else 0) | (0 if index else 1), part)
        for index, part in enumerate(parts)
    ]
    assert decode([b"".join(frames)]) == ([payload], None)


codes = st.one_of(st.integers(990, 1011), st.integers(2990, 5010)).map(lambda code: struct.pack("!H", code))
ascii_payloads = st.text("ab", max_size=140).map(str.encode)
# Mostly right, so that sequences get somewhere; the text is ASCII because wsproto refuses bad UTF-8 inside a fragment
# and we at the end of the message.
frames_of_any_kind = st.one_of(
    st.tuples(st.sampled_from([0x81, 0x82, 0x01, 0x00, 0x80, 0x89, 0x8A]), ascii_payloads),
    st.tuples(st.just(0x88), st.one_of(st.just(b""), st.builds(bytes.__add__, codes, ascii_payloads))),
    st.tuples(st.integers(0, 255), ascii_payloads),
)


@unhurried
@given(st.lists(frames_of_any_kind, max_size=8), cuts)
def test_what_wsproto_refuses_we_refuse_and_nothing_else(frames: list[tuple[int, bytes]], cuts: list[int]) -> None:
    data = b"".join(client_frame(first, payload) for first, payload in frames)
    events, code = decode(cut(data, cuts))
    assert (events, code is not None) == wsproto_decode(data)


def wsproto_decode(data: bytes) -> tuple[list[Event], bool]:
    server = FrameProtocol(client=False, extensions=[])
    events: list[Event] = []
    message: list[bytes] = []
    binary = False
    try:
        server.receive_bytes(data)
        for frame in server.received_frames():
            payload: Any = frame.payload
            match frame.opcode:
                case Opcode.PING:
                    events.append(Ping(bytes(payload)))
                case Opcode.PONG:
                    events.append(Pong(bytes(payload)))
                case Opcode.CLOSE:
                    events.append(Close(int(payload[0]), payload[1] or ""))
                    return events, False
                case _:
                    binary = frame.opcode == Opcode.BINARY
                    message.append(payload.encode() if isinstance(payload, str) else bytes(payload))
                    if frame.message_finished:
                        whole = b"".join(message)
                        events.append(Binary(whole) if binary else whole)
                        message.clear()
    except Exception:
        return events, True
    return events, False


@unhurried
@given(st.binary(max_size=400), cuts)
def test_garbage_raises_nothing_but_websocket_errors(data: bytes, cuts: list[int]) -> None:
    assert decode(cut(data, cuts), bytes_max=300) == decode([data], bytes_max=300)


@unhurried
@given(conversations(), st.integers(0, 10**6), st.integers(1, 255), cuts)
def test_a_damaged_byte_raises_nothing_but_websocket_errors(
    conversation: tuple[bytes, list[Event]], at: int, flip: int, cuts: list[int]
) -> None:
    data = bytearray(conversation[0] or b"\x81\x80aaaa")
    data[at % len(data)] ^= flip
    assert decode(cut(bytes(data), cuts)) == decode([bytes(data)])


# --- frames in: the rules, one by one ---


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (text_frame(b"unmasked"), 1002),
        (b"\x81\x00", 1002),
        (client_frame(0xC1, b"rsv1"), 1002),
        (client_frame(0x91, b"rsv3"), 1002),
        (client_frame(0x83, b"opcode 3"), 1002),
        (client_frame(0x8B, b"opcode 11"), 1002),
        (client_frame(0x09, b"fragmented ping"), 1002),
        (client_frame(0x89, b"x" * 126), 1002),
        (client_frame(0x80, b"nothing to continue"), 1002),
        (client_frame(0x01, b"a") + client_frame(0x81, b"b"), 1002),
        (client_frame(0x01, b"a") + client_frame(0x82, b"b"), 1002),
        (client_frame(0x81, b"x" * 125, length=b"\xfe\x00\x7d"), 1002),
        (client_frame(0x81, b"x" * 126, length=b"\xff" + struct.pack("!Q", 126)), 1002),
        (client_frame(0x81, length=b"\xff" + struct.pack("!Q", 1 << 63)), 1002),
        (client_frame(0x88, b"\x03"), 1002),
        *((client_frame(0x88, struct.pack("!H", bad)), 1002) for bad in (0, 999, 1004, 1005, 1006, 1015, 2999, 5000)),
        (client_frame(0x88, b"\x03\xe8\xff"), 1007),
        (client_frame(0x81, b"\xc3"), 1007),
        (client_frame(0x81, "\ud800".encode(errors="surrogatepass")), 1007),
        (client_frame(0x01, b"\xc3") + client_frame(0x80, b"("), 1007),
        (client_frame(0x01, b"\xc3") + client_frame(0x80, b"\xa4"), None),
        (client_frame(0x82, b"\xff"), None),
    ],
)
def test_each_rule_has_its_close_code(data: bytes, code: int | None) -> None:
    assert error_code(data) == code


def test_too_big_is_told_by_the_header_before_anything_is_buffered() -> None:
    for header in (b"\x82\xfe\x00\xc9", b"\x82\xff" + struct.pack("!Q", 1 << 40)):
        assert error_code(header, bytes_max=200) == 1009
    for first in (0x81, 0x82):
        assert error_code(client_frame(first, b"x" * 200), bytes_max=200) is None


def test_fragments_add_up_to_the_bound_and_control_frames_do_not_count() -> None:
    for first in (0x01, 0x02):
        parts = client_frame(first, b"x" * 150) + client_frame(0x89, b"p" * 125)
        assert error_code(parts + client_frame(0x80, b"x" * 50), bytes_max=200) is None
        assert error_code(parts + client_frame(0x80, b"x" * 51), bytes_max=200) == 1009
    assert error_code(parts + client_frame(0x80, b"x" * 51)[:2], bytes_max=200) == 1009, "by the header"


# --- frames in: text that is longer than a line may be ---


def lines_of(events: list[Event]) -> list[bytes]:
    return [line for event in events if isinstance(event, bytes) for line in event.split(b"\n") if line.strip()]


def test_of_a_long_message_every_line_comes_whole_and_what_is_kept_is_one() -> None:
    lines = [b"%d" % number * 50 for number in range(400)]
    decoder = FrameDecoder(line_bytes_max=200)
    frame = masked_text_frame(b"\n".join(lines) + b"\n", MASK)
    found: list[Event] = []
    for at in range(0, len(frame), 331):
        found += decoder.feed(frame[at : at + 331])
        assert len(decoder._message or b"") <= 200
        assert decoder._rest is None
    assert lines_of(found) == lines
    assert (decoder._message, decoder._long) == (None, None)
    assert decoder.feed(client_frame(0x81, b"next")) == [b"next"]


def test_what_breaks_the_rules_in_a_long_message_comes_behind_the_lines_before_it() -> None:
    good = b"a" * 150 + b"\n" + b"b" * 150 + b"\n"
    for bad, code in ((b"x" * 201, 1009), (b"x" * 201 + b"\nc", 1009), (b"\xff\nc", 1007), (b"\xff", 1007)):
        for frames in (
            [client_frame(0x81, good + bad)],
            [client_frame(0x01, good), client_frame(0x80, bad)],
            [client_frame(0x01, good[:180]), client_frame(0x89), client_frame(0x80, good[180:] + bad)],
        ):
            data = b"".join(frames)
            for size in (1, 7, 1000):
                events, found = decode([data[at : at + size] for at in range(0, len(data), size)], bytes_max=200)
                assert found == code
                assert lines_of(events) == good.split(), (bad, size)


@unhurried
@given(st.lists(st.text(st.characters(exclude_characters="\n", codec="utf-8"), max_size=12), max_size=12), cuts, cuts)
def test_long_text_is_the_same_lines_however_it_is_fragmented_and_cut(
    lines: list[str], fragments: list[int], cuts: list[int]
) -> None:
    payload = "\n".join(lines).encode()
    parts = cut(payload, fragments) or [b""]
    frames = [
        client_frame((0x80 if index == len(parts) - 1 else 0) | (0 if index else 1), part) + client_frame(0x89, b"p")
        for index, part in enumerate(parts)
    ]
    events, code = decode(cut(b"".join(frames), cuts), bytes_max=48)
    assert code is None
    assert lines_of(events) == [line for line in payload.split(b"\n") if line.strip()]
    assert events.count(Ping(b"p")) == len(parts)


def test_every_length_on_both_sides_of_the_borders() -> None:
    """Of the header's three forms, and of the two ways to unmask."""
    for length in (*range(1_100), *range(65_530, 65_540)):
        payload = bytes(index % 128 for index in range(length))
        frame = masked_text_frame(payload, MASK)
        assert frame == client_frame(0x81, payload)
        assert FrameDecoder(line_bytes_max=length).feed(frame + frame) == [payload, payload]


def test_events_before_an_error_are_not_lost() -> None:
    events, code = decode([client_frame(0x81, b"good") + client_frame(0x8A, b"pong") + text_frame(b"bad")])
    assert (events, code) == ([b"good", Pong(b"pong")], 1002)


def test_nothing_follows_a_close() -> None:
    decoder = FrameDecoder(line_bytes_max=100)
    goodbye = client_frame(0x88, b"\x03\xe8bye")
    assert decoder.feed(goodbye + client_frame(0x81, b"more")) == [Close(1000, "bye")]
    assert decoder.feed(b"anything") == []
    assert decode([client_frame(0x88)]) == ([Close(1005, "")], None)


def test_an_idle_decoder_holds_no_buffers() -> None:
    decoder = FrameDecoder(line_bytes_max=1_000)
    frame = client_frame(0x01, b"a" * 200) + client_frame(0x80, b"b" * 200)
    for chunk in (frame[:3], frame[3:250], frame[250:]):
        decoder.feed(memoryview(chunk))
    assert decoder._rest is None
    assert decoder._message is None


# --- frames out: wsproto as the client that reads ---


@unhurried
@given(texts, st.binary(max_size=125), st.text(max_size=200))
def test_a_wsproto_client_understands_our_frames(text: str, ping: bytes, reason: str) -> None:
    client = FrameProtocol(client=True, extensions=[])
    client.receive_bytes(text_frame(text.encode()) + pong_frame(ping) + close_frame(3501, reason))
    got = list(client.received_frames())
    assert [frame.opcode for frame in got] == [Opcode.TEXT, Opcode.PONG, Opcode.CLOSE]
    assert [frame.payload for frame in got[:2]] == [text, ping]
    ending: Any = got[2].payload
    code, their_reason = ending
    assert code == 3501
    assert len((their_reason or "").encode()) <= 123
    assert reason.startswith(their_reason or "")
    assert their_reason == reason or len(reason.encode()) > 123


@unhurried
@given(payloads, st.binary(min_size=4, max_size=4))
def test_our_client_frames_are_what_our_server_reads(payload: bytes, mask: bytes) -> None:
    text = payload.decode("latin-1").encode()
    assert decode([masked_text_frame(text, mask)], bytes_max=200_000) == ([text], None)


def test_a_long_reason_is_cut_at_a_character() -> None:
    assert close_frame(3000, "€" * 60)[2:] == b"\x0b\xb8" + ("€" * 41).encode()


def test_a_close_without_a_code_is_echoed_without_one() -> None:
    assert close_frame(1005) == b"\x88\x00"
    client = FrameProtocol(client=True, extensions=[])
    client.receive_bytes(close_frame(1005))
    assert next(iter(client.received_frames())).payload[0] == CloseReason.NO_STATUS_RCVD


def test_frames_that_must_not_be_sent_are_our_own_mistake() -> None:
    for code in (0, 999, 1004, 1006, 1015, 5000):
        with pytest.raises(ValueError, match="must not be sent"):
            close_frame(code)
    with pytest.raises(ValueError, match="at most 125"):
        pong_frame(b"x" * 126)
