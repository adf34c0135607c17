"""Ends: that another node's process on this host has ended is seen long before its lease has run out.

As soon as the system tells, where it does (evidence.py); else by looking every so often.
"""

import os
from collections.abc import Callable, Sequence

import trio

from greenroom.store.ownership.referee import Member
from greenroom.supervisors.cluster.evidence import watched

EVIDENCE_S = 0.1  # between two looks: for nodes that have come, and for ends of which nobody tells


class Ends:
    """Of the nodes beside one. Bounded by how many there are."""

    def __init__(
        self,
        *,
        others: Callable[[], Sequence[Member]],
        ended: Callable[[str, str], bool],
        seen: Callable[[], None],
    ) -> None:
        """`ended`: is it certain that the process, named by host and process, runs no more? `seen` is called, perhaps
        again and again, while that is so of one of `others`."""
        self._others = others
        self._ended = ended
        self._seen = seen
        self._told: set[int] = set()  # nodes of whose end the system will tell

    async def run(self) -> None:
        """Until cancelled."""
        async with trio.open_nursery() as nursery:  # owner: this call
            while True:
                others = self._others()
                for one in others:
                    if one.incarnation not in self._told:
                        descriptor = watched(one.host, one.process)
                        if descriptor is not None:
                            self._told.add(one.incarnation)
                            nursery.start_soon(self._await_end, one.incarnation, descriptor)
                if any(one.incarnation not in self._told and self._ended(one.host, one.process) for one in others):
                    self._seen()
                await trio.sleep(EVIDENCE_S)

    async def _await_end(self, node: int, descriptor: int) -> None:
        """Closes the descriptor."""
        try:
            await trio.lowlevel.wait_readable(descriptor)
        finally:
            os.close(descriptor)
        self._told.discard(node)
        self._seen()
