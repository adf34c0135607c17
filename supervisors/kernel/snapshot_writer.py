"""The snapshot writer: states on their way to the journal, when there is time, and retention behind them."""

from collections.abc import Callable

import structlog
import trio

from greenroom.actors.model.actor import KindLimits
from greenroom.config.telemetry.throttled_log import ThrottledLog
from greenroom.store.errors import StoreUnavailable
from greenroom.store.journal.journal import Journal
from greenroom.store.journal.keep import ago_ms
from greenroom.store.journal.records import Head

log = structlog.get_logger("greenroom.snapshots")

WAITING_MAX = 1024  # snapshots
WAITING_BYTES_MAX = 64 << 20  # of their bodies; one alone may be larger
AT_ONCE = 16  # written while their entities wait; the pool's connections are for readers, too
LOG_S = 60.0  # between two lines about those that were skipped


class SnapshotWriter:
    """`write_later` never waits; `run` writes, one after the other. `write` is for entities that wait for it, many of
    which may end at the same moment. The journal has it all: skipping costs replay."""

    def __init__(
        self, journal: Journal, *, now: Callable[[], float], note_store_unavailable: Callable[[Exception], None]
    ) -> None:
        self._journal = journal
        self._now = now  # Unix seconds
        self._note_store_unavailable = note_store_unavailable
        self._log = ThrottledLog(log, interval_s=LOG_S, clock=trio.current_time)
        self._send, self._receive = trio.open_memory_channel[tuple[Head, int, bytes, KindLimits]](WAITING_MAX)
        self._at_once = trio.Semaphore(AT_ONCE)
        self.waiting_bytes = 0  # of the bodies that wait
        self._queued = self._over = 0  # how many, so far
        self._progress = trio.Event()

    def write_later(self, head: Head, offset: int, body: bytes, limits: KindLimits) -> None:
        """The state as of `offset`. Skipped when too many wait, or too much."""
        if self.waiting_bytes and self.waiting_bytes + len(body) > WAITING_BYTES_MAX:
            self._log.warning("snapshot_skipped")
            return
        try:
            self._send.send_nowait((head, offset, body, limits))
            self.waiting_bytes += len(body)
            self._queued += 1
        except trio.WouldBlock:
            self._log.warning("snapshot_skipped")

    async def caught_up(self) -> None:
        """Return when all that waited when this was called are written, or could not be."""
        queued = self._queued
        while self._over < queued:
            await self._progress.wait()

    async def write(self, head: Head, offset: int, body: bytes) -> None:
        """The state as of `offset`, now. Raises: StoreUnavailable."""
        async with self._at_once:
            await self._journal.save_snapshot(head.id, fence=head.fence, offset=offset, body=body)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled, which is safe at any time."""
        task_status.started()
        async for head, offset, body, limits in self._receive:
            self.waiting_bytes -= len(body)
            try:
                try:
                    await self._journal.save_snapshot(head.id, fence=head.fence, offset=offset, body=body)
                finally:
                    self._over += 1
                    self._progress.set()
                    self._progress = trio.Event()
                if offset - head.trimmed > limits.history_events + limits.snapshot_every:
                    now_s = self._now()
                    trimmed = await self._journal.trim(  # one step: others wait behind it, and the sweep does the rest
                        head.id,
                        keep_count=limits.history_events,
                        keep_after_ms=ago_ms(now_s, limits.history_s),
                        ids_after_ms=ago_ms(now_s, limits.command_ids_s),
                    )
                    head.trimmed = trimmed.through
            except StoreUnavailable as error:
                self._note_store_unavailable(error)
