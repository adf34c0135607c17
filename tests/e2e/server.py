"""A real `greenroom serve` in a process of its own, for tests that want to see it from outside, and to see it die."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import jwt

from tests.starting.cluster_template import copy_cluster
from tests.starting.forking import Process, forker
from tests.starting.in_memory import folder_in_memory

ROOT = Path(__file__).parents[2]
PROGRAM = (sys.executable, "-m", "greenroom.supervisors")
READY = "Greenroom is ready: "
READY_S = 90.0  # a first start makes a database; the machine may be busy with other tests
STOP_S = 30.0
HTTP_S = 15.0


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]  # names in lower case
    body: Any  # decoded, when it is JSON


class Server:
    """`greenroom serve` on a free port, with a data folder of its own. A restart keeps both."""

    def __init__(
        self,
        *,
        cwd: Path = ROOT,
        program: tuple[str, ...] = PROGRAM,
        options: tuple[str, ...] = (),
        **settings: str,
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="greenroom-e2e-", dir=folder_in_memory()))
        self.folder.chmod(0o711)  # as root: for the account that Postgres runs as
        self.data = self.folder / "data"
        self.output = self.folder / "output"
        self.output.touch()
        self._cwd = cwd
        self._program = program
        self._options = options  # of `serve`
        self._settings = settings
        self._process: Process | None = None
        self.port = 0
        self.url = ""

    # Its life.

    def start(self) -> None:
        """Return once it is ready."""
        seen = self.log_bytes()
        self.launch()
        self.until_ready(seen)

    def serve_command(self) -> list[str]:
        return [*self._program, "serve", "--port", str(self.port), *self._options]

    def launch(self) -> None:
        """Start the process, and return at once."""
        assert not self.running
        if self._program == PROGRAM and "GREENROOM_DATABASE_URL" not in self._settings and not self.data.exists():
            copy_cluster(self.data)
        if self._program != PROGRAM or any(name.startswith("PYTHON") for name in self._settings):
            with self.output.open("ab") as output:
                self._process = subprocess.Popen(
                    self.serve_command(),
                    cwd=self._cwd,
                    env=self._environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,  # a Ctrl-C at the tests is for the tests
                )
            return
        self._process = forker().fork(
            self.serve_command()[len(PROGRAM) :], cwd=self._cwd, environment=self._environment(), output=self.output
        )

    def until_ready(self, since: int) -> None:
        """Return once it says that it is ready, in what it has written from byte `since` on."""

        def ready() -> bool:
            assert self.running, f"the server ended:\n{self.log(since)[-8_000:]}"
            line = next((line for line in self.log(since).splitlines() if line.startswith(READY)), None)
            if line is not None:
                self.url = line.removeprefix(READY).strip().rstrip("/")
            return line is not None

        wait_until(ready, "the server to be ready", within_s=READY_S)
        self.port = urlsplit(self.url).port or 0

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def stop(self) -> int:
        """SIGTERM, and the exit status; killed when that takes too long."""
        assert self._process is not None
        process, self._process = self._process, None
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            return process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5.0)
            raise

    def kill(self) -> None:
        """SIGKILL: it gets no say in it."""
        assert self._process is not None
        process, self._process = self._process, None
        process.kill()
        process.wait(5.0)

    def kill_nowait(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def restart(self, *, kill: bool = False) -> None:
        if self.running and not kill:
            assert self.stop() == 0
        elif self._process is not None:
            self.kill()
        self.start()

    def remove(self) -> None:
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def postgres_pid(self) -> int | None:
        return _number_in(self.data / "postgres" / "postmaster.pid")

    def valkey_pid(self) -> int | None:
        return _number_in(self.data / "valkey" / "valkey.pid")

    # What it says.

    def log(self, since: int = 0) -> str:
        """What it has written, from byte `since` on."""
        with self.output.open("rb") as file:
            file.seek(since)
            return file.read().decode(errors="replace")

    def log_bytes(self) -> int:
        return self.output.stat().st_size

    # Talking to it.

    @property
    def websocket_url(self) -> str:
        return self.url.replace("http", "ws", 1) + "/connection/websocket"

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        user: str | None = "ann",
        headers: Mapping[str, str] | None = None,
        connection: http.client.HTTPConnection | None = None,
    ) -> Answer:
        """One HTTP request; `body` is sent as JSON unless it is bytes."""
        mine = connection or self.connection()
        sent = {"X-Greenroom-User": user} if user is not None else {}
        try:
            mine.request(
                method,
                path,
                body if isinstance(body, bytes) or body is None else json.dumps(body).encode(),
                {**sent, **(headers or {})},
            )
            answer = mine.getresponse()
            text = answer.read()
        finally:
            if connection is None:
                mine.close()
        found = {name.lower(): value for name, value in answer.getheaders()}
        is_json = found.get("content-type", "").startswith("application/json")
        return Answer(answer.status, found, json.loads(text) if is_json and text else text)

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=HTTP_S)

    def command(self, entity: str, name: str, fields: Any = None, **options: Any) -> Any:
        """The reply of a command that must succeed."""
        answer = self.request("POST", f"/api/{entity.replace(':', '/', 1)}/{name}", fields or {}, **options)
        assert answer.status == 200, answer
        return answer.body

    def history(self, entity: str, *, user: str = "ann") -> list[dict[str, Any]]:
        """All of its publications, oldest first."""
        found: list[dict[str, Any]] = []
        while True:
            since = found[-1]["offset"] if found else 0
            path = f"/api/{entity.replace(':', '/', 1)}/history?since={since}&limit=300"
            answer = self.request("GET", path, user=user)
            assert answer.status == 200, answer
            found += answer.body["publications"]
            if not answer.body["publications"]:
                return found

    # Tokens.

    def token(self, subject: str, **claims: Any) -> str:
        """A connection token that this server accepts, good for an hour unless `exp` says otherwise."""
        now = int(time.time())
        secret = (self.data / "auth.secret").read_text().strip()
        return jwt.encode({"sub": subject, "iat": now, "exp": now + 3600, **claims}, secret, algorithm="HS256")

    def greenroom(self, *arguments: str) -> str:
        """What the command line prints, with this server's settings."""
        done = subprocess.run(
            [*self._program, *arguments],
            cwd=self._cwd,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("GREENROOM_")}
        ours = {"GREENROOM_ENV": "local", "GREENROOM_DATA_DIR": str(self.data), "GREENROOM_LOG_FORMAT": "json"}
        return {**inherited, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT), **ours, **self._settings}


def _number_in(path: Path) -> int | None:
    """In its first line; None while the file is being made anew."""
    try:
        return int(path.read_text().splitlines()[0])
    except (OSError, ValueError, IndexError):
        return None


def wait_until(done: Callable[[], bool], what: str, *, within_s: float = 60.0) -> None:
    """Look again and again, for tests whose other side is another process and gives no sign."""
    deadline = time.monotonic() + within_s
    while not done():
        assert time.monotonic() < deadline, f"waited {within_s:g} s in vain for {what}"
        time.sleep(0.02)
