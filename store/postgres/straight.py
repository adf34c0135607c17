"""The straight way: a statement that its session has prepared goes to the socket, and its answer comes back, in the
task of whoever asks.

asyncpg's own way is a task of asyncio's, four coroutines deep, which asyncio's loop wakes when its selector is
readable, for which trio waits; half of what a lone statement costs us is that. asyncpg's protocol needs none of it: it
writes when it is asked, and takes what was read. So nobody reads the socket between two statements, and what the peer
says meanwhile, or that it is gone, is found before it is used again. What is not prepared yet, and whatever goes
through TLS, goes asyncpg's way.

Private attributes of asyncpg's are used: `_protocol`, `_stmt_cache`, `_transport`, `_drop_global_statement_cache`;
`tests/store/postgres/test_straight.py` pins them. docs/inside/decisions/0066-the-straight-way-to-postgres.md has the
measurements.
"""

import asyncio
import os
import select
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar, TypeVarTuple

from asyncpg import exceptions as pg

from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.failures import FAILURES, spoils_wire
from greenroom.store.postgres.silence import Lapse, Lapsed
from greenroom.store.postgres.wire import Wire

T = TypeVar("T")
Args = TypeVarTuple("Args")
RECEIVE_BYTES = 65_536
ERROR = ord("E")  # a message's type; its length follows, which counts itself:
HEADER = 1 + 4  # https://www.postgresql.org/docs/current/protocol-message-formats.html
READY = b"Z\0\0\0\x05"  # how the last message of an answer begins; its sixth byte is the last one


