"""Writing: the statements of one transaction that folds a batch into one table.

Progress is locked by rising head id and rows in the order of their keys, by all; so two transactions of one view do not
deadlock unless a fold names rows by what is in others. A new row and a new progress can't be locked: whoever finds that
another was first gives the transaction up and does it again (`Raced`), which happens once in a row's life.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import msgspec

from greenroom.store.postgres.connection import Transaction
from greenroom.store.views.shape import Column
from greenroom.store.views.store import Key, Raced, Standing, Values, Version, Writing, Written
from greenroom.store.views.tables import NEXT_REVISION, REVISION, Table, quoted

# A subquery for each head, in the order of the ids, since the nullable side of a join can't be locked. None of a table
# that is not there: its number may be another's by now.
LOCK = """
SELECT h.id, coalesce(p."offset", 0), p."offset" IS NOT NULL, coalesce(p.parked, false), h.fence, h."offset", h.trimmed,
    l.lineage
FROM unnest($2::bigint[]) AS w (id)
CROSS JOIN (SELECT lineage() AS lineage OFFSET 0) l
JOIN view_versions own ON (own.id, own.name, own.version, own.build) = ($1::int, $3, $4::int, $5::int)
JOIN heads h ON h.id = w.id
LEFT JOIN LATERAL (
    SELECT v."offset", v.parked IS NOT NULL AS parked FROM view_progress v
    WHERE v.view_id = $1 AND v.id = w.id FOR UPDATE
) p ON true
"""

INSERTED, UPDATED, REMOVED, BEGUN = range(4)  # what a row that the statement returns is about

MOVED = """moved AS (
    UPDATE view_progress p SET "offset" = i.at, parked = i.why::jsonb
    FROM unnest({ids}::bigint[], {offsets}::bigint[], {why}::text[]) AS i (id, at, why)
    WHERE p.view_id = {view} AND p.id = i.id
)"""
BEGAN = """began AS (
    INSERT INTO view_progress (view_id, id, "offset", parked)
    SELECT {view}, i.id, i.at, i.why::jsonb
    FROM unnest({ids}::bigint[], {offsets}::bigint[], {why}::text[]) AS i (id, at, why)
    ON CONFLICT DO NOTHING
    RETURNING id
)"""


class PostgresFoldTransaction:
    """See FoldTransaction."""

    def __init__(self, transaction: Transaction, version: Version) -> None:
        self._transaction = transaction
        self._identity = version.identity
        self._view_id = version.id
        self._table = version.table

    async def lock(self, head_ids: Sequence[int]) -> dict[int, Standing]:
        """See FoldTransaction."""
        view_id, *named = self._identity
        rows = await self._transaction.fetch(LOCK, view_id, sorted(head_ids), *named)
        return {row[0]: Standing(*tuple(row)[1:]) for row in rows}

    async def load(self, keys: Sequence[Key]) -> dict[Key, Values | None]:
        """See FoldTransaction."""
        found: dict[Key, Values | None] = dict.fromkeys(keys)
        columns = [list(column) for column in zip(*keys, strict=True)]
        for row in await self._transaction.fetch(load_sql(self._table), *columns):
            number, *values = row
            found[keys[number - 1]] = tuple(values)
        return found

    async def write(self, writing: Writing) -> Written:
        """See FoldTransaction. Raises: Raced, DataRefused, StoreUnavailable."""
        arguments: list[object] = []
        present: list[str] = []
        for name, rows in (
            ("inserted", writing.inserted),
            ("updated", writing.updated),
            ("removed", writing.removed),
        ):
            if rows:
                present.append(name)
                arguments += [list(column) for column in zip(*rows, strict=True)]
        for name, offsets in (("moved", writing.moved), ("began", writing.begun)):
            if offsets:
                present.append(name)
                ids = sorted(offsets)
                arguments += [
                    self._view_id,
                    ids,
                    [offsets[one] for one in ids],
                    [_json(writing.parked.get(one)) for one in ids],
                ]
        if not present:
            return Written([], [], [])
        revisions: dict[int, list[tuple[int, int]]] = {INSERTED: [], UPDATED: [], REMOVED: [], BEGUN: []}
        for what, number, revision in await self._transaction.fetch(write_sql(self._table, tuple(present)), *arguments):
            revisions[what].append((number, revision))
        if len(revisions[INSERTED]) < len(writing.inserted) or len(revisions[BEGUN]) < len(writing.begun):
            raise Raced(self._table.rows)
        return Written(*(_in_order(revisions[what]) for what in (INSERTED, UPDATED, REMOVED)))


def load_sql(table: Table) -> str:
    """The statement that locks and reads rows: a parameter for each column of the key, an array."""
    return _load_sql(table.rows, table.shape.columns)


def write_sql(table: Table, present: tuple[str, ...]) -> str:
    """The statement that writes, of these parts; each has its parameters, in order."""
    return _write_sql(table.rows, table.shape.columns, present)


@cache
def _load_sql(rows: str, columns: tuple[Column, ...]) -> str:
    key = [column for column in columns if column.is_key]
    wanted = ", ".join(f"t.{quoted(column.name)}" for column in columns)
    return f"""
