"""Links in memory, with the promises of transports/bus/links.py: between each two nodes in order and once, until they
part. Frames take as long as the test says; who is cut off hears nothing until it is joined again.
"""

import random
from collections import deque
from collections.abc import Callable

import trio

from greenroom.actors.model.errors import Overloaded, Unavailable
from greenroom.transports.bus.links import Correspondent


class Network:
    """All links of a cluster. Run it."""

    def __init__(self, *, rng: random.Random | None = None, delay_s: float = 0.0005) -> None:
        self.ends: dict[int, Correspondent] = {}
        self.full: set[tuple[int, int]] = set()  # from, to: whose bound is reached
        self.frames = 0
        self.dropped = 0
        self.stuck: set[tuple[int, int]] = set()  # from, to: what is under way there stays so
        self.filter: Callable[[int, int, bytes], bool] = lambda sender, receiver, frame: True  # False: it is lost
        self._rng = rng
        self.delay_s = delay_s
        self._queues: dict[tuple[int, int], deque[bytes]] = {}
        self._wake = trio.Event()

    def links_of(self, node: int) -> "MemoryLinks":
        return MemoryLinks(self, node)

    def send(self, sender: int, receiver: int, frame: bytes) -> None:
        assert sender != receiver
        if receiver not in self.ends:
            raise Unavailable("that node was forgotten")
        if (sender, receiver) in self.full:
            raise Overloaded("too many frames wait")
        self.frames += 1
        self._queues.setdefault((sender, receiver), deque()).append(frame)
        self._wake.set()

    def part(self, one: int, other: int) -> None:
        """What is under way between them is lost, and both hear so."""
        for ends in ((one, other), (other, one)):
            self.dropped += len(self._queues.pop(ends, ()))
        for here, there in ((one, other), (other, one)):
            if here in self.ends:
                self.ends[here].parted(there)

    def kill(self, node: int) -> None:
        """It is gone, and all others know."""
        del self.ends[node]
        for ends in [ends for ends in self._queues if node in ends]:
            del self._queues[ends]
        for end in self.ends.values():
            end.parted(node)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        task_status.started()
        while True:
            self._wake = trio.Event()
            if not any(self._queues.values()):
                await self._wake.wait()
            await trio.sleep(self.delay_s * (self._rng.random() * 2 if self._rng is not None else 1))
            ends = [ends for ends, queue in self._queues.items() if queue and ends not in self.stuck]
            if self._rng is not None:
                self._rng.shuffle(ends)
            for sender, receiver in ends:
                queue = self._queues.get((sender, receiver), deque())
                some = len(queue) if self._rng is None else self._rng.randint(1, max(len(queue), 1))
                for _ in range(min(some, len(queue))):
                    frame = queue.popleft()
                    if self.filter(sender, receiver, frame):
                        self.ends[receiver].received(sender, frame)


class MemoryLinks:
    """One node's end of them."""

    def __init__(self, network: Network, node: int) -> None:
        self._network = network
        self._node = node

    def send(self, node: int, frame: bytes, *, may_wait: bool = False) -> None:
        self._network.send(self._node, node, frame)

    def forget(self, node: int) -> None:
        raise NotImplementedError

    async def drained(self) -> None:
        raise NotImplementedError
