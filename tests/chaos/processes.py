"""The processes under test: started, struck, looked after and ended, each by its own id and only if it is ours.

A process is ours when it works inside our folder; a process id that somebody else has by now is thereby left alone.
"""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import asyncpg
import psutil

from bench.server import ROOT, ready
from greenroom.store.own.processes import die_with_parent
from greenroom.store.own.servers import OwnServers
from tests.chaos.faults import Fault

START_S = 120.0  # the first start makes a database; a later one may have to wait for a stalled predecessor's
STOP_S = 60.0  # drained, and its own servers ended: more than all of their deadlines together
PAUSE_S = 0.5  # before a server that ended by itself is started again
ON_THE_WAY = "SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM timers)"
READY = "Greenroom is ready: "
FAILURES_MAX = 20  # in a row, without having been ready in between: it will never start
SETTINGS = {
    "GREENROOM_ENV": "local",
    "GREENROOM_LOG_FORMAT": "json",
    "GREENROOM_ENTITIES": "tests.chaos.entities",
}
SIGNALS = {
    "kill": signal.SIGKILL,
    "stall": signal.SIGSTOP,
    "end": signal.SIGTERM,  # of a backend: the connection, and nothing else
}


class DidNotStart(Exception):
    """Not at first, or never again; the text has the end of the server's log."""


