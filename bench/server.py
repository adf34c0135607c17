"""The server under measurement: a real `greenroom serve` with a data folder of its own, its cost read from /proc.

The server's CPU and memory are those of its own process; what Postgres and Valkey cost is counted apart, since on one
machine they compete for the same cores. They are found by the folder they work in.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bench.load.sending import Send, rpc
from greenroom.store.own.processes import die_with_parent

START_S = 60.0  # the first start on a machine unpacks Postgres
STOP_S = 20.0
ROOT = Path(__file__).parent.parent
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class ServerFailed(Exception):
    """The server did not start, or is gone; the text has the end of its log."""


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds used so far. Subtract an earlier one to have those between."""

    server_s: float
    store_s: float
    machine_s: float  # by all processes
    at_s: float  # when; not CPU time

    def __sub__(self, earlier: "Cost") -> "Cost":
        return Cost(
            self.server_s - earlier.server_s,
            self.store_s - earlier.store_s,
            self.machine_s - earlier.machine_s,
            self.at_s - earlier.at_s,
        )

    def results(self, generators_s: float) -> dict[str, float]:
        """As result fields. `others_cpu_share`: how much of the machine was taken by what is not part of this."""
        others_s = self.machine_s - self.server_s - self.store_s - generators_s
        capacity_s = self.at_s * len(os.sched_getaffinity(0))
        return {
            "server_cpu_s": round(self.server_s, 2),
            "store_cpu_s": round(self.store_s, 2),
            "generator_cpu_s": round(generators_s, 2),
            "others_cpu_share": round(max(0.0, others_s / capacity_s), 3),
        }

    def doubts(self, generators_s: float) -> list[str]:
        """What to say under the table when the machine was not ours alone."""
        share = self.results(generators_s)["others_cpu_share"]
        return [f"other processes used {share:.0%} of the machine: expect worse figures"] if share > 0.1 else []


@dataclass(slots=True)
class Server:
    """Where it listens, and which process it is; pid 0: started by somebody else, so its cost is unknown.

    `folder`: where its store works, None without one. `workers`: further processes whose CPU is the server's own.
    """

    address: tuple[str, int]
    pid: int
    folder: Path | None
    send: Send = rpc
    workers: tuple[int, ...] = ()

    def cost(self) -> Cost:
        own = sum(_cpu_s(pid) for pid in (self.pid, *self.workers)) if self.pid else 0.0
        return Cost(own, sum(_cpu_s(pid) for pid in self.store_pids()), machine_s(), time.monotonic())

    def resident_bytes(self) -> int:
        """Resident memory of the server's process."""
        try:
            return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * _PAGE
        except OSError:
            return 0

    def store_pids(self) -> list[int]:
        """Postgres and Valkey: the processes that work inside our data folder, children of the server aside."""
        if self.folder is None:
            return []
        inside = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != self.pid:
                with suppress(OSError):
                    if (entry / "cwd").readlink().is_relative_to(self.folder):
                        inside.append(int(entry.name))
        return inside


Serve = Callable[[], AbstractContextManager[Server]]  # starts the server of one run, and ends it


