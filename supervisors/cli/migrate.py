"""`greenroom migrate`: the schema of the database."""

from typing import Annotated

import typer

from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.migrate import check, migrate
from greenroom.supervisors.cli.chosen.database import with_database
from greenroom.supervisors.cli.terminal.plainly import told_plainly


def migrate_schema(
    only_check: Annotated[bool, typer.Option("--check", help="Say whether it is up to date; 1 when not.")] = False,
) -> None:
    """Bring the database's schema up to date, or say whether it is.

    The database is GREENROOM_DATABASE_URL, or our own in GREENROOM_DATA_DIR, which is started for the moment.
    """
    with told_plainly():

        async def run(bridge: Bridge, url: str) -> bool:
            return await (check(bridge, url) if only_check else migrate(bridge, url))

        answer = with_database(run, need_schema=False)
        if only_check:
            typer.echo("up to date" if answer else "not up to date: run `greenroom migrate`")
            raise SystemExit(0 if answer else 1)
        typer.echo("migrated" if answer else "already up to date")
