"""Paging: the SQL that reads one page of a view, from a place in its order, forwards or backwards. Decisions only.

A place is the values of the order's columns in one row. The order is total, for it ends with the key, so that there is
one place for each row, and a page begins exactly behind the one before however many rows come or go meanwhile. Where
all of its columns run the same way that is one comparison of rows, which an index answers by itself.

A search finds rows by their words, as people write it into a search box: `websearch_to_tsquery`, and the best first.
One that says nothing to look for, or only what not to, finds nothing: no index could answer it.
"""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from greenroom.store.views.shape import Column
from greenroom.store.views.tables import REVISION, SEARCH, Table, literal, quoted

RANK = "_rank"  # real: how well a row fits a search
SNIPPET = "_snippet"
HIT_BEGINS, HIT_ENDS = "\x02", "\x03"  # around words that were found, in a snippet
HEADLINE = (  # ShortWord: how short a word is left out at a fragment's ends; a whole text would lose its first "a"
    f'StartSel="{HIT_BEGINS}", StopSel="{HIT_ENDS}", MaxFragments=2, MinWords=5, MaxWords=20, ShortWord=0, '
    'FragmentDelimiter=" … "'
)


class Among(Struct, frozen=True):
    """Only rows whose `column` has a value that some row of another table has in its column of that name."""

    column: str
    table: Table
    where: tuple[str, str]  # a column of that table, and the text that it is to be there


class Wanted(Struct, frozen=True, kw_only=True):
    """Which rows of a view, and in which order."""

    where: tuple[tuple[str, Any], ...] = ()  # columns that have these values, as the driver takes them
    among: Among | None = None
    search: str | None = None
    order: tuple[str, ...]  # columns, `-claps` for a descending one; total, for it ends with the key
    limit: int
    place: tuple[Any, ...] | None = None  # the rows behind it, one value for each column of the order
    backwards: bool = False  # those before it instead, from there on


def best_first(table: Table) -> tuple[str, ...]:
    """The order of a search."""
    return (f"-{RANK}", *(f"-{column.name}" for column in table.shape.key))


def statement(table: Table, wanted: Wanted, also: Sequence[str] = ()) -> tuple[str, list[Any]]:
    """The SQL with its arguments. Its columns: those of the shape, `_revision`, and of a search `_rank`, `_snippet`.
    Rows come in the direction of reading: backwards the nearest to the place first. `also`: further conditions."""
    arguments: list[Any] = []

    def argument(value: Any, kind: str) -> str:
        arguments.append(value)
        return f"${len(arguments)}::{kind}"

    conditions = [f"{quoted(name)} = {argument(value, _column(table, name).type)}" for name, value in wanted.where]
    conditions = [*also, *conditions]
    if wanted.among is not None:
        name, (other, text) = quoted(wanted.among.column), wanted.among.where
        those = f"SELECT {name} FROM {wanted.among.table.rows} WHERE {quoted(other)} = {argument(text, 'text')}"
        conditions.append(f"{name} IN ({those})")
    columns = f"{table.columns}, {REVISION}"
    query = ""
    if wanted.search is not None:
        text = argument(wanted.search, "text")
        query = f"websearch_to_tsquery({literal(table.shape.language)}::regconfig, {text})"
        conditions += [f"querytree({query}) <> ALL ('{{\"\",T}}')", f"{SEARCH} @@ {query}"]
        inner = f"SELECT {columns}, ts_rank({SEARCH}, {query}) AS {RANK} FROM {table.rows}{_where(conditions)}"
        source, conditions = f"({inner}) found", []
        columns += f", {RANK}"
    else:
        source = table.rows
    if wanted.place is not None:
        kinds = ["real" if _name(one) == RANK else _column(table, _name(one)).type for one in wanted.order]
        place = [argument(value, kind) for value, kind in zip(wanted.place, kinds, strict=True)]
        conditions.append(beyond(wanted.order, place, backwards=wanted.backwards))
    order = ", ".join(_ordered(one, backwards=wanted.backwards) for one in wanted.order)
    limit = argument(wanted.limit, "bigint")
    sql = f"SELECT {columns} FROM {source}{_where(conditions)} ORDER BY {order} LIMIT {limit}"
    if wanted.search is None:
        return sql, arguments
    # Only of the rows that are shown: a snippet is made from the whole text.
    texts = ", ".join(quoted(column.name) for column in table.shape.searched)
    plain = f"translate(concat_ws(E'\\n', {texts}), '{HIT_BEGINS}{HIT_ENDS}', '')"
    headline = f"ts_headline({literal(table.shape.language)}::regconfig, {plain}, {query}, {literal(HEADLINE)})"
    return f"SELECT page.*, {headline} AS {SNIPPET} FROM ({sql}) page", arguments


