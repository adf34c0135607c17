"""Networks of this machine: a thread is on one, and what it starts is too. On Linux alone there may be several."""

import ctypes
import os
from pathlib import Path

NEWNET = 0x40000000  # CLONE_NEWNET in <sched.h>
PRESENT = "/proc/thread-self/ns/net"


def other_network(path: str) -> int | None:
    """A descriptor of that network, for the caller to close; None where this thread is on it, or there is but one."""
    try:
        if Path(path).stat().st_ino == Path(PRESENT).stat().st_ino:
            return None
    except FileNotFoundError:  # no Linux
        return None
    return os.open(path, os.O_RDONLY)


def enter_network(network: int) -> None:
    """This thread is on that one now. Raises: OSError."""
    if ctypes.CDLL(None, use_errno=True).setns(network, NEWNET):
        raise OSError(ctypes.get_errno(), "setns")
