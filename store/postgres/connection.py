"""One connection to Postgres that mends itself, and says of every failed statement whether it may have landed.

Only single auto-commit statements pass here, no explicit transactions: a process paused inside one would hold its row
locks and with them up the takeover of its entities (trap 5 of the single-writer notes; the server ends such a session
after a second all the same). Nothing is retried: a statement that failed is its caller's to judge.
"""

import random
from collections.abc import Sequence
from typing import Any

import asyncpg
import trio
from asyncpg import exceptions as pg

from greenroom.store.errors import OutcomeLost, StoreError, StoreUnavailable
from greenroom.store.postgres.bridge import Bridge, BridgeCancelled

BACKOFF_FIRST_S = 0.05
BACKOFF_MAX_S = 1.0

SESSION = {
    "idle_in_transaction_session_timeout": "1000",  # ms
    "jit": "off",  # our statements are short; compiling one takes longer than running it
    "default_transaction_isolation": "read committed",  # repeatable read fails instead of waiting at a raise (trap 6)
    # Every statement of ours finds its rows by key, however many there are. Planned once, as nested loops over indexes:
    # that saves 0.2 ms a lone append, keeps row locks in the order of the arguments, and does not depend on statistics,
    # which a fresh table has none of.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}


# InternalClientError is no InterfaceError: asyncpg found its own state broken, as it does when a server dies midway.
FAILURES = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    pg.InternalClientError,
    OSError,  # TimeoutError among them
    EOFError,
    BridgeCancelled,
)


class Connection:
    """A connection that is opened by its first statement, and anew after a loss. One statement at a time, in turn."""

    def __init__(self, bridge: Bridge, dsn: str, *, application_name: str, connect_s: float = 5.0) -> None:
        self._bridge = bridge
        self._dsn = dsn
        self._application_name = application_name
        self._connect_s = connect_s
        self._turn = trio.Lock()
        self._wire: Any = None  # asyncpg.Connection, which has no types
        self._failures = 0
        self._retry_at = 0.0  # on trio's clock
        self.connects = 0

    async def fetch(self, sql: str, *args: object, write: bool = False) -> Sequence[Any]:
        """Run one statement (prepared once, kept prepared) and return its rows. A checkpoint.

        Raises: StoreUnavailable when nothing was written for certain; with `write`, OutcomeLost when the connection
        went away while the statement was under way. Other errors of the server (a unique violation, say) rolled the
        statement back and are raised as asyncpg has them. Cancelled midway, the statement may have landed or not.
        """
        await self._take_turn()
        try:
            wire = await self._connected()
            try:
                rows: Sequence[Any] = await self._bridge.run(wire.fetch, sql, *args)
            except FAILURES as error:
                translated = translate(error, write=write)
                if getattr(error, "severity_en", None) != "ERROR" and translated is not None:
                    # The server did not just say no: whatever state asyncpg believes the connection to be in (closed
                    # it may not be yet, when a killed server's last words have come), it is not to be used again.
                    wire.terminate()
                if translated is None:
                    raise
                raise translated from error
            return rows
        finally:
            self._turn.release()

    async def aclose(self) -> None:
        """End the session; the next statement would open another. Not bounded by itself: give it a deadline."""
        await self._take_turn()
        try:
            wire, self._wire = self._wire, None
            if wire is not None and not wire.is_closed():
                try:
                    await self._bridge.run(wire.close)
                except FAILURES:
                    wire.terminate()
        finally:
            self._turn.release()

    async def _take_turn(self) -> None:
        try:
            self._turn.acquire_nowait()  # Lock.acquire() would cost a pass through the scheduler even when free
        except trio.WouldBlock:
            await self._turn.acquire()

    async def _connected(self) -> Any:
        if self._wire is not None and not self._wire.is_closed():
            return self._wire
        self._wire = None
        # Waiting out the backoff here, once, paces callers that try again at once, without a retry loop of our own.
        await trio.sleep_until(self._retry_at)
        try:
            self._wire = await self._bridge.run(self._connect)
        except FAILURES as error:
            delay_s = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2 ** min(self._failures, 16))
            self._failures += 1
            self._retry_at = trio.current_time() + delay_s * random.uniform(0.5, 1.0)
            raise StoreUnavailable(f"cannot connect to Postgres: {type(error).__name__}: {error}") from error
        self._failures = 0
        self._retry_at = 0.0
        self.connects += 1
        return self._wire

    async def _connect(self) -> Any:
        return await asyncpg.connect(
            self._dsn,
            timeout=self._connect_s,
            statement_cache_size=128,
            max_cached_statement_lifetime=0,  # seconds, 0 for ever: a busy statement need not be prepared again
            max_cacheable_statement_size=0,  # bytes, 0 for any
            server_settings={**SESSION, "application_name": self._application_name},
        )


def translate(error: BaseException, *, write: bool) -> StoreError | None:
    """What a statement's failure means for what it wrote; None when it is the caller's own (bad SQL, a constraint)."""
    match error:
        case pg.StatementCompletionUnknownError():
            lost = True
        case pg.PostgresConnectionError() | pg.AdminShutdownError() | pg.CrashShutdownError():
            lost = True  # may have come after the commit and before its confirmation
        case asyncpg.PostgresError() if getattr(error, "severity_en", None) in ("FATAL", "PANIC"):
            lost = True
        case pg.IntegrityConstraintViolationError() | pg.DataError() | pg.SyntaxOrAccessError():
            return None
        case asyncpg.PostgresError():
            lost = False  # rolled back: deadlock, lock timeout, cancelled, disk full, I/O error, a standby by now, ...
        case pg.UnsupportedClientFeatureError():
            return None
        case asyncpg.InterfaceError() if not isinstance(error, OSError) and "closed" not in str(error):
            return None  # misuse, such as an argument of the wrong type
        case _:
            lost = True
    message = f"{type(error).__name__}: {error}"
    return OutcomeLost(message) if lost and write else StoreUnavailable(message)