def statement_of_many(table: Table, wanted: Wanted, column: str, values: Sequence[str]) -> tuple[str, list[Any]]:
    """The same of many pages at once: those whose `column`, a text, has one of the `values`, each of which is named
    once. No search, no place. The rows of a page follow one another in its order; the pages come in any.

    Each page is a scan of its own, of an index as that of a single one is: a `LIMIT` below `LATERAL` leaves Postgres
    no other way, and whatever joins it keeps the order of what it joins.
    """
    assert wanted.search is None and wanted.among is None and wanted.place is None
    one, arguments = statement(table, wanted, (f"{quoted(column)} = asked.key",))
    arguments.append(list(values))
    return f"SELECT page.* FROM unnest(${len(arguments)}::text[]) asked(key) CROSS JOIN LATERAL ({one}) page", arguments


def statement_of_looks(pages: Sequence[tuple[Table, str, Sequence[str]]]) -> str:
    """The SQL that says which first rows of pages are others than somebody knows. Of each table, with the column that
    pages are by and their order, two arguments: keys, texts that are all different, and what is known of each, the
    revision of its first row, NULL of none.

    Its columns: which of the tables, the key, the revision of its first row, and that row as a record; both NULL where
    there is none any more. Among all that -1 with the lineage of the database, for revisions are of one lineage.
    Nothing says where: `UNION ALL` promises no order.
    """
    parts = ["SELECT -1 AS number, lineage() AS key, 0::bigint AS revision, ROW() AS found"]
    for number, (table, column, order) in enumerate(pages):
        terms = ", ".join(_ordered(one, backwards=False) for one in order)
        first = (
            f"SELECT {REVISION}, ROW({table.columns}) AS found FROM {table.rows} "
            f"WHERE {quoted(column)} = asked.key ORDER BY {terms} LIMIT 1"
        )
        parts.append(
            f"SELECT {number}, asked.key, page.{REVISION}, page.found "
            f"FROM unnest(${2 * number + 1}::text[], ${2 * number + 2}::bigint[]) asked(key, revision) "
            f"LEFT JOIN LATERAL ({first}) page ON true WHERE page.{REVISION} IS DISTINCT FROM asked.revision"
        )
    return " UNION ALL ".join(parts)


def beyond(terms: Sequence[str], place: Sequence[str], *, backwards: bool = False) -> str:
    """The condition that a row stands behind `place`, SQL of a value for each of `terms`; backwards, before it."""
    signs = [">" if one.startswith("-") == backwards else "<" for one in terms]
    names = [quoted(_name(one)) for one in terms]
    if len(set(signs)) == 1:
        return f"({', '.join(names)}) {signs[0]} ({', '.join(place)})"
    condition = ""
    for name, sign, value in zip(reversed(names), reversed(signs), reversed(place), strict=True):
        same = f" OR ({name} = {value} AND ({condition}))" if condition else ""
        condition = f"{name} {sign} {value}{same}"
    # Said once more, so that an index can begin at the place: of an OR it can't be seen.
    return f"{names[0]} {signs[0]}= {place[0]} AND ({condition})"


def _ordered(term: str, *, backwards: bool) -> str:
    return f"{quoted(_name(term))}{' DESC' if term.startswith('-') != backwards else ''}"


def _name(term: str) -> str:
    return term.removeprefix("-")


def _column(table: Table, name: str) -> Column:
    found = table.shape.column(name)
    assert found is not None, f"{table.rows} has no column {name}"
    return found


def _where(conditions: Sequence[str]) -> str:
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""
