"""The folder in which one attempt works, and those that were left by attempts which were killed.

Whose owner still lives, a lock on a file in it says: the system gives it up with its process, and it counts for
processes of other containers and machines that share the folder of temporary files, of which no number of a process
would tell.
"""

import fcntl
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "greenroom-media-"
HELD = "held"  # the file that is locked
UNHELD_S = 86_400.0  # a folder without one was left before there was any, or is about to have it


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder for one attempt. Those that were left go first."""
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if _is_left(left):
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    with (folder / "new").open("wb") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            (folder / "new").rename(folder / HELD)  # none is there that is not locked, unless its owner is gone
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _is_left(folder: Path) -> bool:
    try:
        if not (folder / HELD).exists():
            return time.time() - folder.stat().st_mtime > UNHELD_S
        with (folder / HELD).open("rb") as held:
            fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return True
    except OSError:  # it is locked, or gone meanwhile, or another user's
        return False
