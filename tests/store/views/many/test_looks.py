"""Rows as they are now, of which only what has changed is read: in Postgres and in memory."""

from collections.abc import Sequence

import pytest
import trio
import trio.testing

from greenroom.store.errors import StoreUnavailable
from greenroom.store.views.many import looks as looks_module
from greenroom.store.views.many.line import AT_ONCE
from greenroom.store.views.many.looks import Known, Looks
from greenroom.store.views.reading import Changes, Found, Look
from greenroom.store.views.shape import Column, Shape
from greenroom.store.views.tables import REVISION, Table
from tests.actors.views.boards import Board, Everybody, Notes
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
            assert list(found[known]) == ["b", "a"]


async def test_every_type_of_column_comes_as_in_a_page(where: str) -> None:
    async with stored(where, Notes) as notes:
        await notes.put(note(1, room="a", tags=["x"], title="t"))
        known = known_of(notes, "room")
        (alone,) = (await notes.page("a"))[0]
        assert await Looks(notes.reading).rows({known: ["a"]}) == {known: {"a": alone}}


async def test_what_is_edited_gone_back_or_new_is_seen_at_once(database_url: str) -> None:
    async with stored(database_url, Everybody) as everybody:
        await everybody.put(("ann", 1), ("bob", 2), ("eve", 3))
        known, rows = known_of(everybody, "user"), everybody.table.rows
        looks = Looks(everybody.reading)

        async def seen() -> dict[str, int]:
            found = await looks.rows({known: ["ann", "bob", "eve", "zoe"]})
            return {user: row[1] for user, row in found[known].items()}

        assert await seen() == {"ann": 1, "bob": 2, "eve": 3}
        update = f"UPDATE {rows} SET claps = 7, {REVISION} = nextval('view_revisions') WHERE \"user\" = 'bob'"
        await everybody.pool.fetch(update)
        await everybody.pool.fetch(f"DELETE FROM {rows} WHERE \"user\" = 'eve'")
        await everybody.put(("zoe", 9))
        assert await seen() == {"ann": 1, "bob": 7, "zoe": 9}
        await everybody.put(("eve", 3))
        assert await seen() == {"ann": 1, "bob": 7, "eve": 3, "zoe": 9}


TABLE = Table("posts", 1, Shape((Column("id", "text", is_key=True), Column("text", "text"))))


