"""Queries in code, and which version is read. What is read over HTTP is tried in transports/views/test_reading.py."""

from typing import Any

import msgspec
import pytest
from msgspec import Struct

from greenroom import Actor, Ask, Rows
from greenroom.actors.model.errors import Unavailable
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.testing.kit import Kit
from greenroom.actors.views.installed import Views
from greenroom.actors.views.query import BadQuery
from greenroom.actors.views.reader import ViewReader
from greenroom.store.views.asked import Asked
from greenroom.store.views.reading import Reading
from greenroom.store.views.shape import Shape
from greenroom.store.views.store import Version
from tests.actors.views.boards import Board, Everybody, Notes, Show, installed
from tests.supervisors.views.shown_stage import shown_stage


class Leader(Ask[str], tag="herald.leader"):
    show: str


class Leaders(Ask[dict[str, str]], tag="herald.leaders"):
    shows: list[str]


class Nothing(Struct):
    pass


class Herald(Actor[Nothing]):
    """Asks a view."""

    kind = "herald"
    commands = (Leader, Leaders)
    durable = False

    async def handle(self, message: Leader | Leaders) -> str | dict[str, str]:
        if isinstance(message, Leaders):
            pages = await self.query_pages(Board.Row, message.shows, limit=1)
            return {show: rows[0].user for show, rows in pages.items()}
        found = await self.query(Board.Row, message.show, limit=1)
        return found.rows[0].user if found.rows else ""

    def view(self) -> Any:
        return {}


async def test_rows_in_code_are_of_the_views_own_class(database_url: str) -> None:
    async with shown_stage(database_url, Board) as node:
        for number, user in enumerate(("ann", "bob", "eve"), 1):
            await node.clap("a", user, number)
        await node.reader.until_folded("board", "show:a", 3)
        world = node.kernel.world
        first = await world.query(Board.Row, "a", Asked(limit=2))
        assert first.rows == [Board.Row(show="a", user="eve", claps=3), Board.Row(show="a", user="bob", claps=2)]
        rest = await world.query(Board.Row, "a", Asked(after=first.next))
        assert [row.user for row in rest.rows] == ["ann"]
        assert (await world.query(Board.Row, "a", Asked(where={"user": "bob"}))).rows == first.rows[1:]
        with pytest.raises(BadQuery, match="claps is no key"):
            await world.query(Board.Row, "a", Asked(where={"claps": 3}))
        with pytest.raises(TypeError, match="no installed view"):
            await world.query(Everybody.Row, "all", Asked())


async def test_rows_of_several_views_in_one_look_that_all_share(database_url: str) -> None:
    async with shown_stage(database_url, Board, Everybody) as node:
        offset = await node.clap("a", "ann", 1)
        for view in ("board", "everybody"):
            await node.reader.until_folded(view, "show:a", offset)
        world, before = node.kernel.world, node.reads
        found = await world.query_rows({Board.Row: ["a", "none", "a"], Everybody.Row: ["ann", "bob"]})
        assert node.reads == before + 1
        assert found.of(Board.Row) == {"a": Board.Row(show="a", user="ann", claps=1)}
        assert found.of(Everybody.Row) == {"ann": Everybody.Row(user="ann", claps=1)} and found.of(Notes.Row) == {}
        again = await world.query_rows({Board.Row: ["a"]})
        assert again.of(Board.Row)["a"] is found.of(Board.Row)["a"]
        offset = await node.clap("a", "ann", 2)
        await node.reader.until_folded("board", "show:a", offset)
        assert (await world.query_rows({Board.Row: ["a"]})).of(Board.Row)["a"].claps == 3
        with pytest.raises(BadQuery, match="at most 1000"):
            await world.query_rows({Board.Row: map(str, range(1001))})
        with pytest.raises(BadQuery, match="NUL"):
            await world.query_rows({Board.Row: ["a\0"]})
        with pytest.raises(TypeError, match="no installed view"):
            await world.query_rows({Notes.Row: ["a"]})


async def test_what_is_known_of_a_table_is_not_taken_for_anothers() -> None:
    """The view has been filled anew beside it, by other code."""
    looked: list[Any] = []

    async def fetch(sql: str, *arguments: Any) -> Any:
        looked.append((sql, arguments))
        return [(-1, "", 0, ()), (0, "a", 1, ("a", "ann", len(looked)))]

    read = ViewReader(Views(Kinds((Show,)), (Board,)), Reading(fetch))
    for build in (1, 2):
        read.learn([msgspec.structs.replace(version(1, installed(Board).shape), build=build)])
        assert (await read.look({Board.Row: ["a"]})).of(Board.Row)["a"].claps == build
    (_, first), (sql, second) = looked
    assert first == second == (["a"], [None]) and "board_v1_2" in sql


