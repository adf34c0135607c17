"""What of a lock an image needs: `python runtime_requirements.py requirements.lock [package …]`.

Prints the entries, hashes and all, of the named packages and of what they need; of the project itself when none is
named, with its extras and without its groups. Who needs what stands in the lock: uv writes `# via` behind each entry.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PROJECT = re.compile(r"\S+ \(pyproject\.toml\)")  # a group of it is (pyproject.toml:dev)


class Entry(NamedTuple):
    """`name==version` with its marker and hashes, as it stands there, and who needs it."""

    name: str
    text: str
    via: frozenset[str]


def entries(lock: str) -> Iterator[Entry]:
    """Of a lock that `uv pip compile --generate-hashes` has written."""
    for text in re.split(r"^(?=[A-Za-z0-9])", lock, flags=re.MULTILINE)[1:]:
        name = re.match(r"[A-Za-z0-9._-]+", text)
        assert name is not None
        via = re.findall(r"^    #(?: via|  ) +(\S.*)$", text, re.MULTILINE)
        yield Entry(name[0], text, frozenset(via))


def needed(lock: str, *roots: str) -> list[Entry]:
    """Of the packages `roots`, or else of the project. Raises: LookupError when one of these is not there."""
    found = {entry.name: entry for entry in entries(lock)}
    if missing := set(roots) - set(found):
        raise LookupError(f"not in the lock: {', '.join(sorted(missing))}")
    kept = set(roots) or {name for name, entry in found.items() if any(PROJECT.fullmatch(one) for one in entry.via)}
    while more := {name for name, entry in found.items() if name not in kept and entry.via & kept}:
        kept |= more
    if not kept:
        raise LookupError("the lock does not say what the project needs")
    return [entry for name, entry in found.items() if name in kept]


if __name__ == "__main__":
    print("".join(entry.text for entry in needed(Path(sys.argv[1]).read_text(), *sys.argv[2:])), end="")
