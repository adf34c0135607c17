"""A Postgres with our schema and nothing in it, made once in a run of the tests: their servers begin with a copy, which
takes a tenth of what making one takes. First starts of their own have those of tests/faults/process that launch the
server by themselves, the wheel's, and the one of docs/start.md.
"""

import fcntl
import os
import subprocess
import tempfile
from pathlib import Path

import trio

from greenroom.store.own.servers import OwnServers
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.migrate import migrate

FOLDER = "TEMPLATE_OF_CLUSTERS"  # the environment variable that all processes of a run have; see tests/conftest.py


def copy_cluster(data: Path) -> None:
    """Into a data folder without one."""
    folder = Path(os.environ[FOLDER])
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one of the processes makes it, and the others wait
        whole = folder / "whole"
        if not whole.exists():
            _make(folder / "data")
            whole.touch()
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    subprocess.run(["cp", "--archive", folder / "data" / "postgres", data], check=True)


def _make(data: Path) -> None:
    servers = OwnServers(data, initdb_sync=False)
    try:
        url, _ = servers.start()

        async def migrated() -> None:
            async with Bridge() as bridge:
                await migrate(bridge, url)

        trio.run(migrated)
    finally:
        servers.stop()


def new_folder() -> str:
    """For the whole run; as root, within reach of the account that Postgres runs as."""
    folder = tempfile.mkdtemp(prefix="greenroom-tests-")
    Path(folder).chmod(0o711)
    return folder
