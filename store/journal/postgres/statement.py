"""The append statement: narrow texts for a lone append (`lone.py`), one for batches, others for what these bring along.

The append *updates* the heads whose fence, incarnation and offset all match and inserts only the events of the rows it
updated: the row lock orders it against a claim of the same head, which therefore either waits for the append and
returns the offset after it, or comes first and fences it. docs/inside/decisions/0002-append-statement.md has the
measurements, and what else was tried.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from greenroom.store.journal.consequences.consequences import KINDS, of_each
from greenroom.store.journal.consequences.inline import Form, InlineTable
from greenroom.store.journal.names import encode_name
from greenroom.store.journal.postgres.arrays import argument, integers, parameter
from greenroom.store.journal.postgres.inline import ANSWER, COLUMNS, arguments_of, inline_of, parts_of, tables_of
from greenroom.store.journal.postgres.lone import PARTS, lone
from greenroom.store.journal.postgres.lone import text as lone_text
from greenroom.store.journal.postgres.places import Places, places
from greenroom.store.journal.records import Append

# IS TRUE and IS NOT TRUE keep the sub-selects hashed: as joins they were planned as nested loops, events times heads.
LANDED = """, landed AS (
    INSERT INTO journal (id, "offset", fence, at_ms, payload, info, command_id, reply, digest)
    SELECT e.*
    FROM unnest($6::text::bigint[], $7::text::bigint[], $8::text::bigint[], $9::text::bigint[],
        $10::bytea[], $11::bytea[], $12::bytea[], $13::bytea[], $14::bigint[])
        AS e (id, "offset", fence, at_ms, payload, info, command_id, reply, digest)
    WHERE (e.id IN (SELECT id FROM owned)) IS TRUE
)
"""

# Each where it was written last, or else where its id leads: see places.py. `+ 0` keeps it so: while the table is small
# the planner would rather look the id up.
ITEMS = """(
        SELECT p.id, p.fence, p.after, p.events,
            coalesce(p.place, (SELECT f.ctid FROM heads f WHERE f.id = p.id)) AS place
        FROM unnest($1::text::bigint[], $2::text::bigint[], $3::text::bigint[], $4::text::bigint[], $15::text::tid[])
            AS p (id, fence, after, events, place)
        OFFSET 0
    ) i"""

# Nobody repeats a command that came without an id.
WITHOUT_IDS = (
    """
WITH owned AS (
    UPDATE heads h SET "offset" = i.after + i.events
    FROM {items}
    WHERE h.ctid = i.place AND h.id + 0 = i.id AND h.fence = i.fence AND h.incarnation = $5 AND h."offset" = i.after
        AND h.lineage = (SELECT lineage())
    RETURNING h.id, h.ctid AS place
)""".replace("{items}", ITEMS)
    + LANDED
)

# A command id that retention has moved to kept_ids is not in the unique index any more, so it is looked up. `seen` is
# the head as this statement's snapshot has it, `h` as it is once locked: when they differ in `trimmed`, ids were moved
# after the snapshot was taken, the look-up may have missed one, and nothing of this entity is written (`_sort_out`).
WITH_IDS = (
    """
