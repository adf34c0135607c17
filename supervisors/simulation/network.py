"""The simulated network between nodes: one Redis with their inboxes, and what befalls it and the ways to it.

What makes links of it, and all that is said over them, are the node's real parts.
"""

from collections.abc import Sequence
from random import Random
from typing import Protocol

import trio
from msgspec import Struct

from greenroom.supervisors.simulation.faults import Faults
from greenroom.supervisors.simulation.timeline import Timeline
from greenroom.transports.bus.carrier import CarrierLost
from greenroom.transports.bus.carrier_memory import MemoryCarrier, MemoryNetwork, Weather

ANSWER_S = 2.0  # that a call of Redis waits for an answer


class Reach(Struct):
    """A node's way to a service: each direction may be cut."""

    speaks: bool = True  # what it says arrives
    hears: bool = True  # what it is answered arrives

    @property
    def is_whole(self) -> bool:
        return self.speaks and self.hears

    def cut(self, *, speaks: bool = False, hears: bool = False) -> None:
        self.speaks, self.hears = speaks, hears

    def mend(self) -> None:
        self.speaks = self.hears = True


class Port(Protocol):
    """A node's step to the outside: see database.Port."""

    @property
    def to_redis(self) -> Reach: ...

    async def step(self) -> None: ...


class SimulatedRedis:
    """The one Redis of a world. It has nothing that anybody may not lose."""

    def __init__(self, *, draw: Random, faults: Faults, timeline: Timeline) -> None:
        self._network = MemoryNetwork(draw)
        self._timeline = timeline
        self.draw = draw
        self.set_weather(faults)

    def set_weather(self, faults: Faults) -> None:
        """Shares of entries that are lost, come twice or late, and how long the way takes."""
        self._network.weather = Weather(
            delay_s=(0.0, faults.latency_s),
            loss=faults.entry_lost,
            repeat=faults.entry_repeated,
            late=faults.entry_late,
            unsure=faults.entry_unsure,
            trouble=self._network.weather.trouble,
        )

    def carrier(self, port: Port, node: int) -> "SimulatedCarrier":
        """That node's way into it."""
        return SimulatedCarrier(self, port, self._network.carrier(node))

    def wipe(self) -> None:
        """All that is on its way is gone."""
        self._timeline.note("redis is wiped", who="redis")
        self._network.wipe()

    async def restart(self, down_s: float, *, wiped: bool) -> None:
        """Be away for so long, and come back with nothing, or with all that there was."""
        self._timeline.note("redis restarts", f"{down_s:.1f} s", who="redis")
        self._network.weather.trouble = "away"
        if wiped:
            self._network.wipe()
        await trio.sleep(down_s)
        self._network.weather.trouble = None

    async def fail_over(self, lag_s: float, down_s: float) -> None:
        """A replica takes over which is so far behind: what was read since comes again, what was put since is gone."""
        self._network.fall_behind()
        await trio.sleep(lag_s)
        self._timeline.note("redis fails over", f"{lag_s:.1f} s behind", who="redis")
        self._network.weather.trouble = "away"
        await trio.sleep(down_s)
        self._network.promote()
        self._network.weather.trouble = None

    def cut(self, sender: int, receiver: int) -> None:
        """What the one node says to the other vanishes."""
        self._network.cut.add((sender, receiver))

    def mend_ways(self) -> None:
        """Whatever one node says to another arrives again."""
        self._network.cut.clear()

    def mend(self) -> None:
        """It is there, and all ways are whole."""
        self.mend_ways()
        self._network.weather.trouble = None


class SimulatedCarrier:
    """One node's way into a SimulatedRedis: see transports/bus/carrier.py."""

    def __init__(self, redis: SimulatedRedis, port: Port, carrier: MemoryCarrier) -> None:
        self._redis = redis
        self._port = port
        self._carrier = carrier

    @property
    def is_waiting(self) -> bool:
        return self._carrier.is_waiting

    async def append(self, entries: Sequence[tuple[int, bytes]]) -> None:
        """Raises: CarrierLost."""
        await self._port.step()
        reach = self._port.to_redis
        if not reach.speaks:
            await self._no_answer()
        await self._carrier.append(entries)
        if not reach.hears:
            await self._no_answer()
        await self._port.step()

    async def read(self) -> list[bytes]:
        """Raises: CarrierLost."""
        reach = self._port.to_redis
        if not reach.is_whole:
            await self._no_answer()
        entries = await self._carrier.read()
        if not reach.is_whole:  # they were given to nobody
            await self._no_answer()
        return entries

    async def _no_answer(self) -> None:
        await trio.sleep(self._redis.draw.uniform(0.0, ANSWER_S))
        raise CarrierLost("stalled", "simulated: no answer")

    async def aclose(self) -> None:
        await self._carrier.aclose()
