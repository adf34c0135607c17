"""A receiver of webhooks on loopback, which answers as it is told to."""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import trio


class Received:
    def __init__(self, headers: dict[str, str], body: bytes) -> None:
        self.headers = headers
        self.body = body
        self.sent: Any = msgspec.json.decode(body)

    @property
    def positions(self) -> list[tuple[str, int]]:
        return [(one["entity"], one["offset"]) for one in self.sent.get("events", [])]


class Receiver:
    """`answers`: heads to be answered with, in turn, then 200; b"" ends the connection, None lets it wait for ever."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/hooks?a=b"
        self.answers: deque[bytes | None] = deque()
        self.requests: list[Received] = []
        self.connections = 0
        self.taken: list[tuple[str, int]] = []  # of requests that were answered with 200

    async def serve(self, stream: trio.abc.Stream) -> None:
        self.connections += 1
        data = b""
        async with stream:
            while True:
                while b"\r\n\r\n" not in data:
                    more = await stream.receive_some()
                    if not more:
                        return
                    data += more
                head, _, data = data.partition(b"\r\n\r\n")
                lines = head.decode().split("\r\n")
                assert lines[0] == "POST /hooks?a=b HTTP/1.1"
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
                while len(data) < int(headers["content-length"]):
                    data += await stream.receive_some()
                size = int(headers["content-length"])
                received = Received(headers, data[:size])
                data = data[size:]
                self.requests.append(received)
                answer = self.answers.popleft() if self.answers else ok()
                if answer is None:
                    await trio.sleep_forever()
                if not answer:
                    return
                if answer.startswith(b"HTTP/1.1 2"):
                    self.taken += received.positions
                await stream.send_all(answer)


def ok() -> bytes:
    return answer(200)


def answer(status: int, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", "content-length: 2", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n{}"


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    made = Receiver(listener.socket.getsockname()[1])
    async with trio.open_nursery() as nursery:  # owner: this call
        nursery.start_soon(trio.serve_listeners, made.serve, [listener])
        yield made
        nursery.cancel_scope.cancel()