WITH kept AS MATERIALIZED (
    SELECT k.id
    FROM unnest($6::text::bigint[], $12::bytea[]) AS c (id, command_id)
    JOIN kept_ids k ON k.id = c.id AND k.command_id = c.command_id
), owned AS (
    UPDATE heads h SET "offset" = i.after + i.events
    FROM {items}
    JOIN heads seen ON seen.ctid = i.place AND seen.id + 0 = i.id
    WHERE h.ctid = i.place AND h.id + 0 = i.id AND h.fence = i.fence AND h.incarnation = $5 AND h."offset" = i.after
        AND h.lineage = (SELECT lineage()) AND h.trimmed = seen.trimmed AND (h.id IN (SELECT id FROM kept)) IS NOT TRUE
    RETURNING h.id, h.ctid AS place
)""".replace("{items}", ITEMS)
    + LANDED
)
COMMAND_IDS = 11  # where the command ids are among the arguments
PARAMETERS = 15  # how many parameters the appends of batches have


NOWHERE = Places()  # nobody notes anything in it


def statement(batch: Sequence[Append], incarnation: int, known: Places = NOWHERE) -> tuple[str, list[object]]:
    """The statement that appends `batch`, by rising head id, with its arguments: one array a column.

    Most batches have no consequences and no command ids, and pay nothing for them; the others pay for the parts that
    have rows. It returns the heads that were appended to, id and place; of a batch with rows of views: see `ANSWER`.
    """
    if len(batch) == 1 and (alone := lone(batch[0], incarnation, known.get(batch[0].head_id))) is not None:
        return alone
    arguments = columns(batch, incarnation, known)
    present: list[str] = []
    own = [(item, of_each(item.consequences)) for item in batch if item.consequences is not None]
    for number, kind in enumerate(KINDS.values()) if own else ():
        there = [(item, one) for item, brought in own if (one := brought[number]) is not None]
        for part in kind.parts if there else ():
            rows = [row for item, one in there for row in part.rows(item.head_id, item.shard, one)]
            if rows:
                present.append(part.name)
                for sql_type, column in zip(part.columns.values(), zip(*rows, strict=True), strict=True):
                    arguments.append(argument(list(column), sql_type))
    tables: list[tuple[InlineTable, Form]] = []
    if own and (inline := inline_of(batch)):
        for table, rows_of_it in tables_of(inline).items():
            tables.append((table, Form.of(row for _, row in rows_of_it)))
            arguments += arguments_of(table, rows_of_it)
    return text(tuple(present), tuple(tables), ids=bool(arguments[COMMAND_IDS])), arguments


def nothing(incarnation: int) -> list[tuple[str, list[object]]]:
    """Statements that append nothing, of the forms that most appends have."""
    return [
        (lone_text((), 1), [0, 0, incarnation, 0, None, 0, b"", None]),  # no head has the number 0
        *((text((), ids=ids), columns((), incarnation)) for ids in (False, True)),
    ]


@lru_cache(maxsize=512)
def text(present: tuple[str, ...], tables: tuple[tuple[InlineTable, Form], ...] = (), *, ids: bool) -> str:
    """The append of a batch with these parts, in the order of PARTS, and rows of these tables; `ids`: some of its
    events have a command id."""
    parts: list[str] = []
    number = PARAMETERS
    for name in present:
        part = PARTS[name]
        arrays = ", ".join(parameter(at, kind) for at, kind in enumerate(part.columns.values(), number + 1))
        rows = f"unnest({arrays}) AS m ({', '.join(part.columns)})"
        parts.append(f", {name} AS (\n    {part.sql.format(rows=rows, owned=OWNED).strip()}\n)\n")
        number += len(part.columns)
    answer = "SELECT id, place FROM owned"
    if tables:
        answer = "\nUNION ALL ".join((ANSWER, *(table.texts[form][1] for table, form in tables)))
    for table, form in tables:
        parts.append(parts_of(table, form, number + 1, OWNED))
        number += len(COLUMNS) + len(table.types)
    return (WITH_IDS if ids else WITHOUT_IDS) + "".join(parts) + answer


OWNED = "(m.id IN (SELECT id FROM owned)) IS TRUE"


def columns(batch: Sequence[Append], incarnation: int, known: Places = NOWHERE) -> list[object]:
    """The arguments of WITH_IDS and WITHOUT_IDS."""
    events = [event for item in batch for event in item.events]
    return [
        integers([item.head_id for item in batch]),
        integers([item.fence for item in batch]),
        integers([item.after for item in batch]),
        integers([len(item.events) for item in batch]),
        incarnation,
        integers([item.head_id for item in batch for _ in item.events]),
        integers([event.offset for event in events]),
        integers([item.fence for item in batch for _ in item.events]),
        integers([event.at_ms for event in events]),
        [event.payload for event in events],
        _sparse([event.info for event in events]),
        _sparse([None if event.command_id is None else encode_name(event.command_id) for event in events]),
        _sparse([event.reply for event in events]),
        _sparse([event.digest for event in events]),
        places([known.get(item.head_id) for item in batch]),
    ]


def _sparse(column: list[Any]) -> list[Any]:
    """Empty when all of it is NULL: UNNEST fills up the shorter of its arrays."""
    return [] if column.count(None) == len(column) else column
