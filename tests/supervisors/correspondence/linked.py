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
        self._deaf: set[tuple[int, int]] = set()  # from, to: what is sent there is of a link that has begun anew
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
        if (sender, receiver) in self._deaf:
            self.dropped += 1
            return
        self._queues.setdefault((sender, receiver), deque()).append(frame)
        self._wake.set()

    def part(self, one: int, other: int) -> None:
        """What is under way between them is lost, and both hear so."""
        self._lose(one, other)
        self._deaf -= {(one, other), (other, one)}
        for here, there in ((one, other), (other, one)):
            if here in self.ends:
                self.ends[here].parted(there)

    def part_first(self, one: int, other: int) -> None:
        """As above, but only the one hears so now. The other does with what it is sent next, or with `all_hear`, and
        what it sends until then is lost."""
        self._lose(one, other)
        self._deaf.discard((one, other))
        self._deaf.add((other, one))
        self.ends[one].parted(other)

    def all_hear(self) -> None:
        for other, one in list(self._deaf):
            self._hear(other, one)

    def _hear(self, other: int, one: int) -> None:
        if (other, one) in self._deaf:
            self._deaf.discard((other, one))
            self.ends[other].parted(one)

    def _lose(self, one: int, other: int) -> None:
        for ends in ((one, other), (other, one)):
            self.dropped += len(self._queues.pop(ends, ()))

    def kill(self, node: int) -> None:
        """It is gone, and all others know."""
        del self.ends[node]
        self._deaf = {ends for ends in self._deaf if node not in ends}
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
                        self._hear(receiver, sender)
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
