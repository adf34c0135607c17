"""How the node is: what it says to probes, to pages and, with every beat, to other nodes."""

from collections.abc import Awaitable, Callable, Mapping
from math import inf
from typing import Protocol

import structlog
import trio

from greenroom.config.telemetry.instruments import Instruments
from greenroom.store.errors import StoreError
from greenroom.transports.bus.beat import Beat

log = structlog.get_logger("greenroom.node")

STORE_S = 2.0  # what the store may take to answer a probe
FRESH_S = 1.0  # so long an answer is given again: whoever asks more often is no load on the store


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

    def __init__(
        self,
        pulse: Pulse,
        instruments: Instruments,
        probe: Callable[[], Awaitable[None]],
        bus: Reached,
        *,
        shards: int,
        joined: Callable[[], Mapping[str, object]] = dict,
        left_out: Callable[[], bool] = lambda: False,
    ) -> None:
        """`probe` does what serving needs of the store, to no effect. Raises: StoreError, also in a group. `joined`
        says more where other nodes share the database; `left_out`: have these all there is, since they do not reach
        this one?"""
        self.serving = False
        self._pulse = pulse
        self._instruments = instruments
        self._probe = probe
        self._bus = bus
        self._shards = shards
        self._joined = joined
        self._left_out = left_out
        self._probing = trio.Lock()
        self._probed_at = -inf  # on trio's clock
        self._store = ""

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
            **self._joined(),
        }

    async def ready(self) -> tuple[bool, dict[str, object]]:
        """Able to serve: started, not draining, not left out by the other nodes, and the store can be read and written,
        over the connections that do."""
        async with self._probing:
            if trio.current_time() - self._probed_at >= FRESH_S:
                self._store = await self._probed()
                self._probed_at = trio.current_time()
        redis = "ok" if self._bus.healthy else "not reached"  # hints only: a node that is alone serves without
        left_out = self._left_out()
        able = self.serving and self._store == "ok" and not left_out
        found: dict[str, object] = {"store": self._store, "redis": redis, "draining": not self.serving}
        return able, found | {"left_out": True} if left_out else found

    async def _probed(self) -> str:
        why: object = f"no answer within {STORE_S:g} s"
        with trio.move_on_after(STORE_S):
            try:
                await self._probe()
                return "ok"
            except* StoreError as errors:
                why = [str(one) for one in errors.exceptions]
        if self._store != "not reached":
            log.warning("store_not_ready", errors=why)
        return "not reached"
