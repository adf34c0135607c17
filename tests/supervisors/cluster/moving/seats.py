"""Two kernels or more on one journal, in virtual time."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import trio

from greenroom.actors.model.errors import NotHere
from greenroom.store.journal.journal_memory import MemoryRows
from greenroom.supervisors.cluster.moving import Moving
from greenroom.supervisors.cluster.pacing import Pacing
from greenroom.supervisors.kernel.router import Awake
from tests.supervisors.cluster.memory_cluster import Cluster, Node, cluster
from tests.supervisors.kernel.small_kernel import Kernel, Slot

SHARDS = 40
ENTITIES = [f"log:{number}" for number in range(60)]


class Seat:
    """A node with its kernel. What lives on another goes there: what comes for it at once, as over a wire without
    length."""

    def __init__(self, node: Node, kernel: Kernel) -> None:
        self.node = node
        self.kernel = kernel
        self.latency_s = 0.001
        node.on_announce = self._announced
        self.moving = Moving(
            node.membership,
            kernel.system,
            pacing=Pacing(lambda: [self.latency_s]),
            commit_s=lambda: kernel.journal.delay_s,
        )
        self.others: list[Seat] = []
        self._activate = kernel.system.activate
        kernel.router._activate = self._found

    def _found(self, entity: str) -> Awake:
        try:
            return self._activate(entity)
        except NotHere:
            owner = self.node.membership.owner(entity)
            for seat in self.others:
                if seat.node.referee.incarnation == owner:
                    awake: Awake | None = seat.kernel.kernel._cells.get(entity)
                    return awake or seat._activate(entity)
            raise

    def _announced(self, node: int, terms: Mapping[int, int]) -> None:
        for seat in self.others:
            seat.node.membership.hear(node, terms)


@asynccontextmanager
async def seats(count: int = 2) -> AsyncIterator[tuple[Cluster, list[Seat]]]:
    """All of them up, and the first owns everything."""
    rows = MemoryRows()
    async with cluster(SHARDS) as run, trio.open_nursery() as nursery:
        made: list[Seat] = []
        for number in range(1, count + 1):
            node = run.node()
            kernel = Kernel(rows=rows, incarnation=number, ownership=node.membership)

            async def live(
                kernel: Kernel = kernel, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
            ) -> None:
                async with kernel.running():
                    task_status.started()
                    await trio.sleep_forever()

            await nursery.start(live)
            await run.start(node)
            made.append(Seat(node, kernel))
        for seat in made:
            seat.others = [one for one in made if one is not seat]
        await trio.sleep(1.5)
        yield run, made
        nursery.cancel_scope.cancel()


async def all_moved(seat: Seat) -> None:
    """It has handed over whatever is another's."""
    while seat.node.membership.unwanted():
        await seat.node.membership.changed()


def answers(slots: list[Slot]) -> list[Any]:
    return [slot.answer for slot in slots]
