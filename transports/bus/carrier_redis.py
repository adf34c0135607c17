"""Links carried by Redis or Valkey: each node's inbox is a stream; all others append to it, and the node alone reads.

One connection appends, another waits in a blocking read; each command has one key, so nodes of a cluster take their
share of the inboxes, wherever the slots are. Nothing is remembered of a stream but what to delete from it: it is read
from its beginning each time, so that one that was wiped, restored, or begun anew under an earlier clock is read, too.
An inbox lives about INBOX_TTL_S after it was last used, so that of a dead node nothing remains.
"""

import random
from collections.abc import Sequence
from typing import Final

import hiredis
import trio

from greenroom.transports.bus.carrier import CarrierLost
from greenroom.transports.bus.redis.address import Address, RedisTarget
from greenroom.transports.bus.redis.connection import (
    Redirected,
    RedisConnection,
    Reply,
    packed,
    raise_refusals,
    refusal_of,
)
from greenroom.transports.bus.redis.dialing import Dialer

ANSWER_S: Final = 2.0  # longer, and Redis has stalled
READ_WAITS_MS: Final = 1000
READ_ENTRIES_MAX: Final = 64
INBOX_ENTRIES_MAX: Final = 10_000  # beyond, Redis drops the oldest: of a node that reads nothing
INBOX_TTL_S: Final = 60
EXPIRY_SAID_EVERY_S: Final = INBOX_TTL_S / 4
INBOXES_MAX: Final = 4096  # remembered, in the form in which commands name them
ASKING: Final = packed("ASKING")  # before each command for a slot that is on its way to that node
UNANSWERED: Final = packed("CLIENT", "REPLY", "SKIP")  # before a command that is to have no reply
MOVES_MAX: Final = 5  # redirections in a row

Entries = Sequence[tuple[int, bytes]]


class RedisCarrier:
    """One node's way to all inboxes of a cluster of nodes: see carrier.Carrier."""

    def __init__(self, target: RedisTarget, cluster: str, node: int, seed: random.Random | None = None) -> None:
        """`cluster`: a name, so that two clusters of nodes may share one Redis. `node`: this one's incarnation."""
        self._prefix = f"greenroom:{cluster}:in:"
        self._appending = _Appending(Dialer(target, seed), self._prefix)
        self._reading = _Reading(Dialer(target, seed), f"{self._prefix}{node:016x}")

    async def append(self, entries: Entries) -> None:
        """As `carrier.Carrier`. Raises: CarrierLost."""
        await self._appending.append(entries)

    @property
    def is_waiting(self) -> bool:
        """As `carrier.Carrier`."""
        return bool(self._appending.unanswered)

    async def read(self) -> list[bytes]:
        """As `carrier.Carrier`. Raises: CarrierLost."""
        return await self._reading.read()

    async def aclose(self) -> None:
        """As `carrier.Carrier`."""
        await self._appending.aclose()
        await self._reading.aclose()


class _Inbox:
    """Another node's stream, as its senders see it."""

    __slots__ = ("append", "asking", "expire", "expiry_said", "home", "is_found")

    def __init__(self, key: str) -> None:
        # Up to where the length of the entry stands, and the entry: its bytes are copied once, into what is written.
        whole = packed("XADD", key, "MAXLEN", "~", INBOX_ENTRIES_MAX, "*", "e", b"")
        self.append = whole.removesuffix(b"0\r\n\r\n")
        self.expire = packed("EXPIRE", key, INBOX_TTL_S)
        self.expiry_said = float("-inf")
        self.home: Address | None = None  # in a cluster, where the key was last found
        self.asking = False
        self.is_found = False  # an entry was put there; since then nothing has said that it is elsewhere


