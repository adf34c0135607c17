"""How the node is: what it says to probes, to pages and, with every beat, to other nodes."""

from collections.abc import Callable
from typing import Protocol

import trio

from greenroom.config.telemetry.instruments import Instruments
from greenroom.store.errors import StoreUnavailable
from greenroom.store.postgres.pool import Pool
from greenroom.transports.bus.beat import Beat

STORE_S = 2.0  # what the store may take to answer a probe


class Reached(Protocol):
    """The bus, as of its last beat."""

    @property
    def healthy(self) -> bool: ...


class Pulse:
    """Makes the node's beats."""

    def __init__(
        self, *, incarnation: int, url: str, version: str, clock: Callable[[], float], instruments: Instruments
    ) -> None:
        self.url = url
        self._node = f"{incarnation:016x}"
        self._version = version
        self._started_at_ms = int(clock() * 1000)
        self._instruments = instruments

    def beat(self) -> Beat:
        return Beat(
            node=self._node,
            url=self.url,
            version=self._version,
            awake=self._instruments.awake,
            connections=self._instruments.connections,
            started_at_ms=self._started_at_ms,
        )


class Health:
    """Answers `/health` and `/ready`. `serving` is the node's: true from its start to its drain."""

    def __init__(self, pulse: Pulse, instruments: Instruments, pool: Pool, bus: Reached, *, shards: int) -> None:
        self.serving = False
        self._pulse = pulse
        self._instruments = instruments
        self._pool = pool
        self._bus = bus
        self._shards = shards

    def health(self) -> dict[str, object]:
        """Alive; never waits."""
        beat = self._pulse.beat()
        return {
            "status": "ok" if self.serving else "draining",
            "node": beat.node,
            "version": beat.version,
            "started_at_ms": beat.started_at_ms,
            "shards": self._shards,
            "awake": beat.awake,
            "connections": beat.connections,
            "subscriptions": self._instruments.subscriptions,
            "redis": "reached" if self._bus.healthy else "not reached",
        }

    async def ready(self) -> tuple[bool, dict[str, object]]:
        """Able to serve: started, not draining, and the store answers."""
        store = "ok"
        try:
            with trio.fail_after(STORE_S):
                async with self._pool.connection() as connection:
                    await connection.fetch("SELECT 1")
        except (StoreUnavailable, trio.TooSlowError):
            store = "not reached"
        redis = "ok" if self._bus.healthy else "not reached"  # hints only: serving goes on without
        return self.serving and store == "ok", {"store": store, "redis": redis, "draining": not self.serving}
