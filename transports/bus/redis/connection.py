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

READ_BYTES: Final = 256 * 1024
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

    async def send_all(self, data: bytes) -> None: ...

    async def receive_some(self, bytes_max: int) -> bytes | bytearray: ...

    async def aclose(self) -> None: ...


class PlainWire:
    """A socket, and as few turns of the loop as can be: what can be sent at once is, and what is not there is waited
    for without asking. trio's stream has a turn for each, and a system call more."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._socket = socket.socket(fileno=stream.socket.detach())
        self._socket.setblocking(False)

    async def send_all(self, data: bytes) -> None:
        """Not a checkpoint when it needs not wait. Raises: OSError."""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self._socket.send(rest) :]
            except BlockingIOError:
                await trio.lowlevel.wait_writable(self._socket)

    async def receive_some(self, bytes_max: int) -> bytes:
        """A checkpoint. Raises: OSError."""
        while True:
            await trio.lowlevel.wait_readable(self._socket)
            try:
                return self._socket.recv(bytes_max)
            except BlockingIOError:
                continue

    async def aclose(self) -> None:
        """Again does nothing."""
        if self._socket.fileno() >= 0:
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()


class RedisConnection:
    """An open one; `broken` once it is not to be used any more."""

    def __init__(self, wire: Wire, name: str) -> None:
        self.name = name
        self.broken = False
        self._wire = wire
        self._reader = hiredis.Reader(notEnoughData=_NOT_YET)

    async def call(self, commands: bytes, count: int, *, within_s: float) -> list[Reply]:
        """Send `commands`, in the form of the protocol, and return their `count` replies, errors among them.

        Raises: CarrierLost, when the connection is gone or silent; it is closed then, as when this is cancelled.
        """
        replies: list[Reply] = []
        whole = False
        try:
            with trio.fail_after(within_s):
                await self._wire.send_all(commands)
                while True:
                    while (reply := self._reader.gets()) is not _NOT_YET:
                        replies.append(reply)
                        if len(replies) == count:
                            whole = True
                            return replies
                    data = await self._wire.receive_some(READ_BYTES)
                    if not data:
                        raise CarrierLost("away", f"{self.name} closed the connection")
                    self._reader.feed(bytes(data))
        except trio.TooSlowError:
            raise CarrierLost("stalled", f"{self.name} has not answered for {within_s:g} s") from None
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError, hiredis.ProtocolError) as error:
            raise CarrierLost("away", f"{self.name}: {error.__cause__ or error}") from error
        finally:
            if not whole:
                await self.aclose()

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
