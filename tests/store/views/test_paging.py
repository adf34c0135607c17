"""Pages of views as Postgres gives them."""

import datetime
import decimal
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec import Struct

from greenroom.actors.views.columns import Key, Text
from greenroom.actors.views.layout import Layout
from greenroom.actors.views.page import Page
from greenroom.actors.views.query import Across, Query
from greenroom.actors.views.view import Origin, View
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.pool import Pool
from greenroom.store.views.asked import Asked
from greenroom.store.views.memory.reading import MemoryReading, words_of
from greenroom.store.views.memory.rows import MemoryViewRows, StoredRow
from greenroom.store.views.paging import HIT_BEGINS, HIT_ENDS, beyond
from greenroom.store.views.reading import Reading, RowReading, split_hits
from greenroom.store.views.tables import REVISION, Table
from tests.actors.views.boards import Board, Clapped, Everybody, Notes, installed
from tests.store.views.tables import MEMORY


class Said(View, version=1):
    """What somebody has said, by its words."""

    of = (Clapped,)

    class Row(Struct):
        id: Key[str]
        text: Text = ""
        more: Text = ""

    watch = Page(order="-id")

    def fold(self, event: Clapped, of: Origin) -> None:
        self.row(id=of.key).text = event.user


NOON = datetime.datetime(2026, 5, 1, 12, tzinfo=datetime.UTC)


class Stored:
    """The table of a view, and pages of it."""

    pool: Pool

    def __init__(self, reading: RowReading, view: type[View]) -> None:
        self.view = view
        self.installed = installed(view)
        self.table = Table(view.name, 1, self.installed.shape)
        self.layout = Layout(view.name, 1, self.installed.shape, view.watch)
        self.reading = reading

    async def make(self) -> None:
        for statement in (*self.table.create(), *self.table.indexes()):
            await self.pool.fetch(statement)

    async def put(self, *rows: tuple[Any, ...]) -> None:
        """As fields' values."""
        columns = self.table.shape.columns
        names = ", ".join(f"${number}::{one.type}" for number, one in enumerate(columns, 1))
        for row in rows:
            values = [one.to_store(value) for one, value in zip(self.installed.fields, row, strict=True)]
            await self.pool.fetch(
                f"INSERT INTO {self.table.rows} ({self.table.columns}, {REVISION}) "
                f"VALUES ({names}, nextval('view_revisions'))",
                *values,
            )

    def query(self, key: str, **asked: Any) -> Query:
        return Query(self.layout, self.table, key, Asked(**asked))

    async def page(self, key: str, **asked: Any) -> tuple[list[tuple[Any, ...]], str | None, str | None]:
        query = self.query(key, **asked)
        found = query.arrange(await self.reading.page(self.table, query.wanted))
        return [row.values for row in found.rows], found.next, found.previous


class InMemory(Stored):
    """The same, without a server."""

    def __init__(self, view: type[View]) -> None:
        self._rows = MemoryViewRows()
        super().__init__(MemoryReading(self._rows), view)
        self._rows.tables[self.table.rows] = {}

    async def put(self, *rows: tuple[Any, ...]) -> None:
        for row in rows:
            values = tuple(one.to_store(value) for one, value in zip(self.installed.fields, row, strict=True))
            key = self.installed.key_of_values(values)
            self._rows.tables[self.table.rows][key] = StoredRow(values, self._rows.next_revision())


@asynccontextmanager
async def stored(where: str, view: type[View]) -> AsyncIterator[Stored]:
    if where == MEMORY:
        yield InMemory(view)
        return
    async with Bridge() as bridge, Pool(bridge, where, incarnation=1, size=1) as pool:
        found = Stored(Reading(pool.fetch), view)
        found.pool = pool
        await found.make()
        yield found


def note(number: int, *, room: str = "a", weight: float = 0.0, title: str = "", body: str = "", **more: Any) -> Any:
    return (
        room, number, title, body, more.get("team", "none"), more.get("price", decimal.Decimal(0)), NOON, weight,
        more.get("open", True), more.get("tags", []),
    )  # fmt: skip


async def test_going_on_and_back_gives_every_row_once_in_order(where: str) -> None:
    chance = random.Random(5)
    async with stored(where, Board) as board:
        rows = [("finale", f"u{number:02}", chance.randrange(8)) for number in range(40)]
        await board.put(*chance.sample(rows, len(rows)), *(("semi", user, claps) for _, user, claps in rows))
        wanted = sorted(rows, key=lambda row: (row[2], row[1]), reverse=True)
        found, cursor, previous = await board.page("finale", limit=7)
        assert previous is None
        pages = [found]
        while cursor is not None:
            found, cursor, previous = await board.page("finale", limit=7, after=cursor)
            pages.append(found)
        assert [row for page in pages for row in page] == wanted
        for before in reversed(pages[:-1]):
            found, _, previous = await board.page("finale", limit=7, before=previous)
            assert found == before
        assert previous is None


