"""`greenroom serve --reload`, as a person has it who edits an entity beside it."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.e2e.event_stream import EventStream, Following
from tests.e2e.server import Server, wait_until
from tests.faults.process.command_line import CommandLine

ENTITY = """
from msgspec import Struct

from greenroom import Actor, Ask, Event
from prices import PRICE


class Total(Struct, frozen=True):
    total: int


class Buy(Ask[Total], tag="shop.buy"):
    pass


class Bought(Event, tag="shop.bought"):
    price: int


class ShopState(Struct):
    total: int = 0


class Shop(Actor[ShopState]):
    kind = "shop"
    commands = (Buy,)
    events = (Bought,)

    def handle(self, message: Buy) -> Total:
        self.record(Bought(price=PRICE))
        return Total(self.state.total)

    def apply(self, event: Bought) -> None:
        self.state.total += event.price

    def view(self) -> Total:
        return Total(self.state.total)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(ENTITY)
    (tmp_path / "prices.py").write_text("PRICE = 1\n")
    return tmp_path


@pytest.fixture
def server(project: Path) -> Iterator[Server]:
    # Empty is unset: as with most people, compiled code is kept.
    server = Server(cwd=project, options=("--reload",), GREENROOM_ENTITIES="shop", PYTHONDONTWRITEBYTECODE="")
    try:
        yield server
    finally:
        print(server.log()[-20_000:])
        server.remove()


def processes_of(server: Server) -> list[psutil.Process]:
    """The children that serve or load, Postgres and Valkey."""
    found: list[psutil.Process] = psutil.Process(server.pid).children(recursive=True)
    return found


def buys(server: Server) -> int:
    total: int = server.command("shop:corner", "buy")["total"]
    return total


def test_new_code_serves_the_old_data_and_a_mistake_interrupts_nobody(server: Server, project: Path) -> None:
    server.start()
    assert (buys(server), buys(server)) == (1, 2)
    postgres = server.postgres_pid()
    with Following(EventStream(server, "shop:corner")) as stream:
        wait_until(lambda: stream.views == 1, "the view")

        since = server.log_bytes()
        saved_ns = (project / "prices.py").stat().st_mtime_ns
        (project / "prices.py").write_text("PRICE = 5\n")  # as long as before, and saved in the same second
        os.utime(project / "prices.py", ns=(saved_ns, saved_ns + (1 if saved_ns % 10**9 < 10**9 - 1 else -1)))
        server.until_ready(since)
        assert "prices.py changed" in server.log(since)
        assert buys(server) == 7
        stream.until_offset(3)

        since = server.log_bytes()
        (project / "shop.py").write_text(ENTITY + "\ndef (:\n")
        wait_until(lambda: "until the next change" in server.log(since), "the mistake to be told", within_s=60)
        assert "SyntaxError" in server.log(since) and "shop.py" in server.log(since)
        assert "Greenroom is ready" not in server.log(since)
        assert buys(server) == 12

        (project / "shop.py").write_text(ENTITY.replace("price=PRICE", "price=PRICE * 2"))
        server.until_ready(since)
        assert buys(server) == 22
        stream.until_offset(5)
    assert server.postgres_pid() == postgres  # it was never stopped
    before = processes_of(server)
    assert server.stop() == 0
    assert psutil.wait_procs(before, timeout=15)[1] == []


def test_it_waits_for_a_mistake_of_the_first_start_to_be_mended(server: Server, project: Path) -> None:
    (project / "prices.py").write_text("PRICE = missing\n")
    server.launch()
    wait_until(lambda: "until the next change" in server.log(), "the mistake to be told", within_s=60)
    log = server.log()
    assert "NameError" in log and 'prices.py", line 1' in log and "nothing is served" in log
    (project / "prices.py").write_text("PRICE = 3\n")
    server.until_ready(0)
    assert buys(server) == 3
    before = processes_of(server)
    os.kill(server.pid, signal.SIGINT)
    wait_until(lambda: not server.running, "the end", within_s=30)
    assert psutil.wait_procs(before, timeout=15)[1] == []


def test_nobody_is_left_when_the_parent_is_killed(server: Server) -> None:
    server.start()
    assert buys(server) == 1
    before = processes_of(server)
    assert len(before) >= 3
    server.kill()
    assert psutil.wait_procs(before, timeout=30)[1] == []


def test_a_server_that_died_starts_anew_at_the_next_change(server: Server, project: Path) -> None:
    server.start()
    assert buys(server) == 1
    serving = next(one for one in processes_of(server) if "serving.child" in " ".join(one.cmdline()))
    since = server.log_bytes()
    serving.kill()
    wait_until(lambda: "ended with status -9" in server.log(since), "the death to be told")
    (project / "prices.py").write_text("PRICE = 4\n")
    server.until_ready(since)
    assert buys(server) == 5


def test_what_stays_until_it_is_started_anew_is_named(server: Server, project: Path) -> None:
    server.start()
    since = server.log_bytes()
    (project / ".env").write_text("GREENROOM_DATABASE_URL=postgresql://ann:hunter2@127.0.0.1:1/none\n")
    server.until_ready(since)
    log = server.log(since)
    assert "settings_passed_over" in log and "GREENROOM_DATABASE_URL" in log and "hunter2" not in log
    assert "GREENROOM_REDIS_URL" not in log
    assert buys(server) == 1


@pytest.mark.parametrize("env", ["staging", "production"])
def test_only_in_local(command_line: CommandLine, tmp_path: Path, env: str) -> None:
    settings: dict[str, Any] = {
        "GREENROOM_ENV": env,
        "GREENROOM_AUTH_SECRET": "a secret that is long enough for all of them",
        "GREENROOM_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "GREENROOM_REDIS_URL": "redis://127.0.0.1:1",
        "GREENROOM_DATA_DIR": str(tmp_path / "data"),
    }
    ran = command_line.run(["serve", "--reload"], settings)
    assert ran.status == 2 and "GREENROOM_ENV" in ran.err and env in ran.err and "Traceback" not in ran.err
    assert not (tmp_path / "data").exists()


def test_a_taken_port_is_told_as_ever(command_line: CommandLine, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        settings = {"GREENROOM_DATA_DIR": str(tmp_path / "data")}
        ran = command_line.run(["serve", "--reload", "--port", port], settings, folder=tmp_path)
    assert ran.status == 1 and port in ran.err and "Traceback" not in ran.err
