"""What carries the links: an inbox for each node, into which anybody may put entries. It may lose and repeat them.

Two implementations: streams of a Redis (`carrier_redis.py`), and a network in memory that fails on purpose
(`carrier_memory.py`). What makes links of it, which lose and repeat nothing, is `carried_links.py`.
"""

from collections.abc import Sequence
from typing import Literal, Protocol

# Away: not to be reached. Stalled: no answer. Full: takes nothing more. Denied: does not know us, or won't let us.
# Read-only: a replica. Refused: any other no.
Trouble = Literal["away", "stalled", "full", "denied", "read_only", "refused"]


class CarrierLost(Exception):
    """It could not be asked, or said no. What was to be put may be in the inboxes all the same, or in part."""

    def __init__(self, trouble: Trouble, text: str) -> None:
        super().__init__(text)
        self.trouble: Trouble = trouble


class Carrier(Protocol):
    """One node's way to all inboxes, and to its own. One task appends and another reads, each call after the last."""

    async def append(self, entries: Sequence[tuple[int, bytes]]) -> None:
        """Put each entry (1 B to some 256 KiB) into the inbox of its node, in this order; return when they are on their
        way. No entries: return when all that are have been put, or else it has answered.

        Raises: CarrierLost, of these entries or of those of the call before, soon: within seconds, however long the
        other side is silent. Then the next call tries to reach it anew.
        """

    @property
    def is_waiting(self) -> bool:
        """Are entries on their way of which it is not known yet that they have been put?"""

    async def read(self) -> list[bytes]:
        """The oldest entries of this node's inbox, a bounded number; waits a second for one, then []. What is returned
        is removed, if not before then with the next call. Raises: as `append`."""

    async def aclose(self) -> None:
        """Give up what is held; nothing is called after."""
