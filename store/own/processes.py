"""Processes of our own servers: they end with us, and what a predecessor left behind is found by its pid."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from greenroom.store.own.folders import read_lines


def environment() -> dict[str, str]:
    """Nothing of ours: settings and secrets in our environment are not the servers' business."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def die_with_parent(death_signal: signal.Signals) -> Callable[[], None] | None:
    """A `preexec_fn`: the child gets `death_signal` when we end; None where the system can't do that.

    Raises: RuntimeError outside of the main thread. The kernel signals when the *thread* ends that has started the
    child, so a worker thread's child would die of its starter's retirement, seconds later.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("servers of our own are started on the main thread, as they end with the thread")
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl  # looked up here: after the fork nothing may be loaded
    parent = os.getpid()
    set_parent_death_signal = 1  # PR_SET_PDEATHSIG in <sys/prctl.h>

    def in_child() -> None:
        prctl(set_parent_death_signal, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:  # it died before we asked to be told
            os._exit(1)

    return in_child


def end(process: subprocess.Popen[bytes], steps: tuple[tuple[signal.Signals, float], ...]) -> None:
    """Signal and wait, step by step (signal, seconds); in the end kill."""
    for number, wait_s in (*steps, (signal.SIGKILL, 5.0)):
        if process.poll() is not None:
            return
        process.send_signal(number)
        try:
            process.wait(wait_s)
        except subprocess.TimeoutExpired:
            continue


def end_pid(pid: int, steps: tuple[tuple[signal.Signals, float], ...]) -> None:
    """The same for a process that is not our child, so that we can only look whether it is still there."""
    for number, wait_s in steps:
        deadline = time.monotonic() + wait_s
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        while exists(pid):
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
        else:
            return


def taken(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def exists(pid: int) -> bool:
    """Does it still do something? A zombie, whose new parent has not looked yet, holds nothing any more."""
    if not taken(pid):
        return False
    status = read_lines(Path(f"/proc/{pid}/stat"))
    return not status or status[0].rpartition(")")[2].split()[0] != "Z"


def runs(pid: int, argument: str) -> bool:
    """Is it the process that was started with (or says it listens on) `argument`?"""
    if not exists(pid):
        return False
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        shown = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
        command = shown.stdout
    return argument in command


def pid_in(path: Path) -> int | None:
    lines = read_lines(path)
    return int(lines[0]) if lines and lines[0].strip().isdigit() else None