SELECT i.n, r.*
FROM unnest({_arrays(key, 1)}) WITH ORDINALITY AS i ({_names(key)}, n)
CROSS JOIN LATERAL (
    SELECT {wanted} FROM {rows} t WHERE {_matches(key)} FOR UPDATE
) r
"""


@cache
def _write_sql(rows: str, columns: tuple[Column, ...], present: tuple[str, ...]) -> str:
    key = [column for column in columns if column.is_key]
    others = [column for column in columns if not column.is_key]
    parts: list[str] = []
    answers: list[str] = []
    at = 1
    for name in present:
        match name:
            case "inserted":
                parts.append(f"""inserted AS (
    INSERT INTO {rows} ({_names(columns)}, {REVISION})
    SELECT {", ".join(map(_value, columns))}, {NEXT_REVISION}
    FROM unnest({_arrays(columns, at)}) WITH ORDINALITY AS i ({_names(columns)}, n) ORDER BY i.n
    ON CONFLICT DO NOTHING
    RETURNING {REVISION}
)""")
                # By their order, which is that of the revisions: each took the next.
                answers.append(
                    f"SELECT {INSERTED} AS what, row_number() OVER (ORDER BY {REVISION}) AS n, {REVISION} AS revision"
                    " FROM inserted"
                )
                at += len(columns)
            case "updated":
                assigned = "".join(f"{quoted(column.name)} = {_value(column)}, " for column in others)
                parts.append(f"""updated AS (
    UPDATE {rows} t SET {assigned}{REVISION} = {NEXT_REVISION}
    FROM unnest({_arrays(columns, at)}) WITH ORDINALITY AS i ({_names(columns)}, n)
    WHERE {_matches(key)}
    RETURNING i.n, t.{REVISION} AS revision
)""")
                answers.append(f"SELECT {UPDATED}, n, revision FROM updated")
                at += len(columns)
            case "removed":
                parts.append(f"""removed AS (
    DELETE FROM {rows} t
    USING unnest({_arrays(key, at)}) WITH ORDINALITY AS i ({_names(key)}, n)
    WHERE {_matches(key)}
    RETURNING i.n, {NEXT_REVISION} AS revision
)""")
                answers.append(f"SELECT {REMOVED}, n, revision FROM removed")
                at += len(key)
            case _:
                text = MOVED if name == "moved" else BEGAN
                parts.append(text.format(view=f"${at}::int", ids=f"${at + 1}", offsets=f"${at + 2}", why=f"${at + 3}"))
                if name == "began":
                    answers.append(f"SELECT {BEGUN}, id, 0 FROM began")
                at += 4
    answers = answers or ["SELECT 0, 0, 0 WHERE false"]
    return f"WITH {', '.join(parts)}\n" + "\nUNION ALL ".join(answers)


def _names(columns: Iterable[Column]) -> str:
    return ", ".join(quoted(column.name) for column in columns)


def _arrays(columns: Sequence[Column], first: int) -> str:
    return ", ".join(
        f"${number}::{'text' if column.type == 'jsonb' else column.type}[]"
        for number, column in enumerate(columns, first)
    )


def _value(column: Column) -> str:
    cast = "::jsonb" if column.type == "jsonb" else ""
    return f"i.{quoted(column.name)}{cast}"


def _matches(key: Iterable[Column]) -> str:
    return " AND ".join(f"t.{quoted(column.name)} = i.{quoted(column.name)}" for column in key)


def _json(value: Any) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


def _in_order(numbered: list[tuple[int, int]]) -> list[int]:
    return [revision for _, revision in sorted(numbered)]
