"""The schema, brought up to date: at the start of a node, and by `greenroom migrate [--check]`.

Alembic orders the revisions in `migrations/versions` and writes the script; asyncpg runs it. Nodes that start together
take turns, a revision each, by an advisory lock, and whoever finds the work done does nothing. The lock is the
transaction's: behind a pooler the next transaction may have another session. A schema that is up to date costs one
query; Alembic and SQLAlchemy (0.3 s to import) are loaded only when there is work.
"""

import asyncio
import io
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import asyncpg
import structlog
import trio

from greenroom.store.errors import StoreUnavailable
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.failures import FAILURES, translate
from greenroom.store.postgres.wire import Wire, open_wire

log = structlog.get_logger("greenroom.migrate")

T = TypeVar("T")

HEAD = "0024"  # the newest revision; a test holds it against the folder. Four digits, so that they sort.
LOCK = 0x67726E72  # "grnr"; any number that nobody else locks in this database
ENCODING = "UTF8"
SILENCE_S = 10.0  # a server that is silent for so long counts as gone
CHECK_S = 15.0  # what connecting and asking for the revision may take
# By the rows of the catalogue, which each statement sees anew: to_regclass remembers for a whole transaction that there
# was no such table, also when another node has made it meanwhile.
VERSIONED = "SELECT 1 FROM pg_tables WHERE tablename = 'alembic_version' AND schemaname = ANY (current_schemas(false))"
# Whatever limits the session has: a revision may take its time, and so may whoever waits for it.
TAKE_TURN = f"""
BEGIN;
SET LOCAL statement_timeout = 0;
SET LOCAL idle_in_transaction_session_timeout = 0;
SELECT pg_advisory_xact_lock({LOCK});
"""
MIGRATIONS = Path(__file__).parents[1] / "migrations"
MIGRATE_S = 3_600.0  # what bringing the schema up to date may take, behind another node that does


async def check(bridge: Bridge, database_url: str) -> bool:
    """Is the schema at this code's revision, or at a later one (which must carry this code too)?

    Raises: StoreUnavailable.
    """
    version: str | None = await _answered(bridge, database_url, _version, CHECK_S)
    return version is not None and version >= HEAD


async def migrate(bridge: Bridge, database_url: str) -> bool:
    """Bring the schema to this code's revision; False when others have done it all. Raises: StoreUnavailable.

    Each revision is a transaction, so a cancelled or failed migration leaves the schema at a revision.
    """
    if await check(bridge, database_url):
        return False
    changed: bool = await _answered(bridge, database_url, _upgrade, MIGRATE_S)
    if changed:
        log.info("schema_migrated", revision=HEAD)
    return changed


async def _answered(bridge: Bridge, database_url: str, ask: Callable[[Wire], Awaitable[T]], within_s: float) -> T:
    async def on_connection() -> T:
        async with asyncio.timeout(SILENCE_S):
            wire = await open_wire(database_url, silence_s=SILENCE_S, connect_s=SILENCE_S)
        try:
            await _refuse_encoding(wire)
            return await ask(wire)
        finally:
            await wire.close(timeout=2)

    try:
        with trio.move_on_after(within_s):
            return await bridge.run(on_connection)
    except (asyncpg.InvalidPasswordError, asyncpg.InvalidCatalogNameError, OSError, TimeoutError) as error:
        raise StoreUnavailable(f"cannot connect to Postgres: {type(error).__name__}: {error}") from error
    except FAILURES as error:
        raise translate(error, write=False) or error from error
    raise StoreUnavailable(f"no answer from Postgres within {within_s:g} s")


async def _refuse_encoding(wire: Wire) -> None:
    """Raises: StoreUnavailable. Names and texts hold any character, and one that the database lacks would fail them."""
    encoding: str = await wire.fetchval("SHOW server_encoding")
    if encoding != ENCODING:
        raise StoreUnavailable(f"the database's encoding is {encoding}, and must be {ENCODING}: create it with that")


async def _version(wire: Wire) -> str | None:
    if await wire.fetchval(VERSIONED) is None:
        return None
    version: str | None = await wire.fetchval("SELECT version_num FROM alembic_version")
    return version


async def _upgrade(wire: Wire) -> bool:
    has_changed = False
    while (version := await _version(wire)) is None or version < HEAD:
        script = upgrade_sql(version, following(version))  # made before, since Alembic takes its time to load
        await wire.execute(TAKE_TURN)
        if await _version(wire) == version:
            await wire.execute(script)
            has_changed = True
        await wire.execute("COMMIT")
    return has_changed


def following(version: str | None) -> str:
    """The revision after `version`; None: nothing is there yet."""
    revisions = (path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))
    return min(revision for revision in revisions if revision > (version or ""))


def upgrade_sql(version: str | None, to: str = HEAD) -> str:
    """The script from `version` (None: an empty database) to `to`, for one transaction."""
    from alembic import command
    from alembic.config import Config

    script = io.StringIO()
    config = Config(output_buffer=script)
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    command.upgrade(config, f"{version or 'base'}:{to}", sql=True)
    return script.getvalue()
