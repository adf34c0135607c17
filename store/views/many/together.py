"""Together: of many who read pages of one view by their keys, those who come while one reads are the next statement.

A lone question goes out at once, and a flood is few statements: nobody waits for others to come. Whoever has waited
reads what is there after they asked, as if they had read by themselves. Each has a deadline of their own: who leaves
holds up nobody, for another of those who wait goes on, and who came last reads, with most of their time left.
"""

from collections import deque
from collections.abc import Sequence

import trio

from greenroom.store.errors import DataRefused, StoreUnavailable
from greenroom.store.views.paging import Wanted
from greenroom.store.views.reading import Found, RowReading
from greenroom.store.views.tables import Table

AT_ONCE = 2  # statements of one sort: one that takes long holds up nobody
KEYS_MAX, ROWS_MAX = 1_000, 5_000  # of one statement; whoever finds it full waits with those of the next

Sort = tuple[str, str, Wanted]  # what must be the same: table, column, and all else that is wanted


class _Batch:
    """What is asked for in one statement, and by whom."""

    __slots__ = ("error", "found", "is_done", "is_led", "members", "values")

    def __init__(self) -> None:
        self.values: dict[str, None] = {}
        self.members: list[trio.Event] = []  # in the order in which they came
        self.is_led = False  # somebody reads
        self.is_done = False
        self.found: dict[str, list[Found]] = {}
        self.error: StoreUnavailable | None = None


class _Queue:
    """Of one sort."""

    __slots__ = ("held", "under_way", "waiting")

    def __init__(self) -> None:
        self.held = 0  # callers
        self.under_way = 0  # statements
        self.waiting: deque[_Batch] = deque()

    def join(self, values: Sequence[str], limit: int) -> _Batch:
        """The last of those that wait, if there is room; a lone one waits for nobody."""
        if self.waiting:
            last = self.waiting[-1]
            if len(last.values) + len(values) <= min(KEYS_MAX, ROWS_MAX // limit):
                last.values.update(dict.fromkeys(values))
                return last
        batch = _Batch()
        batch.values.update(dict.fromkeys(values))
        self.waiting.append(batch)
        return batch

    def is_next(self, batch: _Batch) -> bool:
        return not batch.is_led and self.under_way < AT_ONCE and self.waiting[0] is batch

    def rouse(self) -> None:
        """Somebody of those whose turn it is."""
        if self.waiting and self.under_way < AT_ONCE:
            self.waiting[0].members[-1].set()


class Together:
    """Of one node. Raises: StoreUnavailable, as `RowReading.pages`."""

    def __init__(self, reading: RowReading) -> None:
        self._reading = reading
        self._queues: dict[Sort, _Queue] = {}

    async def pages(self, table: Table, wanted: Wanted, column: str, values: Sequence[str]) -> list[Found]:
        """As `RowReading.pages`, of values that are all different."""
        sort = table.rows, column, wanted
        queue = self._queues.get(sort)
        if queue is None:
            queue = self._queues[sort] = _Queue()
        queue.held += 1
        try:
            batch = queue.join(values, wanted.limit)
            await self._until_done(queue, batch, table, wanted, column)
        finally:
            queue.held -= 1
            if not queue.held:
                del self._queues[sort]
        if batch.error is None:
            return [row for value in values for row in batch.found.get(value, ())]
        if len(batch.values) > len(values) and isinstance(batch.error, DataRefused):
            return await self._reading.pages(table, wanted, column, values)  # it may be others' that can't be read
        raise type(batch.error)(str(batch.error)) from batch.error

    async def _until_done(self, queue: _Queue, batch: _Batch, table: Table, wanted: Wanted, column: str) -> None:
        roused = trio.Event()
        batch.members.append(roused)
        try:
            while not batch.is_done:
                if queue.is_next(batch):
                    await self._lead(queue, batch, table, wanted, column)
                else:
                    await roused.wait()
                    if not batch.is_done:  # to lead; where somebody was faster it is waited for again
                        batch.members.remove(roused)
                        roused = trio.Event()
                        batch.members.insert(0, roused)
        finally:
            batch.members.remove(roused)
            if not batch.members and batch in queue.waiting:
                queue.waiting.remove(batch)
            queue.rouse()

    async def _lead(self, queue: _Queue, batch: _Batch, table: Table, wanted: Wanted, column: str) -> None:
        """Read for all of them. Cancelled, the others go on where this one was."""
        queue.waiting.popleft()
        batch.is_led = True
        queue.under_way += 1
        try:
            at = table.shape.names.index(column)
            for row in await self._reading.pages(table, wanted, column, list(batch.values)):
                batch.found.setdefault(row.values[at], []).append(row)
            batch.is_done = True
        except StoreUnavailable as error:
            batch.error, batch.is_done = error, True
        finally:
            queue.under_way -= 1
            if batch.is_done:
                for member in batch.members:
                    member.set()
            else:
                batch.is_led = False
                queue.waiting.appendleft(batch)
