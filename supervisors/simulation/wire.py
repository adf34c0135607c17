"""Simulated wires: frames in order, each after a while, until the connection breaks; then what was on its way is gone.

`Carrier` is the node's end: what a WebSocket connection is to a session, in memory.
"""

from collections import deque
from collections.abc import Callable
from random import Random

import trio

from greenroom.transports.client.codes import SLOW
from greenroom.transports.client.session import ClientSession
from greenroom.transports.services import Services

SOCKET_BYTES = 16_384  # bytes that are on their way or in the kernels' buffers before a sender has to queue
HEADER_WIDE = 126  # a frame's length byte says from here on that its size follows


class Broken(Exception):
    """The connection is gone."""


class Pipe:
    """One direction, read by one task."""

    def __init__(self, draw: Random, latency_s: float) -> None:
        self._draw = draw
        self._latency_s = latency_s
        self._frames: deque[tuple[float, bytes]] = deque()
        self._arrives_at = 0.0
        self._woken = trio.Event()
        self.bytes = 0  # bytes on their way or unread
        self.broken = False
        self.closed: tuple[int, str] | None = None  # said by the sender, behind its last frame
        self._paused = False

    def put(self, frame: bytes) -> None:
        if self.broken or self.closed is not None:
            return
        self._arrives_at = max(self._arrives_at, trio.current_time() + self._draw.uniform(0.0, self._latency_s))
        self._frames.append((self._arrives_at, frame))
        self.bytes += len(frame)
        self._woken.set()

    def close(self, code: int, reason: str) -> None:
        if self.closed is None:
            self.closed = code, reason
            self._woken.set()

    def sever(self) -> None:
        self.broken = True
        self._frames.clear()
        self._woken.set()

    def pause(self) -> None:
        """Whoever reads gets nothing for now."""
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        self._woken.set()

    async def get(self) -> list[bytes]:
        """All that has arrived, at least one frame; [] once the sender has closed. Raises: Broken."""
        while True:
            if self.broken:
                await trio.lowlevel.checkpoint()
                raise Broken
            if self._paused:
                self._woken = trio.Event()
                await self._woken.wait()
                continue
            frames = self._frames
            if frames:
                await trio.sleep_until(frames[0][0])
                if not frames:
                    continue  # severed meanwhile
                now = trio.current_time()
                arrived = []
                while frames and frames[0][0] <= now:
                    arrived.append(frames.popleft()[1])
                self.bytes -= sum(map(len, arrived))
                return arrived
            if self.closed is not None:
                await trio.lowlevel.checkpoint()
                return []
            self._woken = trio.Event()
            await self._woken.wait()


class Connection:
    """Both directions."""

    def __init__(self, draw: Random, latency_s: float, number: int) -> None:
        self.number = number
        self.up = Pipe(draw, latency_s)
        self.down = Pipe(draw, latency_s)

    @property
    def broken(self) -> bool:
        return self.down.broken

    def sever(self) -> None:
        self.up.sever()
        self.down.sever()


class Carrier:
    """Under a session: puts what the session says on the wire, and ends sessions whose peer does not read."""

    def __init__(self, services: Services, connection: Connection) -> None:
        self._connection = connection
        self._bytes_max = SOCKET_BYTES + services.client.queue_bytes_max
        self.session = ClientSession(services, self)

    def send_json(self, reply: bytes) -> None:
        self._connection.down.put(reply)
        if self._connection.down.bytes > self._bytes_max and not self.session.closed:
            self.session.services.instruments.slow_disconnects += 1
            self.session.disconnect(SLOW)

    def send_pushes(self, frame: bytes) -> None:
        for text in texts_of(frame):
            self.send_json(text)

    def send_ephemeral(self, frame: bytes, key: str) -> None:
        self.send_pushes(frame)

    def disconnect(self, code: int, reason: str) -> None:
        self._connection.down.close(code, reason)

    @property
    def blocked(self) -> bool:
        return False

    def when_taken(self, call: Callable[[], None]) -> None:
        raise NotImplementedError("nothing is ever blocked here")

    def pause(self) -> None:
        self._connection.up.pause()

    def resume(self) -> None:
        self._connection.up.resume()


def texts_of(frames: bytes) -> list[bytes]:
    """The payloads of unmasked WebSocket frames."""
    texts = []
    while frames:
        size, at = frames[1], 2
        if size >= HEADER_WIDE:
            wide = 2 if size == HEADER_WIDE else 8
            size, at = int.from_bytes(frames[2 : 2 + wide], "big"), 2 + wide
        texts.append(frames[at : at + size])
        frames = frames[at + size :]
    return texts
