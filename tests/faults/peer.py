"""A peer that sends whatever bytes a test wants, and reads what comes back. Blocking, with a deadline on every wait."""

import contextlib
import json
import os
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from tests.e2e.server import Server

WAIT_S = 15.0  # the machine may be busy with other tests
HANDSHAKE = (
    b"GET /connection/websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
TEXT, CLOSE = 0x1, 0x8


class Closed(NamedTuple):
    code: int
    reason: str


class Peer:
    """A TCP connection to the server."""

    def __init__(self, server: Server, *, receive_buffer: int | None = None) -> None:
        self.socket = socket.socket()
        if receive_buffer is not None:  # must be set before the connection is made
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(WAIT_S)
        self.socket.connect(("127.0.0.1", server.port))
        self._unread = b""
        self._ids = 0

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def close(self) -> None:
        """Wakes whoever reads, too."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    # Bytes.

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def receive(self, size: int) -> bytes:
        """Exactly so many bytes. Raises: EOFError."""
        while len(self._unread) < size:
            data = self.socket.recv(65_536)
            if not data:
                raise EOFError(self._unread)
            self._unread += data
        taken, self._unread = self._unread[:size], self._unread[size:]
        return taken

    def receive_until(self, end: bytes) -> bytes:
        while end not in self._unread:
            data = self.socket.recv(65_536)
            if not data:
                raise EOFError(self._unread)
            self._unread += data
        taken, _, self._unread = self._unread.partition(end)
        return taken + end

    def rest(self) -> bytes:
        """Everything until the server closes."""
        while True:
            try:
                data = self.socket.recv(65_536)
            except ConnectionResetError:
                data = b""
            if not data:
                taken, self._unread = self._unread, b""
                return taken
            self._unread += data

    # HTTP.

    def answer(self) -> tuple[int, bytes]:
        """The status and body of one response that has a Content-Length."""
        head = self.receive_until(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        length = next(
            (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        return status, self.receive(length)

    # WebSocket.

    def upgrade(self) -> None:
        self.send(HANDSHAKE)
        assert self.receive_until(b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")

    def send_text(self, text: bytes) -> None:
        self.send(frame(0x80 | TEXT, text))

    def command(self, **fields: Any) -> int:
        """Send a command; the id it was given."""
        self._ids += 1
        self.send_text(json.dumps({"id": self._ids, **fields}).encode())
        return self._ids

    def frame(self) -> tuple[int, bytes]:
        """The next frame: its opcode and payload."""
        first, length = self.receive(2)
        assert length < 128, "a server doesn't mask"
        if length == 126:
            length = int.from_bytes(self.receive(2), "big")
        elif length == 127:
            length = int.from_bytes(self.receive(8), "big")
        return first & 0x0F, self.receive(length)

    def messages(self, *, pong: bool = False, within_s: float = WAIT_S) -> Iterator[Any]:
        """Replies and pushes as they come; ends with what the server closes with. Pings are answered with `pong`."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            opcode, payload = self.frame()
            if opcode == CLOSE:
                yield closed(payload)
                return
            for line in payload.split(b"\n"):
                if (message := json.loads(line)) != {}:
                    yield message
                elif pong:
                    self.send_text(b"{}")
        raise AssertionError(f"waited {within_s:g} s in vain for what the test expects")

    def reply(self, command_id: int) -> Any:
        """The reply to a command; what comes before it is dropped."""
        for message in self.messages(pong=True):
            if isinstance(message, Closed):
                raise AssertionError(f"closed with {message}")
            if message.get("id") == command_id:
                return message
        raise AssertionError

    def ask(self, **fields: Any) -> Any:
        return self.reply(self.command(**fields))

    def rpc(self, method: str, **data: Any) -> Any:
        return self.ask(rpc={"method": method, "data": data})

    def end(self) -> Closed:
        """What the server closes with; what comes before it is dropped."""
        *_, last = self.messages()
        assert isinstance(last, Closed)
        return last


def frame(first: int, payload: bytes, *, masked: bool = True) -> bytes:
    bit = 0x80 if masked else 0
    if len(payload) < 126:
        head = bytes([first, bit | len(payload)])
    elif len(payload) < 65_536:
        head = bytes([first, bit | 126]) + struct.pack("!H", len(payload))
    else:
        head = bytes([first, bit | 127]) + struct.pack("!Q", len(payload))
    if not masked:
        return head + payload
    mask = os.urandom(4)
    key = (mask * (len(payload) // 4 + 1))[: len(payload)]
    covered = (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(len(payload), "big")
    return head + mask + covered


def closed(payload: bytes) -> Closed:
    return Closed(int.from_bytes(payload[:2], "big"), payload[2:].decode())


@contextmanager
def upgraded(server: Server, **options: Any) -> Iterator[Peer]:
    """A WebSocket before the connect command."""
    with Peer(server, **options) as peer:
        peer.upgrade()
        yield peer


@contextmanager
def connected(server: Server, user: str = "ann", **options: Any) -> Iterator[Peer]:
    """A client of the client protocol."""
    with upgraded(server, **options) as peer:
        assert "connect" in peer.ask(connect={"data": {"user": user}})
        yield peer


def metric(server: Server, name: str) -> float:
    """The sum of a metric over its labels."""
    body: bytes = server.request("GET", "/metrics").body
    lines = [line for line in body.decode().splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
    assert lines, f"no metric {name}"
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)
