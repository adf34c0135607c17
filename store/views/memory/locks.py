"""Row locks in memory: taken one at a time by a session, and held until its transaction ends.

A session that stops in the middle of a transaction is ended by whoever waits for it, once it has been idle for as long
as the server would let it.
"""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from math import inf

import trio

from greenroom.store.errors import StoreUnavailable

IDLE_S = 1.0  # between two statements of a transaction; see store/postgres/wire.py
STATEMENT_S = 10.0  # that a statement may wait


class Session:
    """One transaction, as the server has it."""

    def __init__(self, locks: "Locks") -> None:
        self._locks = locks
        self.held: list[Hashable] = []
        self.tables: set[str] = set()  # that it has read or written
        self.waits_for: Session | None = None
        self.has_ended = False
        self.is_broken = False  # a statement of it has failed, and it can only be given up
        self._idle_since = locks.clock()
        locks.open.append(self)

    @contextmanager
    def statement(self) -> Iterator[None]:
        """Around each. Raises: StoreUnavailable where it is not there any more, or can only be given up."""
        self.expire()
        if self.has_ended:
            raise StoreUnavailable("the session has ended, and its transaction was rolled back")
        if self.is_broken:
            raise StoreUnavailable("rolled back: a statement of the transaction had failed")
        self._idle_since = inf
        try:
            yield
        except StoreUnavailable:
            self.is_broken = True
            raise
        finally:
            self._idle_since = self._locks.clock()

    def expire(self) -> None:
        """End it if it has been idle for too long."""
        if not self.has_ended and self._locks.clock() - self._idle_since > IDLE_S:
            self.end()

    def end(self) -> None:
        """Let go of everything."""
        if self.has_ended:
            return
        self.has_ended = True
        self._locks.free(self)


class Locks:
    """Of one database."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.open: list[Session] = []
        self._holders: dict[Hashable, Session] = {}
        self._freed: dict[Hashable, trio.Event] = {}

    @property
    def busy(self) -> bool:
        for session in self.open[:]:
            session.expire()
        return bool(self.open)

    async def take(self, session: Session, key: Hashable) -> None:
        """Wait until it is the session's. Raises: StoreUnavailable when that takes too long, or would for ever."""
        until = self.clock() + STATEMENT_S
        while (holder := self._holders.get(key)) is not None and holder is not session:
            holder.expire()
            if holder.has_ended:
                continue
            if self.clock() >= until:
                raise StoreUnavailable("took too long: a row is locked")
            session.waits_for = holder
            try:
                if self._is_circle(session):
                    raise StoreUnavailable("two transactions wait for one another")
                with trio.move_on_after(IDLE_S):
                    await self._freed.setdefault(key, trio.Event()).wait()
            finally:
                session.waits_for = None
            if session.has_ended:
                raise StoreUnavailable("the session has ended")
        if self._holders.get(key) is None:
            self._holders[key] = session
            session.held.append(key)

    async def no_session_in(self, tables: set[str], within_s: float) -> None:
        """Return once no transaction has read or written any of them. Raises: StoreUnavailable."""
        until = self.clock() + within_s
        while True:
            inside = [session for session in self.open if session.tables & tables]
            for session in inside:
                session.expire()
            if all(session.has_ended for session in inside):
                return
            if self.clock() >= until:
                raise StoreUnavailable("took too long: a table is in use")
            await trio.sleep(within_s / 8)

    def free(self, session: Session) -> None:
        self.open.remove(session)
        for key in session.held:
            del self._holders[key]
            freed = self._freed.pop(key, None)
            if freed is not None:
                freed.set()
        session.held.clear()

    def end_all(self) -> None:
        """As when the server ends."""
        for session in self.open[:]:
            session.end()

    @staticmethod
    def _is_circle(session: Session) -> bool:
        other = session.waits_for
        while other is not None and other is not session:
            other = other.waits_for
        return other is session