@pytest.mark.parametrize("seed", range(3))
async def test_orders_that_run_both_ways_are_gone_through_too(where: str, seed: int) -> None:
    chance = random.Random(seed)
    async with stored(where, Notes) as notes:
        titles = ["", "a", "B", "ä", "b\n", "'; DROP"]
        rows = [note(n, weight=chance.choice([0.1, -1.5, 3.0]), title=chance.choice(titles)) for n in range(40)]
        await notes.put(*rows)
        wanted = [row[1] for row in sorted(rows, key=lambda row: (-row[7], row[2].encode(), row[1]))]
        there: list[int] = []
        cursor: str | None = None
        while True:
            found, cursor, previous = await notes.page("a", limit=6, **({"after": cursor} if cursor else {}))
            there += [row[1] for row in found]
            if cursor is None:
                break
        assert there == wanted
        back = [row[1] for row in found]
        while previous is not None:
            found, _, previous = await notes.page("a", limit=6, before=previous)
            back = [row[1] for row in found] + back
        assert back == wanted


async def test_what_comes_and_goes_meanwhile_neither_hides_a_row_nor_shows_one_twice(database_url: str) -> None:
    async with stored(database_url, Board) as board:
        await board.put(*(("finale", f"u{number}", number) for number in range(6)))
        first, cursor, _ = await board.page("finale", limit=2)
        await board.put(("finale", "new", 100), ("finale", "behind", 0))
        await board.pool.fetch(f"DELETE FROM {board.table.rows} WHERE \"user\" IN ('u4', 'u2')")
        rest, _, _ = await board.page("finale", limit=10, after=cursor)
        assert [user for _, user, _ in first] == ["u5", "u4"]
        assert [user for _, user, _ in rest] == ["u3", "u1", "u0", "behind"], "from the place of one that is gone, too"


async def test_pages_are_kept_apart_whatever_their_keys_hold(database_url: str) -> None:
    async with stored(database_url, Board) as board:
        names = ["a", "a'b", 'a"b', "a%", "$1", "ä", "a;--", " "]
        await board.put(*((name, "ann", number) for number, name in enumerate(names)))
        for number, name in enumerate(names):
            assert (await board.page(name))[0] == [(name, "ann", number)]


async def test_filters_leave_what_has_the_value(database_url: str) -> None:
    async with stored(database_url, Notes) as notes:
        await notes.put(*(note(n, team="red" if n % 3 else "blue", open=n % 2 == 0) for n in range(12)))
        found, cursor, _ = await notes.page("a", limit=2, where={"team": "red", "open": "true"})
        assert [row[1] for row in found] == [2, 4]
        found, _, _ = await notes.page("a", where={"open": True, "team": "red"}, after=cursor)
        assert [row[1] for row in found] == [8, 10]
        assert [row[1] for row in (await notes.page("a", where={"number": "7"}))[0]] == [7]


PLENTY = f"""
INSERT INTO {{rows}} (room, number, title, body, team, price, at, weight, open, tags, {REVISION})
SELECT 'r' || n % 20, n, 't' || n, CASE n % 997 WHEN 0 THEN 'a balloon' ELSE 'words' END, 'team' || n % 50, 0, now(),
    n % 7, n % 100 <> 0, '[]', n
FROM generate_series(1, 20000) n
"""
FILTERS: dict[str, dict[str, Any]] = {  # each declared one, and a search
    "the page": {},
    "number": {"where": {"number": "120"}},
    "team": {"where": {"team": "team20"}},
    "open": {"where": {"open": "false"}},
    "search": {"search": "balloon"},
}


ONE_ROW = {"number", "search"}  # of which there is nothing behind the first page


