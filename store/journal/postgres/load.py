"""Loading: what the activations of one claim are built from.

One statement for all of them, as a rule. How many events a head has to load is known from its row, so those that are
many are not put together in the first place; what takes too long all the same, or is refused, is tried by halves. A
head that is alone then is read in pages, so that it wakes however long its journal is.
"""

from collections.abc import Iterator, Sequence

from greenroom.store.errors import DataRefused, TookTooLong
from greenroom.store.journal.consequences.outbox import (
    CLAIMED_BYTES_MAX,
    CLAIMED_MAX,
    OutboxRow,
    brought_along,
    is_cut_short,
)
from greenroom.store.journal.consequences.timers import TimerRow
from greenroom.store.journal.names import decode_name
from greenroom.store.journal.postgres.pages import Pages, page
from greenroom.store.journal.postgres.reads import EVENT_COLUMNS, EVENT_SIZE, event
from greenroom.store.journal.records import Claimed, StoredEvent
from greenroom.store.postgres.connection import Connection

EVENTS_MAX = 65_536  # that one statement loads; a head with more of its own is read in pages at once

LOAD = f"""
SELECT id, 0 AS what, "offset", 0::bigint AS at_ms, body AS payload,
    NULL::bytea AS info, NULL::bytea AS command_id, NULL::bytea AS reply, NULL::bigint AS digest,
    0::bigint AS fence
FROM snapshots WHERE id = ANY ($1::bigint[]) AND "offset" > 0
UNION ALL
SELECT w.id, 1, e."offset", e.at_ms, e.payload, e.info, e.command_id, e.reply, e.digest, e.fence
FROM unnest($1::bigint[], $2::bigint[]) AS w (id, after)
CROSS JOIN LATERAL (SELECT * FROM journal j WHERE j.id = w.id AND j."offset" > w.after ORDER BY j."offset") e
UNION ALL
SELECT w.id, 2, o."offset", 0, o.body, NULL, NULL, NULL, NULL, 0
FROM unnest($1::bigint[]) AS w (id)
CROSS JOIN LATERAL (
    SELECT * FROM (
        SELECT b."offset", b.body, coalesce(sum(octet_length(b.body)) OVER before, 0) AS size_before
        FROM outbox b
        WHERE b.id = w.id
        WINDOW before AS (ORDER BY b."offset" ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
        ORDER BY b."offset" LIMIT {CLAIMED_MAX}
    ) page
    WHERE size_before < {CLAIMED_BYTES_MAX}
) o
UNION ALL
SELECT id, 3, due_ms, 0, body, name, NULL, NULL, NULL, 0 FROM timers WHERE id = ANY ($1::bigint[])
ORDER BY 1, 2, 3
"""
SNAPSHOT_ROW, EVENT_ROW, OUTBOX_ROW, TIMER_ROW = range(4)

# The same of one head, $3.
SNAPSHOT = 'SELECT "offset", body FROM snapshots WHERE id = $1 AND "offset" > 0'
EVENTS_UP = page(EVENT_COLUMNS, 'journal WHERE id = $3 AND "offset" > $4', order='"offset"', size=EVENT_SIZE)
EVENTS_DOWN = page(
    EVENT_COLUMNS,
    'journal WHERE id = $3 AND "offset" > $4 AND "offset" < $5',
    order='"offset" DESC',
    size=EVENT_SIZE,
)
OUTBOX_UP = page(
    '"offset", body', 'outbox WHERE id = $3 AND "offset" > $4', order='"offset"', size="octet_length(body)"
)
TIMERS_UP = page("name, due_ms, body", "timers WHERE id = $3 AND name >= $4", order="name", size="octet_length(body)")


