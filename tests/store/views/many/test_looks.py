"""Rows as they are now, of which only what has changed is read: in Postgres and in memory."""

from greenroom.store.views.many.looks import Known, Looks
from tests.actors.views.boards import Board, Notes
from tests.store.views.test_paging import Stored, note, stored


def known_of(of: Stored, column: str) -> Known:
    return Known(of.table, column, of.layout.order, lambda found: found.values)


async def test_first_rows_of_pages_as_pages_give_them(where: str) -> None:
    async with stored(where, Board) as board:
        await board.put(("a", "ann", 1), ("a", "bob", 3), ("b", "ann", 1))
        known = known_of(board, "show")
        looks = Looks(board.reading)
        for _ in range(2):
            found = await looks.rows({known: ["b", "none", "a"]})
            assert found == {known: {"b": ("b", "ann", 1), "a": ("a", "bob", 3)}}


async def test_every_type_of_column_comes_as_in_a_page(where: str) -> None:
    async with stored(where, Notes) as notes:
        await notes.put(note(1, room="a", tags=["x"], title="t"))
        known = known_of(notes, "room")
        (alone,) = (await notes.page("a"))[0]
        assert await Looks(notes.reading).rows({known: ["a"]}) == {known: {"a": alone}}
