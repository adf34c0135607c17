"""What is asked of a pooler in between; that a real one answers so is tried in tests/deploy/test_pgbouncer.py."""

from typing import Any

import pytest

from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.failures import PoolerUnfit
from greenroom.store.postgres.pool import Pool
from greenroom.store.postgres.pooling import PREPARED, SETTINGS, pool_mode_of, refuse_unfit
from greenroom.store.postgres.wire import session

WANTED = session("a name", 10.0)
OURS, THEIRS = 4_711, 4_712  # processes: the one that the session is said to be, and another


class Pooler:
    """A session behind one, with these settings and prepared statements; `process` runs what is asked."""

    def __init__(self, settings: dict[str, str], *prepared: str, process: int = THEIRS) -> None:
        self._answers: dict[str, list[tuple[object, ...]]] = {
            SETTINGS: list(settings.items()),
            PREPARED: [(name, process) for name in prepared],
        }

    async def fetch(self, query: str, *args: object) -> list[Any]:
        return self._answers[query]

    def get_server_pid(self) -> int:
        return OURS


@pytest.mark.parametrize(
    ("dsn", "address", "is_pooled"),
    [
        ("postgresql://db/x", "postgresql://db/x", False),
        ("postgresql://db/x?", "postgresql://db/x?", False),
        ("postgresql://db/x?pool_mode=transaction", "postgresql://db/x", True),
        ("postgresql://db/x?pool_mode=session", "postgresql://db/x", False),
        ("postgresql://u:p%40@db/x?sslmode=require&pool_mode=transaction&a=b%26", None, True),
        ("postgresql:///x?host=/run/pool_mode=transaction", "postgresql:///x?host=/run/pool_mode=transaction", False),
    ],
)
def test_the_address_says_how_sessions_are_given_away(dsn: str, address: str | None, is_pooled: bool) -> None:
    if address is None:
        address = "postgresql://u:p%40@db/x?sslmode=require&a=b%26"
    assert pool_mode_of(dsn) == (address.rstrip("?"), is_pooled)


async def test_a_pooler_that_is_set_up_and_keeps_track_is_fit() -> None:
    await refuse_unfit(Pooler(WANTED, "PGBOUNCER_7"), WANTED)
    await refuse_unfit(Pooler({**WANTED, "statement_timeout": "3000"}, "PGBOUNCER_7"), WANTED)


async def test_without_a_pooler_statements_are_ours() -> None:
    await refuse_unfit(Pooler(WANTED, "__asyncpg_stmt_7__", process=OURS), WANTED)


@pytest.mark.parametrize(
    ("name", "value"), [("jit", "on"), ("statement_timeout", "0"), ("statement_timeout", "60000"), ("jit", "")]
)
async def test_what_is_missing_is_named(name: str, value: str) -> None:
    with pytest.raises(PoolerUnfit, match=f"connect_query must say: SET {name} = '{WANTED[name]}'$"):
        await refuse_unfit(Pooler({**WANTED, name: value}, "PGBOUNCER_7"), WANTED)


async def test_one_that_keeps_no_track_of_statements_is_refused() -> None:
    with pytest.raises(PoolerUnfit, match="max_prepared_statements"):
        await refuse_unfit(Pooler(WANTED, "__asyncpg_stmt_7__"), WANTED)


async def test_postgres_itself_without_our_settings_is_no_fit_pooler(database_url: str) -> None:
    """Pins what is asked of its views; and nothing was set there."""
    async with Bridge() as bridge, Pool(bridge, f"{database_url}&pool_mode=transaction", incarnation=1) as pool:
        with pytest.raises(Exception, match=r"connect_query must say: .*SET plan_cache_mode"):
            async with pool.connection() as connection:
                await connection.fetch("SELECT 1")
