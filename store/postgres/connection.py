"""The one door to Postgres: a connection that mends itself, and says of every failed statement whether it has landed.

Nearly all of what passes here are single auto-commit statements. A process that is paused inside an explicit
transaction holds its row locks, and with them would hold up the takeover of its entities (trap 5 of the single-writer
notes); the server ends such a session after a second. So `transaction` is for what locks no entity's rows, as the
folding of views. Every statement has a deadline, and nothing is retried: a statement that failed is its caller's to
judge.
"""

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from math import inf
from typing import Any, TypeVar

import trio
from asyncpg import TooManyConnectionsError

from greenroom.store.errors import NoSessionLeft, NotAnswered, OutcomeLost, StoreError, StoreUnavailable
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.failures import FAILURES, translate, was_heard
from greenroom.store.postgres.silence import Lapsed, Silence
from greenroom.store.postgres.straight import Straight
from greenroom.store.postgres.wire import Wire, open_wire, session

BACKOFF_FIRST_S = 0.05
BACKOFF_MAX_S = 1.0
MakeRoom = Callable[[], Awaitable[bool]]  # has another session given up; false when there is none
ROLLBACK_S = 1.0  # what giving a transaction up may take; then its session is ended
T = TypeVar("T")
SILENT_SHARE = 0.9  # of a statement's deadline: cancelled so late, it was not answered


