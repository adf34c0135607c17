"""A peer's process: started in a folder of its own, waited for, and ended by its id."""

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from shutil import which

from bench.load.sending import Send, rpc
from bench.server import Server, stop, until_ready


class PeerMissing(Exception):
    """No such peer, it is not installed, or it can't answer this question; the text is for people."""


def program(peer: str, name: str, *, remedy: str = "") -> str:
    """The path of a program on the PATH. Raises: PeerMissing."""
    found = which(name)
    if found is None:
        raise PeerMissing(f"{peer} is not installed: there is no program {name!r} on the PATH{remedy}")
    return found


def version(*command: str) -> str:
    """The first line that a program says about itself; nginx says it on standard error."""
    said = subprocess.run(command, capture_output=True, text=True, timeout=10.0, check=False)
    return (said.stdout.strip() or said.stderr.strip()).partition("\n")[0]


@contextmanager
def started(
    command: Sequence[str],
    folder: Path,
    address: tuple[str, int],
    *,
    send: Send = rpc,
    environment: Mapping[str, str],
) -> Iterator[Server]:
    """Run `command` in `folder` until the block ends. It answers `GET /ready` with 200. Raises: ServerFailed."""
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
    server = Server(address, process.pid, None, send)
    until_ready(server, process, folder)
    server = replace(server, workers=_children(process.pid))
    try:
        yield server
    finally:
        stop(server)


def inherited(prefix: str) -> dict[str, str]:
    """Our environment without the names that would configure the peer."""
    return {name: value for name, value in os.environ.items() if not name.startswith(prefix)}


def _children(pid: int) -> tuple[int, ...]:
    """Processes that `pid` has started, as nginx its workers."""
    return tuple(int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
