"""The bus to other nodes, over Redis: for now, the beat by which nodes see each other.

Redis holds hints only. That it is gone costs nothing here but the list of nodes; it comes back by itself. For the same
reason its library, which takes 0.2 s to import, is not what a start waits for.
"""

import contextlib
import random
from collections.abc import Callable
from importlib import import_module
from typing import Any

import msgspec
import structlog
import trio

from greenroom.store.postgres.bridge import Bridge

log = structlog.get_logger("greenroom.bus")

BEAT_S = 1.0
FIRST_BEAT_S = 0.2  # after the start: importing in a thread would slow down those who wait for the server
BEAT_LIFETIME_MS = 3000
TIMEOUT_S = 2.0
KEY = "greenroom:node:"
SAY_AGAIN_S = 60.0  # while Redis stays away


class Beat(msgspec.Struct):
    """What a node says of itself, every second."""

    node: str  # incarnation, hex
    url: str
    version: str
    awake: int
    connections: int
    started_at_ms: int


class Bus:
    """This node's way to say, every second, that it is there; `healthy` as of the last time."""

    def __init__(self, bridge: Bridge, redis_url: str, beat: Callable[[], Beat]) -> None:
        self._bridge = bridge
        self._url = redis_url
        self._beat = beat
        self._redis: Any = None
        self._loaded = False  # its library
        self._lost_said_at = -SAY_AGAIN_S  # trio clock
        self.healthy = False

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Beat until cancelled; ready at once, since nothing waits for Redis."""
        task_status.started()
        await trio.sleep(FIRST_BEAT_S)
        try:
            while True:
                try:
                    await self._load()
                    with trio.fail_after(TIMEOUT_S + 1):
                        await self._bridge.run(self._say)
                    if not self.healthy:
                        self.healthy = True
                        log.info("redis_reached")
                except Exception as error:  # the edge: these are hints, and no mistake with them may cost the node
                    self._lost(error)
                await trio.sleep(BEAT_S * random.uniform(0.8, 1.2))
        finally:
            with trio.move_on_after(1.0, shield=True):
                await self._close()

    def _lost(self, error: Exception) -> None:
        now = trio.current_time()
        if self.healthy or now - self._lost_said_at >= SAY_AGAIN_S:
            self._lost_said_at = now
            log.warning("redis_lost", error=repr(error))
        self.healthy = False

    async def _load(self) -> None:
        if self._loaded:
            return
        limiter = trio.CapacityLimiter(1)
        await trio.to_thread.run_sync(import_module, "redis.asyncio", abandon_on_cancel=True, limiter=limiter)
        self._loaded = True

    # On the bridge's loop.

    def _client(self) -> Any:
        if self._redis is None:
            from redis.asyncio import Redis  # loaded by now

            self._redis = Redis.from_url(self._url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
        return self._redis

    async def _say(self) -> None:
        beat = self._beat()
        await self._client().set(KEY + beat.node, msgspec.json.encode(beat), px=BEAT_LIFETIME_MS)

    async def _close(self) -> None:
        if self._redis is not None:
            with contextlib.suppress(Exception):  # it is gone, or forgets us by itself
                await self._bridge.run(self._redis.aclose)
