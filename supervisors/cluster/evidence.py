"""Evidence: how it is proven that a process has ended, by whoever is on the same host.

A lease says so only after it has run out. A process of the same boot and the same numbering of processes can be looked
for, and what started at another moment under its number is not it. Where the system tells when a process ends, nobody
has to look again and again.
"""

import os
from functools import cache
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
    pid, started = _of_this_host(host, process, proc)
    if not pid:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False  # somebody else's, and alive
    found = _started(pid, proc)
    return found is not None and found != started


def watched(host: str, process: str, proc: Path = PROC) -> int | None:
    """A descriptor that is readable from the moment on in which that process ends; whoever gets it closes it. None
    where there is none: on another system or host, or where it has ended already."""
    pid, started = _of_this_host(host, process, proc)
    if not pid or not hasattr(os, "pidfd_open"):
        return None
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return None
    if _started(pid, proc) != started:  # looked for only now, when its number can't pass to another any more
        os.close(descriptor)
        return None
    return descriptor


def _of_this_host(host: str, process: str, proc: Path) -> tuple[int, str]:
    """The process's number here, and when it started; 0 where it is no process of this host, or that is not known."""
    pid, _, started = process.partition(" ")
    if not host or not pid.isdigit() or host != _host_of(proc):
        return 0, ""
    return int(pid), started


@cache
def _host_of(proc: Path) -> str:
    """As `this_host`, asked for once: it does not change while this process lives."""
    return this_host(proc)


def _started(pid: int, proc: Path) -> str | None:
    """When the process of that number started, in ticks since the boot; "ended" when only its exit status is left; None
    where that can't be read."""
    try:
        stat = (proc / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the name before it may hold anything
    return "ended" if fields[0] in ("Z", "X") else fields[19]
