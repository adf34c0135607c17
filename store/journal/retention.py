"""Retention: events that are too old or too many go, also of entities that nobody wakes any more.

An awake entity is trimmed when it has written a snapshot; this sweep finds the others. It walks the heads in the order
of their ids, a page at a time, and trims at a bounded rate, so that it is never what makes the store slow. An entity
that can't be trimmed is passed over until the next lap; a store that is away ends a sweep, and the next goes on behind
the entity where that was noticed. Several nodes may sweep the same heads: trimming twice is trimming once.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import structlog
import trio
from msgspec import Struct

from greenroom.store.errors import StoreUnavailable

log = structlog.get_logger("greenroom.retention")

KEEP_ALL = 1 << 62  # events
FAILURES_MAX = 3  # entities in a row that can't be trimmed: then it is the store
UNTRIMMED_MAX = 1_000  # entities remembered as such, and so logged once and not at each lap


class Keep(Struct, frozen=True, kw_only=True):
    """How much history the entities of a kind keep. None: all of it."""

    events: int | None = None  # the newest so many
    seconds: float | None = None  # those younger
    command_ids_s: float = 86_400.0  # a command id is remembered for so long even when its event has gone


class Trimmable(Struct, frozen=True):
    """A head that has events before its snapshot, or command ids that have outlived theirs."""

    head_id: int
    entity: str
    offset: int
    trimmed: int
    snapshot_offset: int
    keeps_ids: bool


class TrimmableJournal(Protocol):
    """What the sweep needs of a journal."""

    async def trimmable(self, *, after_id: int, limit: int) -> Sequence[Trimmable]:
        """Looks at the next `limit` heads, by rising id: those at which there may be something to trim, and the last
        one looked at; [] at the end.

        Raises: StoreUnavailable.
        """

    async def trim(self, head_id: int, *, keep_count: int, keep_after_ms: int, ids_after_ms: int) -> int:
        """See Journal."""


def due(keep: Keep, head: Trimmable, *, slack: float = 0.1) -> bool:
    """Is trimming worth its statements? By count, only once `slack` of the limit has come together.

    By age nobody knows without looking at the oldest event, and that is what the trim itself does.
    """
    if head.keeps_ids:
        return True
    if head.trimmed >= head.snapshot_offset:
        return False
    if keep.seconds is not None:
        return True
    return keep.events is not None and head.offset - head.trimmed > keep.events * (1 + slack)


def ago_ms(now_s: float, seconds: float) -> int:
    """The moment so many seconds ago, Unix ms; the beginning of Unix time for longer ago, as `math.inf` is."""
    return int(max(0.0, now_s - seconds) * 1_000)


class Retention:
    """Sweeps all heads of kinds that have a limit, over and over."""

    def __init__(
        self,
        journal: TrimmableJournal,
        keep: Mapping[str, Keep],
        *,
        now: Callable[[], float],  # Unix time, s
        sweep_s: float = 600.0,  # seconds from the end of one sweep to the beginning of the next
        trims_per_s: float = 100.0,
        page: int = 500,  # heads looked at by one query
    ) -> None:
        self._journal = journal
        self._keep = keep
        self._now = now
        self._sweep_s = sweep_s
        self._trim_s = 1 / trims_per_s
        self._page = page
        self._after_id = 0  # where the sweep is: kept over a store that is away
        self._untrimmed: set[int] = set()  # heads whose last trim failed

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Sweep until cancelled, which is safe at any time. A store that is away ends the sweep, not the sweeping."""
        task_status.started()
        while True:
            await trio.sleep(self._sweep_s)
            try:
                trimmed = await self.sweep()
                if trimmed:
                    log.info("history_trimmed", entities=trimmed)
            except StoreUnavailable as error:
                log.warning("retention_postponed", error=str(error))

    async def sweep(self) -> int:
        """Look at every head once, or at those that the sweep before has left; how many were trimmed.

        Raises: StoreUnavailable when the store is away. The next sweep goes on from there.
        """
        trimmed = failures = 0
        while heads := await self._journal.trimmable(after_id=self._after_id, limit=self._page):
            for head in heads:
                self._after_id = head.head_id  # before the trim: whatever becomes of it, others have their turn
                keep = self._keep.get(head.entity.partition(":")[0])
                if keep is None or not due(keep, head):
                    continue
                try:
                    await self._trim(head, keep)
                except StoreUnavailable as error:
                    self._note(head, error)
                    failures += 1
                    if failures == FAILURES_MAX:
                        raise
                else:
                    failures = 0
                    trimmed += 1
                    self._untrimmed.discard(head.head_id)
                await trio.sleep(self._trim_s)
        self._after_id = 0
        return trimmed

    async def _trim(self, head: Trimmable, keep: Keep) -> None:
        now_s = self._now()
        await self._journal.trim(
            head.head_id,
            keep_count=KEEP_ALL if keep.events is None else keep.events,
            keep_after_ms=0 if keep.seconds is None else ago_ms(now_s, keep.seconds),
            ids_after_ms=ago_ms(now_s, keep.command_ids_s),
        )

    def _note(self, head: Trimmable, error: StoreUnavailable) -> None:
        if head.head_id not in self._untrimmed:
            log.warning("entity_not_trimmed", entity=head.entity, error=str(error))
            if len(self._untrimmed) < UNTRIMMED_MAX:
                self._untrimmed.add(head.head_id)
