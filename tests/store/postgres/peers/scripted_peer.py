"""A peer that speaks as much of Postgres's protocol as a prepared statement needs, and answers as a script says."""

import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import trio


def message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def problem(severity: str, code: str) -> bytes:
    """An ErrorResponse."""
    fields = (("S", severity), ("V", severity), ("C", code), ("M", "as the script says"))
    return message(b"E", b"".join(name.encode() + value.encode() + b"\0" for name, value in fields) + b"\0")


def status(name: str, value: str) -> bytes:
    return message(b"S", f"{name}\0{value}\0".encode())


READY = message(b"Z", b"I")
DONE = message(b"C", b"SELECT 1\0") + READY
GREETING = message(b"R", struct.pack("!i", 0)) + status("server_version", "18.0") + message(b"K", bytes(8)) + READY
INT4 = 23
COLUMN = message(b"T", struct.pack("!h", 1) + b"number\0" + struct.pack("!ihihih", 0, 0, INT4, 4, -1, 1))
PREPARED = message(b"1") + message(b"t", struct.pack("!hi", 1, INT4)) + COLUMN


def row(value: bytes) -> bytes:
    return message(b"D", struct.pack("!hi", 1, len(value)) + value)


def answer(value: bytes) -> bytes:
    """The whole of what is said to a statement that is given `value` and gives it back."""
    return message(b"2") + row(value) + DONE


class Peer:
    """One session of it, from the server's side."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._read = b""

    async def say(self, *parts: bytes) -> None:
        """Each by itself: the next one once all who read have gone to sleep."""
        for part in parts:
            await self.stream.send_all(part)
            if len(parts) > 1:
                await trio.testing.wait_all_tasks_blocked()

    async def take(self, size: int) -> bytes:
        while len(self._read) < size:
            more = await self.stream.receive_some()
            if not more:
                raise EOFError
            self._read += more
        taken, self._read = self._read[:size], self._read[size:]
        return taken

    async def take_message(self) -> tuple[bytes, bytes]:
        kind, size = struct.unpack("!ci", await self.take(5))
        return kind, await self.take(size - 4)


Script = Callable[[Peer, bytes], Awaitable[None]]


async def _serve(stream: trio.SocketStream, script: Script) -> None:
    peer = Peer(stream)
    value = b""
    try:
        async with stream:
            await peer.take(struct.unpack("!i", await peer.take(4))[0] - 4)
            await peer.say(GREETING)
            while True:
                kind, body = await peer.take_message()
                match kind:
                    case b"Q":
                        await peer.say(message(b"C", body.split(b" ")[0].strip(b"\0") + b"\0") + READY)
                    case b"H":
                        await peer.say(PREPARED)
                    case b"B":
                        given = body.split(b"\0", 2)[2]
                        size = struct.unpack("!i", given[6:10])[0]
                        value = given[10 : 10 + size]
                    case b"S":
                        await script(peer, value)
                    case b"X":
                        return
    except (EOFError, trio.BrokenResourceError, trio.ClosedResourceError):
        pass


@asynccontextmanager
async def scripted(script: Script) -> AsyncIterator[str]:
    """Its address. `script` is given what each statement was given, and says the answer."""

    async def serve(stream: trio.SocketStream) -> None:
        await _serve(stream, script)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, serve, 0)
        port = listeners[0].socket.getsockname()[1]
        yield f"postgresql://greenroom@127.0.0.1:{port}/greenroom?sslmode=disable"
        nursery.cancel_scope.cancel()