class Processes:
    """`with Processes(folder, say) as processes:` a server of ours that runs, and nothing that is left afterwards."""

    def __init__(self, folder: Path, say: Callable[[str], None], settings: Mapping[str, str] = SETTINGS) -> None:
        self._settings = settings
        self._folder = folder
        self._say = say
        self._data = folder / "data"
        self._log = folder / "server.log"
        self._server: subprocess.Popen[bytes] | None = None
        self._expected = False  # the end of the server, by a deed of ours
        self._start_at = 0.0
        self._stop_by = float("inf")
        self._stalled: list[tuple[float, list[psutil.Process]]] = []  # until when, and whom
        self.address = ("127.0.0.1", 0)
        self.struck: Counter[str] = Counter()
        self.not_started = 0  # starts that failed, for want of its own servers
        self.gave_up = 0  # a server that ended by itself after it had been ready
        self._failures = 0  # of these in a row
        self._failures_max = 1  # at first nobody is there to disturb it
        self._log_from = 0  # bytes of the log that earlier starts have written
        self._serves_since: float | None = None
        self.overdue = 0  # stops that took too long

    def __enter__(self) -> "Processes":
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = ("127.0.0.1", probe.getsockname()[1])
        try:
            self._start()
            self.wait_ready()
            self._failures_max = FAILURES_MAX
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    # The server.

    def _start(self) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("GREENROOM_")}
        command = [sys.executable, "-m", "greenroom.supervisors", "serve", "--host", self.address[0]]
        with self._log.open("ab") as log:
            self._log_from = log.tell()
            self._server = subprocess.Popen(
                [*command, "--port", str(self.address[1]), "--data-dir", str(self._data)],
                cwd=ROOT,
                env={**inherited, **self._settings},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C is for the script, which ends it in order
                preexec_fn=die_with_parent(signal.SIGKILL),  # should the script itself be killed
            )
        self._expected, self._serves_since = False, None
        self._stop_by = float("inf")

    @property
    def served_s(self) -> float:
        """How long ago the server became ready, whatever was done to it since; 0 when there is none that did."""
        if self._server is None or self._server.poll() is not None:
            return 0.0
        if self._serves_since is None and READY in self._log_since_start():
            self._serves_since = time.monotonic()
        return time.monotonic() - self._serves_since if self._serves_since is not None else 0.0

    def wait_ready(self) -> None:
        """Raises: DidNotStart."""
        deadline = time.monotonic() + START_S
        while not ready(self.address):
            self.tend()
            if time.monotonic() > deadline:
                raise DidNotStart(f"the server was not ready within {START_S:.0f} s; its log ends:\n{self.log_tail()}")
            time.sleep(0.05)

    def log_tail(self) -> str:
        return self._log_since_start()[-3_000:]

    def _log_since_start(self) -> str:
        with self._log.open("rb") as log:
            log.seek(self._log_from)
            return log.read().decode(errors="replace")

    def _last_words(self) -> str:
        """The last line of its log that is no part of a traceback's drawing."""
        lines = [line for line in self._log_since_start().splitlines() if line[:1].isalnum() or line[:1] == "{"]
        return lines[-1][:300] if lines else "nothing"

    def on_the_way(self) -> int:
        """Messages between entities and timers that have not taken effect yet. Asks Postgres, so it wakes nobody."""

        async def count() -> int:
            connection = await asyncpg.connect(OwnServers(self._data).running_database_url, timeout=10)
            try:
                count: int = await connection.fetchval(ON_THE_WAY)
                return count
            finally:
                await connection.close(timeout=10)

        return asyncio.run(count())

    # Faults.

    def strike(self, fault: Fault) -> bool:
        """Do it, to whoever is there now; False when nobody is."""
        hit = self._strike_server(fault) if fault.victim == "server" else self._strike_store(fault)
        if hit:
            self.struck[fault.kind] += 1
            whom = f"process {hit[0]}" if len(hit) == 1 else f"{len(hit)} processes"
            self._say(f"{fault.kind}{f' for {fault.stall_s:.1f} s' if fault.stall_s else ''}: {whom}")
        return bool(hit)

    def _strike_server(self, fault: Fault) -> list[int]:
        server = self._server
        if server is None or server.poll() is not None:
            return []
        if fault.deed == "stall":
            self._stall([psutil.Process(server.pid)], fault.stall_s)
        else:
            self._expected = True
            if fault.deed == "kill":
                server.kill()
            elif self._stop_by == float("inf"):  # a second SIGTERM would mean something else
                server.terminate()
                self._stop_by = time.monotonic() + STOP_S
        return [server.pid]

    def _strike_store(self, fault: Fault) -> list[int]:
        first = self._ours("valkey/valkey.pid" if fault.victim == "valkey" else "postgres/postmaster.pid")
        if first is None:
            return []
        try:
            if fault.victim == "backend":
                backends = sorted((one for one in first.children() if _serves(one)), key=lambda one: one.pid)
                if not backends:
                    return []
                chosen = [backends[int(fault.pick * len(backends))]]
            elif fault.deed == "stall":
                chosen = [first, *first.children(recursive=True)]
            else:
                chosen = [first]
            if fault.deed == "stall":
                self._stall(chosen, fault.stall_s)
            elif fault.deed == "restart":
                first.send_signal(signal.SIGINT if fault.victim == "postgres" else signal.SIGTERM)
            else:
                chosen[0].send_signal(SIGNALS[fault.deed])
        except psutil.NoSuchProcess:
            return []
        return [one.pid for one in chosen]

    def _stall(self, chosen: list[psutil.Process], seconds: float) -> None:
        self._stalled.append((time.monotonic() + seconds, chosen))
        for one in chosen:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.send_signal(signal.SIGSTOP)

    def _ours(self, pid_file: str) -> psutil.Process | None:
        """The process that a file names, if it is there and works in our folder."""
        try:
            found = psutil.Process(int((self._data / pid_file).read_text().splitlines()[0]))
            return found if Path(found.cwd()).is_relative_to(self._folder) else None
        except (OSError, ValueError, IndexError, psutil.Error):
            return None

    # Looking after them.

    def tend(self) -> None:
        """Let those go on whose stall is over, and start the server again if it is gone. Called again and again."""
        now = time.monotonic()
        self._let_go(now)
        server = self._server
        if server is None:
            if now >= self._start_at:
                self._start()
        elif (status := server.poll()) is not None:
            self._server = None
            self._start_at = now
            if not self._expected:
                self._start_at += PAUSE_S
                was_ready = READY in self._log_since_start()
                self.gave_up += was_ready
                self.not_started += not was_ready
                what = "ended by itself" if was_ready else "did not start"
                self._say(f"the server {what}, status {status}; its log ends with {self._last_words()}")
                self._failures = 1 if was_ready else self._failures + 1
                if self._failures >= self._failures_max:
                    text = f"the server ended {self._failures} times in a row"
                    raise DidNotStart(f"{text}; its log ends:\n{self.log_tail()}")
        elif now >= self._stop_by and not self._stalled:
            self._stop_by = now + STOP_S
            self.overdue += 1
            self._say(f"the server has not stopped within {STOP_S:.0f} s: killed")
            server.kill()

    def calm(self) -> None:
        """No more faults: everybody goes on."""
        self._let_go(float("inf"))

    def _let_go(self, now: float) -> None:
        over = [chosen for until, chosen in self._stalled if now >= until]
        self._stalled = [entry for entry in self._stalled if now < entry[0]]
        still = {one.pid for _, others in self._stalled for one in others}
        for one in (one for chosen in over for one in chosen):
            if one.pid not in still:  # another stall of it goes on
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.send_signal(signal.SIGCONT)

    # The end.

    def end(self) -> int | None:
        """End the server and whatever works in our folder; gives the server's exit status. Safe to call again."""
        self.calm()
        status = None
        server, self._server = self._server, None
        if server is not None:
            server.terminate()
            try:
                status = server.wait(STOP_S)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
        for step in (signal.SIGINT, signal.SIGKILL):  # its own servers, if they have outlived it
            left = self._inside()
            for one in left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.send_signal(signal.SIGCONT)
                    one.send_signal(step)
            if left:
                psutil.wait_procs(left, timeout=10.0)
        return status

    def _inside(self) -> list[psutil.Process]:
        found = []
        for one in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if one.pid != os.getpid() and Path(one.cwd()).is_relative_to(self._folder):
                    found.append(one)
        return found


def _serves(process: psutil.Process) -> bool:
    """Is it a backend, with a connection of ours?"""
    try:
        return " ".join(process.cmdline()).startswith("postgres: greenroom greenroom")
    except psutil.Error:
        return False
