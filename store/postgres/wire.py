"""A wire: one session with Postgres, as asyncpg gives it, with the settings that all of ours have.

A peer that is gone says nothing. So the socket asks for it while idle (keepalive), and gives up on what nobody confirms
(TCP_USER_TIMEOUT, where the system has it), both well before a statement's deadline; a server that works but not on our
statement ends that by itself (`statement_timeout`), just before we would, and so says for certain that nothing landed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol, TypeVar

import asyncpg

from greenroom.store.keep_alive import keep_alive
from greenroom.store.postgres.failures import FAILURES, NotReplicated, spoils_wire
from greenroom.store.postgres.hosts import first_of, hosts_of
from greenroom.store.postgres.pooling import pool_mode_of, refuse_unfit

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
# What is said while connecting. All else is set afterwards: poolers in between (PgBouncer) refuse what they don't know.
STARTUP = ("application_name",)
# Where the server says, in a warning alone, that somebody has cancelled a commit's waiting for a synchronous standby:
# the statement succeeds (trap 10). By the function's name, for the text is in the language of the server.
WAITS_FOR_STANDBY = "SyncRepWaitForLSN"
# Which part of its deadline a statement has at the server: whose wire works then hears of it in time.
SERVER_SHARE = 0.9


T = TypeVar("T")


class _Session(Protocol):
    """What we use of asyncpg.Connection, which has no types."""

    async def fetch(self, query: str, *args: object) -> list[Any]: ...

    async def fetchval(self, query: str) -> Any: ...

    async def execute(self, query: str, *args: object) -> str: ...

    async def close(self, *, timeout: float | None = None) -> None: ...  # noqa: ASYNC109 asyncpg's, on asyncio's side

    def terminate(self) -> None: ...

    def add_log_listener(self, callback: Callable[[Any, Any], None]) -> None: ...

    def is_closed(self) -> bool: ...


class Wire:
    """One session, as long as every answer on it was read to its end.

    Whatever touches the socket is a coroutine, and so only runs inside a turn of the bridge: what asyncpg puts into its
    loop from outside of one would lie there until somebody else's turn.
    """

    __slots__ = ("_is_unreplicated", "_reads", "session")

    def __init__(self, session: _Session) -> None:
        self.session = session
        self._is_unreplicated = False
        self._reads: asyncio.ReadTransport | None = None  # what reads only while a coroutine of ours waits
        session.add_log_listener(self._noticed)

    def _noticed(self, _: Any, notice: Any) -> None:
        """The server has said something beside its answer; heard before that answer is."""
        if getattr(notice, "server_source_function", None) == WAITS_FOR_STANDBY:
            self._is_unreplicated = True

    async def fetch(self, query: str, *args: object) -> list[Any]:
        """The rows. Ends the session when it ends without the whole answer, cancelled too, so that a late answer is
        never taken for the next's. Raises: what asyncpg raises, NotReplicated."""
        return await self._whole(self.session.fetch(query, *args))

    async def control(self, command: str) -> str:
        """Begin or end a transaction. What the server says it did: a COMMIT may be a ROLLBACK.

        Ends the session as `fetch` does. Raises: what asyncpg raises, NotReplicated.
        """
        return await self._whole(self.session.execute(command))

    async def _whole(self, answer: Awaitable[T]) -> T:
        is_whole = False
        self._begin_reading()
        try:
            said = await answer
            self.refuse_unreplicated()
            is_whole = True
            return said
        except FAILURES as error:
            is_whole = not spoils_wire(error)
            raise
        finally:
            if not is_whole:
                self.session.terminate()
            elif self._reads is not None and not self.session.is_closed():
                self._reads.pause_reading()

    def refuse_unreplicated(self) -> None:
        """Raises: NotReplicated where the server has said so of the statement that it has just answered."""
        if self._is_unreplicated:
            raise NotReplicated("committed, but its waiting for a standby was cancelled")

    def reads_only_when_asked(self, transport: asyncio.ReadTransport) -> None:
        """From now on the session's `transport` reads while a coroutine of this class waits for it: see straight.py."""
        self._reads = transport
        transport.pause_reading()

    def _begin_reading(self) -> None:
        if self._reads is not None and not self.session.is_closed():
            self._reads.resume_reading()

    async def hear(self, answer: "asyncio.Future[Any]") -> None:
        """Return when it is there, or the peer is gone: then it is an error. asyncio reads from now on."""
        self._begin_reading()
        await asyncio.wait([answer])

    async def fetchval(self, query: str) -> Any:
        return await self.session.fetchval(query)

    async def execute(self, query: str, *args: object) -> str:
        return await self.session.execute(query, *args)

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 asyncpg's, on asyncio's side
        """End the session in order; at once when the server does not take part, or when cancelled."""
        self._begin_reading()
        with suppress(*FAILURES):  # asyncpg has aborted it then
            await self.session.close(timeout=timeout)

    async def abort(self) -> None:
        """End the session without a word to the server, which may be gone. Again is once."""
        self.session.terminate()

    def is_closed(self) -> bool:
        return self.session.is_closed()


def session(application_name: str, statement_s: float) -> dict[str, str]:
    """The settings of a session whose statements have `statement_s` seconds each."""
    server_ms = max(1, int(statement_s * SERVER_SHARE * 1000))
    return {**SESSION, "statement_timeout": str(server_ms), "application_name": application_name}


async def open_wire(
    dsn: str, *, silence_s: float, settings: Mapping[str, str] | None = None, connect_s: float = 5.0
) -> Wire:
    """Connect. For asyncio's side of the bridge; not bounded by itself: give it a deadline.

    `connect_s`: what hosts have to answer, one after another, where `dsn` names several, seconds.
    `silence_s`: after so long without a sign of the peer the socket is dead, seconds. Raises: what asyncpg raises,
    PoolerUnfit.
    """
    dsn, is_pooled = pool_mode_of(dsn)
    given = dict(settings or {})
    startup = {name: given.pop(name) for name in STARTUP if name in given}

    async def connect(host: str | None = None, port: int | None = None) -> Any:
        return await asyncpg.connect(
            dsn,
            host=host,  # None: as the address says
            port=port,
            statement_cache_size=128,
            max_cached_statement_lifetime=0,  # seconds, 0 for ever: a busy statement need not be prepared again
            max_cacheable_statement_size=0,  # bytes, 0 for any
            server_settings=startup,
        )

    hosts = hosts_of(dsn)
    opened = await (first_of(hosts, connect, within_s=connect_s) if hosts else connect())
    try:
        keep_alive(opened._transport.get_extra_info("socket"), silence_s)  # no public way; test_wire.py pins it
        if given and is_pooled:
            await refuse_unfit(opened, given)
        elif given:
            await opened.execute("; ".join(f"SET {name} = '{value}'" for name, value in given.items()))
    except BaseException:
        opened.terminate()
        raise
    return Wire(opened)