class Watch:
    """Samples what the server costs, four times a second, in a thread that does nothing else."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.samples: list[tuple[float, float, float]] = []  # seconds since the start, CPU share, resident MB

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join(2.0)

    def _run(self) -> None:
        begun = then = time.monotonic()
        cpu_s = self._server.cost().server_s
        while not self._done.wait(0.25):
            now, used_s = time.monotonic(), _cpu_s(self._server.pid)
            self.samples.append((now - begun, (used_s - cpu_s) / (now - then), self._server.resident_bytes() / 2**20))
            then, cpu_s = now, used_s


@contextmanager
def serving(url: str = "", settings: dict[str, str] | None = None) -> Iterator[Server]:
    """A server for one benchmark; with `url` one that runs already, which is left as it is.

    `settings`: GREENROOM_ names for this run. Raises: ServerFailed.
    """
    if url:
        parts = urlsplit(url)
        yield Server(
            (parts.hostname or "127.0.0.1", parts.port or 80), int(os.environ.get("BENCH_SERVER_PID", 0)), None
        )
        return
    with tempfile.TemporaryDirectory(prefix="greenroom-bench-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # as root: for the account that Postgres runs as
        server = _start(Path(folder).resolve(), settings or {})
        try:
            yield server
        finally:
            stop(server)


def free_port() -> int:
    """One that nobody listens on; somebody else may take it before you do."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def launch(folder: Path, port: int, settings: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start the server's process in `folder` and return at once; a later one there continues with the same data.

    It ends when the thread ends that calls this, the main one, however that comes about.
    """
    # A server keeps its bytecode wherever it is at home; without, each start compiles all of Greenroom.
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GREENROOM_") and name != "PYTHONDONTWRITEBYTECODE"
    }
    command = [sys.executable, "-m", "greenroom.supervisors", "serve", "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "server.log").open("ab") as log:
        return subprocess.Popen(
            [*command, "--data-dir", str(folder / "data")],
            cwd=ROOT,
            env=inherited | {"GREENROOM_ENV": "local", "GREENROOM_LOG_LEVEL": "warning"} | settings,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            preexec_fn=die_with_parent(signal.SIGKILL),  # which a frozen one hears, too; its own store ends with it
        )


def log_end(folder: Path) -> str:
    """The last of what the server in `folder` wrote."""
    return (folder / "server.log").read_text(errors="replace")[-2_000:]


def _start(folder: Path, settings: dict[str, str]) -> Server:
    port = free_port()
    process = launch(folder, port, settings)
    server = Server(("127.0.0.1", port), process.pid, folder)
    until_ready(server, process, folder)
    return server


def until_ready(server: Server, process: subprocess.Popen[bytes], folder: Path) -> None:
    """Wait until `server` is ready; one that is not within START_S is ended. Raises: ServerFailed."""
    deadline = time.monotonic() + START_S
    while not ready(server.address):
        if process.poll() is not None or time.monotonic() > deadline:
            fate = f"ended with {process.returncode}" if process.poll() is not None else "was not ready"
            said = log_end(folder)
            stop(server)
            raise ServerFailed(f"the server {fate} within {START_S:.0f} s; its log ends:\n{said}")
        time.sleep(0.05)


def ready(address: tuple[str, int]) -> bool:
    """Does `GET /ready` answer 200?"""
    try:
        with socket.create_connection(address, timeout=2.0) as asked:
            asked.sendall(b"GET /ready HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
            return b" 200" in asked.recv(4096)[:16]
    except OSError:
        return False


def stop(server: Server) -> None:
    """SIGTERM and a deadline, then SIGKILL; the same for workers and servers of the store that it left behind."""
    _end(server.pid, STOP_S, child=True)
    for pid in (*server.workers, *server.store_pids()):
        _end(pid, 5.0, child=False)


def _end(pid: int, within_s: float, *, child: bool) -> None:
    for step, patience_s in ((signal.SIGTERM, within_s), (signal.SIGKILL, 5.0)):
        with suppress(ProcessLookupError):
            os.kill(pid, step)
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            if child:
                with suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
            if not Path(f"/proc/{pid}").exists():
                return
            time.sleep(0.05)


def kill(process: subprocess.Popen[bytes], others: Iterable[int] = ()) -> None:
    """SIGKILL to `others` and to the server, and wait until it is gone.

    The others first: as soon as the server is dead, the kernel asks its Postgres and Valkey to shut down.
    """
    for pid in others:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.kill()
    process.wait(5.0)


def machine_s() -> float:
    """User and system seconds of all processes; interrupts belong to nobody and are not in it."""
    user, nice, system = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:4]
    return (int(user) + int(nice) + int(system)) / _TICKS


def _cpu_s(pid: int) -> float:
    """User and system seconds of a process; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS
