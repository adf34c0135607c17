"""What a failed statement means: was anything written, and may its wire be used again? Decisions only.

What the server says is judged by its SQLSTATE, mostly by the class that its first two characters name:
https://www.postgresql.org/docs/current/errcodes-appendix.html. A code that asyncpg does not know has one all the same.
"""

import asyncpg
from asyncpg import exceptions as pg

from greenroom.store.errors import (
    DataRefused,
    OutcomeLost,
    StatementRefused,
    StoreError,
    StoreUnavailable,
    TookTooLong,
)
from greenroom.store.postgres.bridge import BridgeCancelled


class NotReplicated(Exception):
    """The server said that a statement was committed, and that it has stopped waiting for a standby to have it too."""


class PoolerUnfit(Exception):
    """What stands between us and Postgres does not do what we need of it; the text says what."""


# InternalClientError is no InterfaceError: asyncpg found its own state broken, as it does when a server dies midway.
FAILURES = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    pg.InternalClientError,
    OSError,  # TimeoutError among them
    EOFError,
    BridgeCancelled,
    NotReplicated,
    PoolerUnfit,
)

# Classes and codes about what this statement brought or met: another's fares no worse for it, and this would again.
REFUSED = {
    "10",  # an argument that the server's XQuery does not take
    "21",  # cardinality violation: one statement writes one row twice
    "22",  # data exception
    "23",  # integrity constraint violation
    "27",  # triggered data change violation
    "44",  # a row that its view does not show
    "54",  # program limit exceeded: a key too long for its index, a row too large for its page
    "XX001",  # a stored row that is damaged
    "XX002",  # an index that is damaged: it fails who comes by the damaged page
}
# The session ends, and the confirmation of a commit may have been lost with it.
LOST = {
    "08",  # connection exception
    "40003",  # statement completion unknown
    "57P01",  # admin shutdown
    "57P02",  # crash shutdown
    "57P03",  # cannot connect now
    "57P04",  # database dropped
    "57P05",  # idle session timeout
}
# The server is not what it should be just now, and is again by itself. All others are about the statement.
AWAY = {
    "25",  # invalid transaction state: it is a standby by now
    "26",  # invalid statement name: its session has lost what it prepared, as behind a pooler
    "40",  # transaction rollback: deadlock, serialization
    "53",  # insufficient resources: disk, memory, connections
    "55",  # object not in prerequisite state: a lock, too
    "57",  # operator intervention
    "58",  # system error: I/O
    "72",  # snapshot too old
}
FORGOTTEN = "26"  # of a session, which would say so again of every statement that we believe to be prepared in it
ENDED = "57014"  # query canceled: by statement_timeout, or by somebody at the server


def translate(error: BaseException, *, write: bool) -> StoreError | None:
    """What a statement's failure means for what it wrote; None when it is a bug of the caller's, such as a missing
    argument."""
    message = f"{type(error).__name__}: {error}"
    match error:
        case asyncpg.PostgresError():
            code = error.sqlstate or ""
            lost = _is_in(LOST, code) or getattr(error, "severity_en", None) in ("FATAL", "PANIC")
            if not lost and _is_in(REFUSED, code):
                return DataRefused(message)
            if not lost and code == ENDED:
                return TookTooLong(message)
            if not lost and not _is_in(AWAY, code):
                return StatementRefused(message)
        case pg.UnsupportedClientFeatureError():
            return None
        case asyncpg.InterfaceError() if not isinstance(error, OSError) and "closed" not in str(error):
            return None
        case _:
            lost = True
    return OutcomeLost(message) if lost and write else StoreUnavailable(message)


def was_heard(error: BaseException) -> bool:
    """Has the server said it? asyncpg raises errors by the server's names itself, and then nothing was sent."""
    return getattr(error, "severity_en", None) is not None


def spoils_wire(error: BaseException) -> bool:
    """False when the server only said no, or was never asked, and has what it was told to prepare. Else the wire is not
    to be used again, whatever state asyncpg believes it to be in: closed it may not be yet, when a killed server's last
    words have come."""
    if was_heard(error):
        code = getattr(error, "sqlstate", None) or ""
        return getattr(error, "severity_en", None) != "ERROR" or code[:2] == FORGOTTEN
    if isinstance(error, pg.DataError):
        return False  # asyncpg's own, for an argument that does not fit its type
    return translate(error, write=False) is not None


def _is_in(table: set[str], code: str) -> bool:
    return code[:2] in table or code in table
