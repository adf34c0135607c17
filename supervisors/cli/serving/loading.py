"""Modules are loaded without being looked through for garbage.

They stay for as long as the process. While hundreds are loaded, Python would go through all there are so far again and
again, and once more at the end of a command: a third of what a start takes.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """No collection of garbage in this block, and never one of what it has loaded."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collects:
            gc.enable()
