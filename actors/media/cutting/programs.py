"""Running a program on what a stranger has sent: limited in memory, time and files, with nothing of our environment.

It sees a folder that is emptied afterwards, no credentials, and no standard input. What it writes to its output is
handed over line by line as it comes; of its complaints the end is kept.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

LIMITED = Path(__file__).with_name("limited.py")
COMPLAINTS_MAX = 2_000  # bytes of them that are read
LINE_MAX = 1 << 20
PREFIX = "greenroom-media-"


class Limits(Struct, frozen=True):
    """What one run may take."""

    memory_bytes: int
    run_s: float
    file_bytes: int  # of each file that it writes


class TookTooMuch(Exception):
    """It came to a limit."""


class Failed(Exception):
    """It has ended with an error; the text is the end of its complaints."""


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder for one attempt. Those of processes that were killed go with the next one."""
    root = Path(tempfile.gettempdir())
    for left in root.glob(f"{PREFIX}*-*"):
        owner = left.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdigit() and not _runs(int(owner)):
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(program: Sequence[str], limits: Limits, folder: Path, on_line: Callable[[str], None] | None = None) -> str:
    """Its output, up to `LINE_MAX`. What `on_line` raises ends it.

    Raises: TookTooMuch, Failed.
    """
    said = {"memory_bytes": limits.memory_bytes, "cpu_s": int(limits.run_s) + 1, "file_bytes": limits.file_bytes}
    command = [sys.executable, "-I", "-S", str(LIMITED), msgspec.json.encode(said).decode(), *program]
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder), "LANG": "C.UTF-8"}
    complaints = folder / "complaints"
    late = threading.Event()
    output: list[str] = []
    with complaints.open("wb") as errors:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            errors="replace",
        )

        def end() -> None:
            late.set()
            process.kill()

        watch = threading.Timer(limits.run_s, end)
        watch.daemon = True
        watch.start()
        try:
            assert process.stdout is not None
            size = 0
            while line := process.stdout.readline(LINE_MAX):
                size += len(line)
                if size <= LINE_MAX:
                    output.append(line)
                if on_line is not None:
                    on_line(line.rstrip("\n"))
            status = process.wait()
        finally:
            watch.cancel()
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
    text = _end_of(complaints)
    if late.is_set() or status < 0 or _is_without_memory(text):
        raise TookTooMuch(f"it ended with status {status}: {text[-200:]}")
    if status:
        raise Failed(text or f"it ended with status {status}")
    return "".join(output)


def _end_of(complaints: Path) -> str:
    with complaints.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - COMPLAINTS_MAX))
        return file.read().decode(errors="replace").strip()


def _is_without_memory(complaints: str) -> bool:
    return "Cannot allocate memory" in complaints or "MemoryError" in complaints


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
