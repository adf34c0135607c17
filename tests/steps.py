"""Which tasks take how many steps: whoever has nothing to do is to take none."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import trio


class _Steps(trio.abc.Instrument):
    def __init__(self) -> None:
        self.taken: Counter[str] = Counter()

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.taken[task.name] += 1


@contextmanager
def counted_steps() -> Iterator[Counter[str]]:
    """Of each task in the block, by its name."""
    steps = _Steps()
    trio.lowlevel.add_instrument(steps)
    try:
        yield steps.taken
    finally:
        trio.lowlevel.remove_instrument(steps)
