"""The waker: wakes each entity when one of its durable timers is due.

The timers themselves are rows, and an entity's own cell decides which of them fire: it has them since its claim, and
what a firing causes and the timer's next occurrence are one append. So waking an entity twice, or in vain, is harmless,
and it is enough to look for what is due every `SCAN_S`. What falls due before the next look is told to `soon`.
"""

import heapq
import math
from collections.abc import Callable

import structlog
import trio

from greenroom.actors.model.errors import ActorError
from greenroom.config.telemetry.shown import shown
from greenroom.store.errors import StoreUnavailable
from greenroom.store.journal.journal import Journal

log = structlog.get_logger("greenroom.waker")

SCAN_S = 1.0
AHEAD_MS = 1_500  # a look finds what is due so soon: the time until the next one, and some for being late
PAGE = 500
SOON_MAX = 50_000  # in memory; beyond, a look finds them when others have been woken
WOKEN_MAX = 5_000  # entities woken by one look; the next goes on behind them
START = (-(1 << 62), 0)
# After a look at all of them, so many times as long as it took passes until the next. While a transaction that is open
# elsewhere keeps the rows of timers that were ended, these lie before the others, and what takes a millisecond takes
# seconds.
REST = 20
REST_MAX_S = 15.0  # who could not be woken, or whose timer was due before a clock was set, is not to wait for longer


class Waker:
    """Wakes entities for their durable timers; has in memory only what is due soon.

    One for a node, a supervised child.
    """

    def __init__(
        self,
        *,
        journal: Journal,
        now: Callable[[], float],
        wake: Callable[[str], None],
        shards: Callable[[], frozenset[int] | None] = lambda: None,
    ) -> None:
        """`shards`: those whose timers are looked for; None: all. See Ownership."""
        self._journal = journal
        self._now = now
        self._wake_entity = wake
        self._shards = shards
        self._looked_at = shards()
        self._soon: list[tuple[int, str]] = []  # heap of (due, Unix ms; entity)
        self._known: set[tuple[int, str]] = set()
        self._wake = trio.Event()
        self._position = START  # where the last look ended: those before it may be ones that nobody can wake
        self._whole_at = -math.inf  # not before, on trio's clock, all are looked at again
        self._near = START  # where a look begins meanwhile: at what has come near since the last one
        self._overdue = 0  # since START
        self.overdue = 0  # timers found due for more than a second when all were last looked at

    def soon(self, due_ms: int, entity: str) -> None:
        """A timer has been set. Those far off are left to the rows, and those that are too many."""
        if due_ms > self._now() * 1000 + AHEAD_MS or len(self._soon) >= SOON_MAX:
            return
        if (due_ms, entity) not in self._known:
            self._known.add((due_ms, entity))
            heapq.heappush(self._soon, (due_ms, entity))
            if self._soon[0][0] == due_ms:
                self._wake.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Wake entities until cancelled. A store that is away makes timers late."""
        self._soon, self._known = [], set()
        self._position, self._overdue, self._whole_at = START, 0, -math.inf
        async with trio.open_nursery() as nursery:  # owner: this call
            nursery.start_soon(self._scan)
            nursery.start_soon(self._fire)
            task_status.started()

    async def _scan(self) -> None:
        while True:
            try:
                await self._look()
            except StoreUnavailable as error:
                log.debug("timers_not_read", error=str(error))
            await trio.sleep(SCAN_S)

    async def _look(self) -> None:
        now_ms = int(self._now() * 1000)
        found = 0
        shards = self._shards()
        if shards is not self._looked_at:  # what lay on those that are new has been due for a while
            self._looked_at = shards
            self._position, self._overdue, self._whole_at = START, 0, -math.inf
        begun = trio.current_time()
        is_whole = self._position != START or begun >= self._whole_at
        after = self._position if is_whole else self._near
        while found < WOKEN_MAX:
            page = await self._journal.due(before_ms=now_ms + AHEAD_MS, after=after, limit=PAGE, shards=shards)
            for due_ms, _, entity in page:
                self._overdue += is_whole and due_ms < now_ms - 1000
                self.soon(due_ms, entity)
            found += len(page)
            if len(page) < PAGE:
                after = (now_ms, 0)  # once more what is ahead: somebody may have set one there meanwhile
                break
            after = page[-1][:2]
            if is_whole:
                self._position = after  # where the next one begins, should this look fail
        else:
            if is_whole:
                return
        self._near = after
        if is_whole:
            self.overdue = self._overdue
            self._position, self._overdue = START, 0
            ended = trio.current_time()
            self._whole_at = ended + min(REST * (ended - begun), REST_MAX_S)

    async def _fire(self) -> None:
        while True:
            self._wake = trio.Event()
            # What is in there was due soon; if it is not by now, the clock was set back, and may be set forward again.
            wait_ms = min(self._soon[0][0] - self._now() * 1000, AHEAD_MS) if self._soon else 60_000.0
            if wait_ms > 0:
                # At least a millisecond: what is less than a clock can tell apart would be waited for again and again.
                with trio.move_on_after(max(wait_ms, 1.0) / 1000):
                    await self._wake.wait()
                continue
            woken = 0
            while self._soon and self._soon[0][0] <= self._now() * 1000:
                due_ms, entity = heapq.heappop(self._soon)
                self._known.discard((due_ms, entity))
                try:
                    self._wake_entity(entity)
                except ActorError as error:
                    log.debug("timer_postponed", entity=entity, error=shown(error))  # the next look finds it again
                woken += 1
                if woken % 100 == 0:
                    await trio.lowlevel.checkpoint()
