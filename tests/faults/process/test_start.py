"""What keeps a server from starting: said in words that name the setting, with an exit status that fits."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from greenroom.store.own.servers import OwnServers
from tests.conftest import administer, url_of
from tests.e2e.server import ROOT, Server, wait_until
from tests.faults.process.command_line import CommandLine, Ran


def assert_told_plainly(ran: Ran, status: int, *words: str) -> None:
    assert ran.status == status, ran
    assert "Traceback" not in ran.err and ran.out == ""
    assert sum(line.startswith("greenroom: ") for line in ran.err.splitlines()) == 1
    for word in words:
        assert word in ran.err


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    """Of a server that would start: any port, a data folder of its own."""
    return {"GREENROOM_DATA_DIR": str(tmp_path / "data"), "GREENROOM_PORT": "0"}


def test_a_taken_port(command_line: CommandLine, settings: dict[str, str], tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert_told_plainly(command_line.run(["serve"], settings | {"GREENROOM_PORT": port}), 1, "GREENROOM_PORT", port)
        assert_told_plainly(command_line.run(["serve", "--port", port], settings), 1, "--port", port)
    assert not (tmp_path / "data").exists()  # nothing was begun in vain


@pytest.mark.parametrize("host", ["203.0.113.7", "no.such.host.invalid"])
def test_an_address_that_is_not_ours(command_line: CommandLine, settings: dict[str, str], host: str) -> None:
    meant = settings | {"GREENROOM_LOCAL_ON_NETWORK": "true"}
    assert_told_plainly(command_line.run(["serve", "--host", host], meant), 1, "GREENROOM_HOST", host)


def test_a_second_server_on_the_same_data_folder(command_line: CommandLine, server: Server) -> None:
    settings = {"GREENROOM_DATA_DIR": str(server.data), "GREENROOM_PORT": "0"}
    ran = command_line.run(["serve"], settings)
    assert_told_plainly(ran, 1, "GREENROOM_DATA_DIR", "second server", str(server.pid))
    assert server.request("GET", "/ready").status == 200


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """As a read-only disk where we may mount one, else by permission."""
    folder.mkdir()
    mounted = os.geteuid() == 0 and _mount("-t", "tmpfs", "-o", "ro,size=64k", "tmpfs", str(folder))
    if not mounted:
        if os.geteuid() == 0:
            pytest.skip("root writes wherever it wants, and may mount nothing here")
        folder.chmod(0o500)
    try:
        yield
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)
        else:
            folder.chmod(0o700)


def _mount(*arguments: str) -> bool:
    return shutil.which("mount") is not None and (
        subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0
    )


def test_a_read_only_data_folder(command_line: CommandLine, settings: dict[str, str], tmp_path: Path) -> None:
    with read_only(tmp_path / "data"):
        assert_told_plainly(command_line.run(["serve"], settings), 1, "GREENROOM_DATA_DIR", str(tmp_path / "data"))
        below = settings | {"GREENROOM_DATA_DIR": str(tmp_path / "data" / "below")}
        assert_told_plainly(command_line.run(["serve"], below), 1, "GREENROOM_DATA_DIR")


def test_a_data_folder_that_became_read_only(command_line: CommandLine, fresh_server: Server) -> None:
    """It holds a database already: still the setting is named, and the database is none the worse for it."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    fresh_server.start()
    fresh_server.command("room:x", "send", {"text": "before"})
    assert fresh_server.stop() == 0
    data = str(fresh_server.data)
    if not (_mount("--bind", data, data) and _mount("-o", "remount,ro,bind", data)):
        pytest.skip("may not mount here")
    try:
        ran = command_line.run(["serve"], {"GREENROOM_DATA_DIR": data, "GREENROOM_PORT": "0"})
        assert_told_plainly(ran, 1, "GREENROOM_DATA_DIR", data)
    finally:
        subprocess.run(["umount", data], check=True)
    fresh_server.start()
    assert fresh_server.history("room:x")[-1]["data"]["text"] == "before"


