"""Which files a reload watches, and what has changed among them.

Looked at again and again, not announced by the kernel: the time of some hundred files is read in two milliseconds, and
a watching library would be one more wheel for each platform and still miss network disks and folders mounted into
containers.
"""

import importlib.util
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from greenroom.supervisors.cli.terminal.plainly import BAD_USAGE, Trouble

ENTRIES_MAX = 20_000  # files and folders that one look may meet: the size of a project, not of a home folder
PASSED_OVER = frozenset({"__pycache__", "node_modules", "site-packages", "build", "dist", "test", "tests"})
ENV_FILE = ".env"
PACKAGES = ("config", "store", "actors", "transports", "supervisors")  # not all of a checkout: its tests are large

Look = dict[str, tuple[int, int, int]]  # path -> time in ns, bytes, inode


class Watched:
    """The Python files below `folders`, tests aside, and `.env` in the first of them."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self.folders = tuple(dict.fromkeys(folder.resolve() for folder in folders))

    def look(self) -> Look:
        """How each file is now; blocking, for some milliseconds. Raises: Trouble, when there are too many."""
        found: Look = {}
        entries = 0
        for entry in self._entries():
            entries += 1
            if entries > ENTRIES_MAX:
                where = ", ".join(map(str, self.folders))
                hint = "start it in the folder of your project"
                raise Trouble(f"--reload: over {ENTRIES_MAX:,} files below {where}: {hint}", status=BAD_USAGE)
            if _is_code(entry.name) or entry.name == ENV_FILE:
                try:
                    stat = entry.stat()
                except OSError:  # saved this moment: it is back at the next look
                    continue
                found[entry.path] = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        return found

    def _entries(self) -> Iterator[os.DirEntry[str]]:
        folders = [str(folder) for folder in self.folders]
        while folders:
            folder = folders.pop()
            try:
                entries = list(os.scandir(folder))
            except OSError:
                continue
            if any(entry.name == "pyvenv.cfg" for entry in entries):
                continue  # an environment, whatever it is called
            for entry in entries:
                yield entry
                if entry.name not in PASSED_OVER and not entry.name.startswith(".") and _is_folder(entry):
                    folders.append(entry.path)


def changed(before: Look, after: Look) -> list[str]:
    """The paths that came, went or are otherwise now, sorted."""
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


def folders_to_watch(entities: Iterable[str], *, here: Path, greenroom: Path) -> list[Path]:
    """`here`; where the modules of `entities` (import paths) are, when elsewhere; our own code in a checkout.

    What is installed among the packages of an environment does not change while one works, so it is passed over.
    """
    elsewhere = [folder for path in entities for folder in _folders_of(path.partition(":")[0].partition(".")[0])]
    ours = [greenroom / package for package in PACKAGES]
    watched = [here.resolve()]
    for folder in map(Path.resolve, [*elsewhere, *ours]):
        if "site-packages" not in folder.parts and not any(folder.is_relative_to(one) for one in watched):
            watched.append(folder)
    return watched


def _folders_of(package: str) -> list[Path]:
    """Those of a package, or the one of a module; none when there is no such name."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return []
    if spec is None:
        return []
    if spec.submodule_search_locations:
        return [Path(folder) for folder in spec.submodule_search_locations]
    return [Path(spec.origin).parent] if spec.origin and spec.has_location else []


def _is_code(name: str) -> bool:
    """Not the tests and what they share: a server does not import them."""
    return name.endswith(".py") and not name.startswith("test_") and name != "conftest.py"


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False
