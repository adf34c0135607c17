"""Work that takes long, done a slice at a time so that others have their turn between.

Each piece of work is an iterator that has done a small part whenever it yields. Those behind one another in a lane keep
their order.
"""

from collections import deque
from collections.abc import Callable, Iterator

SLICE_S = 0.002  # how long nobody else has a turn, apart from the last small part

Lane = deque[Iterator[None]]


def advance(lane: Lane, until: float, clock: Callable[[], float]) -> bool:
    """Go on with the first in the lane, then the next, until `clock` shows `until`. True when something is left.

    Raises: what the work raises, which then is over.
    """
    while lane:
        try:
            next(lane[0])
        except StopIteration:
            lane.popleft()
        except BaseException:
            lane.popleft()
            raise
        if lane and clock() >= until:
            return True
    return False