def test_a_full_disk(command_line: CommandLine, settings: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    if os.geteuid() != 0 or not _mount("-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(folder)):
        pytest.skip("may not mount here")
    try:
        assert_told_plainly(command_line.run(["serve"], settings), 1, "GREENROOM_DATA_DIR", "No space left")
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_file_where_the_data_folder_should_be(
    command_line: CommandLine, settings: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "data").write_text("a file")
    assert_told_plainly(command_line.run(["serve"], settings), 1, "GREENROOM_DATA_DIR", str(tmp_path / "data"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GREENROOM_PORT", "eighty"),
        ("GREENROOM_PORT", "70000"),
        ("GREENROOM_ENV", "prod"),
        ("GREENROOM_DATABASE_URL", "mysql://x"),
        ("GREENROOM_REDIS_URL", "nonsense"),
        ("GREENROOM_LOG_LEVEL", "loud"),
        ("GREENROOM_NODES", "-1"),
        ("GREENROOM_CLIENT_PING_S", "nan"),
        ("GREENROOM_SUPERVISION_HANDLER_STUCK_S", "-1"),
        ("GREENROOM_ALLOWED_ORIGINS", "not an origin"),
        ("GREENROOM_AUTH_JWKS_FILE", "/no/such/file"),
        ("GREENROOM_ENTITIES", "no.such.module"),
        ("GREENROOM_ENTITIES", "json"),
        ("GREENROOM_ENTITIES", "tests.faults.entities:Missing"),
        ("GREENROOM_PROT", "8000"),
    ],
)
def test_a_bad_setting_is_named(
    command_line: CommandLine, settings: dict[str, str], tmp_path: Path, name: str, value: str
) -> None:
    ran = command_line.run(["serve"], settings | {name: value})
    assert_told_plainly(ran, 2, name)
    assert not (tmp_path / "data").exists()


def test_every_bad_setting_is_named_at_once(command_line: CommandLine, settings: dict[str, str]) -> None:
    ran = command_line.run(["serve"], settings | {"GREENROOM_PORT": "x", "GREENROOM_ENV": "production"})
    assert ran.status == 2
    for name in ("PORT", "AUTH_SECRET", "DATABASE_URL", "REDIS_URL"):
        assert f"GREENROOM_{name}" in ran.err


def test_a_secret_in_a_bad_setting_is_not_repeated(command_line: CommandLine, settings: dict[str, str]) -> None:
    ran = command_line.run(["serve"], settings | {"GREENROOM_DATABASE_URL": "mysql://ann:hunter2@db/x"})
    assert_told_plainly(ran, 2, "GREENROOM_DATABASE_URL")
    assert "hunter2" not in ran.err


def test_a_database_that_does_not_answer(command_line: CommandLine, settings: dict[str, str]) -> None:
    url = "postgresql://ann:hunter2@127.0.0.1:1/x"
    ran = command_line.run(
        ["serve"], settings | {"GREENROOM_DATABASE_URL": url, "GREENROOM_STORE_CONNECT_TIMEOUT_S": "1"}
    )
    assert_told_plainly(ran, 1, "GREENROOM_DATABASE_URL")
    assert "hunter2" not in ran.err


@pytest.mark.parametrize("arguments", [["--port", "x"], ["--no-such"], ["extra"]])
def test_bad_usage(command_line: CommandLine, arguments: list[str]) -> None:
    ran = command_line.run(["serve", *arguments])
    assert ran.status == 2 and "Traceback" not in ran.err


def test_a_deep_data_folder_is_no_trouble(command_line: CommandLine) -> None:
    """Sockets have short names only: a deep data folder gets another place for them, which the command line finds."""
    server = Server()
    server.data = server.folder / ("long-" * 20) / "data"
    try:
        server.start()
        server.command("room:x", "send", {"text": "hi"})
        listed = command_line.greenroom(server, "dead-letters", "list")
        assert listed.status == 0, listed
        checked = command_line.greenroom(server, "migrate", "--check")
        assert checked.status == 0, checked
    finally:
        server.remove()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to be root to become somebody else")
def test_the_servers_own_database_needs_no_root(new_server: Server) -> None:
    nobody = pwd.getpwnam("nobody")
    new_server.folder.chmod(0o755)
    new_server.data.mkdir()
    os.chown(new_server.data, nobody.pw_uid, nobody.pw_gid)
    as_nobody: dict[str, Any] = {"cwd": ROOT, "user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    try:
        subprocess.run(
            [sys.executable, "-c", "import greenroom.supervisors.cli.app"], check=True, capture_output=True, **as_nobody
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("another account may not use this Python or this checkout")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    new_server.port, new_server.url = port, f"http://127.0.0.1:{port}"
    new_server._process = subprocess.Popen(
        [sys.executable, "-m", "greenroom.supervisors", "serve", "--port", str(port)],
        env=new_server._environment() | {"HOME": "/"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **as_nobody,
    )
    wait_until(lambda: _answers(new_server), "the server to be ready", within_s=60)
    new_server.command("room:x", "send", {"text": "hi"})
    assert new_server.stop() == 0
    assert {path.owner() for path in new_server.data.rglob("*")} == {"nobody"}


def _answers(server: Server) -> bool:
    assert server.running
    try:
        return server.request("GET", "/ready").status == 200
    except OSError:
        return False


@pytest.fixture
def other_database(own_servers: OwnServers) -> Iterator[Callable[[str], dict[str, str]]]:
    """Settings of a server whose database is made with these options, under the name `other`."""

    def made(options: str) -> dict[str, str]:
        administer(own_servers, f"CREATE DATABASE other {options}")
        return {"GREENROOM_DATABASE_URL": url_of(own_servers, "other"), "GREENROOM_REDIS_URL": own_servers.redis_url}

    yield made
    administer(own_servers, "DROP DATABASE other WITH (FORCE)")


def test_a_database_of_another_encoding(
    command_line: CommandLine, settings: dict[str, str], other_database: Callable[[str], dict[str, str]]
) -> None:
    given = other_database("ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    for arguments in (["serve"], ["migrate"], ["dead-letters", "list"]):
        ran = command_line.run(arguments, settings | given)
        assert_told_plainly(ran, 1, "GREENROOM_DATABASE_URL", "LATIN1", "UTF8")


def test_a_role_that_may_only_connect(
    command_line: CommandLine,
    settings: dict[str, str],
    own_servers: OwnServers,
    other_database: Callable[[str], dict[str, str]],
) -> None:
    given = other_database("TEMPLATE template0")
    given["GREENROOM_DATABASE_URL"] += "&role=guest"  # as the session's role from its start
    administer(own_servers, "CREATE ROLE guest")
    try:
        for arguments in (["serve"], ["migrate"]):
            ran = command_line.run(arguments, settings | given)
            assert_told_plainly(ran, 1, "GREENROOM_DATABASE_URL", "permission denied for schema public")
    finally:
        administer(own_servers, "DROP ROLE guest")
