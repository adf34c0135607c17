"""`greenroom new-generation`: every epoch ends with another label from now on, so clients start over."""

import secrets

import typer

from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.pool import Pool
from greenroom.supervisors.cli.chosen.database import with_database
from greenroom.supervisors.cli.terminal.plainly import told_plainly


def new_generation() -> None:
    """Tell every client to start over: after a backup was restored, or a standby promoted beside another."""
    with told_plainly():
        label = f".{secrets.token_hex(4)}"

        async def run(bridge: Bridge, url: str) -> None:
            async with Pool(bridge, url, incarnation=0, size=1) as pool, pool.connection() as connection:
                await connection.fetch("UPDATE generation SET label = $1", label)

        with_database(run)
        typer.echo(f"epochs end with {label} from now on")