class Loading:
    """Fills in snapshots, events, outbox and timers of claimed heads. What could not be had of one is in `refused`, as
    what the server says, or in `too_long`, by head id."""

    def __init__(self, connection: Connection, *, window: int) -> None:
        self._connection = connection
        self._window = window
        self.refused: dict[int, str] = {}
        self.too_long: dict[int, TookTooLong] = {}

    async def nothing(self) -> None:
        """Raises: StoreUnavailable."""
        await self._at_once([])

    async def run(self, items: Sequence[Claimed]) -> None:
        """Raises: StoreUnavailable."""
        for share in shares(items, self._window):
            if events_of(share[0], self._window) > EVENTS_MAX:
                await self._alone(share[0])
            else:
                await self._together(share)

    async def _together(self, share: list[Claimed]) -> None:
        at_once = len(share)
        while share:
            part = share[:at_once]
            try:
                await self._at_once(part)
            except (TookTooLong, DataRefused):
                if len(part) > 1:
                    at_once = len(part) // 2
                    continue
                await self._alone(part[0])
            share = share[len(part) :]

    async def _at_once(self, items: Sequence[Claimed]) -> None:
        by_id = {item.head.id: item for item in items}
        after = [first_after(item, self._window) for item in items]
        for row in await self._connection.fetch(LOAD, list(by_id), after):
            head_id, what, *columns = row
            item = by_id[head_id]
            if what == EVENT_ROW:
                item.events.append(event(columns))
            elif what == SNAPSHOT_ROW:
                item.snapshot_offset, item.snapshot = columns[0], columns[2]
            elif what == OUTBOX_ROW:
                item.outbox.append(OutboxRow(columns[0], columns[2], head_id, item.head.entity))
            else:
                assert what == TIMER_ROW
                item.timers.append(TimerRow(decode_name(columns[3]), columns[0], columns[2]))

    async def _alone(self, item: Claimed) -> None:
        try:
            await self._in_pages(item)
        except DataRefused as error:
            self.refused[item.head.id] = str(error)
        except TookTooLong as error:
            self.too_long[item.head.id] = error

    async def _in_pages(self, item: Claimed) -> None:
        head_id = item.head.id
        pages = Pages(self._connection)
        for row in await self._connection.fetch(SNAPSHOT, head_id):
            item.snapshot_offset, item.snapshot = row
        # Retention may go on meanwhile, and takes events up to the snapshot, from the front. So these are read from the
        # back: what is found has no gap then.
        after = first_after(item, self._window)
        before: list[StoredEvent] = []
        at = item.snapshot_offset + 1
        while rows := await pages.fetch(EVENTS_DOWN, head_id, after, at):
            before += [event(row[:8]) for row in rows]
            at = before[-1].offset
        item.events = before[::-1]
        at = max(item.snapshot_offset, after)
        while rows := await pages.fetch(EVENTS_UP, head_id, at):
            item.events += [event(row[:8]) for row in rows]
            at = item.events[-1].offset
        at = 0
        while not is_cut_short(item.outbox) and (rows := await pages.fetch(OUTBOX_UP, head_id, at)):
            item.outbox += [OutboxRow(row["offset"], row["body"], head_id, item.head.entity) for row in rows]
            at = item.outbox[-1].offset
        item.outbox = brought_along(item.outbox)
        name = b""
        while rows := await pages.fetch(TIMERS_UP, head_id, name):
            item.timers += [TimerRow(decode_name(row["name"]), row["due_ms"], row["body"]) for row in rows]
            name = rows[-1]["name"] + b"\0"  # the next name that there could be
        item.timers.sort(key=lambda timer: timer.due_ms)


def shares(items: Sequence[Claimed], window: int) -> Iterator[list[Claimed]]:
    """Which are loaded together: those with few events first, at most EVENTS_MAX in all, or one with more alone."""
    share: list[Claimed] = []
    events = 0
    for item in sorted(items, key=lambda item: events_of(item, window)):
        more = events_of(item, window)
        if share and events + more > EVENTS_MAX:
            yield share
            share, events = [], 0
        share.append(item)
        events += more
    if share:
        yield share


def first_after(item: Claimed, window: int) -> int:
    """The offset after which events are loaded."""
    return max(0, item.head.trimmed, item.snapshot_offset - window)


def events_of(item: Claimed, window: int) -> int:
    """How many events there are to load."""
    return item.head.offset - first_after(item, window)
