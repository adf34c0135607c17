"""A plain client of `/events`, which does what a browser's EventSource does: reads, and resumes with Last-Event-ID."""

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

from tests.e2e.server import Server, wait_until


class Event(NamedTuple):
    name: str  # "message" unless the server names it
    id: str | None
    data: Any


class EventStream:
    """Events of some channels, over as many connections as it takes. `follow` runs in a thread of its own."""

    def __init__(self, server: Server, *channels: str, user: str = "bob", last_id: str | None = None) -> None:
        self._server = server
        self._path = "/events?" + "&".join(f"channel={quote(channel)}" for channel in channels)
        self._user = user
        self._ending = threading.Event()
        self._may_connect = threading.Event()
        self._may_connect.set()
        self._socket: socket.socket | None = None
        self.last_id = last_id
        self.events: list[Event] = []
        self.comments = 0
        self.connects = 0
        self.refused: tuple[int, Any] | None = None

    @property
    def offsets(self) -> list[int]:
        """Of durable publications, in the order of arrival."""
        return [event.data["offset"] for event in self.events if event.name == "message" and "offset" in event.data]

    @property
    def views(self) -> int:
        return sum(event.name == "view" for event in self.events)

    def follow(self) -> None:
        """Until `end`; comes back whenever the server goes, and stops for good when it is refused."""
        while not self._ending.is_set():
            self._may_connect.wait()
            try:
                for event in self._connect_once():
                    self.events.append(event)
            except (OSError, http.client.HTTPException, ValueError, AttributeError):
                pass  # closed, by the server or by `end`
            if self.refused is not None:
                return
            self._ending.wait(0.05)

    def _connect_once(self) -> Iterator[Event]:
        connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=60)
        headers = {"Accept": "text/event-stream", "X-Greenroom-User": self._user}
        if self.last_id is not None:
            headers["Last-Event-ID"] = self.last_id
        try:
            connection.request("GET", self._path, headers=headers)
            answer = connection.getresponse()
            if answer.status != 200:
                self.refused = (answer.status, json.loads(answer.read() or b"null"))
                return
            assert answer.getheader("content-type", "").startswith("text/event-stream")
            self._socket = connection.sock or answer.fp.raw._sock  # type: ignore[attr-defined]
            self.connects += 1
            yield from self._read(answer)
        finally:
            self._socket = None
            connection.close()

    def _read(self, answer: http.client.HTTPResponse) -> Iterator[Event]:
        """By the rules of the HTML standard, as far as a server may use them."""
        name, new_id = "message", self.last_id
        data: list[str] = []
        for line in answer:
            if not line.endswith(b"\n"):
                return  # cut off: an event counts only once its empty line is there
            text = line.decode().rstrip("\r\n")
            if not text:
                self.last_id = new_id
                if data:
                    yield Event(name, new_id, json.loads("\n".join(data)))
                name, data = "message", []
            elif text.startswith(":"):
                self.comments += 1
            else:
                field, _, value = text.partition(":")
                value = value.removeprefix(" ")
                if field == "event":
                    name = value
                elif field == "data":
                    data.append(value)
                elif field == "id":
                    new_id = value

    def until_offset(self, offset: int, *, within_s: float = 30.0) -> None:
        wait_until(lambda: self.offsets[-1:] == [offset], f"offset {offset} on the stream", within_s=within_s)

    def cut(self, *, hold: bool = False) -> None:
        """The connection is lost: `follow` makes another; with `hold`, once `go_on` is called."""
        if hold:
            self._may_connect.clear()
        sock = self._socket
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def go_on(self) -> None:
        self._may_connect.set()

    def end_soon(self) -> None:
        """Let `follow` return."""
        self._ending.set()
        self._may_connect.set()
        self.cut()


class Following:
    """`with Following(stream):` follows it in a thread."""

    def __init__(self, stream: EventStream) -> None:
        self._stream = stream
        self._thread = threading.Thread(target=stream.follow, daemon=True)

    def __enter__(self) -> EventStream:
        self._thread.start()
        return self._stream

    def __exit__(self, *_: object) -> None:
        deadline = time.monotonic() + 10.0
        while self._thread.is_alive() and time.monotonic() < deadline:
            self._stream.end_soon()  # again: it may be between two connections
            self._thread.join(0.1)
        assert not self._thread.is_alive()
