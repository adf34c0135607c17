"""Inline: the rows of a view that are written by the append of the events that they come of.

It is what a runner's transaction does for one entity, as a part of the append's statement, and gives way to it: where
the entity's progress is locked, parked, or anywhere but where it is believed to be, or the table is not the one that is
served, nothing of it is written. The progress is locked before the row, as by all, so the row's lock is free then.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from greenroom.store.journal.consequences.inline import FORMS, REMOVED, SET, Form, InlineTable
from greenroom.store.views.shape import Column
from greenroom.store.views.store import Values, Version
from greenroom.store.views.tables import NEXT_REVISION, REVISION, quoted

# Common table expressions: {n} is the table's number, which after a failover may be another one's, and {{rows}} and
# {{owned}} are put in by the append.
GIVEN = """given_{n} AS (
    SELECT m.* FROM {{rows}}
    WHERE {{owned}} AND (
        SELECT v.state = 'live' AND NOT v.paused FROM view_versions v
        WHERE (v.id, v.name, v.version, v.build) = ({n}, '{view}', {version}, {build})
    )
)"""
# Each progress is found by its index and locked, and then where it lies: a join might be planned as a look at all there
# are, since a fresh table has no statistics. One that was moved since the statement has begun is left, too.
MOVED = """moved_{n} AS (
    UPDATE view_progress p SET "offset" = f.through
    FROM (
        SELECT l.at, g.through
        FROM given_{n} g
        CROSS JOIN LATERAL (
            SELECT w.ctid AS at FROM view_progress w
            WHERE w.view_id = {n} AND w.id = g.id AND w."offset" = g.before AND w.parked IS NULL
            FOR UPDATE SKIP LOCKED
        ) l
        OFFSET 0
    ) f
    WHERE p.ctid = f.at
    RETURNING p.id
)"""
# Without an event before, there is nothing that anybody else could be folding; so nobody has a progress to wait for.
BEGUN = """begun_{n} AS (
    INSERT INTO view_progress (view_id, id, "offset")
    SELECT {n}, g.id, g.through FROM given_{n} g WHERE g.before = 0
    ON CONFLICT DO NOTHING
    RETURNING id
)"""
FOLDED = """folded_{n} AS (
    {of_these}
)"""
SET_ROWS = """set_{n} AS (
    INSERT INTO {rows} ({names}, {revision})
    SELECT {values}, {next} FROM given_{n} g WHERE g.what = {set} AND (g.id IN (SELECT id FROM folded_{n})) IS TRUE
    ON CONFLICT ({key}) DO UPDATE SET {assigned}{revision} = excluded.{revision}
    RETURNING {key}, {revision}
)"""
REMOVED_ROWS = """removed_{n} AS (
    DELETE FROM {rows} t USING given_{n} g
    WHERE g.what = {removed} AND t.{key} = g.c{key_at} AND (g.id IN (SELECT id FROM folded_{n})) IS TRUE
    RETURNING g.id, {next} AS revision
)"""
ANSWER = "SELECT NULL, {n}, ARRAY(SELECT id FROM folded_{n})"
SET_ANSWER = "ARRAY(SELECT {key} FROM set_{n}), ARRAY(SELECT {revision} FROM set_{n})"
REMOVED_ANSWER = "ARRAY(SELECT id FROM removed_{n}), ARRAY(SELECT revision FROM removed_{n})"
NOTHING = "NULL, NULL"

OWN = """
SELECT w.id, coalesce(p."offset", 0), p.parked IS NOT NULL, r.*
FROM unnest($1::bigint[], $2::text[], $3::text[]) AS w (id, key, entity)
LEFT JOIN view_progress p ON p.view_id = {n} AND p.id = w.id
LEFT JOIN LATERAL (
    SELECT {names}, {revision} FROM {rows} t WHERE t.{key} = ANY (ARRAY[w.key, w.entity])
) r ON true
"""


class Own(NamedTuple):
    """What a table has of one entity."""

    offset: int  # it is folded up to here
    is_parked: bool
    rows: list[tuple[Values, int]]  # with their revisions; of the entity's key, and of its whole name


def inline_table(version: Version) -> InlineTable:
    """How rows get into it with an append; its key is one text."""
    return _inline_table(version.identity, version.table.rows, version.shape.columns)


@lru_cache(maxsize=512)
def _inline_table(identity: tuple[int, str, int, int], rows: str, columns: tuple[Column, ...]) -> InlineTable:
    ((key_at, _),) = [(at, column) for at, column in enumerate(columns) if column.is_key]
    types = tuple("text" if column.type == "jsonb" else column.type for column in columns)
    texts = tuple(_text(Form(form), identity, rows, columns, key_at) for form in range(FORMS))
    return InlineTable(identity[0], types, key_at, texts)


def _text(
    form: Form, identity: tuple[int, str, int, int], rows: str, columns: tuple[Column, ...], key_at: int
) -> tuple[str, str]:
    """Only what a batch of this form needs: each write costs something, though it has no rows."""
    folded = [name for name, flag in (("moved", Form.MOVED), ("begun", Form.BEGUN)) if flag in form]
    parts = [GIVEN, *(MOVED,) * (Form.MOVED in form), *(BEGUN,) * (Form.BEGUN in form), FOLDED]
    others = [quoted(column.name) for column in columns if not column.is_key]
    answers = [ANSWER, NOTHING, NOTHING]
    if Form.SET in form:
        parts.append(SET_ROWS)
        answers[1] = SET_ANSWER
    if Form.REMOVED in form:
        parts.append(REMOVED_ROWS)
        answers[2] = REMOVED_ANSWER
    number, view, version, build = identity
    named = {
        "n": number,
        "view": view,  # a name, see rules.py
        "version": version,
        "build": build,
        "rows": rows,
        "of_these": " UNION ALL ".join(f"SELECT id FROM {name}_{number}" for name in folded),
        "names": ", ".join(quoted(column.name) for column in columns),
        "values": ", ".join(
            f"g.c{at}{'::jsonb' if column.type == 'jsonb' else ''}" for at, column in enumerate(columns)
        ),
        "assigned": "".join(f"{name} = excluded.{name}, " for name in others),
        "key": quoted(columns[key_at].name),
        "key_at": key_at,
        "revision": REVISION,
        "next": NEXT_REVISION,
        "set": SET,
        "removed": REMOVED,
    }
    return ", ".join(parts).format(**named), ", ".join(answers).format(**named)


class PostgresInline:
    """Of one node."""

    def __init__(self, fetch: Callable[..., Awaitable[Sequence[Any]]]) -> None:
        """`fetch`: see Pool.fetch."""
        self._fetch = fetch

    async def own_rows(self, version: Version, heads: Sequence[tuple[int, str]]) -> dict[int, Own]:
        """What the table has of these entities, by their heads' ids. Raises: StoreUnavailable."""
        shape = version.shape
        sql = OWN.format(
            n=version.id,
            names=version.table.columns,
            revision=REVISION,
            rows=version.table.rows,
            key=quoted(shape.key[0].name),
        )
        names = [entity for _, entity in heads]
        keys = [entity.partition(":")[2] for entity in names]
        found: dict[int, Own] = {}
        rows: list[Any] = list(await self._fetch(sql, [head_id for head_id, _ in heads], keys, names))
        for head_id, offset, is_parked, *values, revision in rows:
            own = found.setdefault(head_id, Own(offset, is_parked, []))
            if revision is not None:
                own.rows.append((tuple(values), revision))
        return found
