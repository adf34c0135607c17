"""A carrier in memory that fails on purpose: for tests, and for worlds of many nodes in one process, under a seed."""

import random
from collections import OrderedDict, deque
from collections.abc import Sequence

import msgspec
import trio

from greenroom.transports.bus.carrier import CarrierLost, Trouble

READ_ENTRIES_MAX = 64
READ_WAITS_S = 1.0


class Weather(msgspec.Struct, kw_only=True):
    """What befalls entries from now on: shares are of 1. Changed in place while nodes speak."""

    delay_s: tuple[float, float] = (0.0, 0.0)  # least and most, of each append and of each read
    loss: float = 0.0  # of entries that are appended: they vanish
    repeat: float = 0.0  # they come twice
    late: float = 0.0  # they are overtaken by those of the next append to the same inbox
    unsure: float = 0.0  # of appends: the entries, or the first of them, are there, and it is said that none is
    trouble: Trouble | None = None  # nothing works, and why


class MemoryNetwork:
    """All inboxes, by incarnation, with one weather over them. `cut`: pairs (from, to) between which all is lost."""

    def __init__(self, seed: random.Random, *, inbox_entries_max: int = 10_000) -> None:
        self.weather = Weather()
        self.cut: set[tuple[int, int]] = set()
        self.random = seed
        self._inbox_entries_max = inbox_entries_max
        self._inboxes: OrderedDict[int, deque[bytes]] = OrderedDict()
        self._late: dict[int, list[bytes]] = {}
        self._replica: dict[int, list[bytes]] = {}
        self._changed: dict[int, trio.Event] = {}

    def carrier(self, node: int) -> "MemoryCarrier":
        """That node's way into it."""
        return MemoryCarrier(self, node)

    def wipe(self) -> None:
        """Every entry is gone."""
        self._inboxes.clear()
        self._late.clear()

    def fall_behind(self) -> None:
        """A replica has what is there now, and nothing that comes after."""
        self._replica = {node: list(inbox) for node, inbox in self._inboxes.items()}

    def promote(self) -> None:
        """It takes over: entries that were read since come again, and those that were put since are gone."""
        self.wipe()
        for node, entries in self._replica.items():
            self._inboxes[node] = deque(entries, maxlen=self._inbox_entries_max)
            self._changed.pop(node, trio.Event()).set()

    def depth(self, node: int) -> int:
        """Entries in that node's inbox."""
        return len(self._inboxes.get(node, ()))

    def put(self, sender: int, node: int, raw: bytes) -> None:
        """One entry, whatever becomes of it."""
        chance, weather = self.random.random, self.weather
        if (sender, node) in self.cut or chance() < weather.loss:
            return
        inbox = self._inboxes.setdefault(node, deque(maxlen=self._inbox_entries_max))
        if chance() < weather.late:
            self._late.setdefault(node, []).append(raw)
            return
        inbox.append(raw)
        if chance() < weather.repeat:
            inbox.append(raw)
        inbox.extend(self._late.pop(node, ()))
        self._changed.pop(node, trio.Event()).set()

    async def read(self, node: int) -> list[bytes]:
        """The oldest entries, taken out of the inbox; [] when there are none for READ_WAITS_S."""
        if not self.depth(node):
            with trio.move_on_after(READ_WAITS_S):
                await self._changed.setdefault(node, trio.Event()).wait()
        inbox = self._inboxes.get(node, deque())
        return [inbox.popleft() for _ in range(min(len(inbox), READ_ENTRIES_MAX))]


class MemoryCarrier:
    """One node's way into a MemoryNetwork: see carrier.Carrier."""

    def __init__(self, network: MemoryNetwork, node: int) -> None:
        self._network = network
        self._node = node

    is_waiting = False

    async def append(self, entries: Sequence[tuple[int, bytes]]) -> None:
        """As `carrier.Carrier`. Raises: CarrierLost."""
        await self._pass()
        weather, chance = self._network.weather, self._network.random
        unsure = chance.random() < weather.unsure
        for node, raw in entries[: chance.randint(0, len(entries))] if unsure else entries:
            self._network.put(self._node, node, raw)
        if unsure:
            raise CarrierLost("away", "the connection was lost before the answer")

    async def read(self) -> list[bytes]:
        """As `carrier.Carrier`. Raises: CarrierLost."""
        await self._pass()
        entries = await self._network.read(self._node)
        if self._network.weather.trouble is not None:
            raise CarrierLost(self._network.weather.trouble, "as the weather has it")
        return entries

    async def aclose(self) -> None:
        """As `carrier.Carrier`."""
        await trio.lowlevel.checkpoint()

    async def _pass(self) -> None:
        """The way there. Raises: CarrierLost."""
        await trio.sleep(self._network.random.uniform(*self._network.weather.delay_s))
        trouble = self._network.weather.trouble
        if trouble is not None:
            raise CarrierLost(trouble, "as the weather has it")