async def test_the_first_rows_of_many_pages_in_one_statement(database_url: str) -> None:
    async with shown_stage(database_url, Board) as node:
        for show, user, times in (("a", "ann", 1), ("a", "bob", 3), ("a", "eve", 2), ("b", "ann", 1)):
            offset = await node.clap(show, user, times)
            await node.reader.until_folded("board", f"show:{show}", offset)
        world, before = node.kernel.world, node.reads
        found = await world.query_pages(Board.Row, ["b", "none", "a"], limit=2, where={})
        assert node.reads == before + 1
        assert list(found) == ["b", "a"]
        assert found["a"] == [Board.Row(show="a", user="bob", claps=3), Board.Row(show="a", user="eve", claps=2)]
        assert await world.query_pages(Board.Row, [], limit=2, where={}) == {}
        with pytest.raises(BadQuery, match="keys must be at most 1000"):
            await world.query_pages(Board.Row, map(str, range(1001)), limit=1, where={})
        with pytest.raises(TypeError, match="no installed view"):
            await world.query_pages(Everybody.Row, ["all"], limit=1, where={})


def test_the_kit_plays_many_pages_of_a_view() -> None:
    kit = Kit(Herald)
    rows = {"a": [Board.Row(show="a", user="ann"), Board.Row(show="a", user="bob")], "b": []}
    kit.when_queried(Board.Row, lambda key, query: Rows(rows[key]))
    assert kit.ask(Leaders(shows=["b", "a", "a"])) == {"a": "ann"}
    with pytest.raises(BadQuery, match="keys must be at most 1000"):
        kit.ask(Leaders(shows=[str(number) for number in range(1001)]))


def test_the_kit_plays_a_view() -> None:
    kit = Kit(Herald)
    asked: list[tuple[str, Asked]] = []

    def find(key: str, query: Asked) -> Rows[Board.Row]:
        asked.append((key, query))
        return Rows([Board.Row(show=key, user="ann")])

    with pytest.raises(AssertionError, match="when_queried"):
        kit.ask(Leader(show="a"))
    kit.when_queried(Board.Row, find)
    assert kit.ask(Leader(show="a")) == "ann"
    assert asked == [("a", Asked(limit=1))]


def version(number: int, shape: Shape, state: Any = "live") -> Version:
    return Version(
        id=number, name="board", version=number, build=1, shape=shape, kinds=frozenset({"show"}), state=state,
        paused=False, rung=0, age_s=0.0,
    )  # fmt: skip


async def nothing(sql: str, *arguments: object) -> list[Any]:
    return []


def reader() -> ViewReader:
    return ViewReader(Views(Kinds((Show,)), (Board, Notes)), Reading(nothing))


def test_the_live_version_is_learned_and_told_once() -> None:
    read = reader()
    shape = installed(Board).shape
    with pytest.raises(Unavailable):
        read.live("board")
    assert read.learn([version(1, shape, "filling")]) == []
    assert read.learn([version(1, shape)]) == ["board"]
    assert read.learn([version(1, shape)]) == []
    assert read.layout("board", 1) is not None
    assert read.learn([version(1, shape, "old"), version(2, shape)]) == ["board"]
    assert read.layout("board", 1) is None
    assert read.live("board").version.id == 2


def test_a_number_that_was_given_again_is_another_version() -> None:
    read = reader()
    shape = installed(Board).shape
    assert read.learn([version(1, shape)]) == ["board"]
    assert read.learn([msgspec.structs.replace(version(1, shape), build=2)]) == ["board"]
    assert read.live("board").table.rows == 'views."board_v1_2"'


def test_a_live_version_of_which_no_pages_can_be_made_is_not_read() -> None:
    read = reader()
    shape = installed(Board).shape
    other = msgspec.structs.replace(shape, columns=shape.columns[:2])
    assert read.learn([version(1, other)]) == []
    with pytest.raises(Unavailable):
        read.live("board")


def test_whether_the_live_version_is_kept_up_is_learned_and_changes_no_rows() -> None:
    read = reader()
    live = version(1, installed(Board).shape)
    read.learn([live])
    assert read.learn([msgspec.structs.replace(live, is_kept_up=False)]) == []
    assert not read.live("board").version.is_kept_up
    assert read.learn([live]) == [] and read.live("board").version.is_kept_up


async def test_a_page_of_a_view_that_has_no_live_version_is_empty() -> None:
    loaded = await reader().load("board", "a", spare=1)
    assert (loaded.rows, loaded.floor, loaded.layout.version) == ([], 0, 0)


async def test_rows_of_another_shape_than_the_codes_are_not_taken_for_its_own() -> None:
    """While another version of the view is being filled."""
    shape = installed(Board).shape
    more = msgspec.structs.replace(shape.columns[2], name="more")
    wider = msgspec.structs.replace(shape, columns=(*shape.columns, more))

    async def one_row(sql: str, *arguments: object) -> list[Any]:
        return [("a", "ann", 1, 2, 7)]

    read = ViewReader(Views(Kinds((Show,)), (Board,)), Reading(one_row))
    read.learn([version(1, wider)])
    with pytest.raises(Unavailable):
        await read.rows(Board.Row, "a", Asked())
