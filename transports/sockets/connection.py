"""A live connection: a socket with a bounded way out.

Bytes to send are queued by reference, so that a thousand subscribers share one batch, and leave together when the turn
is over (`Flusher.flush`): one system call a connection, however many messages. Two queues: what is durable or answers a
command keeps its order and its bound in bytes and age; what is ephemeral waits in a ring where the newest per key wins,
and is not even queued while the socket takes everything.
"""

import fcntl
import socket
import struct
import termios
from collections.abc import Callable
from typing import Protocol

import structlog
import trio

from greenroom.transports.sockets.flusher import Flusher
from greenroom.transports.sockets.poller import WRITABLE

log = structlog.get_logger("greenroom.connection")

RECEIVE_BYTES = 65_536
JOIN_BYTES = 65_536  # below this, copying pieces together is cheaper than handing them over one by one
_receive_buffer = bytearray(RECEIVE_BYTES)  # one thread, one read at a time: shared by all connections
_receive_view = memoryview(_receive_buffer)


class ConnectionProtocol(Protocol):
    """What a connection speaks at the moment."""

    def received(self, data: bytes) -> None: ...

    def half_closed(self) -> None:
        """The peer sends nothing more; called once. It may still read what it has asked for, or be gone altogether,
        which only sending shows."""

    def disconnected(self) -> None:
        """The socket is gone; called once."""

    def too_slow(self, why: str) -> None:
        """The peer reads too slowly: the queue has passed its bound in bytes or age."""


