"""What a failed statement means: was anything written, and may its wire be used again? Decisions only."""

import asyncpg
from asyncpg import exceptions as pg

from greenroom.store.errors import DataRefused, OutcomeLost, StoreError, StoreUnavailable
from greenroom.store.postgres.bridge import BridgeCancelled

# InternalClientError is no InterfaceError: asyncpg found its own state broken, as it does when a server dies midway.
FAILURES = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    pg.InternalClientError,
    OSError,  # TimeoutError among them
    EOFError,
    BridgeCancelled,
)


def translate(error: BaseException, *, write: bool) -> StoreError | None:
    """What a statement's failure means for what it wrote; None when it is a bug of the caller's, such as a missing
    argument."""
    message = f"{type(error).__name__}: {error}"
    match error:
        case pg.StatementCompletionUnknownError():
            lost = True
        case pg.PostgresConnectionError() | pg.AdminShutdownError() | pg.CrashShutdownError():
            lost = True  # may have come after the commit and before its confirmation
        case asyncpg.PostgresError() if getattr(error, "severity_en", None) in ("FATAL", "PANIC"):
            lost = True
        case pg.IntegrityConstraintViolationError() | pg.DataError():
            return DataRefused(message)
        case asyncpg.PostgresError():
            lost = False  # rolled back: deadlock, timeout, cancelled, disk full, no permission, a standby by now, ...
        case pg.UnsupportedClientFeatureError():
            return None
        case asyncpg.InterfaceError() if not isinstance(error, OSError) and "closed" not in str(error):
            return None
        case _:
            lost = True
    return OutcomeLost(message) if lost and write else StoreUnavailable(message)


def spoils_wire(error: BaseException) -> bool:
    """False when the server only said no, or was never asked. Else the wire is not to be used again, whatever state
    asyncpg believes it to be in: closed it may not be yet, when a killed server's last words have come."""
    if getattr(error, "severity_en", None) == "ERROR" or isinstance(error, pg.DataError):
        return False  # asyncpg raises DataError too, for an argument that does not fit its type, and sends nothing
    return translate(error, write=False) is not None
