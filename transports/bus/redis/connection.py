"""One connection to Redis: commands go out in one write, their replies come back in order.

The reading of replies is hiredis's. After anything that went wrong a connection is closed, since nobody knows which
replies are still to come.
"""

import socket
from collections.abc import Sequence
from typing import Final, Protocol

import hiredis
import trio

from greenroom.transports.bus.carrier import CarrierLost, Trouble

READ_BYTES: Final = 64 * 1024  # not more: what is above 128 KiB malloc maps, and unmaps, with each read
_NOT_YET: Final = object()
_TROUBLES: Final[dict[str, Trouble]] = {
    "OOM": "full",
    "NOAUTH": "denied",
    "WRONGPASS": "denied",
    "NOPERM": "denied",
    "READONLY": "read_only",
    "LOADING": "away",  # it reads its data
    "MASTERDOWN": "away",
    "CLUSTERDOWN": "away",
    "TRYAGAIN": "away",
    "UNBLOCKED": "away",  # it has become a replica
    "BUSY": "stalled",  # a script runs
}

Sendable = bytes | memoryview
Reply = bytes | int | None | list["Reply"] | hiredis.ReplyError


class Redirected(Exception):
    """The key is at another node of the cluster: `asking`, for now, or else from now on."""

    def __init__(self, host: str, port: int, *, asking: bool) -> None:
        super().__init__(f"to {host}:{port}")
        self.host, self.port, self.asking = host, port, asking


def refusal_of(error: hiredis.ReplyError) -> CarrierLost | Redirected:
    """What an error of Redis means for us."""
    text = str(error)
    word, _, rest = text.partition(" ")
    if word in ("MOVED", "ASK"):
        host, _, port = rest.rpartition(" ")[2].rpartition(":")
        return Redirected(host, int(port), asking=word == "ASK")
    if "AUTH" in text and "without any password" in text:
        return CarrierLost("denied", text)
    return CarrierLost(_TROUBLES.get(word, "refused"), text)


class Wire(Protocol):
    """What bytes go over: a socket as it is, or one of trio's streams (of TLS)."""

    async def send_all(self, data: Sendable) -> None: ...

    async def receive_some(self, bytes_max: int) -> bytes | bytearray: ...

    async def aclose(self) -> None: ...


class PlainWire:
    """A socket, and as few turns of the loop as can be: what can be sent at once is, and what is not there is waited
    for without asking. trio's stream has a turn for each, and a system call more."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._socket = socket.socket(fileno=stream.socket.detach())
        self._socket.setblocking(False)

    async def send_all(self, data: Sendable) -> None:
        """Not a checkpoint when it needs not wait. Raises: OSError."""
        while rest := self.send_nowait(data):
            await trio.lowlevel.wait_writable(self._socket)
            data = rest

    def send_nowait(self, data: Sendable) -> Sendable:
        """What the socket does not take now; empty when that is nothing. Raises: OSError."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._socket.send(rest) :]
        except BlockingIOError:
            pass
        return rest

    async def receive_some(self, bytes_max: int) -> bytes:
        """A checkpoint. Raises: OSError."""
        while True:
            await trio.lowlevel.wait_readable(self._socket)
            try:
                return self._socket.recv(bytes_max)
            except BlockingIOError:
                continue

    def receive_nowait(self, bytes_max: int) -> bytes | None:
        """None where nothing has come. Raises: OSError."""
        try:
            return self._socket.recv(bytes_max)
        except BlockingIOError:
            return None

    async def aclose(self) -> None:
        """Again does nothing."""
        if self._socket.fileno() >= 0:
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()


class RedisConnection:
    """An open one; `broken` once it is not to be used any more: its calls close it where they fail or are cancelled."""

    def __init__(self, wire: Wire, name: str) -> None:
        self.name = name
        self.broken = False
        self._wire = wire
        self._plain = wire if isinstance(wire, PlainWire) else None
        self._reader = hiredis.Reader(notEnoughData=_NOT_YET)

    async def call(self, commands: bytes, count: int, *, within_s: float) -> list[Reply]:
        """Send `commands`, in the form of the protocol, and return their `count` replies, errors among them.

        Raises: CarrierLost, when the connection is gone or silent.
        """
        await self.send(commands, within_s=within_s)
        return await self._receive([], count, within_s)

    async def send(self, commands: bytes, *, within_s: float) -> None:
        """Send `commands`, whose replies are asked for before anything else is sent. No checkpoint where the socket
        takes them at once. Raises: CarrierLost, as `call`."""
        whole = False
        try:
            rest = commands if self._plain is None else self._plain.send_nowait(commands)
            if rest:
                with trio.fail_after(within_s):
                    await self._wire.send_all(rest)
            whole = True
        except trio.TooSlowError:
            raise CarrierLost("stalled", f"{self.name} has taken nothing for {within_s:g} s") from None
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise CarrierLost("away", f"{self.name}: {error.__cause__ or error}") from error
        finally:
            if not whole:
                await self.aclose()

    async def replies(self, count: int, *, within_s: float) -> list[Reply]:
        """The replies to what was sent. No checkpoint where they have come already. Raises: CarrierLost, as `call`."""
        found: list[Reply] = []
        if self._plain is not None and not self.broken:
            try:
                data = self._plain.receive_nowait(READ_BYTES)
                if data:
                    self._reader.feed(data)
                    if self._gather(found, count):
                        return found
            except (OSError, hiredis.ProtocolError) as error:
                await self.aclose()
                raise CarrierLost("away", f"{self.name}: {error}") from error
        return await self._receive(found, count, within_s)

    async def _receive(self, found: list[Reply], count: int, within_s: float) -> list[Reply]:
        whole = False
        try:
            with trio.fail_after(within_s):
                while not self._gather(found, count):
                    data = await self._wire.receive_some(READ_BYTES)
                    if not data:
                        raise CarrierLost("away", f"{self.name} closed the connection")
                    self._reader.feed(bytes(data))
            whole = True
            return found
        except trio.TooSlowError:
            raise CarrierLost("stalled", f"{self.name} has not answered for {within_s:g} s") from None
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError, hiredis.ProtocolError) as error:
            raise CarrierLost("away", f"{self.name}: {error.__cause__ or error}") from error
        finally:
            if not whole:
                await self.aclose()

    def _gather(self, found: list[Reply], count: int) -> bool:
        """True when all are there. Raises: hiredis.ProtocolError."""
        while len(found) < count and (reply := self._reader.gets()) is not _NOT_YET:
            found.append(reply)
        return len(found) == count

    async def aclose(self) -> None:
        """Again does nothing."""
        self.broken = True
        with trio.CancelScope() as scope:
            scope.cancel()  # without a goodbye, which TLS would wait for
            await self._wire.aclose()


def raise_refusals(replies: Sequence[Reply]) -> None:
    """Raises: CarrierLost, Redirected, for the first error among them."""
    for reply in replies:
        if isinstance(reply, hiredis.ReplyError):
            raise refusal_of(reply)


def packed(*words: str | bytes | int) -> bytes:
    """One command in the form of the protocol."""
    command: bytes = hiredis.pack_command(words)  # type: ignore[arg-type]  # its stub knows of one word alone
    return command
