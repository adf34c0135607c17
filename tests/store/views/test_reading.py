"""The first rows of many pages at once, as Postgres gives them and as memory does."""

import json
import random
from typing import Any

from greenroom.actors.views.query import QueryOfMany
from greenroom.store.views.reading import Changes, Found, Look, Reading
from greenroom.store.views.shape import Column, Shape
from greenroom.store.views.tables import Table
from tests.actors.views.boards import Board, Everybody, Notes
from tests.store.views.test_paging import PLENTY, Plans, Stored, note, scanned, stored


async def first(of: Stored, keys: list[str], *, limit: int, **where: Any) -> dict[str, list[tuple[Any, ...]]]:
    query = QueryOfMany(of.layout, keys, limit=limit, where=where)
    found = await of.reading.pages(of.table, query.wanted, query.column, query.keys)
    return {key: [row.values for row in rows] for key, rows in query.by_page(found).items()}


async def test_each_page_gives_what_it_gives_by_itself(where: str) -> None:
    chance = random.Random(3)
    shows = ["a", "b", "a'b", 'a"b', "$1", "ä", "{a,b}", "", "NULL"]
    async with stored(where, Board) as board:
        rows = [(show, f"u{number:02}", chance.randrange(5)) for show in shows for number in range(chance.randrange(9))]
        await board.put(*chance.sample(rows, len(rows)))
        for limit in (1, 4, 100):
            asked = chance.sample([*shows, "nobody's", "else"], len(shows))
            alone = {show: (await board.page(show, limit=limit))[0] for show in asked}
            found = await first(board, asked, limit=limit)
            assert list(found.items()) == [(show, page) for show, page in alone.items() if page]


async def test_orders_that_run_both_ways_and_filters(where: str) -> None:
    chance = random.Random(4)
    async with stored(where, Notes) as notes:
        await notes.put(
            *(
                note(n, room=chance.choice("ab"), weight=chance.choice([0.5, 2.0]), team=chance.choice(["red", "blue"]))
                for n in range(40)
            )
        )
        for filters in ({}, {"team": "red"}, {"team": "blue", "open": "true"}, {"number": "7"}):
            alone = {room: (await notes.page(room, limit=5, where=filters))[0] for room in "bac"}
            found = await first(notes, ["b", "a", "c"], limit=5, **filters)
            assert list(found.items()) == [(room, page) for room, page in alone.items() if page]


async def test_rows_by_their_only_key(where: str) -> None:
    async with stored(where, Everybody) as everybody:
        await everybody.put(("ann", 1), ("bob", 2), ("eve", 3))
        found = await first(everybody, ["eve", "nobody", "ann"], limit=1)
        assert list(found.items()) == [("eve", [("eve", 3)]), ("ann", [("ann", 1)])]


async def test_the_lineage_of_a_look_is_found_wherever_it_comes() -> None:
    rows: list[tuple[object, ...]] = [(0, "a", 7, ("a", "one")), (-1, ".2", 0, ()), (0, "b", None, None)]

    async def fetch(sql: str, *arguments: object) -> list[tuple[object, ...]]:
        return rows

    table = Table("posts", 1, Shape((Column("id", "text", is_key=True), Column("text", "text"))))
    changes = await Reading(fetch).changes([Look(table, "id", ("id",), ["a", "b"], [None, 3])])
    assert changes == Changes(".2", [(0, "a", Found(("a", "one"), 7)), (0, "b", None)])


async def test_it_is_one_statement_that_reads_the_beginnings_of_pages(database_url: str) -> None:
    """Of pages of 1,000 rows each, with a filter and without."""
    async with stored(database_url, Notes) as notes:
        await notes.pool.fetch(PLENTY.format(rows=notes.table.rows))
        await notes.pool.fetch(f"VACUUM ANALYZE {notes.table.rows}")
        for filters, most in (({}, 60), ({"team": "team20"}, 60), ({"open": "false"}, 200)):
            plans = Plans(notes.pool)
            query = QueryOfMany(notes.layout, [f"r{n}" for n in range(12)], limit=5, where=filters)
            await Reading(plans.fetch).pages(notes.table, query.wanted, query.column, query.keys)
            (plan,) = plans.found
            assert "Seq Scan" not in json.dumps(plan), json.dumps(plan, indent=1)
            assert scanned(plan) <= most, json.dumps(plan, indent=1)
