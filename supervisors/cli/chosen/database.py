"""The database that a command works on: the configured one, or our own in the data folder."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import trio

from greenroom.config.settings import load_settings
from greenroom.config.telemetry.logs import configure_logs
from greenroom.store.own.data_folder import DataFolder, DataFolderBusy
from greenroom.store.own.errors import OwnServerFailed
from greenroom.store.own.servers import OwnServers
from greenroom.store.postgres.bridge import Bridge
from greenroom.supervisors.cli.terminal.plainly import Trouble

R = TypeVar("R")


def with_database(run: Callable[[Bridge, str], Awaitable[R]], *, need_schema: bool = True) -> R:
    """The outcome of `run(bridge, url)`.

    Our own is reached while a server runs it, and started for the moment when none does. Raises: SettingsError,
    StoreUnavailable, DataFolderError, and Trouble when our own doesn't start or the schema that `run` needs is missing.
    """
    from greenroom.store.postgres.migrate import check  # here, for `serve` needs it once its database has been launched

    settings = load_settings()
    configure_logs(settings.log)

    async def on_bridge(url: str) -> R:
        async with Bridge() as bridge:
            if need_schema and not await check(bridge, url):
                raise Trouble("the database has no schema of this version yet: run `greenroom migrate`")
            return await run(bridge, url)

    if settings.database_url is not None:
        return trio.run(on_bridge, settings.database_url.get_secret_value())
    data_folder = DataFolder(Path(settings.data_dir))
    own = OwnServers(data_folder.path)
    try:
        data_folder.open()
    except DataFolderBusy:
        url = own.running_database_url
        if url is None:
            raise Trouble(f"the server that uses {data_folder.path} is only starting or stopping; try again") from None
        return trio.run(on_bridge, url)
    try:
        url, _ = naming_the_folder(own.start, data_folder)
        return trio.run(on_bridge, url)
    finally:
        own.stop()
        data_folder.close()


def naming_the_folder(act: Callable[[], R], data_folder: DataFolder) -> R:
    """`act()`, which starts servers of our own. Raises: Trouble that names the folder and its setting."""
    try:
        return act()
    except (OwnServerFailed, OSError) as error:  # a full disk, most of all
        raise Trouble(f"no database in the folder {data_folder.path} (GREENROOM_DATA_DIR): {error}") from error
