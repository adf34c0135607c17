"""Retention: what is too old or too many goes, also of entities that nobody wakes any more.

One sweep after the other walks over all heads in the order of their ids, a page at a time. A page tells only those at
which something is due: that is decided in the statement, from the head row, which knows since when its entity has
events. Looking takes a fixed share of the time, however many entities sleep; trimming has a bounded rate, with rests
that let appends through.

Events are never trimmed before a snapshot covers them. Where none does, the sweep has one made from the journal
(`supervisors/duties/folding.py`): the entity goes on sleeping. What can't be trimmed is passed over until the next
lap; a store that is away ends a sweep, and the next goes on behind the entity where that was noticed. Of several nodes
each does this for what it owns; where two believe that they do, doing any of it twice is doing it once.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from time import perf_counter
from typing import Protocol

import structlog
import trio
from msgspec import Struct

from greenroom.store.errors import StoreUnavailable
from greenroom.store.journal.keep import MARKS_S, UNUSED_S, Found, Keep, Looked, Rule, ago_ms, rule
from greenroom.store.journal.records import Trimmed

log = structlog.get_logger("greenroom.retention")

LOOK_SHARE = 0.005  # of the time, that looking for what is due may take
TRIM_SHARE = 0.2  # of the time, that snapshots and trims may take while there is something due
FAILURES_MAX = 3  # entities in a row that can't be trimmed: then it is the store
UNTRIMMED_MAX = 1_000  # entities remembered as such, and so logged once and not at each lap


class CannotFold(Exception):
    """An entity's events can't be made into a snapshot by this code."""


class SweptJournal(Protocol):
    """What the sweep needs of a journal. All of it raises StoreUnavailable."""

    async def look(
        self,
        rules: Sequence[Rule],
        *,
        after_id: int,
        limit: int,
        unused_before_ms: int,
        shards: Collection[int] | None = None,
    ) -> Looked:
        """Look at the next `limit` heads, by rising id: at those on these shards (None: at all of them). Notes in those
        at which nothing is due until when that is."""

    async def trim(self, head_id: int, *, keep_count: int, keep_after_ms: int, ids_after_ms: int) -> Trimmed:
        """See Journal."""

    async def expire_ids(self, head_id: int, *, before_ms: int) -> bool:
        """Forget some command ids older than that whose events are gone; are there more?"""

    async def remove_unused(self, head_ids: Sequence[int], *, claimed_before_ms: int) -> int:
        """Remove those of these heads that have nothing and that nobody has claimed since; how many.

        Later claims of these entities, and of all others that are new, get fences above those removed.
        """

    async def expire_marks(
        self, *, after: tuple[int, int], limit: int, older_than_s: float, shards: Collection[int] | None = None
    ) -> tuple[int, tuple[int, int] | None]:
        """Of the next `limit` marks, by rising (head id, sender), remove those of entities on these shards (None: of
        all) that nothing needs any more: older than that, of a sender with nothing in the outbox. How many, and the
        last one looked at; None at the end."""


class Swept(Struct):
    """What a sweep has done."""

    trimmed: int = 0  # entities
    folded: int = 0  # entities that were given a snapshot
    unused: int = 0  # heads removed
    marks: int = 0  # removed


class Retention:
    """Sweeps all heads of kinds that have a limit, over and over."""

    def __init__(
        self,
        journal: SweptJournal,
        keep: Mapping[str, Keep],
        *,
        fold: Callable[[str], Awaitable[None]],
        now: Callable[[], float],  # Unix time, s
        is_present: Callable[[str], bool] = lambda entity: False,
        shards: Callable[[], Collection[int] | None] = lambda: None,
        monotonic: Callable[[], float] = perf_counter,
        sweep_s: float = 600.0,  # seconds from the end of one sweep to the beginning of the next
        trims_per_s: float = 100.0,
        page: int = 500,  # heads looked at by one query
    ) -> None:
        """`fold` has a snapshot written that covers all events of an entity, and raises StoreUnavailable or CannotFold.
        `is_present`: somebody on this node needs the head of this entity, though it has no events. `shards`: those that
        are this node's to sweep; None: all."""
        self._journal = journal
        self._keep = keep
        self._fold = fold
        self._now = now
        self._is_present = is_present
        self._shards = shards
        self._monotonic = monotonic
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
                swept = await self.sweep()
            except StoreUnavailable as error:
                log.warning("retention_postponed", error=str(error))
                continue
            if swept.trimmed:
                log.info("history_trimmed", entities=swept.trimmed, snapshots=swept.folded)
            if swept.unused or swept.marks:
                log.info("unused_rows_removed", heads=swept.unused, marks=swept.marks)

    async def sweep(self) -> Swept:
        """Look at every head once, or at those that the sweep before has left, and then at every mark.

        Raises: StoreUnavailable when the store is away. The next sweep goes on from there.
        """
        swept = Swept()
        failures = 0
        while True:
            began = self._monotonic()
            rules = [rule(kind, keep, self._now()) for kind, keep in self._keep.items()]
            unused_before_ms = ago_ms(self._now(), UNUSED_S)
            looked = await self._journal.look(
                rules,
                after_id=self._after_id,
                limit=self._page,
                unused_before_ms=unused_before_ms,
                shards=self._shards(),
            )
            if looked.last_id is None:
                break
            await self._rest_from_looking(began)
            by_kind = {rule.kind: rule for rule in rules}
            for found in looked.found:
                self._after_id = found.head_id  # before the trim: whatever becomes of it, others have their turn
                if not (found.uncovered or found.covered or found.expired_ids):
                    continue
                try:
                    await self._trim(found, by_kind[found.entity.partition(":")[0]], swept)
                except CannotFold as error:
                    self._note(found, error)
                except StoreUnavailable as error:
                    self._note(found, error)
                    failures += 1
                    if failures == FAILURES_MAX:
                        raise
                else:
                    failures = 0
                    self._untrimmed.discard(found.head_id)
            unused = [found.head_id for found in looked.found if found.unused and not self._is_present(found.entity)]
            if unused:
                swept.unused += await self._journal.remove_unused(unused, claimed_before_ms=unused_before_ms)
            self._after_id = looked.last_id
        self._after_id = 0
        await self._expire_marks(swept)
        return swept

    async def _trim(self, found: Found, rule: Rule, swept: Swept) -> None:
        """Raises: StoreUnavailable, CannotFold."""
        if found.uncovered:
            began = self._monotonic()
            try:
                await self._fold(found.entity)
            finally:
                await self._rest_from_trimming(began)
            swept.folded += 1
        has_more = found.uncovered or found.covered
        while has_more:
            began = self._monotonic()
            trimmed = await self._journal.trim(
                found.head_id, keep_count=rule.events, keep_after_ms=rule.after_ms, ids_after_ms=rule.ids_after_ms
            )
            has_more = trimmed.has_more
            await self._rest_from_trimming(began)
        has_more = found.expired_ids
        while has_more:
            began = self._monotonic()
            has_more = await self._journal.expire_ids(found.head_id, before_ms=rule.ids_after_ms)
            await self._rest_from_trimming(began)
        swept.trimmed += 1

    async def _expire_marks(self, swept: Swept) -> None:
        after: tuple[int, int] | None = (0, 0)
        while after is not None:
            began = self._monotonic()
            removed, after = await self._journal.expire_marks(
                after=after, limit=self._page, older_than_s=MARKS_S, shards=self._shards()
            )
            swept.marks += removed
            await self._rest_from_looking(began)

    async def _rest_from_looking(self, began: float) -> None:
        """However many entities there are, looking for what is due takes its share of the time and no more."""
        await trio.sleep((self._monotonic() - began) * (1 / LOOK_SHARE - 1))

    async def _rest_from_trimming(self, began: float) -> None:
        """Appends to the same entity wait while its events are deleted: what came meanwhile has its turn now."""
        await trio.sleep(max(self._trim_s, (self._monotonic() - began) * (1 / TRIM_SHARE - 1)))

    def _note(self, found: Found, error: Exception) -> None:
        if found.head_id not in self._untrimmed:
            log.warning("entity_not_trimmed", entity=found.entity, error=str(error))
            if len(self._untrimmed) < UNTRIMMED_MAX:
                self._untrimmed.add(found.head_id)
