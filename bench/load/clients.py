"""Thousands of client connections on one epoll in one process: raw sockets, no framework, no task per connection.

A generator must cost less than what it measures. So there are no futures and no buffers per connection: one `recv` per
wake-up, whole buffers cut into frames, and a subclass that looks at each payload once (`on_payload`).
Linux only: epoll, and several loopback addresses to have ports enough.
"""

import errno
import json
import random
import select
import socket
import time
from collections import deque
from collections.abc import Iterable
from typing import Any

from bench.load import frames
from bench.load.frames import ServerClosed

IDLE, CONNECTING, UPGRADING, JOINING, LIVE, DOWN = range(6)
_IN, _OUT = select.EPOLLIN, select.EPOLLOUT
_PONG = frames.text(frames.PING)
_RECV_BYTES = 65_536
_BIND_ADDRESS_NO_PORT = 24  # IP_BIND_ADDRESS_NO_PORT: choose the port at connect, so that both ends tell it apart
_SOURCES = 16  # loopback addresses; each adds some 28,000 ports
_DROP = b"\x01\x00\x00\x00\x00\x00\x00\x00"  # SO_LINGER on, 0 s: closing resets, and leaves no port in TIME_WAIT


class Client:
    """One connection. `hello` is sent when the socket is a WebSocket; `wanted` replies later it is live.

    Without a hello it is live at once: of some servers, the address says what one hears.
    """

    __slots__ = (
        "attempts",
        "early",
        "fd",
        "hello",
        "index",
        "out",
        "replies",
        "rest",
        "sock",
        "stage",
        "state",
        "wanted",
    )

    def __init__(self, index: int, hello: list[dict[str, Any]], state: Any = None) -> None:
        """`hello`: commands with their ids, a connect first. `state`: whatever the benchmark keeps per client."""
        self.index = index
        self.state = state
        self.greet(hello)
        self.sock: socket.socket | None = None
        self.fd = -1
        self.stage = IDLE
        self.rest = b""
        self.out = b""
        self.attempts = 0
        self.replies: dict[int, dict[str, Any]] = {}
        self.early: list[bytes] = []  # lines that came with the last of the replies

    def greet(self, hello: list[dict[str, Any]]) -> None:
        """What to send at the next connect."""
        self.hello = frames.text(b"\n".join(json.dumps(command, separators=(",", ":")).encode() for command in hello))
        self.wanted = len(hello)


class Refused(Exception):
    """The server answered a hello with an error that trying again will not change."""


