"""A server that ends and comes back: its folder and port are what stays when the process goes."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.server import START_S, Server, ServerFailed, free_port, kill, launch, log_end, ready, stop


@dataclass(slots=True)
class Home:
    folder: Path
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def address(self) -> tuple[str, int]:
        return ("127.0.0.1", self.port)

    @property
    def data_dir(self) -> Path:
        """Where the store is, also of a server that has ended."""
        return self.folder / "data"

    def launch(self) -> None:
        self.process = launch(self.folder, self.port, {})

    def server(self) -> Server:
        assert self.process is not None
        return Server(self.address, self.process.pid, self.folder)

    def start(self) -> None:
        """Return when it is ready. Raises: ServerFailed."""
        self.launch()
        deadline = time.monotonic() + START_S
        while not ready(self.address):
            self.check(deadline)
            time.sleep(0.05)

    def check(self, deadline: float) -> None:
        """Raises: ServerFailed when it has ended, or the time has passed."""
        assert self.process is not None
        if self.process.poll() is not None or time.monotonic() > deadline:
            fate = "ended" if self.process.poll() is not None else f"did not answer within {START_S:.0f} s"
            raise ServerFailed(f"the server {fate}; its log ends:\n{log_end(self.folder)}")

    def end(self, way: str) -> None:
        """`stop`: in order; `kill`: a SIGKILL of the server; `crash`: of its Postgres and Valkey, too."""
        assert self.process is not None
        if way == "stop":
            stop(self.server())
        else:
            kill(self.process, self.server().store_pids() if way == "crash" else ())
        self.process = None


@contextmanager
def home() -> Iterator[Home]:
    """A new one, which is gone with all that is in it when the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="greenroom-bench-")).resolve()
    folder.chmod(0o711)  # as root: for the account that Postgres runs as
    found = Home(folder)
    try:
        yield found
    finally:
        stop(found.server() if found.process else Server(found.address, 0, folder))
        shutil.rmtree(folder, ignore_errors=True)
