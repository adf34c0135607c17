"""The append of one entity alone that brings little along: scalars, where the append of a batch has arrays.

What an idle server is mostly asked for, and each step of whoever waits for his last one. The guards are those of
`statement.py`; docs/inside/decisions/0062-an-append-goes-straight-to-its-head.md has the measurements.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import count
from typing import Any

from greenroom.store.journal.consequences.consequence import Part
from greenroom.store.journal.consequences.consequences import KINDS, of_each
from greenroom.store.journal.postgres.places import Place
from greenroom.store.journal.records import Append

EVENTS_MAX = 2  # a step that was answered, and the next one; each number is a text of its own
ROWS_MAX = 8  # of one kind; beyond, it is not even looked at
OWN = 5  # parameters that all of these have: head, fence, incarnation, the offset before, and the head's place
EVENT = ("bigint", "bytea", "bytea")  # at_ms, payload, info

# By their names, in the order in which they are declared.
PARTS: dict[str, Part[Any]] = {part.name: part for kind in KINDS.values() for part in kind.parts}


def lone(item: Append, incarnation: int, place: Place | None = None) -> tuple[str, list[object]] | None:
    """The statement that appends it, with its arguments; None where it takes arrays: for a command's id, for rows of
    views, for more events than a text is kept for, for two rows of one part. `place`: the head's, as far as is known.

    It returns the head's id and place, for each event once.
    """
    events = item.events
    if not 0 < len(events) <= EVENTS_MAX:
        return None
    arguments: list[object] = [item.head_id, item.fence, incarnation, item.after, place]
    for event in events:
        if event.command_id is not None:
            return None
        arguments += (event.at_ms, event.payload, event.info)
    brought = item.consequences
    if brought is None:
        return text((), len(events)), arguments
    if brought.inline:
        return None
    present: list[str] = []
    for one in of_each(brought):
        if one is None:
            continue
        if len(one) > ROWS_MAX:
            return None
        for part in one.parts:
            rows = list(part.rows(item.head_id, item.shard, one))
            if len(rows) > 1:
                return None
            if rows:
                present.append(part.name)
                arguments += rows[0]
    return text(tuple(present), len(events)), arguments


@lru_cache(maxsize=512)
def text(present: tuple[str, ...], events: int) -> str:
    """The append of so many events with a row of each of these parts, in the order of PARTS."""
    numbers = count(OWN + 1)
    if events == 1:
        landed = f'SELECT id, "offset", fence, {_row(EVENT, numbers)} FROM owned'
    else:
        rows = ", ".join(f"({number}, {_row(EVENT, numbers)})" for number in range(1, events + 1))
        landed = f"""SELECT o.id, $4::bigint + e.number, o.fence, e.at_ms, e.payload, e.info
FROM owned o, (VALUES {rows}) AS e (number, at_ms, payload, info)"""
    parts: list[str] = []
    for name in present:
        part = PARTS[name]
        rows = f"(VALUES ({_row(part.columns.values(), numbers)})) AS m ({', '.join(part.columns)})"
        parts.append(f", {name} AS (\n    {part.sql.format(rows=rows, owned=OWNED).strip()}\n)")
    return f"{HEAD.format(events=events)}{''.join(parts)}\n{INSERT.format(landed=landed)}"


def _row(kinds: Iterable[str], numbers: Iterator[int]) -> str:
    return ", ".join([f"${next(numbers)}::{kind}" for kind in kinds])


HEAD = """
WITH owned AS (
    UPDATE heads SET "offset" = $4::bigint + {events}
    WHERE ctid = coalesce($5::tid, (SELECT h.ctid FROM heads h WHERE h.id = $1::bigint))
        AND id + 0 = $1::bigint AND fence = $2::bigint AND incarnation = $3::bigint AND "offset" = $4::bigint
        AND lineage = (SELECT lineage())
    RETURNING id, fence, "offset", ctid AS place
)"""
INSERT = """INSERT INTO journal (id, "offset", fence, at_ms, payload, info)
{landed}
RETURNING id, (SELECT place FROM owned)
"""
OWNED = "EXISTS (SELECT FROM owned)"
