"""Begin a program that may take so much and no more: `python -I -S limited.py LIMITS program arguments…`.

It is run as a file and imports next to nothing, so that it costs a few milliseconds. LIMITS is JSON: bytes of memory,
seconds of a processor, bytes of a file. The program goes down with the one that has begun it.
"""

import ctypes
import json
import os
import resource
import signal
import sys

PR_SET_PDEATHSIG = 1  # prctl(2); outlives exec
FILES_MAX = 64
NICE = 10


def main() -> None:
    limits = json.loads(sys.argv[1])
    # Fails where there is no prctl: one whose parent was killed ends by its limits there.
    getattr(ctypes.CDLL(None), "prctl", lambda *_: -1)(PR_SET_PDEATHSIG, signal.SIGKILL)
    for what, most in (
        (resource.RLIMIT_AS, limits["memory_bytes"]),
        (resource.RLIMIT_CPU, limits["cpu_s"]),
        (resource.RLIMIT_FSIZE, limits["file_bytes"]),
        (resource.RLIMIT_NOFILE, FILES_MAX),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(what)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))
    os.nice(NICE)
    try:
        os.execvp(sys.argv[2], sys.argv[2:])
    except OSError as error:
        sys.exit(not_begun(error))


def not_begun(error: OSError) -> int:
    """The status of that; programs.py knows it and its text."""
    print(f"not begun: {error}", file=sys.stderr)
    return 127


if __name__ == "__main__":
    main()
