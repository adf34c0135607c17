"""PgBouncer with `deploy/pgbouncer.ini`, adapted as an operator would: addresses, and the file of users."""

import contextlib
import re
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, urlsplit

from greenroom.store.own.account import as_account, unprivileged_account
from tests.deploy.nginx import free_ports
from tests.e2e.server import wait_until

PROGRAM = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
CONFIG = Path(__file__).parents[2] / "deploy" / "pgbouncer.ini"
TRACKS_STATEMENTS = (1, 21)  # the release from which on PgBouncer prepares statements again where they are missing
NARROW = "2"  # sessions with Postgres, far fewer than a node has connections: each statement has another one
PASSWORD = "of-this-run"


def version() -> tuple[int, int]:
    """(0, 0) where there is none."""
    try:
        told = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True).stdout
    except OSError:
        return 0, 0
    found = re.search(r"PgBouncer (\d+)\.(\d+)", told)
    assert found is not None, told
    return int(found[1]), int(found[2])


class PgBouncer:
    """On a free port of the loopback, before the Postgres of `database_url`; `changes` are settings of its own."""

    def __init__(self, database_url: str, **changes: str) -> None:
        self._database = urlsplit(database_url).path.lstrip("/")
        (run_dir,) = parse_qs(urlsplit(database_url).query)["host"]
        self._account = unprivileged_account(Path(run_dir))
        self._folder = Path(tempfile.mkdtemp(prefix="greenroom-pgbouncer-"))
        self._folder.chmod(0o755)
        (self.port,) = free_ports(1)
        adapted = CONFIG.read_text()
        for was, now in (
            ("host=postgres port=5432 dbname=greenroom", f"host={run_dir} dbname={self._database}"),
            ("listen_addr = 0.0.0.0", "listen_addr = 127.0.0.1"),
            ("listen_port = 6432", f"listen_port = {self.port}"),
            ("/etc/pgbouncer/userlist.txt", str(self._folder / "userlist.txt")),
        ):
            assert adapted.count(was) == 1, was
            adapted = adapted.replace(was, now)
        for name, value in changes.items():
            adapted, found = re.subn(rf"{name} ?= ?('.*'|.*)", f"{name}={value}", adapted)
            assert found == 1, name
        (self._folder / "pgbouncer.ini").write_text(adapted)
        (self._folder / "userlist.txt").write_text(f'"greenroom" "{PASSWORD}"\n')
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """As the file's head has it."""
        return f"postgresql://greenroom:{PASSWORD}@127.0.0.1:{self.port}/greenroom?pool_mode=transaction"

    def __enter__(self) -> Self:
        with (self._folder / "output").open("wb") as output:
            self._process = subprocess.Popen(
                [PROGRAM, str(self._folder / "pgbouncer.ini")],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                **as_account(self._account),
            )
        wait_until(self._listens, "PgBouncer to listen")
        return self

    def _listens(self) -> bool:
        assert self._process is not None and self._process.poll() is None, self.log()
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.port)) == 0

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(2.0)  # newer ones wait for their clients
        self._process.kill()
        self._process.wait(5.0)
        print(self.log()[-10_000:])  # pytest shows it when the test has failed
        shutil.rmtree(self._folder, ignore_errors=True)

    def log(self) -> str:
        return (self._folder / "output").read_text(errors="replace")
