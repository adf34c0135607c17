"""A pooler in between that gives each transaction whichever session is free, as PgBouncer with `pool_mode=transaction`.

    postgresql://greenroom@pgbouncer:6432/greenroom?pool_mode=transaction

Every statement of ours is a transaction of its own, and needs nothing of the one before. What a session keeps is
another matter: what we would SET is set in one of many, and met by others' statements. So the pooler sets each of its
sessions up (`connect_query` in `deploy/pgbouncer.ini`), and we look whether it has. And it has to know which statements
are prepared in which session, as PgBouncer does from 1.21 on.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from greenroom.store.postgres.failures import PoolerUnfit

POOLED = "pool_mode=transaction"
OWN_NAMES = "__asyncpg"  # how the names begin that asyncpg gives statements; a pooler that keeps track gives its own

SETTINGS = "SELECT name, setting FROM pg_settings WHERE name = ANY($1::text[])"
# Finds itself, and what others have left of it where nobody keeps track.
PREPARED = """
SELECT name, pg_backend_pid() AS process FROM pg_prepared_statements WHERE statement LIKE '%AS process FROM pg_prep%'
"""


class _Session(Protocol):
    """What is used here of asyncpg.Connection, which has no types."""

    async def fetch(self, query: str, *args: object) -> list[Any]: ...

    def get_server_pid(self) -> int: ...


def pool_mode_of(dsn: str) -> tuple[str, bool]:
    """`dsn` without its `pool_mode`, which only we know; and whether that is `transaction`."""
    address, _, query = dsn.partition("?")
    given = [one for one in query.split("&") if one]
    kept = [one for one in given if not one.startswith("pool_mode=")]
    return "?".join((address, "&".join(kept))) if kept else address, POOLED in given


async def refuse_unfit(session: _Session, wanted: Mapping[str, str]) -> None:
    """Has the pooler behind `session` set up what we would have SET, and may statements be
    prepared? For asyncio's side of the bridge. Raises: PoolerUnfit, and what asyncpg raises."""
    found: dict[str, str] = dict(await session.fetch(SETTINGS, list(wanted)))
    if wrong := {name: value for name, value in wanted.items() if not _does(name, found.get(name, ""), value)}:
        told = "; ".join(f"SET {name} = '{value}'" for name, value in wrong.items())
        raise PoolerUnfit(f"the sessions behind the pooler are not set up: its connect_query must say: {told}")
    prepared = await session.fetch(PREPARED)
    is_direct = any(process == session.get_server_pid() for _, process in prepared)  # nobody is in between
    if not is_direct and any(name.startswith(OWN_NAMES) for name, _ in prepared):
        raise PoolerUnfit(
            "the pooler keeps no track of prepared statements: PgBouncer 1.21 or newer does, with "
            "max_prepared_statements above 0"
        )


def _does(name: str, found: str, wanted: str) -> bool:
    """As wanted; a statement may be given less time."""
    return 0 < int(found or 0) <= int(wanted) if name == "statement_timeout" else found == wanted
