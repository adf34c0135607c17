"""Rows of views in the append: what the tables of a batch add to its statement. See consequences/inline.py."""

from collections.abc import Sequence

from msgspec.structs import replace

from greenroom.store.journal.consequences.inline import Form, Inline, InlineRow, InlineTable
from greenroom.store.journal.postgres.arrays import argument, integers, parameter
from greenroom.store.journal.records import Append

COLUMNS = ("id", "before", "through", "what")  # beside a row's values
# A line for each head that was appended to, with its place as a text, and one for each table: see InlineTable.
ANSWER = """SELECT id, NULL::int, NULL::bigint[], ARRAY[place::text], NULL::bigint[], NULL::bigint[], NULL::bigint[]
FROM owned"""
PLACE_AT = 3


def inline_of(batch: Sequence[Append]) -> dict[int, Inline]:
    """By head id, of those that have any."""
    return {
        item.head_id: inline for item in batch if item.consequences is not None and (inline := item.consequences.inline)
    }


def tables_of(inline: dict[int, Inline]) -> dict[InlineTable, list[tuple[int, InlineRow]]]:
    """The tables that a batch writes into, in the order of their numbers, with their rows by head id."""
    found: dict[int, list[tuple[int, InlineRow]]] = {}
    for head_id, rows in inline.items():
        for number, row in rows.items():
            found.setdefault(number, []).append((head_id, row))
    return {found[number][0][1].table: found[number] for number in sorted(found)}


def arguments_of(table: InlineTable, rows: Sequence[tuple[int, InlineRow]]) -> list[object]:
    """One array a column: of COLUMNS, and of each value."""
    given = zip(*(row.given for _, row in rows), strict=True)
    return [
        integers([head_id for head_id, _ in rows]),
        integers([row.before for _, row in rows]),
        integers([row.through for _, row in rows]),
        integers([row.what for _, row in rows]),
        *(argument(list(column), kind) for column, kind in zip(given, table.types, strict=True)),
    ]


def parts_of(table: InlineTable, form: Form, first: int, owned: str) -> str:
    """Its common table expressions; their parameters begin at number `first`."""
    types = ("bigint", "bigint", "bigint", "int", *table.types)
    arrays = ", ".join(parameter(number, kind) for number, kind in enumerate(types, first))
    names = ", ".join((*COLUMNS, *(f"c{number}" for number in range(len(table.types)))))
    sql, _ = table.texts[form]
    return f", {sql.format(rows=f'unnest({arrays}) AS m ({names})', owned=owned)}\n"


def without_inline(batch: Sequence[Append]) -> list[Append]:
    """The same appends, whose rows are left to others."""
    return [
        item
        if item.consequences is None or not item.consequences.inline
        else replace(item, consequences=replace(item.consequences, inline=None))
        for item in batch
    ]
