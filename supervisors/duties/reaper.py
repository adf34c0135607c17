"""Process 1 of a container: what its children leave behind comes to it, and nobody but it can bury the dead.

Where Postgres of our own is killed, its processes become children of process 1; ended and not waited for, each keeps
its number for good. An init does that elsewhere (`docker run --init`, systemd), and then this does nothing.
"""

import os
from collections.abc import Iterator
from pathlib import Path

LOOKS = 5  # in a row that see a child dead before it is buried: whoever started one asks for its end before that


class Reaper:
    """Buries children that ended and that nobody here waits for. `look` is to be called about twice a second."""

    def __init__(self, *, needed: bool | None = None) -> None:
        """`needed`: are we process 1? Found out unless given."""
        self.needed = os.getpid() == 1 if needed is None else needed
        self._seen: dict[int, int] = {}  # process -> in how many looks it was seen dead

    def look(self) -> list[int]:
        """Bury those that were dead in LOOKS looks; their numbers. Never waits."""
        if not self.needed:
            return []
        self._seen = {pid: self._seen.get(pid, 0) + 1 for pid in _dead_children()}
        buried = [pid for pid, looks in self._seen.items() if looks >= LOOKS and _buried(pid)]
        for pid in buried:
            del self._seen[pid]
        return buried


def _dead_children() -> Iterator[int]:
    me = str(os.getpid())
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                state, parent, *_ = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
            except (OSError, ValueError):
                continue  # gone meanwhile
            if state == "Z" and parent == me:
                yield int(folder.name)


def _buried(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:  # somebody asked for its end after all
        return False