class _Appending:
    """The side that puts entries into inboxes.

    Nobody waits for the replies: they are taken before the next entries leave, when they have mostly come. To wait for
    each would wake this process once more, which for a lone entry is as much as to send it. Only where an inbox has yet
    to be found they are waited for.
    """

    def __init__(self, dialer: Dialer, prefix: str) -> None:
        self._dialer = dialer
        self._prefix = prefix
        self._inboxes: dict[int, _Inbox] = {}
        self._connections: dict[Address | None, RedisConnection] = {}
        # What each connection has yet to answer: the entries by reply, None for what is none.
        self.unanswered: dict[Address | None, list[tuple[int, bytes] | None]] = {}

    async def append(self, entries: Entries) -> None:
        """As `carrier.Carrier`. Raises: CarrierLost."""
        if not entries and not self.unanswered:
            await self._ask_whether_there()
            return
        left: Entries = [*await self._settle(), *entries] if self.unanswered else entries
        for _ in range(MOVES_MAX):
            are_found = True
            for home, share in self._by_home(left).items():
                are_found = await self._send(home, share) and are_found
            if are_found:
                return
            left = await self._settle()
            if not left:
                return
        raise CarrierLost("away", f"the cluster moved an inbox {MOVES_MAX} times in a row")

    async def aclose(self) -> None:
        for connection in self._connections.values():
            await connection.aclose()
        self._connections.clear()
        self.unanswered.clear()

    def _by_home(self, entries: Entries) -> dict[Address | None, list[tuple[int, bytes]]]:
        by_home: dict[Address | None, list[tuple[int, bytes]]] = {}
        for node, raw in entries:
            by_home.setdefault(self._inbox(node).home, []).append((node, raw))
        return by_home

    def _inbox(self, node: int) -> _Inbox:
        inbox = self._inboxes.get(node)
        if inbox is None:
            if len(self._inboxes) >= INBOXES_MAX:  # nearly all of nodes that are gone
                self._inboxes.clear()
            inbox = self._inboxes[node] = _Inbox(f"{self._prefix}{node:016x}")
        return inbox

    async def _send(self, home: Address | None, entries: Entries) -> bool:
        """Have all their inboxes been found where they are looked for?"""
        now = trio.current_time()
        are_found = True
        parts: list[bytes] = []
        sources: list[tuple[int, bytes] | None] = []  # of each reply: None for what is no entry
        for node, raw in entries:
            inbox = self._inbox(node)
            are_found = are_found and inbox.is_found
            if inbox.asking:
                parts.append(ASKING)
                sources.append(None)
            parts += (inbox.append, b"%d\r\n" % len(raw), raw, b"\r\n")
            sources.append((node, raw))
            if now - inbox.expiry_said >= EXPIRY_SAID_EVERY_S:
                inbox.expiry_said = now
                if not inbox.asking:
                    parts.append(inbox.expire)
                    sources.append(None)
        connection = await self._connection(home)
        self.unanswered[home] = sources
        try:
            await connection.send(b"".join(parts), within_s=ANSWER_S)
        except CarrierLost:
            await self._lose(home)
            raise
        return are_found

    async def _settle(self) -> list[tuple[int, bytes]]:
        """Take all replies. Returns the entries whose inbox is elsewhere by now, in order. Raises: CarrierLost."""
        moved: list[tuple[int, bytes]] = []
        for home, sources in list(self.unanswered.items()):
            connection = self._connections.get(home)
            if connection is None or connection.broken:  # by a call that was cancelled
                await self._lose(home)
                continue
            try:
                moved += self._moved(connection, sources, await connection.replies(len(sources), within_s=ANSWER_S))
            except CarrierLost:
                await self._lose(home)
                raise
            del self.unanswered[home]
        return moved

    def _moved(
        self, connection: RedisConnection, sources: Sequence[tuple[int, bytes] | None], replies: Sequence[Reply]
    ) -> list[tuple[int, bytes]]:
        moved: list[tuple[int, bytes]] = []
        for source, reply in zip(sources, replies, strict=True):
            if not isinstance(reply, hiredis.ReplyError):
                if source is not None:
                    self._inbox(source[0]).is_found = True
                continue
            refusal = refusal_of(reply)
            if isinstance(refusal, CarrierLost):
                raise refusal
            if source is None:
                continue  # an expiry: the entry beside it was told the same
            inbox = self._inbox(source[0])
            inbox.home = Address(refusal.host or connection.name.rpartition(":")[0], refusal.port)
            inbox.asking = refusal.asking
            inbox.is_found = False
            inbox.expiry_said = float("-inf")
            moved.append(source)
        return moved

    async def _connection(self, home: Address | None) -> RedisConnection:
        connection = self._connections.get(home)
        if connection is None or connection.broken:
            try:
                connection = await (self._dialer.open() if home is None else self._dialer.open_at(home))
            except CarrierLost:
                await self._lose(home)
                raise
            self._connections[home] = connection
        return connection

    async def _lose(self, home: Address | None) -> None:
        """Nothing is known any more of what that server holds: the next one may be another, or empty."""
        connection = self._connections.pop(home, None)
        self.unanswered.pop(home, None)
        for inbox in self._inboxes.values():
            if inbox.home == home:
                inbox.home, inbox.asking, inbox.is_found, inbox.expiry_said = None, False, False, float("-inf")
        if connection is not None:
            await connection.aclose()

    async def _ask_whether_there(self) -> None:
        connection = await self._connection(None)
        try:
            raise_refusals(await connection.call(packed("PING"), 1, within_s=ANSWER_S))
        except Redirected as error:
            raise CarrierLost("refused", str(error)) from error
        except CarrierLost:
            await self._lose(None)
            raise