class Connection:
    """Opened by its first statement, and anew after a loss. One statement at a time, in turn.

    A statement that ends without its whole answer, by its deadline or by the caller's cancellation, ends its wire too.
    """

    def __init__(
        self,
        bridge: Bridge,
        dsn: str,
        *,
        application_name: str,
        connect_s: float = 5.0,
        statement_s: float = 10.0,
        silence: Silence | None = None,
        make_room: MakeRoom | None = None,
    ) -> None:
        """`make_room`: asked when the server has no session left."""
        self._bridge = bridge
        self._dsn = dsn
        self._connect_s = connect_s
        self._statement_s = statement_s
        self._settings = session(application_name, statement_s)
        self._silence = silence or Silence()
        self._make_room = make_room
        self._turn = trio.Lock()
        self._wire: Wire | None = None
        self._straight: Straight | None = None  # the way to it
        self._heard_at = -inf  # the time of the newest answer on the wire, on trio's clock
        self._failures = 0
        self._retry_at = 0.0  # the time from which a new wire is tried, on trio's clock
        self.connects = 0

    async def fetch(self, sql: str, *args: object, write: bool = False) -> Sequence[Any]:
        """Run one statement (prepared once, kept prepared) and return its rows. A checkpoint.

        Ends within about the time for a connection and that for a statement. Cancelled midway, the statement may have
        landed or not.

        Raises: StoreUnavailable, among them DataRefused when the same again would fare no better and TookTooLong when
        less might. With `write` it says that nothing was written, and OutcomeLost is raised when the connection went
        away or went silent while the statement was under way. Without, it says nothing of that: for what reads, and
        for what comes to the same when it is run once more.
        """
        await self._take_turn()
        try:
            straight = await self._connected()
            return await self._ask(straight.fetch, sql, args, write)
        finally:
            self._turn.release()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["Transaction"]:
        """Several statements that land together, at the end of the block, or not at all, when it is left by an error.

        Between two of them the session is idle for a second at most, or the server ends it. Raises: StoreUnavailable,
        also in the block; OutcomeLost at its end, when nobody knows whether it has landed.
        """
        await self._take_turn()
        try:
            straight = await self._connected()
            await self._ask(straight.control, "BEGIN", (), write=False)
            try:
                yield Transaction(self, straight)
                if await self._ask(straight.control, "COMMIT", (), write=True) != "COMMIT":
                    raise StoreUnavailable("rolled back: a statement of the transaction had failed")
            except BaseException:
                await self._roll_back(straight)
                raise
        finally:
            self._turn.release()

    async def _roll_back(self, straight: Straight) -> None:
        """A session that does not take part is ended, and so has rolled back too."""
        if not self.has_session:
            return
        with trio.move_on_after(ROLLBACK_S, shield=True):
            with suppress(StoreError):
                await self._ask(straight.control, "ROLLBACK", (), write=False)

    @property
    def has_session(self) -> bool:
        """Is there one, as far as is known without asking?"""
        return self._wire is not None and not self._wire.is_closed()

    async def open(self) -> None:
        """Have a session, as the next statement would. Raises: StoreUnavailable, with NoSessionLeft among them."""
        await self._take_turn()
        try:
            await self._connected()
        finally:
            self._turn.release()

    async def _ask(self, send: Callable[..., Awaitable[T]], sql: str, args: Sequence[object], write: bool) -> T:
        await trio.lowlevel.checkpoint_if_cancelled()  # before anything is sent: the wire is as it was
        asked_at = trio.current_time()
        is_heard = False
        lapse = self._silence.begun(asked_at + self._statement_s, self._heard_at)
        try:
            answer = await send(lapse, sql, *args)
            is_heard = True
            return answer
        except Lapsed:
            pass
        except FAILURES as error:
            is_heard = was_heard(error)
            translated = translate(error, write=write)
            if translated is None:
                raise
            raise translated from error
        finally:
            self._silence.ended(lapse)
            if is_heard:
                self._heard_at = trio.current_time()
            elif self._is_silent(asked_at):
                self._silence.found(asked_at)  # also when a caller's own deadline, which is as long, came first
        message = f"no answer from Postgres within {trio.current_time() - asked_at:.1f} s"
        if write:
            raise OutcomeLost(message)
        raise NotAnswered(message) if self._is_silent(asked_at) else StoreUnavailable(message)

    def _is_silent(self, asked_at: float) -> bool:
        """Has a statement that nobody answered had its time? Else its wire was only in doubt, or its caller gone."""
        return trio.current_time() - asked_at >= SILENT_SHARE * self._statement_s

    async def aclose(self) -> None:
        """End the session; the next statement would open another. Not bounded by itself: give it a deadline."""
        await self._take_turn()
        try:
            wire, self._wire, self._straight = self._wire, None, None
            if wire is not None and not wire.is_closed():
                await self._bridge.run(wire.close)
        finally:
            self._turn.release()

    async def _take_turn(self) -> None:
        try:
            self._turn.acquire_nowait()  # Lock.acquire() would cost a pass through the scheduler even when free
        except trio.WouldBlock:
            await self._turn.acquire()

    async def _connected(self) -> Straight:
        """The way to the wire, which is opened if need be. Raises: StoreUnavailable."""
        wire, straight = self._wire, self._straight
        if straight is not None and not straight.is_closed() and not self._silence.doubts(self._heard_at):
            return straight
        # Waiting out the backoff here, once, paces callers that try again at once, without a retry loop of our own.
        await trio.sleep_until(self._retry_at)
        failure: Exception | str = f"not within {self._connect_s} s"
        try:
            with trio.move_on_after(self._connect_s):
                straight = self._straight = await self._opened(wire)
                self._wire = straight.wire
                self._heard_at = trio.current_time()
                self._failures = 0
                self._retry_at = 0.0
                self.connects += 1
                return straight
        except FAILURES as error:
            failure = error
        delay_s = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2 ** min(self._failures, 16))
        self._failures += 1
        self._retry_at = trio.current_time() + delay_s * random.uniform(0.5, 1.0)
        if isinstance(failure, str):
            raise StoreUnavailable(f"cannot connect to Postgres: {failure}")
        kind = NoSessionLeft if isinstance(failure, TooManyConnectionsError) else StoreUnavailable
        raise kind(f"cannot connect to Postgres: {type(failure).__name__}: {failure}") from failure

    async def _opened(self, former: Wire | None) -> Straight:
        try:
            return await self._bridge.run(self._open, former)
        except TooManyConnectionsError:
            if self._make_room is None or not await self._make_room():
                raise
        return await self._bridge.run(self._open, None)

    async def _open(self, former: Wire | None) -> Straight:
        if former is not None:
            await former.abort()
        wire = await open_wire(
            self._dsn, silence_s=self._statement_s / 2, settings=self._settings, connect_s=self._connect_s
        )
        # In the same turn: asyncio still reads, and in its next one may find the peer gone, and close the socket.
        return Straight(self._bridge, wire)


class Transaction:
    """A connection inside of `transaction`: only this one's statements run on it until the block ends."""

    def __init__(self, connection: Connection, straight: Straight) -> None:
        self._connection = connection
        self._straight = straight

    async def fetch(self, sql: str, *args: object) -> Sequence[Any]:
        """Run one statement of it and return its rows. After one that failed only the end of the block is left.

        Raises: StoreUnavailable, with DataRefused and TookTooLong among them. Nothing has landed, and nothing will.
        """
        return await self._connection._ask(self._straight.fetch, sql, args, write=False)
