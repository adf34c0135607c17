"""Nchan, publish and subscribe inside nginx: messages are posted over HTTP, subscribers listen on a WebSocket.

There is no protocol around a message: the address names the channel, and a frame is the message. So nothing says hello,
and what arrives is what was posted.
"""

import os
import re
import select
import socket
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from bench.load.sending import Send
from bench.peers.started import PeerMissing, inherited, program, started, version
from bench.question import Answer
from bench.questions import fanout
from bench.reporting.sides import Side
from bench.server import Server, free_port

DURABILITY = "not durable: messages are in shared memory, and gone with nginx"
MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")  # where Debian puts it
ANSWERS: dict[str, Callable[..., Answer]] = {"fanout": fanout.answer}
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


def configuration(port: int, *, root: bool) -> str:
    """The configuration file: a worker for each core, nothing logged, messages for those who listen now."""
    return f"""\
load_module {MODULE};
{"user root;" if root else ""}
daemon off;
worker_processes auto;
pid nginx.pid;
error_log stderr error;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  client_body_in_single_buffer on;
  keepalive_requests 1000000000;
  nchan_shared_memory_size 256M;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location = /ready {{ return 200; }}
    location = /publish {{
      nchan_publisher http;
      nchan_channel_id fanout;
      nchan_message_buffer_length 1;
      nchan_message_timeout 5s;
    }}
    location = /subscribe {{
      nchan_subscriber websocket;
      nchan_channel_id fanout;
      nchan_subscriber_first_message newest;
    }}
  }}
}}
"""


def side(bench: str) -> Side:
    """Its side of a benchmark in ANSWERS. Raises: PeerMissing."""
    path = program("nchan", "nginx", remedy="; Debian has it, with Nchan, as libnginx-mod-nchan")
    if not MODULE.exists():
        raise PeerMissing(f"nchan is not installed: there is no {MODULE}; Debian has it as libnginx-mod-nchan")
    return Side(
        "nchan",
        partial(ANSWERS[bench], serve=partial(serve, path), ways=WAYS),
        DURABILITY,
        f"{version(path, '-v')}, a worker a core, published over HTTP, a frame holds the message alone",
    )


@contextmanager
def serve(path: str) -> Iterator[Server]:
    """nginx for one run. Raises: ServerFailed."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="nchan-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        (folder / "nginx.conf").write_text(configuration(port, root=os.geteuid() == 0))
        command = [path, "-p", str(folder), "-c", str(folder / "nginx.conf")]
        with started(command, folder, ("127.0.0.1", port), environment=inherited("NGINX")) as server:
            yield server


def answers(received: bytes) -> tuple[list[int], bytes]:
    """The statuses of the whole responses in `received`, and the unfinished rest.

    Raises: ValueError for what has no length or is not HTTP/1.1.
    """
    statuses = []
    while (end := received.find(b"\r\n\r\n")) >= 0:
        length = _LENGTH.search(received, 0, end + 2)
        if length is None or not received.startswith(b"HTTP/1.1 "):
            raise ValueError(f"not a response with a length: {received[:200]!r}")
        whole = end + 4 + int(length[1])
        if len(received) < whole:
            break
        statuses.append(int(received[9:12]))
        received = received[whole:]
    return statuses, received


class _Poster:
    __slots__ = ("out", "rest", "sock")

    def __init__(self, address: tuple[str, int]) -> None:
        self.sock = socket.create_connection(address, timeout=10.0)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setblocking(False)
        self.out = b""
        self.rest = b""

    def push(self) -> None:
        with suppress(BlockingIOError):
            self.out = self.out[self.sock.send(self.out) :]


class _Posters:
    """Keep-alive connections; a request does not wait for the answer to the one before it."""

    def __init__(self, address: tuple[str, int], send: Send) -> None:
        self.answered = self.acked = 0
        self.errors: Counter[str] = Counter()
        self._address = address
        self._posters: list[_Poster] = []
        self._by_fd: dict[int, _Poster] = {}
        self._epoll = select.epoll()

    def connect(self, count: int) -> None:
        self._posters = [_Poster(self._address) for _ in range(count)]
        self._by_fd = {poster.sock.fileno(): poster for poster in self._posters}
        for fd in self._by_fd:
            self._epoll.register(fd, select.EPOLLIN)

    def publish(self, number: int, text: str) -> None:
        body = f'{{"text":"{text}"}}'
        poster = self._posters[number % len(self._posters)]
        poster.out += f"POST /publish HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        poster.push()

    def turn(self, timeout_s: float) -> int:
        """Take answers. Raises: ConnectionError when nginx has closed a connection."""
        ready = self._epoll.poll(timeout_s)
        for fd, _event in ready:
            poster = self._by_fd[fd]
            data = poster.sock.recv(65_536)
            if not data:
                raise ConnectionError("nginx closed a publisher's connection")
            statuses, poster.rest = answers(poster.rest + data)
            for status in statuses:
                self.answered += 1
                if 200 <= status < 300:
                    self.acked += 1
                else:
                    self.errors[f"status {status}"] += 1
        for poster in self._posters:
            if poster.out:
                poster.push()
        return len(ready)


def _silent(number: int) -> list[dict[str, Any]]:
    return []


WAYS = fanout.Ways("/subscribe", _silent, _Posters)
