"""A process that only works: `greenroom work`."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bench.server import ROOT, STOP_S, Server


@contextmanager
def working(server: Server, token: str, queue: str) -> Iterator[subprocess.Popen[bytes]]:
    """One on the jobs of bench/work.py until the block ends, or it is killed."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GREENROOM_")}
    process = subprocess.Popen(
        [
            sys.executable, "-m", "greenroom.supervisors", "work", queue,
            "--server", f"http://{server.address[0]}:{server.address[1]}",
        ],
        cwd=ROOT,
        env=inherited | {"GREENROOM_ENTITIES": "bench.work", "GREENROOM_WORK_TOKEN": token},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        process.wait(STOP_S)