class _Reading:
    """The side that empties this node's own inbox.

    Before it reads on it deletes what it has read, and asks for no reply to that, which would wake this process for
    nothing. That it has worked is seen all the same, for nothing comes twice then.
    """

    def __init__(self, dialer: Dialer, key: str) -> None:
        self._dialer = dialer
        self._key = key
        self._read = packed("XREAD", "COUNT", READ_ENTRIES_MAX, "BLOCK", READ_WAITS_MS, "STREAMS", key, "0")
        self._expire = packed("EXPIRE", key, INBOX_TTL_S)
        self._expiry_said = float("-inf")
        self._connection: RedisConnection | None = None
        self._home: Address | None = None
        self._asking = False  # the slot is on its way there
        self._done: list[bytes] = []  # what has been read, and is to be deleted
        self._deleted = b""  # the first of what was to be deleted without a reply
        self._asks_why = False  # why it was not: by a reply
        self._may_skip = True  # that server lets us have none

    async def read(self) -> list[bytes]:
        for _ in range(MOVES_MAX):
            try:
                return await self._read_once()
            except Redirected as moved:
                name = self._connection.name if self._connection is not None else ""
                await self.aclose()
                self._home = Address(moved.host or name.rpartition(":")[0], moved.port)
                self._asking = moved.asking
            except CarrierLost:
                await self.aclose()
                raise
        raise CarrierLost("away", f"the cluster moved the inbox {MOVES_MAX} times in a row")

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        self._home, self._asking, self._expiry_said = None, False, float("-inf")
        self._done, self._deleted = [], b""
        if connection is not None:
            await connection.aclose()

    async def _read_once(self) -> list[bytes]:
        if self._connection is None or self._connection.broken:
            opening = self._dialer.open() if self._home is None else self._dialer.open_at(self._home)
            self._connection = await opening
        commands: list[bytes] = []
        deleting = b""
        if self._done:
            delete = packed("XDEL", self._key, *self._done)
            if self._asks_why or self._asking or not self._may_skip:
                commands.append(delete)
            else:
                deleting = UNANSWERED + delete
                self._deleted = self._done[0]
        now = trio.current_time()
        if now - self._expiry_said >= EXPIRY_SAID_EVERY_S:
            self._expiry_said = now
            commands.append(self._expire)
        commands.append(self._read)
        if self._asking:
            commands = [said for command in commands for said in (ASKING, command)]
        replies = await self._connection.call(
            deleting + b"".join(commands), len(commands), within_s=READ_WAITS_MS / 1000 + ANSWER_S
        )
        self._done = []
        if deleting and isinstance(replies[0], hiredis.ReplyError) and "client" in str(replies[0]).lower():
            self._may_skip = False
        raise_refusals(replies)
        self._asks_why = False
        match replies[-1]:
            case None:
                return []
            case [[_, [[first, *_], *_] as entries]]:
                if first == self._deleted:
                    self._asks_why = True
                return [self._taken(entry) for entry in entries]
        raise CarrierLost("refused", "the answer to XREAD is none")

    def _taken(self, entry: Reply) -> bytes:
        """What is in one entry, which is deleted with the next read; b"" when it is none of ours."""
        match entry:
            case [bytes(number), [bytes(), bytes(raw)]]:
                self._done.append(number)
                return raw
            case [bytes(number), *_]:
                self._done.append(number)
        return b""
