"""Two nodes with a link between them, over any carrier; each remembers what it hears."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio

from greenroom.config.limits import BusConfig
from greenroom.config.telemetry.instruments import Instruments
from greenroom.transports.bus.carried_links import CarriedLinks
from greenroom.transports.bus.carrier import Carrier

ANN, BEN = 0xA11, 0xBE11  # incarnations


class End:
    """One node's end. `heard`: (node, frame) in order, (node, None) where the link parted."""

    def __init__(self, node: int, carrier: Carrier, config: BusConfig) -> None:
        self.node = node
        self.heard: list[tuple[int, bytes | None]] = []
        self.instruments = Instruments()
        self.on_frame: Callable[[int, bytes], None] = lambda node, frame: None
        self.on_parted: Callable[[int], None] = lambda node: None
        self.links = CarriedLinks(node, carrier, self, config, self.instruments, jitter=random.Random(node))
        self._news = trio.Event()

    def received(self, node: int, frame: bytes) -> None:
        self.heard.append((node, frame))
        self._news.set()
        self.on_frame(node, frame)

    def parted(self, node: int) -> None:
        self.heard.append((node, None))
        self._news.set()
        self.on_parted(node)

    @property
    def frames(self) -> list[bytes]:
        return [frame for _, frame in self.heard if frame is not None]

    @property
    def partings(self) -> int:
        return sum(frame is None for _, frame in self.heard)

    async def until(self, said: Callable[[], bool], within_s: float = 20.0) -> None:
        with trio.fail_after(within_s):
            while not said():
                self._news = trio.Event()
                await self._news.wait()

    async def hears(self, *frames: bytes, within_s: float = 20.0) -> None:
        """Wait for as many frames as these, and have them be these."""
        await self.until(lambda: len(self.frames) >= len(frames), within_s)
        assert self.frames == list(frames)


@asynccontextmanager
async def two_ends(carrier: Callable[[int], Carrier], config: BusConfig) -> AsyncIterator[tuple[End, End]]:
    ann, ben = End(ANN, carrier(ANN), config), End(BEN, carrier(BEN), config)
    async with trio.open_nursery() as nursery:  # owner: the test
        await nursery.start(ann.links.run)
        await nursery.start(ben.links.run)
        yield ann, ben
        nursery.cancel_scope.cancel()