@pytest.mark.parametrize(
    ("name", "further"),
    [(name, further) for name in FILTERS for further in (False, True) if not (further and name in ONE_ROW)],
)
async def test_every_filter_is_answered_by_an_index(database_url: str, name: str, further: bool) -> None:
    """And reads no more of it than about what it shows: of a page of a thousand rows, its beginning."""
    async with stored(database_url, Notes) as notes:
        await notes.pool.fetch(PLENTY.format(rows=notes.table.rows))
        await notes.pool.fetch(f"VACUUM ANALYZE {notes.table.rows}")
        asked: dict[str, Any] = {"limit": 5, **FILTERS[name]}
        if further:
            asked["after"] = (await notes.page("r0", **asked))[1]
            assert asked["after"] is not None
        plans = Plans(notes.pool)
        query = notes.query("r0", **asked)
        await Reading(plans.fetch).page(notes.table, query.wanted)
        (plan,) = plans.found
        assert "Seq Scan" not in json.dumps(plan), json.dumps(plan, indent=1)
        assert scanned(plan) <= 100, json.dumps(plan, indent=1)


class Plans:
    """Runs statements as EXPLAIN, and keeps the plans."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.found: list[Any] = []

    async def fetch(self, sql: str, *arguments: object) -> list[Any]:
        rows = await self._pool.fetch(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", *arguments)
        self.found.append(json.loads(rows[0][0])[0]["Plan"])
        return []


def scanned(plan: dict[str, Any]) -> float:
    """Rows of the table that were read, those thrown away among them."""
    own = 0.0
    if plan["Node Type"] in ("Index Scan", "Index Only Scan", "Bitmap Heap Scan", "Seq Scan"):
        own = (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"]
    return max([own, *(scanned(one) for one in plan.get("Plans", ()))])


async def test_a_search_gives_the_best_first_with_what_was_found(database_url: str) -> None:
    async with stored(database_url, Notes) as notes:
        await notes.put(
            note(1, title="Balloons", body="red balloons over the river"),
            note(2, body="a red kite, and much later perhaps a balloon"),
            note(3, body="nothing of it"),
            note(4, room="b", body="red balloon"),
        )
        query = notes.query("a", search="red balloon")
        found = await notes.reading.page(notes.table, query.wanted)
        assert [row.values[1] for row in found] == [1, 2]
        assert found[0].rank > found[1].rank > 0
        assert found[1].snippet[1::2] == ("red", "balloon")
        assert "".join(found[1].snippet) == "a red kite, and much later perhaps a balloon"


@pytest.mark.parametrize(
    ("search", "numbers"),
    [
        ('"red balloon"', [1]),
        ("red -balloon", [2]),
        ("kite or ship", [3, 2]),
        ("", []),
        ("-red", []),
        ("red or -kite", []),
        ('" & | ! ( ) :* <->', []),
        ("the", []),
        ("'; DROP TABLE heads; --", []),
    ],
)
async def test_a_search_is_what_people_write(database_url: str, search: str, numbers: list[int]) -> None:
    async with stored(database_url, Notes) as notes:
        await notes.put(note(1, body="a red balloon"), note(2, body="a red kite"), note(3, title="ship"))
        found, _, _ = await notes.page("a", search=search)
        assert [row[1] for row in found] == numbers


async def test_a_search_for_words_finds_rows_that_have_them_all(where: str) -> None:
    """In memory none is better than another, and all that is beyond words is refused."""
    chance = random.Random(6)
    words = ["number", "7", "Tag", "ear", "grey"]
    texts = {f"{n:02}": " #".join(chance.sample(words, chance.randint(0, 4))) for n in range(30)}
    async with stored(where, Said) as said:
        await said.put(*((id_, text, "") for id_, text in texts.items()))
        for search in ("number", "NUMBER 7", "tag grey", "ea", "7 tag ear grey"):
            found: list[str] = []
            after: str | None = None
            while not found or after is not None:
                page, after, _ = await said.page("all", search=search, limit=3, **({"after": after} if after else {}))
                found += [row[0] for row in page]
                if not page:
                    break
            wanted = [id_ for id_, text in texts.items() if set(search.lower().split()) <= words_of(text)]
            assert sorted(found) == wanted and len(set(found)) == len(found), search
        if where == MEMORY:
            with pytest.raises(AssertionError, match="words alone"):
                await said.page("all", search="number -7")


async def test_a_search_is_gone_through_as_well(database_url: str) -> None:
    async with stored(database_url, Notes) as notes:
        await notes.put(*(note(n, body="balloon " * (1 + n % 3)) for n in range(9)))
        whole, _, _ = await notes.page("a", search="balloon")
        there: list[Any] = []
        cursor: str | None = None
        while True:
            found, cursor, previous = await notes.page(
                "a", search="balloon", limit=2, **({"after": cursor} if cursor else {})
            )
            there += found
            if cursor is None:
                break
        assert there == whole
        assert len(there) == 9
        assert (await notes.page("a", search="balloon", limit=2, before=previous))[0] == whole[6:8]


async def test_what_is_found_is_not_feigned_by_what_was_written(database_url: str) -> None:
    async with stored(database_url, Notes) as notes:
        await notes.put(note(1, body=f"{HIT_BEGINS}fake{HIT_ENDS} balloon <b>x</b>"))
        query = notes.query("a", search="balloon")
        (found,) = await notes.reading.page(notes.table, query.wanted)
        assert found.snippet[1::2] == ("balloon",)
        assert "fake" in found.snippet[0]


async def test_the_first_rows_come_with_a_revision_that_none_of_them_exceeds(database_url: str) -> None:
    async with stored(database_url, Board) as board:
        wanted = board.query("finale").wanted
        found, floor = await board.reading.first(board.table, wanted)
        assert (found, floor) == ([], 1)
        await board.put(("finale", "ann", 1), ("finale", "bob", 2), ("semi", "eve", 3))
        found, floor = await board.reading.first(board.table, wanted)
        assert [(row.values, row.revision) for row in found] == [(("finale", "bob", 2), 2), (("finale", "ann", 1), 1)]
        assert floor == 3


async def test_how_far_an_entity_is_folded(database_url: str) -> None:
    async with stored(database_url, Everybody) as some:
        await some.pool.fetch("INSERT INTO heads (entity, fence, incarnation, epoch) VALUES ('show:a', 1, 1, 'e')")
        assert await some.reading.folded(3, "show:a") == 0
        await some.pool.fetch('INSERT INTO view_progress (view_id, id, "offset") SELECT 3, id, 17 FROM heads')
        assert await some.reading.folded(3, "show:a") == 17
        assert await some.reading.folded(4, "show:a") == 0
        assert await some.reading.folded(3, "show:b") == 0


def test_one_comparison_where_all_run_the_same_way() -> None:
    assert beyond(("-claps", "-user"), ("$1", "$2")) == '("claps", "user") < ($1, $2)'
    assert beyond(("-claps", "-user"), ("$1", "$2"), backwards=True) == '("claps", "user") > ($1, $2)'
    assert beyond(("a",), ("$1",)) == '("a") > ($1)'


@pytest.mark.parametrize(
    ("snippet", "parts"),
    [
        ("", [""]),
        ("plain", ["plain"]),
        ("a \x02b\x03 c", ["a ", "b", " c"]),
        ("\x02b\x03", ["", "b", ""]),
        ("\x02a\x03\x02b\x03 c", ["", "a", "", "b", " c"]),
    ],
)
def test_text_and_found_words_by_turns(snippet: str, parts: list[str]) -> None:
    assert split_hits(snippet) == parts


class Teams(View, version=1):
    """Whose rooms are which."""

    of = (Clapped,)

    class Row(Struct):
        user: Key[str]
        room: Key[str]

    watch = Page(by="user")

    def fold(self, event: Clapped, of: Origin) -> None:
        self.row(user=event.user, room=of.key)


async def test_a_search_across_pages_finds_what_is_on_those_that_are_named(database_url: str) -> None:
    async with stored(database_url, Notes) as notes:
        teams = Stored(Reading(notes.pool.fetch), Teams)
        teams.pool = notes.pool
        await teams.make()
        await teams.put(("ann", "a"), ("ann", "b"), ("bob", "c"))
        await notes.put(*(note(number, room=room, title=f"balloon {room}") for number in (1, 2) for room in "abc"))

        async def found(user: str, **asked: Any) -> tuple[list[tuple[str, int]], str | None]:
            asked_for = Asked(search="balloon", **asked)
            query = Query(notes.layout, notes.table, user, asked_for, Across("teams", "user", teams.table))
            arranged = query.arrange(await notes.reading.page(notes.table, query.wanted))
            return [row.values[:2] for row in arranged.rows], arranged.next

        assert sorted((await found("ann"))[0]) == [("a", 1), ("a", 2), ("b", 1), ("b", 2)]
        assert sorted((await found("bob"))[0]) == [("c", 1), ("c", 2)]
        assert (await found("eve"))[0] == []
        assert sorted((await found("ann", where={"room": "b"}))[0]) == [("b", 1), ("b", 2)]
        assert (await found("ann", where={"room": "c"}))[0] == []
        first, cursor = await found("ann", limit=3)
        second, cursor = await found("ann", limit=3, after=cursor)
        assert cursor is None
        assert sorted(first + second) == [("a", 1), ("a", 2), ("b", 1), ("b", 2)]