class Store:
    """A table as it stands when a statement begins; each ends when the test lets it."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[str, int]] = {}  # text and revision
        self.lineage = ""
        self.asked: list[Sequence[Look]] = []
        self.brought: list[int] = []  # rows, by statement
        self.may_end: trio.Semaphore | None = None
        self.is_down = False

    async def changes(self, looks: Sequence[Look]) -> Changes:
        self.asked.append(looks)
        changed: list[tuple[int, str, Found | None]] = []
        for number, look in enumerate(looks):
            for key, revision in zip(look.keys, look.revisions, strict=True):
                row = self.rows.get(key)
                if (row[1] if row is not None else None) != revision:
                    changed.append((number, key, Found((key, row[0]), row[1]) if row is not None else None))
        self.brought.append(len(changed))
        changes = Changes(self.lineage, changed)
        await trio.lowlevel.checkpoint()
        if self.may_end is not None:
            await self.may_end.acquire()
        if self.is_down:
            raise StoreUnavailable("down")
        return changes


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def looks(store: Store) -> Looks:
    return Looks(store)  # type: ignore[arg-type]


def known(table: Table = TABLE) -> Known:
    return Known(table, "id", ("id",), lambda found: found.values[1])


async def test_only_what_has_changed_is_brought_and_all_are_given_the_same(store: Store, looks: Looks) -> None:
    store.rows = {"a": ("one", 1), "b": ("two", 2)}
    decoded: list[object] = []

    def decode(found: Found) -> object:
        decoded.append(found)
        return object()

    posts = Known(TABLE, "id", ("id",), decode)
    first = await looks.rows({posts: ["a", "b", "c"]})
    second = await looks.rows({posts: ["b", "a"]})
    assert second[posts]["a"] is first[posts]["a"] and store.brought == [2, 0] and len(decoded) == 2
    store.rows["a"] = ("three", 3)
    third = await looks.rows({posts: ["b", "a"]})
    assert third[posts]["a"] is not first[posts]["a"] and store.brought == [2, 0, 1]


async def test_nothing_is_taken_for_what_it_was_where_nobody_answers(store: Store, looks: Looks) -> None:
    store.rows = {"a": ("one", 1)}
    posts = known()
    await looks.rows({posts: ["a"]})
    store.is_down = True
    with pytest.raises(StoreUnavailable):
        await looks.rows({posts: ["a"]})


async def test_several_views_are_one_statement(store: Store, looks: Looks) -> None:
    store.rows = {"a": ("one", 1), "b": ("two", 2)}
    posts, authors = known(), known(Table("authors", 1, TABLE.shape))
    found = await looks.rows({posts: ["a"], authors: ["b"]})
    assert found == {posts: {"a": "one"}, authors: {"b": "two"}} and len(store.asked) == 1
    assert await looks.rows({posts: []}) == {posts: {}} and len(store.asked) == 1, "nothing is no statement"


async def test_revisions_of_another_lineage_say_nothing(store: Store, looks: Looks) -> None:
    """A failover has lost the newest, and their revisions were given again."""
    store.rows = {"a": ("lost", 7)}
    posts = known()
    await looks.rows({posts: ["a"]})
    store.rows, store.lineage = {"a": ("found", 7)}, ".2"
    assert await looks.rows({posts: ["a"]}) == {posts: {"a": "found"}}
    assert len(store.asked) == 3, "asked again, as if nothing were known"
    await looks.rows({posts: ["a"]})
    assert len(store.asked) == 4 and store.brought[-1] == 0


async def test_a_look_across_a_failover_trusts_nothing_though_another_has_seen_it(
    store: Store, looks: Looks, nursery: trio.Nursery
) -> None:
    store.rows = {"a": ("lost", 7)}
    posts = known()
    await looks.rows({posts: ["a"]})
    store.may_end = trio.Semaphore(0)
    found: list[str] = []

    async def look() -> None:
        found.append((await looks.rows({posts: ["a"]}))[posts]["a"])

    store.rows, store.lineage = {"a": ("found", 7)}, ".2"
    for _ in range(AT_ONCE):
        nursery.start_soon(look)
        await trio.testing.wait_all_tasks_blocked()
    for _ in range(2 * AT_ONCE):
        store.may_end.release()
        await trio.testing.wait_all_tasks_blocked()
    assert found == ["found"] * AT_ONCE


async def test_who_asks_later_is_not_given_what_an_earlier_look_brings_late(
    store: Store, looks: Looks, nursery: trio.Nursery
) -> None:
    store.rows = {"a": ("text", 1)}
    ends = [trio.Event(), trio.Event()]
    posts, found = known(), dict[str, dict[str, str]]()

    async def changes(looks: Sequence[Look]) -> Changes:
        row = store.rows.get("a")
        end = ends[len(store.asked)]
        store.asked.append(looks)
        await end.wait()
        return Changes("", [(0, "a", Found(("a", row[0]), row[1]))] if row is not None else [])

    store.changes = changes  # type: ignore[method-assign]

    async def look(who: str) -> None:
        found[who] = (await looks.rows({posts: ["a"]}))[posts]

    nursery.start_soon(look, "before")
    await trio.testing.wait_all_tasks_blocked()
    del store.rows["a"]
    nursery.start_soon(look, "after")
    await trio.testing.wait_all_tasks_blocked()
    ends[0].set()  # which brings the row, and in the same turn
    ends[1].set()
    await trio.testing.wait_all_tasks_blocked()
    assert found == {"before": {"a": "text"}, "after": {}}


async def test_a_row_that_cannot_be_decoded_is_the_trouble_of_who_asks_for_it(
    store: Store, looks: Looks, nursery: trio.Nursery
) -> None:
    def decode(found: Found) -> str:
        if found.values[1] == "bad":
            raise ValueError("not that")
        return str(found.values[1])

    store.rows, store.may_end = {"a": ("fine", 1), "b": ("bad", 2)}, trio.Semaphore(0)
    posts = Known(TABLE, "id", ("id",), decode)
    found: dict[str, object] = {}

    async def look(who: str, key: str) -> None:
        try:
            found[who] = (await looks.rows({posts: [key]}))[posts]
        except ValueError as error:
            found[who] = str(error)

    for who, key in (*((f"first{number}", "c") for number in range(AT_ONCE)), ("bob", "a"), ("eve", "b")):
        nursery.start_soon(look, who, key)
        await trio.testing.wait_all_tasks_blocked()
    for _ in range(AT_ONCE + 2):
        store.may_end.release()
        await trio.testing.wait_all_tasks_blocked()
    assert (found["bob"], found["eve"]) == ({"a": "fine"}, "not that")
    assert len(store.asked) == AT_ONCE + 1, "both in one"
    store.rows["b"], store.may_end = ("good", 3), None
    assert await looks.rows({posts: ["b", "a"]}) == {posts: {"b": "good", "a": "fine"}}


@pytest.mark.bound("rows of several views that one statement looks at for all who wait")
async def test_a_statement_has_a_bound_and_the_next_takes_the_others(
    store: Store, looks: Looks, nursery: trio.Nursery
) -> None:
    store.may_end = trio.Semaphore(0)
    posts, authors = known(), known(Table("authors", 1, TABLE.shape))
    for _ in range(AT_ONCE):
        nursery.start_soon(looks.rows, {posts: ["a"]})
        await trio.testing.wait_all_tasks_blocked()
    for number in range(3):
        keys = [f"{number}-{one}" for one in range(looks_module.KEYS_MAX // 4)]
        nursery.start_soon(looks.rows, {posts: keys, authors: keys})
        await trio.testing.wait_all_tasks_blocked()
    for _ in range(AT_ONCE + 2):
        store.may_end.release()
        await trio.testing.wait_all_tasks_blocked()
    sizes = [sum(len(look.keys) for look in asked) for asked in store.asked]
    assert sizes == [1] * AT_ONCE + [looks_module.KEYS_MAX, looks_module.KEYS_MAX // 2]


@pytest.mark.bound("rows of one view that a node knows, to be told of them only what has changed")
async def test_what_was_read_longest_ago_makes_room(
    store: Store, looks: Looks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks_module, "ROWS_MAX", 3)
    monkeypatch.setattr(looks_module, "CHARS_MAX", 100)
    monkeypatch.setattr(looks_module, "ROW_CHARS_MAX", 60)
    store.rows = {key: ("x", number) for number, key in enumerate("abcd", 1)}
    posts = known()
    for key in "abcd":
        await looks.rows({posts: [key]})
    assert len(posts) == 3 and posts.get("a") is None
    store.rows["b"] = ("x" * 50, 5)
    store.rows["c"] = ("x" * 50, 6)
    assert await looks.rows({posts: ["b", "c"]}) == {posts: {"b": "x" * 50, "c": "x" * 50}}
    assert posts.get("b") is None and posts.get("c") is not None, "by their length, too"
    store.rows["c"] = ("x" * 61, 7)
    for _ in range(2):
        assert await looks.rows({posts: ["c"]}) == {posts: {"c": "x" * 61}}
        assert posts.get("c") is None, "what is very long is not kept"
