"""Running a program on what a stranger has sent: limited in memory, time and files, with nothing of our environment.

It sees a folder that is emptied afterwards, no credentials, and no standard input. What it writes to its output is
handed over line by line as it comes; of its complaints the end is kept. That it ends badly is the file's fault only
where nothing says that it is ours: a disk that is full, a program that is missing or lacks a part, a kill.
"""

import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

LIMITED = Path(__file__).with_name("limited.py")
THREADS = 2  # that a program may have at work
COMPLAINTS_MAX = 2_000  # bytes of them that are read
LINE_MAX = 1 << 20
NOT_BEGUN, NOT_BEGUN_TEXT = 127, "not begun: "  # of limited.py
# None of them is a file's doing; SIGBUS is what a full memory of files gives.
OF_OTHERS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGBUS)
IDLE_SHARE = 0.1  # of its time on a processor: who was given less has hardly run, as on a machine that stands still
BOUNDS = ("Cannot allocate memory", "MemoryError", "File too large")  # that were set here
OURS = (
    "No space left on device",
    "Disk quota exceeded",
    "Read-only file system",
    "Permission denied",
    "Resource temporarily unavailable",  # processes, of which a container may have so many
    "Unknown encoder",
    "Encoder not found",
    "Unrecognized option",
    "Option not found",
    "No such filter",
    "error while loading shared libraries",
    "ModuleNotFoundError",
    "ImportError",
)


class Limits(Struct, frozen=True):
    """What one run may take."""

    memory_bytes: int
    run_s: float
    file_bytes: int  # of each file that it writes


class TookTooMuch(Exception):
    """It came to a limit."""


class Failed(Exception):
    """It has ended with an error; the text is the end of its complaints."""


class Unable(Exception):
    """It could not be run as it is to be: what is wrong is here, and not with the file."""


def run(program: Sequence[str], limits: Limits, folder: Path, on_line: Callable[[str], None] | None = None) -> str:
    """Its output, up to `LINE_MAX`. What `on_line` raises ends it.

    Raises: TookTooMuch, Failed, Unable.
    """
    cpu_s = THREADS * limits.run_s
    said = {"memory_bytes": limits.memory_bytes, "cpu_s": int(cpu_s) + 1, "file_bytes": limits.file_bytes}
    command = [sys.executable, "-I", "-S", str(LIMITED), msgspec.json.encode(said).decode(), *program]
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder), "LANG": "C.UTF-8"}
    complaints = folder / "complaints"
    late = threading.Event()
    before_s = _processor_s()
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
    if status == 0 and not late.is_set():
        return "".join(output)
    text = _end_of(complaints).replace(f"{folder}/", "")  # it may be shown, and whoever sees it knows no paths of ours
    error = f"it ended with status {status}: {text[-200:]}"
    used_s = _processor_s() - before_s
    if late.is_set() and used_s < IDLE_SHARE * limits.run_s:
        raise Unable(f"it was ended after {limits.run_s:.3g} s, of which it had {used_s:.3g} on a processor")
    if late.is_set() or used_s > cpu_s or _came_to_a_bound(text):
        raise TookTooMuch(error)
    if -status in OF_OTHERS or (status == NOT_BEGUN and text.startswith(NOT_BEGUN_TEXT)) or _is_ours(text):
        raise Unable(error)
    if status < 0:  # it has fallen over what is in the file
        raise TookTooMuch(error)
    raise Failed(text or error)


def _processor_s() -> float:
    """That those took which this process has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _end_of(complaints: Path) -> str:
    with complaints.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - COMPLAINTS_MAX))
        return file.read().decode(errors="replace").strip()


def _came_to_a_bound(complaints: str) -> bool:
    return any(one in complaints for one in BOUNDS)


def _is_ours(complaints: str) -> bool:
    return any(one in complaints for one in OURS)
