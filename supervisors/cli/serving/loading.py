"""Loading modules, which stay for as long as the process. While hundreds come, Python would go through all there are so
far again and again to look for garbage, and once more at the end of a command: a third of what a start takes.
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