class Clients:
    """The connections of one process. Subclasses say what happens when one is live, speaks, or goes down."""

    def __init__(self, address: tuple[str, int], *, window: int, path: str = frames.PATH) -> None:
        """`window`: how many may be on their way from SYN to the last reply of their hello at once."""
        self._address = address
        self._window = window
        self._upgrade = frames.upgrade(f"{address[0]}:{address[1]}", path)
        self._epoll = select.epoll()
        self._by_fd: dict[int, Client] = {}
        self._waiting: deque[Client] = deque()
        self._later: list[tuple[float, Client]] = []
        self._opening = 0
        self.live = 0
        self.retries = 0
        self.first_syn_ns = 0
        self.last_live_ns = 0

    # What a benchmark decides.

    def on_live(self, client: Client) -> None:
        """The hello was answered: `client.replies`, and in `client.early` the lines that came behind."""

    def on_payload(self, client: Client, payload: bytes, now_ns: int) -> None:
        """A frame from a live client: lines joined by newlines. Pings have been answered."""

    def on_down(self, client: Client, why: ServerClosed) -> None:
        """A live client was disconnected by the server."""

    def address_of(self, client: Client) -> tuple[str, int]:
        """Where it connects, asked once before each attempt."""
        return self._address

    # Opening and closing.

    def open(self, clients: Iterable[Client]) -> None:
        """Connect these as the window allows; `turn` does the work."""
        self._waiting.extend(clients)

    def drop(self, client: Client) -> None:
        """Reset the connection, as when a network goes away."""
        if client.sock is not None:
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DROP)
        self._close(client)

    def open_all(self, clients: list[Client], *, within_s: float) -> None:
        """Connect these and return when all are live. Raises: TimeoutError, Refused."""
        before = self.live
        self.open(clients)
        deadline = time.monotonic() + within_s
        while self.live < before + len(clients):
            self.turn(0.1)
            if time.monotonic() > deadline:
                missing = before + len(clients) - self.live
                raise TimeoutError(f"{missing} of {len(clients)} clients were not connected within {within_s:.0f} s")

    # Sending.

    def send(self, client: Client, frame: bytes) -> None:
        """Hand a frame to the socket; what it does not take waits, in order."""
        if client.out:
            client.out += frame
            return
        if client.sock is None:
            return
        try:
            sent = client.sock.send(frame)
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # the next poll reports the connection's end
        if sent < len(frame):
            client.out = frame[sent:]
            self._epoll.modify(client.fd, _IN | _OUT)

    # One turn of the loop.

    def turn(self, timeout_s: float) -> int:
        """Wait for sockets, at most `timeout_s`, and serve them; gives how many there were."""
        if self._waiting or self._later:
            self._start_more()
        ready = self._epoll.poll(timeout_s)
        by_fd, clock = self._by_fd, time.perf_counter_ns
        for fd, event in ready:
            client = by_fd.get(fd)
            if client is None:
                continue
            if client.stage != LIVE:
                self._advance(client)
                continue
            if event & _OUT:
                self._flush(client)
            if event == _OUT:
                continue
            try:
                data = client.sock.recv(_RECV_BYTES)  # type: ignore[union-attr]
            except BlockingIOError:
                continue
            except OSError:
                data = b""
            now_ns = clock()
            if not data:
                self._ended(client, ServerClosed(1006, "connection lost"))
                continue
            if client.rest:
                data = client.rest + data
            payloads, client.rest, closed = frames.split(data)
            for payload in payloads:
                if payload == frames.PING:
                    self.send(client, _PONG)
                else:
                    self.on_payload(client, payload, now_ns)
            if closed is not None:
                self._ended(client, closed)
        return len(ready)

    def _start_more(self) -> None:
        if self._later:
            now = time.monotonic()
            self._waiting.extend(client for at, client in self._later if at <= now)
            self._later = [(at, client) for at, client in self._later if at > now]
        while self._waiting and self._opening < self._window:
            self._connect(self._waiting.popleft())

    def _connect(self, client: Client) -> None:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        address = self.address_of(client)
        if address[0].startswith("127."):
            sock.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
            sock.bind((f"127.0.0.{2 + client.index % _SOURCES}", 0))
        if not self.first_syn_ns:
            self.first_syn_ns = time.perf_counter_ns()
        self._opening += 1
        client.sock, client.fd, client.stage = sock, sock.fileno(), CONNECTING
        client.rest = client.out = b""
        client.replies = {}
        client.early = []
        self._by_fd[client.fd] = client
        status = sock.connect_ex(address)
        self._epoll.register(client.fd, _OUT)
        if status not in (0, errno.EINPROGRESS):
            self._again(client)

    def _advance(self, client: Client) -> None:
        """A step of a connection that is not live yet. Raises: Refused."""
        sock = client.sock
        assert sock is not None
        try:
            if client.stage == CONNECTING:
                if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    return self._again(client)
                sock.send(self._upgrade)
                client.stage = UPGRADING
                self._epoll.modify(client.fd, _IN)
                return None
            data = sock.recv(_RECV_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            data = b""
        if not data:
            return self._again(client)
        client.rest += data
        if client.stage == UPGRADING:
            head, end, rest = client.rest.partition(b"\r\n\r\n")
            if not end:
                return None
            if not head.startswith(b"HTTP/1.1 101"):
                if head.startswith((b"HTTP/1.1 503", b"HTTP/1.1 429")):
                    return self._again(client)
                raise Refused(f"the upgrade was answered with {head[:200]!r}")
            if frames.ACCEPT not in head:
                raise Refused(f"Sec-WebSocket-Accept is wrong: {head!r}")
            client.rest = rest
            if not client.wanted:
                return self._arrived(client)
            client.stage = JOINING
            self.send(client, client.hello)
        payloads, client.rest, closed = frames.split(client.rest)
        for number, payload in enumerate(payloads):
            lines = payload.split(b"\n")
            for position, line in enumerate(lines):
                if not self._joined(client, line):
                    continue
                client.early = lines[position + 1 :] + [
                    line for later in payloads[number + 1 :] for line in later.split(b"\n")
                ]
                self._arrived(client)
                if closed is not None:
                    self._ended(client, closed)
                return None
            if client.stage != JOINING:
                return None  # an error has sent it to the end of the queue
        if closed is not None:
            if 3500 <= closed.code < 4000 or 4500 <= closed.code < 5000:
                raise Refused(f"closed while connecting: {closed}")
            self._again(client)
        return None

    def _arrived(self, client: Client) -> None:
        client.stage = LIVE
        client.attempts = 0
        self._opening -= 1
        self.live += 1
        self.last_live_ns = time.perf_counter_ns()
        for early in client.early:
            if early == frames.PING:
                self.send(client, _PONG)
        self.on_live(client)

    def _joined(self, client: Client, line: bytes) -> bool:
        """Take one line of a connection that waits for its replies; True when it was the last of them."""
        if line == frames.PING:
            self.send(client, _PONG)
            return False
        reply = json.loads(line)
        number = reply.get("id")
        if number is None:
            client.early.append(line)
            return False
        error = reply.get("error")
        if error:
            if error.get("temporary"):
                self._again(client)
                return False
            raise Refused(f"the hello was answered with {error}")
        client.replies[number] = reply
        return len(client.replies) == client.wanted

    def _again(self, client: Client) -> None:
        """As the SDKs do: back off with jitter, then try again."""
        self._close(client)
        self.retries += 1
        client.attempts += 1
        pause_s = min(2.0, 0.1 * 2**client.attempts) * random.uniform(0.5, 1.0)  # jitter
        self._later.append((time.monotonic() + pause_s, client))

    def _flush(self, client: Client) -> None:
        frame, client.out = client.out, b""
        self._epoll.modify(client.fd, _IN)
        if frame:
            self.send(client, frame)

    def _ended(self, client: Client, why: ServerClosed) -> None:
        self._close(client)
        self.on_down(client, why)

    def _close(self, client: Client) -> None:
        if client.sock is None:
            return
        if client.stage == LIVE:
            self.live -= 1
        else:
            self._opening -= 1
        del self._by_fd[client.fd]
        client.sock.close()  # leaves the epoll by itself
        client.sock, client.fd, client.stage = None, -1, DOWN


def connect_command(user: str) -> dict[str, Any]:
    return {"id": 1, "connect": {"data": {"user": user}, "name": "bench"}}


def subscribe_command(channel: str, *, epoch: str = "", offset: int | None = None) -> dict[str, Any]:
    """`offset`: recover from there; None for a first subscribe."""
    wish: dict[str, Any] = {"channel": channel, "recoverable": True}
    if offset is not None:
        wish |= {"recover": True, "epoch": epoch, "offset": offset}
    return {"id": 2, "subscribe": wish}