class Straight:
    """Statements on one wire, from trio's side. Promises what `Wire` does, which asyncpg's way goes through."""

    __slots__ = (
        "_bridge", "_cut", "_end", "_fd", "_poll", "_protocol", "_records", "_session", "_statements", "_transport",
        "wire",
    )  # fmt: skip

    def __init__(self, bridge: Bridge, wire: Wire) -> None:
        session: Any = wire.session
        self._bridge = bridge
        self.wire = wire
        self._session = session
        self._fd: int | None = None  # None: there is no such way
        self._cut = b""  # what has come of a message, said unasked, whose rest has not
        self._end = READY  # of the last answer, six bytes
        transport = getattr(session, "_transport", None)
        if transport is not None and transport.get_extra_info("ssl_object") is None:
            self._transport = transport
            self._protocol = session._protocol
            self._statements = session._stmt_cache
            self._records = session._protocol.get_record_class()
            self._fd = transport.get_extra_info("socket").fileno()
            self._poll = select.poll()
            self._poll.register(self._fd, select.POLLIN)
            wire.reads_only_when_asked(transport)

    async def fetch(self, lapse: Lapse, query: str, *args: object) -> list[Any]:
        """See Wire.fetch. Raises: Lapsed."""
        known = self._statements.get((query, self._records, False)) if self._fd is not None else None
        if known is not None:
            self._bridge.check_open()  # or it would be sent, and nobody would read the answer
            try:
                asked = self._protocol.bind_execute(known, args, "", 0, False, None)
                found: list[Any] = await self._answer(lapse, asked)
                return found
            except pg.InvalidCachedStatementError:  # a table has changed since: nothing was done
                self._session._drop_global_statement_cache()
                if self._protocol.is_in_transaction():
                    raise
        return await self._bridged(lapse, self.wire.fetch, query, *args)

    async def control(self, lapse: Lapse, command: str) -> str:
        """See Wire.control. Raises: Lapsed."""
        if self._fd is None:
            return await self._bridged(lapse, self.wire.control, command)
        self._bridge.check_open()
        said: str = await self._answer(lapse, self._protocol.query(command, None))
        return said

    async def _bridged(self, lapse: Lapse, ask: Callable[[*Args], Coroutine[Any, Any, T]], *args: *Args) -> T:
        self._cut = b""  # as below
        try:
            with lapse.scope():
                return await self._bridge.run(ask, *args)
        finally:
            lapse.watch(None)
        raise Lapsed

    def is_closed(self) -> bool:
        """Also when the peer is found to be gone, since the last answer."""
        if self.wire.is_closed() or not self._bridge.is_open:
            return True
        fd = self._fd
        while fd is not None and self._poll.poll(0):  # nothing, as a rule
            said = b""
            try:
                said = os.read(fd, RECEIVE_BYTES)
            except BlockingIOError:
                break
            except OSError:
                pass  # an end, too
            heard = self._cut + said
            if not said or holds_error(heard):  # the end of the socket may be a moment behind the last word
                self._terminate()
                return True
            self._cut = cut_off(heard)
            try:
                self._take(said)
            except pg.InternalClientError:
                self._terminate()
                return True
            self._bridge.finish_callbacks()
        return False

    async def _answer(self, lapse: Lapse, asked: Coroutine[Any, Any, Any]) -> Any:
        """What `asked`, a statement of the protocol's, comes to."""
        waiter: asyncio.Future[Any] | None = None
        is_whole = False
        self._cut = b""  # its rest comes before an answer
        try:
            waiter = asked.send(None)  # it is sent
            self._end = b""
            # For who cancels it, which here ends the session. It would be called after each answer.
            waiter.remove_done_callback(self._protocol._on_waiter_completed)
            if self._transport.get_write_buffer_size():
                # asyncio sends the rest, in somebody's turn. Where that fails it closes the socket.
                waiter.add_done_callback(partial(self._look_again, lapse))
            # Where sending has failed the socket is closed by a callback: now, not in the turn of somebody else while
            # we wait for it.
            self._bridge.finish_callbacks()
            while not waiter.done():
                await self._read(lapse, waiter)
            self._bridge.finish_callbacks()
            try:
                asked.send(None)
            except StopIteration as done:
                self.wire.refuse_unreplicated()
                is_whole = True
                return done.value
            raise AssertionError("asyncpg waits twice for one answer")
        except FAILURES as error:
            is_whole = not spoils_wire(error)
            raise
        finally:
            # What has come behind the answer nobody asked for: as a rule its peer's last word, and asyncpg, which has
            # read it, would take nothing more.
            if not (is_whole and self._end.startswith(READY)):
                self._terminate()
                if waiter is not None and waiter.done() and not waiter.cancelled():
                    waiter.exception()  # nobody waits for it any more
            asked.close()

    async def _read(self, lapse: Lapse, waiter: "asyncio.Future[Any]") -> None:
        """What comes next. Where that is the end, asyncio reads it: it knows what then is to be done."""
        fd = self._fd
        assert fd is not None
        await self._bridge.readable(fd, lapse)
        if waiter.done():  # asyncio has found the end of it; the descriptor's number may be another socket's by now
            return
        said = b""
        try:
            said = os.read(fd, RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            pass  # once more it is an end
        if said:
            self._end = said[-len(READY) - 1 :] if len(said) > len(READY) else (self._end + said)[-len(READY) - 1 :]
            self._take(said)
        else:
            await self._bridged(lapse, self.wire.hear, waiter)

    def _take(self, said: bytes) -> None:
        """Raises: InternalClientError where it is nothing that Postgres says."""
        try:
            self._protocol.data_received(said)
        except Exception as error:  # of whichever sort: asyncio closes the socket then
            raise pg.InternalClientError(f"not the protocol: {type(error).__name__}") from error

    def _look_again(self, lapse: Lapse, _: object) -> None:
        if self._fd is not None:
            self._bridge.look_again(self._fd, lapse)

    def _terminate(self) -> None:
        with suppress(*FAILURES):
            self._bridge.call(self._session.terminate)


def holds_error(said: bytes) -> bool:
    """Is there an error among these messages? Of a peer that was asked nothing it is the last word."""
    at = 0
    while at < len(said):
        if said[at] == ERROR:
            return True
        at = _end(said, at)
    return False


def cut_off(said: bytes) -> bytes:
    """What is there of the last of these messages, where that is not all of it."""
    at = 0
    while at + HEADER <= len(said) and (end := _end(said, at)) <= len(said):
        at = end
    return said[at:]


def _end(said: bytes, at: int) -> int:
    """Of the message that begins there."""
    return at + 1 + max(HEADER - 1, int.from_bytes(said[at + 1 : at + HEADER], "big"))
