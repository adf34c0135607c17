"""The key set watch: looks every ten seconds, and at a SIGHUP, whether the file of public keys holds others now.

Whoever rotates keys writes the file anew, or renames another over it; nobody should have to restart for that. A file
that is not usable changes nothing: tokens of the keys that are known go on counting.
"""

from collections.abc import Callable
from pathlib import Path

import structlog
import trio

log = structlog.get_logger("greenroom.keys")

LOOK_S = 10.0
KEY_SET_BYTES_MAX = 1 << 20  # a set of thousands of keys; more is some other file


class KeySetWatch:
    """Reads one file again and again, and gives on what it holds once that is something else. A supervised child."""

    def __init__(self, path: Path, known: bytes, replace: Callable[[bytes], None]) -> None:
        """`known` is what the file held when `replace` was last given it. `replace` raises ValueError for what it can't
        use."""
        self._path = path
        self._seen = known
        self._replace = replace
        self._problem = ""
        self._asked = trio.Event()
        self._reads = trio.CapacityLimiter(1)

    def look_now(self) -> None:
        """Without waiting for the next time."""
        self._asked.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        task_status.started()
        while True:
            with trio.move_on_after(LOOK_S):
                await self._asked.wait()
            self._asked = trio.Event()
            await self._look()

    async def _look(self) -> None:
        try:
            found = await trio.to_thread.run_sync(self._read, limiter=self._reads)
            if found == self._seen:
                self._problem = ""
                return
            self._replace(found)
        except (OSError, ValueError) as error:
            if str(error) != self._problem:  # once, and not again every ten seconds
                self._problem = str(error)
                log.error("key_set_unusable", path=str(self._path), error=self._problem)
            return
        self._seen, self._problem = found, ""
        log.info("key_set_replaced", path=str(self._path))

    def _read(self) -> bytes:
        with self._path.open("rb") as file:
            found = file.read(KEY_SET_BYTES_MAX + 1)
        if len(found) > KEY_SET_BYTES_MAX:
            raise ValueError(f"larger than {KEY_SET_BYTES_MAX} bytes")
        return found
