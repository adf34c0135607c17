"""Real servers for the tests: one Postgres and one Valkey for the whole run, from the wheels that production uses."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from store.own_servers import OwnServers


@pytest.fixture(scope="session")
def own_servers() -> Iterator[OwnServers]:
    """Running servers. `own_servers.restart_postgres()` (or `crash=True`) and `.restart_valkey()` are yours to use."""
    folder = Path(tempfile.mkdtemp(prefix="greenroom-test-"))
    servers = OwnServers(folder, initdb_sync=False)
    servers.start()
    yield servers
    servers.stop()
    shutil.rmtree(folder, ignore_errors=True)
