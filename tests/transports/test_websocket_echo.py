"""An echo over our gate and codec, asked what conformance suites for RFC 6455 ask: what each byte on a real connection
leads to. What the codec makes of bytes however they are cut is in codecs/test_websocket.py, against an oracle.
"""

import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
import trio

from greenroom.transports.codecs.websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    NO_STATUS,
    PING,
    PONG,
    TEXT,
    Binary,
    Close,
    Event,
    FrameDecoder,
    Ping,
    WebSocketError,
    close_frame,
    frame_header,
    pong_frame,
)
from greenroom.transports.routes import Routes
from greenroom.transports.sockets.connection import Connection
from tests.transports.small_node import Peer, small_node

FIN = 0x80
HELLO = (TEXT, b"hello")
Frame = tuple[int, bytes]  # opcode and payload


class Echo:
    """What it gets it says, as the rules want it to be answered."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._decoder = FrameDecoder(line_bytes_max=64 * 2**20)

    def received(self, data: bytes) -> None:
        try:
            self._answer(self._decoder.feed(data))
        except WebSocketError as error:
            self._answer(error.before)
            self._connection.close_with(close_frame(error.code, error.reason))

    def _answer(self, events: list[Event]) -> None:
        for event in events:
            match event:
                case bytes():
                    self._connection.send(frame_header(TEXT, len(event)) + event)
                case Binary(payload):
                    self._connection.send(frame_header(BINARY, len(payload)) + payload)
                case Ping(payload):
                    self._connection.send(pong_frame(payload))
                case Close(code, reason):
                    self._connection.close_with(close_frame(code, reason))

    def half_closed(self) -> None:
        self._connection.abort()

    def disconnected(self) -> None:
        pass

    def too_slow(self, why: str) -> None:
        pass

    def tick(self, now: float, queue_age_s: float) -> None:
        pass

    busy = False

    def leave(self) -> None:
        pass

    def shut_down(self, again_ms: int) -> None:
        pass


def frame(first: int, payload: bytes = b"", mask: bytes = b"\xa5\x00\xff\x3c") -> bytes:
    """Of a client; `first` is its first byte, right or wrong."""
    header = frame_header(first & 0x0F, len(payload))
    key = int.from_bytes((mask * (len(payload) // 4 + 1))[: len(payload)], "big")
    masked = (int.from_bytes(payload, "big") ^ key).to_bytes(len(payload), "big")
    return bytes((first, header[1] | 0x80)) + header[2:] + mask + masked


def in_fragments(opcode: int, parts: list[bytes], between: bytes = b"") -> bytes:
    frames = [
        frame((FIN if number == len(parts) - 1 else 0) | (CONTINUATION if number else opcode), part)
        for number, part in enumerate(parts)
    ]
    return between.join(frames)


def closing(code: int | None = None, reason: bytes = b"") -> bytes:
    return frame(FIN | CLOSE, b"" if code is None else struct.pack("!H", code) + reason)


@asynccontextmanager
async def echo(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator["Asked"]:
    monkeypatch.setattr(Routes, "open_websocket", lambda self, connection: Echo(connection))
    async with small_node() as node:

        async def connect() -> Peer:
            peer = await node.connect()
            assert (await peer.upgrade()).status == 101
            return peer

        yield Asked(connect)


class Asked:
    def __init__(self, connect: Callable[[], Awaitable[Peer]]) -> None:
        self._connect = connect

    async def __call__(self, sent: bytes | Iterable[bytes], expected: list[Frame], code: int | None = 1000) -> None:
        """On a connection of its own: the frames that come back, and the code of the close frame behind them, None for
        one without. Unless something ends it, we do."""
        peer = await self._connect()
        for piece in [sent] if isinstance(sent, bytes) else sent:
            await peer.send(piece)
        if code == 1000:
            await peer.send(closing(1000))
        found = [await self._frame(peer)]
        while found[-1][0] != CLOSE:
            found.append(await self._frame(peer))
        payload = found.pop()[1]
        assert (found, int.from_bytes(payload[:2], "big") if payload else None) == (expected, code)
        await peer.stream.send_eof()
        assert await peer.ended()

    async def _frame(self, peer: Peer) -> Frame:
        with trio.fail_after(10):  # else one that never comes would be waited for
            return await peer.frame()


def chopped(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


async def test_messages_of_every_length_of_header(monkeypatch: pytest.MonkeyPatch) -> None:
    async with echo(monkeypatch) as ask:
        for opcode in (TEXT, BINARY):
            for size in (0, 125, 126, 127, 128, 65_535, 65_536):
                payload = b"*" * size if opcode == TEXT else b"\xfe" * size
                await ask(frame(FIN | opcode, payload), [(opcode, payload)])
            await ask(chopped(frame(FIN | opcode, b"*" * 65_536), 997), [(opcode, b"*" * 65_536)])


async def test_masks_of_every_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    async with echo(monkeypatch) as ask:
        for mask in (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\0\0\1", b"\1\0\0\0"):
            for size in (1, 2, 3, 4, 5, 511, 512, 513):
                payload = bytes(range(128))[:size] * 2
                await ask(frame(FIN | TEXT, payload, mask), [(TEXT, payload)])


async def test_pings_and_pongs(monkeypatch: pytest.MonkeyPatch) -> None:
    async with echo(monkeypatch) as ask:
        for payload in (b"", b"hello", b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", b"\xfe" * 125):
            await ask(frame(FIN | PING, payload), [(PONG, payload)])
            await ask(chopped(frame(FIN | PING, payload), 1), [(PONG, payload)])
            await ask(frame(FIN | PONG, payload) + frame(FIN | PING, b"after"), [(PONG, b"after")])
        await ask(frame(FIN | PING, b"\xfe" * 126), [], 1002)
        many = [b"payload-%d" % number for number in range(10)]
        sent = b"".join(frame(FIN | PING, one) for one in many)
        await ask(sent, [(PONG, one) for one in many])
        await ask(chopped(sent, 1), [(PONG, one) for one in many])


@pytest.mark.parametrize("bits", range(1, 8))
async def test_reserved_bits_end_it_behind_what_was_good(monkeypatch: pytest.MonkeyPatch, bits: int) -> None:
    async with echo(monkeypatch) as ask:
        good = frame(FIN | TEXT, b"hello")
        for opcode in (TEXT, BINARY, PING, PONG, CLOSE):
            sent = good + frame(FIN | bits << 4 | opcode, b"\x03\xe8") + good
            for size in (len(good), 1, len(sent)):
                await ask(chopped(sent, size), [HELLO], 1002)


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
async def test_reserved_opcodes_end_it_behind_what_was_good(monkeypatch: pytest.MonkeyPatch, opcode: int) -> None:
    async with echo(monkeypatch) as ask:
        good = frame(FIN | TEXT, b"hello")
        for bad in (frame(FIN | opcode), frame(FIN | opcode, b"what"), frame(opcode)):
            await ask(good + bad + frame(FIN | PING), [HELLO], 1002)
            await ask(chopped(good + bad + frame(FIN | PING), 1), [HELLO], 1002)


async def test_fragments(monkeypatch: pytest.MonkeyPatch) -> None:
    ping, pong = frame(FIN | PING, b"in between"), (PONG, b"in between")
    async with echo(monkeypatch) as ask:
        for opcode in (TEXT, BINARY):
            whole = [(opcode, b"onetwothree")]
            parts = [b"one", b"two", b"three"]
            for sent, expected in (
                (in_fragments(opcode, parts), whole),
                (in_fragments(opcode, parts, ping), [pong, pong, *whole]),
                (in_fragments(opcode, parts, frame(FIN | PONG)), whole),
                (in_fragments(opcode, [b"", b"", b""]), [(opcode, b"")]),
                (in_fragments(opcode, [b"", b"one", b""]), [(opcode, b"one")]),
                (in_fragments(opcode, parts) + in_fragments(opcode, parts), whole * 2),
            ):
                await ask(sent, expected)
                await ask(chopped(sent, 1), expected)
        for control in (PING, PONG, CLOSE):
            await ask(frame(control, b"\x03\xe8") + frame(FIN | CONTINUATION, b"x"), [], 1002)
        for bad in (
            frame(FIN | CONTINUATION, b"nothing to continue"),
            frame(CONTINUATION, b"nothing to continue"),
            frame(FIN | TEXT, b"hello") + frame(FIN | CONTINUATION, b"nothing any more"),
            frame(TEXT, b"begun") + frame(FIN | TEXT, b"hello"),
            frame(TEXT, b"begun") + frame(FIN | BINARY, b"hello"),
            frame(TEXT, b"begun") + frame(TEXT, b"hello"),
        ):
            await ask(bad, [HELLO] if bad.startswith(frame(FIN | TEXT, b"hello")) else [], 1002)
        await ask(frame(TEXT, b"begun") + closing(1000), [], 1000)  # a close between fragments is one


VALID = ("κόσμε", "\u0000", "\u007f\u0080\u07ff\u0800\uffff", "\ufffd\ufffe\U0001fffe", "\U00010000\U0010ffff", "é€😀")
INVALID = (
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",  # half of a pair, as in UTF-16
    b"\x80",
    b"\xbf",
    b"\xc0\xaf",  # longer than need be
    b"\xe0\x80\xaf",
    b"\xf0\x80\x80\xaf",
    b"\xf8\x88\x80\x80\x80",  # five bytes
    b"\xf4\x90\x80\x80",  # beyond the last
    b"\xfe",
    b"\xff",
    b"\xc3",  # begun and not ended
    b"\xe2\x82",
    b"\xf0\x9f\x98",
    b"\xed\xbf\xbf",
)


async def test_text_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    async with echo(monkeypatch) as ask:
        for text in VALID:
            payload = text.encode()
            await ask(frame(FIN | TEXT, payload), [(TEXT, payload)])
            for size in (1, 2, 3):
                await ask(in_fragments(TEXT, list(chopped(payload, size))), [(TEXT, payload)])
        for payload in INVALID:
            await ask(frame(FIN | TEXT, payload), [], 1007)
            await ask(in_fragments(TEXT, [b"good: ", *chopped(payload, 1), b""], frame(FIN | PONG)), [], 1007)
            await ask(frame(FIN | BINARY, payload), [(BINARY, payload)])


async def test_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    async with echo(monkeypatch) as ask:
        good = frame(FIN | TEXT, b"hello")
        await ask(good + closing(1000) + closing(1000), [HELLO], 1000)
        await ask(closing(3000) + good + frame(FIN | PING), [], 3000)
        large = b"*" * 2**18
        await ask(frame(FIN | TEXT, large) + closing(3000) + frame(FIN | PING), [(TEXT, large)], 3000)
        await ask(frame(FIN | CLOSE), [], None)
        await ask(frame(FIN | CLOSE, b"\x03"), [], 1002)
        await ask(closing(3000, b"r" * 123), [], 3000)
        await ask(closing(3000, b"r" * 124), [], 1002)
        await ask(closing(3000, "ende €".encode()), [], 3000)
        await ask(closing(3000, b"\xce\xba\xe1\xbd\xb9\xed\xa0\x80"), [], 1007)
        for code in (1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999):
            await ask(closing(code), [], code)
        for code in (0, 999, 1004, NO_STATUS, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535):
            await ask(closing(code), [], 1002)
        await ask(b"\x81\x05hello", [], 1002)  # not masked


async def test_large_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    size = 2**20
    async with echo(monkeypatch) as ask:
        for opcode, unit in ((TEXT, "aé€😀".encode()), (BINARY, bytes(range(256)))):
            payload = unit * (size // len(unit))
            await ask(frame(FIN | opcode, payload), [(opcode, payload)])
            await ask(chopped(frame(FIN | opcode, payload), 1024), [(opcode, payload)])
            for part in (64, 1300, 4096, 2**18):
                short = payload[: part * 64]
                short = short[: len(short) - len(short) % len(unit)]
                borders = [*range(0, len(short), part), len(short)]
                parts = [short[begin:end] for begin, end in pairwise(borders)]
                await ask(in_fragments(opcode, parts), [(opcode, short)])


async def test_many_messages_behind_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    async with echo(monkeypatch) as ask:
        for opcode in (TEXT, BINARY):
            for size in (0, 16, 64, 256, 1024, 4096, 16_384, 65_536):
                payload = b"*" * size
                await ask((frame(FIN | opcode, payload) for _ in range(100)), [(opcode, payload)] * 100)
