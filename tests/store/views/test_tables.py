"""Tables of views on a real Postgres: what their statements make."""

import asyncio

import asyncpg

from greenroom.store.views.shape import Column, Shape, from_json, to_json
from greenroom.store.views.tables import Table, literal, quoted

SHAPE = Shape(
    columns=(
        Column(name="show", type="text", is_key=True),
        Column(name="order", type="bigint", is_key=True),  # a word of SQL's own
        Column(name="claps", type="bigint", is_indexed=True),
        Column(name="title", type="text", is_searched=True),
        Column(name="note", type="text", is_nullable=True, is_searched=True),
        Column(name="tags", type="jsonb"),
    ),
    orders=(("show", "-claps", "order"),),
    language="english",
)


def test_a_shape_is_plain_data() -> None:
    assert from_json(to_json(SHAPE)) == SHAPE
    assert SHAPE.names == ("show", "order", "claps", "title", "note", "tags")
    assert SHAPE.column("claps") is not None and SHAPE.column("gone") is None


def test_a_digest_is_of_what_rows_hold() -> None:
    fewer = Shape(columns=SHAPE.columns[:-1], orders=SHAPE.orders, language="english")
    without_index = Shape(
        columns=tuple(
            Column(one.name, one.type, one.is_nullable, one.is_key, False, one.is_searched) for one in SHAPE.columns
        ),
        language="english",
    )
    other_words = Shape(columns=SHAPE.columns, orders=SHAPE.orders, language="german")
    assert without_index.digest == SHAPE.digest
    assert len({one.digest for one in (SHAPE, fewer, other_words)}) == 3


def test_names_and_texts_are_quoted() -> None:
    assert quoted('a"b') == '"a""b"' and literal("a'b") == "'a''b'"


async def _execute(url: str, *statements: str) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements[:-1]:
            await connection.execute(statement)
        return [tuple(row) for row in await connection.fetch(statements[-1])]
    finally:
        await connection.close()


def test_a_table_with_its_indexes_and_its_stable_name(database_url: str) -> None:
    def run(*statements: str) -> list[tuple[object, ...]]:
        return asyncio.run(_execute(database_url, *statements))

    first, second = Table("shows", 1, SHAPE), Table("shows", 2, SHAPE)
    run(*first.create(), *first.indexes(), *first.indexes(), first.show(), "SELECT 1")
    insert = """INSERT INTO {} ("show", "order", claps, title, note, tags, _revision)
        VALUES ('a', 1, 5, 'The running shows', NULL, '[]', nextval('view_revisions'))"""
    run(insert.format(first.rows), "SELECT 1")
    assert run('SELECT * FROM views."shows"') == [("a", 1, 5, "The running shows", None, "[]")]
    found = f"SELECT claps FROM {first.rows} WHERE _search @@ to_tsquery('english', 'run & show')"
    assert run(found) == [(5,)]
    run(*second.create(), *second.indexes(), second.show(), *first.drop(), 'SELECT * FROM views."shows"')
    assert run('SELECT count(*) FROM views."shows"') == [(0,)]
    names = [row[0] for row in run("SELECT indexname FROM pg_indexes WHERE schemaname = 'views'")]
    assert len(names) == 4 and all(str(name).startswith("shows_v2") for name in names)
    run(*second.hide(), *second.drop(), "SELECT 1")
    assert run("SELECT tablename FROM pg_tables WHERE schemaname = 'views'") == []


def test_each_build_of_a_version_has_a_table() -> None:
    assert Table("shows", 3, SHAPE).rows == 'views."shows_v3"'
    assert Table("shows", 3, SHAPE, 2).rows == 'views."shows_v3_2"'
