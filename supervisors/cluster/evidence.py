"""Evidence: how it is proven that a process has ended, by whoever is on the same host.

A lease says so only after it has run out. A process of the same boot and the same numbering of processes can be looked
for, and what started at another moment under its number is not it.
"""

import os
from pathlib import Path

PROC = Path("/proc")


def this_host(proc: Path = PROC) -> str:
    """Names this boot of this host, and the space that process numbers are of; "" where the system tells neither."""
    try:
        if (proc / "self").readlink().name != str(os.getpid()):
            return ""  # it counts processes otherwise than we do
        boot = (proc / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {(proc / 'self/ns/pid').readlink()}"
    except OSError:
        return ""


def this_process(proc: Path = PROC) -> str:
    """Names this process on its host."""
    pid = os.getpid()
    started = _started(pid, proc)
    return f"{pid} {started}" if started is not None else ""


def has_ended(host: str, process: str, proc: Path = PROC) -> bool:
    """Is it certain that the process, so named, runs no more? False where that can't be known here."""
    if not host or not process or host != this_host(proc):
        return False
    pid_text, _, started = process.partition(" ")
    if not pid_text.isdigit():
        return False
    pid = int(pid_text)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False  # somebody else's, and alive
    found = _started(pid, proc)
    return found is not None and found != started


def _started(pid: int, proc: Path) -> str | None:
    """When the process of that number started, in ticks since the boot; "ended" when only its exit status is left; None
    where that can't be read."""
    try:
        stat = (proc / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the name before it may hold anything
    return "ended" if fields[0] in ("Z", "X") else fields[19]
