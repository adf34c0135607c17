"""The beat by which others see that a node is there, in Redis.

It is a hint only. That Redis is gone costs nothing here but the list of nodes; it comes back by itself.
"""

import random
from collections.abc import Callable

import msgspec
import structlog
import trio

from greenroom.transports.bus.redis.address import Address, target_of
from greenroom.transports.bus.redis.connection import Redirected, RedisConnection, packed, raise_refusals
from greenroom.transports.bus.redis.dialing import Dialer

log = structlog.get_logger("greenroom.bus")

BEAT_S = 1.0
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

    def __init__(self, redis_url: str, beat: Callable[[], Beat]) -> None:
        self._url = redis_url
        self._beat = beat
        self._connection: RedisConnection | None = None
        self._lost_said_at = -SAY_AGAIN_S  # trio clock
        self.healthy = False

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Beat until cancelled; ready at once, since nothing waits for Redis."""
        task_status.started()
        try:
            while True:
                try:
                    await self._say()
                    if not self.healthy:
                        self.healthy = True
                        log.info("redis_reached")
                except Exception as error:  # the edge: these are hints, and no mistake with them may cost the node
                    await self._close()
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

    async def _say(self) -> None:
        dialer = Dialer(target_of(self._url))
        beat = self._beat()
        said = packed("SET", KEY + beat.node, msgspec.json.encode(beat), "PX", BEAT_LIFETIME_MS)
        if self._connection is None:
            self._connection = await dialer.open()
        try:
            raise_refusals(await self._connection.call(said, 1, within_s=TIMEOUT_S))
        except Redirected as moved:  # a cluster: from now on we speak to the node that has our key
            host = moved.host or self._connection.name.rpartition(":")[0]
            await self._close()
            self._connection = await dialer.open_at(Address(host, moved.port))
            raise_refusals(await self._connection.call(said, 1, within_s=TIMEOUT_S))

    async def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.aclose()