class Connection:
    """One socket: what it receives goes to its protocol, what it is to send waits, bounded, until the turn is over."""

    __slots__ = (
        "_blocked_at",
        "_close_after",
        "_dirty",
        "_ephemeral",
        "_fd",
        "_flusher",
        "_gone",
        "_largest",
        "_partial",
        "_pieces",
        "_pieces_bytes",
        "_queue_bytes_max",
        "_reading",
        "_ring_max",
        "_socket",
        "_unread",
        "flushed_at",
        "open",
        "peer",
        "protocol",
        "taken",
    )

    def __init__(
        self,
        sock: socket.socket,
        flusher: Flusher,
        gone: Callable[["Connection"], None],
        *,
        peer: str,
        queue_bytes_max: int,
        ring_max: int,
    ) -> None:
        """`gone` is called once it has been closed, not when its socket was given away. `peer`: an address."""
        self._socket: socket.socket | None = sock
        self._fd = sock.fileno()
        self._flusher = flusher
        self._gone = gone
        self.peer = peer  # address, for logs and limits
        self.protocol: ConnectionProtocol | None = None
        self.taken: Callable[[], None] | None = None  # to be called once, when nothing waits any more
        self._queue_bytes_max = queue_bytes_max
        self._ring_max = ring_max
        self._pieces: list[bytes] = []  # each a whole frame or event, but for the first when `_partial`
        self._pieces_bytes = 0
        self._largest = 0  # bytes of the longest piece, while the socket takes no more
        self._partial = False
        self._dirty = False
        self.flushed_at = 0.0  # see Flushed
        self._blocked_at: float | None = None  # trio clock, since the socket takes no more
        self._unread = -1  # bytes that the kernel still held for the peer when `waited_s` last looked; -1 if unknown
        self._ephemeral: dict[str, bytes] | None = None
        self._close_after = False
        self._reading = True
        self.open = True  # more may be sent: neither closed nor about to be

    def start(self, protocol: ConnectionProtocol) -> None:
        self.protocol = protocol
        self._flusher.poller.add(self._fd, self)

    @property
    def paused(self) -> bool:
        """Is nothing read for now, or any more?"""
        return not self._reading

    @property
    def flushed(self) -> bool:
        """Has the socket taken all that was to be sent?"""
        return not self._pieces and not self._ephemeral

    @property
    def queued_bytes(self) -> int:
        """Bytes that wait for the socket."""
        return self._pieces_bytes

    @property
    def blocked(self) -> bool:
        """Does something wait that the socket did not take?"""
        return self._blocked_at is not None

    def waited_s(self, now: float) -> float:
        """How long the peer has taken nothing of what waits for it, seconds; 0 when nothing does. For a look now and
        then, `now` on the trio clock.

        However slowly somebody reads, it is no stall. The socket alone does not show it: it takes more only when a good
        part of what the kernel holds has been read, which at a few kilobytes a second is a matter of minutes.
        """
        if self._blocked_at is None or self._socket is None:
            return 0.0
        unread = _unread(self._socket)
        if unread != self._unread:
            if self._unread != -1:
                self._blocked_at = now
            self._unread = unread
        return now - self._blocked_at

    # In.

    def on_ready(self, events: int) -> None:
        try:
            if events & WRITABLE and self._blocked_at is not None:
                self.flush()
            if events & ~WRITABLE:  # readable, end of file, error
                self._receive()
        except Exception:  # the edge: a mistake of ours ends this connection, not the poller and with it all others
            log.exception("connection_failed", peer=self.peer)
            self.abort()

    def _receive(self) -> None:
        sock, protocol = self._socket, self.protocol
        if sock is None or protocol is None:
            return
        if not self._reading:
            self.abort()  # readable or not, we would not be told of it: the socket is broken, or both sides have ended
            return
        try:
            size = sock.recv_into(_receive_buffer)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.abort()
            return
        if size:
            if not self._close_after:
                protocol.received(bytes(_receive_view[:size]))
        elif self._close_after and self.flushed:
            self.abort()  # both sides have ended
        else:
            self.pause()
            if not self._close_after:
                protocol.half_closed()

    def pause(self) -> None:
        """Read nothing more for now; what the peer sends waits in the kernel, and then at the peer."""
        if self._reading and self._socket is not None:
            self._reading = False
            self._flusher.poller.watch(self._fd, read=False, write=self._blocked_at is not None)

    def resume(self) -> None:
        if not self._reading and self._socket is not None:
            self._reading = True
            self._flusher.poller.watch(self._fd, write=self._blocked_at is not None)

    # Out.

    def send(self, piece: bytes) -> None:
        """Queue one whole frame, event or response; it leaves at the end of the turn, in order."""
        if not self.open:
            return
        self._pieces.append(piece)
        self._pieces_bytes += len(piece)
        if self._blocked_at is not None:
            self._flusher.queued_bytes += len(piece)
            if len(piece) > self._largest:
                self._largest = len(piece)
            if self._pieces_bytes - self._largest > self._queue_bytes_max and self.protocol is not None:
                self.protocol.too_slow(f"{self._pieces_bytes} bytes wait")
        elif self._pieces_bytes > self._queue_bytes_max:
            self.flush()  # not at the end of the turn: one turn must not queue what the bound forbids
        elif not self._dirty:
            self._dirty = True
            self._flusher.add(self)

    def send_ephemeral(self, piece: bytes, key: str) -> None:
        """As `send` while the peer keeps up. When it does not: the newest per key waits, the oldest keys go."""
        if self._blocked_at is None:
            self.send(piece)
            return
        ring = self._ephemeral
        if ring is None:
            ring = self._ephemeral = {}
        ring.pop(key, None)
        ring[key] = piece
        if len(ring) > self._ring_max:
            del ring[next(iter(ring))]

    def flush(self) -> None:
        """Hand the socket what it takes now."""
        self._dirty = False
        sock = self._socket
        if sock is None:
            return
        while True:
            pieces = self._pieces
            if not pieces:
                if self._ephemeral:
                    self._pieces = pieces = list(self._ephemeral.values())
                    self._pieces_bytes = sum(map(len, pieces))
                    self._ephemeral = None
                    if self._blocked_at is not None:
                        self._flusher.queued_bytes += self._pieces_bytes
                else:
                    break
            try:
                if len(pieces) == 1:
                    size = self._pieces_bytes
                    sent = sock.send(pieces[0])
                elif self._pieces_bytes <= JOIN_BYTES:
                    size = self._pieces_bytes
                    sent = sock.send(b"".join(pieces))
                else:
                    size = sum(map(len, pieces[:512]))
                    sent = sock.sendmsg(pieces[:512])
            except (BlockingIOError, InterruptedError):
                self._block()
                return
            except OSError:
                self.abort()
                return
            if sent == self._pieces_bytes:
                self._forget_queued(sent)
                self._pieces = []
                self._pieces_bytes = 0
                self._partial = False
            else:
                self._drop_sent(sent)
                if sent < size:
                    self._block()
                    return
        if self._blocked_at is not None:
            self._blocked_at = None
            self._flusher.blocked.pop(self, None)
            self._flusher.poller.watch(self._fd, read=self._reading)
        if self._close_after:
            self._half_close()
        elif self.taken is not None:
            taken, self.taken = self.taken, None
            taken()

    def _drop_sent(self, sent: int) -> None:
        self._forget_queued(sent)
        self._pieces_bytes -= sent
        done = 0
        for piece in self._pieces:
            if sent < len(piece):
                break
            sent -= len(piece)
            done += 1
        del self._pieces[:done]
        self._partial = sent > 0 or (self._partial and done == 0)
        if sent:
            self._pieces[0] = self._pieces[0][sent:]
        if self._blocked_at is not None:
            self._blocked_at = trio.current_time()
            self._unread = -1
            self._largest = max(map(len, self._pieces))

    def _forget_queued(self, sent: int) -> None:
        if self._blocked_at is not None:
            self._flusher.queued_bytes -= sent

    def _block(self) -> None:
        if self._blocked_at is None:
            self._blocked_at = trio.current_time()
            self._unread = -1
            self._flusher.blocked[self] = None
            self._flusher.queued_bytes += self._pieces_bytes
            self._flusher.poller.watch(self._fd, read=self._reading, write=True)
            self._largest = max(map(len, self._pieces))
            waiting = self._pieces_bytes - self._largest
            if waiting > self._queue_bytes_max and self.protocol is not None and not self._close_after:
                self.protocol.too_slow(f"{self._pieces_bytes} bytes wait")

    # The end.

    def close_with(self, piece: bytes, *, drop_queued: bool = False) -> None:
        """Send a last piece behind all that is queued, and close.

        `drop_queued`: ahead of what a slow peer has not begun to get. Only for messages that say themselves what they
        are, as a WebSocket's and events do: of answers in order, the next would be taken for the one that was dropped.
        """
        if not self.open:
            return
        if drop_queued and self._blocked_at is not None:
            kept = self._pieces[:1] if self._partial else []  # a frame that has begun must be finished
            self._flusher.queued_bytes += sum(map(len, kept)) - self._pieces_bytes
            self._pieces = kept
            self._pieces_bytes = sum(map(len, kept))
        self._ephemeral = None
        if piece:
            self.send(piece)
        self.close_when_sent()

    def close_when_sent(self) -> None:
        """As `close_with`, with nothing more to say. Whoever calls it bounds how long the peer may take to read."""
        if not self.open:
            return
        self._close_after = True
        self.open = False
        if not self._dirty and self._blocked_at is None:
            self._dirty = True
            self._flusher.add(self)

    def _half_close(self) -> None:
        """All is sent: say so, and wait for the peer to say the same (the gate's sweep bounds the wait)."""
        assert self._socket is not None
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.abort()

    def detach(self) -> socket.socket:
        """Give the socket away; this object is done with it."""
        sock = self._socket
        assert sock is not None
        self._flusher.poller.remove(self._fd)
        self._socket = self.protocol = None  # which holds this object: neither is left for the collector
        self.open = False
        return sock

    def abort(self) -> None:
        """Close the socket now, whatever is queued."""
        sock = self._socket
        if sock is None:
            return
        self._flusher.poller.remove(self._fd)
        self._socket = None
        self.open = False
        if self._blocked_at is not None:
            self._flusher.queued_bytes -= self._pieces_bytes
            self._flusher.blocked.pop(self, None)
            self._blocked_at = None
        self._pieces = []
        self._ephemeral = self.taken = None
        sock.close()
        self._gone(self)
        if self.protocol is not None:
            protocol, self.protocol = self.protocol, None
            protocol.disconnected()


def _unread(sock: socket.socket) -> int:
    """Bytes in the kernel that the peer has not taken; -1 where that can't be asked for."""
    try:
        return int(struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, b"\0\0\0\0"))[0])
    except OSError:
        return -1
