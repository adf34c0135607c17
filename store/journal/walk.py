"""A walk over all that entities have stored, or over an even sample of it, without hurting whoever works there.

The journal is read in the order of its pages on disk, some at a time: no index, and no transaction that would keep
vacuum from its work. Large values lie elsewhere, so each statement is bounded in bytes too. What is appended meanwhile
may be met or not.
"""

from collections.abc import Callable

from msgspec import Struct

from greenroom.store.journal.postgres.pages import Pages, page
from greenroom.store.postgres.connection import Connection

PAGES = 64  # pages of 8 KiB on disk that are read at once
ROWS = 1_000  # rows of the smaller tables that are read at once

JOURNAL_PAGES = """
SELECT pg_relation_size('journal') / current_setting('block_size')::int AS pages
"""
EVENTS = page(
    'h.entity, j."offset", j.payload, j.ctid AS at',
    "journal j JOIN heads h ON h.id = j.id WHERE j.ctid > ($3::text)::tid AND j.ctid < ($4::text)::tid",
    order="j.ctid",
    size="octet_length(j.payload)",
)
SNAPSHOTS = page(
    's.id, h.entity, h.trimmed, s."offset", s.body',
    "snapshots s JOIN heads h ON h.id = s.id WHERE s.id > $3",
    order="s.id",
    size="octet_length(s.body)",
)
TIMERS = page(
    "t.id, t.name, h.entity, t.body",
    "timers t JOIN heads h ON h.id = t.id WHERE (t.id, t.name) > ($3, $4)",
    order="t.id, t.name",
    size="octet_length(t.body)",
)
OUTBOX = page(
    'o.id, o."offset", h.entity, o.body',
    'outbox o JOIN heads h ON h.id = o.id WHERE (o.id, o."offset") > ($3, $4)',
    order='o.id, o."offset"',
    size="octet_length(o.body)",
)


class Walked(Struct, frozen=True):
    """How much of the journal a walk has read."""

    events: int
    share: float  # which part of the journal's pages was read, 0..1


class StoredWalk:
    """Raises, in all that it does: StoreUnavailable."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._events = Pages(connection)
        self._rows = Pages(connection, rows_max=ROWS)

    async def events(self, take: Callable[[str, int, bytes], None], *, pages_max: int) -> Walked:
        """Give `take` entity, offset and payload of every event; of an even sample when it is more than `pages_max`."""
        (row,) = await self._connection.fetch(JOURNAL_PAGES)
        events = pages_read = 0
        for first, end in stretches(row["pages"], pages_max):
            at = (first, 0)  # before the first row of that page on disk
            while rows := await self._events.fetch(EVENTS, _tid(at), _tid((end, 0))):
                for event in rows:
                    take(event["entity"], event["offset"], event["payload"])
                events += len(rows)
                at = rows[-1]["at"]
            pages_read += end - first
        return Walked(events, pages_read / row["pages"] if row["pages"] else 1.0)

    async def snapshots(self, take: Callable[[str, int, bytes, int], None]) -> None:
        """Give `take` entity, offset, body, and the offset up to which events are gone."""
        after = 0
        while rows := await self._rows.fetch(SNAPSHOTS, after):
            for row in rows:
                take(row["entity"], row["offset"], row["body"], row["trimmed"])
            after = rows[-1]["id"]

    async def timers(self, take: Callable[[str, bytes], None]) -> None:
        """Give `take` entity and body."""
        after: tuple[int, bytes] = (0, b"")
        while rows := await self._rows.fetch(TIMERS, *after):
            for row in rows:
                take(row["entity"], row["body"])
            after = rows[-1]["id"], rows[-1]["name"]

    async def outbox(self, take: Callable[[str, int, bytes], None]) -> None:
        """Give `take` the sender's entity, offset and body."""
        after = (0, 0)
        while rows := await self._rows.fetch(OUTBOX, *after):
            for row in rows:
                take(row["entity"], row["offset"], row["body"])
            after = rows[-1]["id"], rows[-1]["offset"]


def stretches(pages: int, pages_max: int) -> list[tuple[int, int]]:
    """Which pages to read, as (first, end): all, or stretches spread evenly that make about `pages_max` together."""
    if pages <= pages_max:
        return [(first, min(first + PAGES, pages)) for first in range(0, pages, PAGES)]
    count = max(2, pages_max // PAGES)
    length = max(1, pages_max // count)
    starts = [round(number * (pages - length) / (count - 1)) for number in range(count)]
    return [(first, first + length) for first in starts]


def _tid(at: tuple[int, int]) -> str:
    """Page and number on it, as Postgres writes them."""
    return f"({at[0]},{at[1]})"
