"""Where the data of the tests' own servers stands: in memory, where there is enough of it."""

import re
import shutil
from pathlib import Path

MEMORY = "/dev/shm"
ENOUGH = 8 << 30  # bytes; a run has some 2 GiB there


def folder_in_memory() -> str | None:
    """For `dir` of `tempfile.mkdtemp`; None: where that is by itself.

    A database for each test is hundreds of files that are made and deleted. To find a place for them on an ext4 where
    as many have just been deleted takes the kernel a quarter of a whole run.
    """
    try:
        available = re.search(r"MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text(encoding="ascii"))
        room = shutil.disk_usage(MEMORY).free
    except OSError:  # no Linux
        return None
    return MEMORY if available and min(int(available[1]) << 10, room) >= ENOUGH else None
