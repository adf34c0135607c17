"""Servers to treat badly: one that must survive everything, and new ones to spoil."""

import itertools
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.server import Server
from tests.faults.process.command_line import CommandLine

room_numbers = itertools.count(1)
# Pings, patience and bounds so small that a test can reach them.
IMPATIENT: dict[str, Any] = {
    "GREENROOM_ENTITIES": "tests.faults.entities",
    "GREENROOM_CLIENT_PING_S": "1",
    "GREENROOM_CLIENT_PONG_TIMEOUT_S": "0.9",
    "GREENROOM_CLIENT_STALE_S": "1",
    "GREENROOM_CLIENT_QUEUE_BYTES_MAX": "65536",
    "GREENROOM_CLIENT_QUEUE_AGE_S": "2",
    "GREENROOM_CLIENT_EXPIRED_CLOSE_DELAY_S": "0",
    "GREENROOM_GATE_HEAD_TIMEOUT_S": "1",
    "GREENROOM_GATE_IDLE_HTTP_S": "20",
    "GREENROOM_SUPERVISION_HANDLER_STUCK_S": "0.5",
}


@pytest.fixture(scope="session")
def _impatient_server() -> Iterator[Server]:
    server = Server(**IMPATIENT)
    server.start()
    yield server
    server.remove()


@pytest.fixture
def server(_impatient_server: Server) -> Iterator[Server]:
    """A running server. It must be the same process after the test, whatever the test did to it."""
    pid, since = _impatient_server.pid, _impatient_server.log_bytes()
    yield _impatient_server
    print(_impatient_server.log(since)[-20_000:])  # pytest shows it when the test has failed
    assert _impatient_server.running and _impatient_server.pid == pid
    assert _impatient_server.request("GET", "/health").status == 200


@pytest.fixture(scope="session")
def _prepared_data() -> Iterator[Path]:
    """A data folder with a database in it: to copy one takes a tenth of making one."""
    server = Server()
    server.start()
    assert server.stop() == 0
    yield server.data
    server.remove()


@pytest.fixture
def fresh_server(_prepared_data: Path) -> Iterator[Server]:
    """A server of the test's own, not started. Change its `_settings` before it is."""
    server = Server(GREENROOM_ENTITIES="tests.faults.entities")
    subprocess.run(["cp", "-a", str(_prepared_data), str(server.data)], check=True)
    yield server
    print(server.log()[-20_000:])
    server.remove()


@pytest.fixture
def new_server() -> Iterator[Server]:
    """As `fresh_server`, and it has never run: there is no data folder yet."""
    server = Server(GREENROOM_ENTITIES="tests.faults.entities")
    yield server
    print(server.log()[-20_000:])
    server.remove()


@pytest.fixture
def room() -> str:
    """A room that no other test uses."""
    return f"room:faults-{next(room_numbers)}"


@pytest.fixture(scope="session")
def command_line() -> Iterator[CommandLine]:
    with CommandLine() as command_line:
        yield command_line
