"""The schema, brought up to date: at the start of a node, and by `greenroom migrate [--check]`.

Alembic orders the revisions in `migrations/versions` and writes the script; asyncpg runs it. Nodes that start together
take turns by an advisory lock, and whoever finds the work done does nothing. A schema that is up to date costs one
query; Alembic and SQLAlchemy (0.3 s to import) are loaded only when there is work.
"""

import io
from pathlib import Path
from typing import Any

import asyncpg
import structlog

from greenroom.store.errors import StoreUnavailable
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.connection import FAILURES, translate

log = structlog.get_logger()

HEAD = "0004"  # the newest revision; a test holds it against the folder. Four digits, so that they sort.
LOCK = 0x67726E72  # "grnr"; any number that nobody else locks in this database


async def check(bridge: Bridge, database_url: str) -> bool:
    """Is the schema at this code's revision, or at a later one (which must carry this code too)?

    Raises: StoreUnavailable.
    """
    version: str | None = await _answered(bridge, database_url, _version)
    return version is not None and version >= HEAD


async def migrate(bridge: Bridge, database_url: str) -> bool:
    """Bring the schema to this code's revision; False when it was there already. Raises: StoreUnavailable.

    Each revision is a transaction, so a cancelled or failed migration leaves the schema at a revision.
    """
    if await check(bridge, database_url):
        return False
    changed: bool = await _answered(bridge, database_url, _upgrade)
    if changed:
        log.info("schema_migrated", revision=HEAD)
    return changed


async def _answered(bridge: Bridge, database_url: str, ask: Any) -> Any:
    async def on_connection() -> Any:
        connection = await asyncpg.connect(database_url, timeout=10)
        try:
            return await ask(connection)
        finally:
            await connection.close(timeout=2)

    try:
        return await bridge.run(on_connection)
    except (asyncpg.InvalidPasswordError, asyncpg.InvalidCatalogNameError, OSError, TimeoutError) as error:
        raise StoreUnavailable(f"cannot connect to Postgres: {type(error).__name__}: {error}") from error
    except FAILURES as error:
        raise translate(error, write=False) or error from error


async def _version(connection: Any) -> str | None:
    if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
        return None
    version: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    return version


async def _upgrade(connection: Any) -> bool:
    await connection.execute("SELECT pg_advisory_lock($1)", LOCK)  # until the session ends
    version = await _version(connection)
    if version is not None and version >= HEAD:
        return False
    await connection.execute(upgrade_sql(version))
    return True


def upgrade_sql(version: str | None) -> str:
    """The script from `version` (None: an empty database) to HEAD, each revision in a transaction of its own."""
    from alembic import command
    from alembic.config import Config

    script = io.StringIO()
    config = Config(output_buffer=script)
    config.set_main_option("script_location", str(Path(__file__).parents[1] / "migrations").replace("%", "%%"))
    command.upgrade(config, f"{version or 'base'}:{HEAD}", sql=True)
    return script.getvalue()
