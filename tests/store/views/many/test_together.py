"""Many who read by keys at once: few statements, and nobody depends on another."""

from collections.abc import Sequence

import pytest
import trio
import trio.testing

from greenroom.store.errors import DataRefused, StoreUnavailable
from greenroom.store.views.many.line import AT_ONCE
from greenroom.store.views.many.together import KEYS_MAX, Together
from greenroom.store.views.paging import Wanted
from greenroom.store.views.reading import Found
from greenroom.store.views.shape import Column, Shape
from greenroom.store.views.tables import Table

TABLE = Table("walls", 1, Shape((Column("author", "text", is_key=True), Column("id", "bigint", is_key=True))))
WANTED = Wanted(order=("author", "-id"), limit=2)


class Slow:
    """Two rows of each value, once the test lets a statement through."""

    def __init__(self) -> None:
        self.statements: list[list[str]] = []
        self.may_end = trio.Semaphore(0)
        self.refused: set[str] = set()
        self.is_down = False

    async def pages(self, table: Table, wanted: Wanted, column: str, values: Sequence[str]) -> list[Found]:
        self.statements.append(list(values))
        await self.may_end.acquire()
        if self.is_down:
            raise StoreUnavailable("down")
        if self.refused.intersection(values):
            raise DataRefused("not that")
        return [Found((value, number), number) for value in values for number in (2, 1)]


class Readers:
    """Whoever asks, in tasks of their own."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.store = Slow()
        self.together = Together(self.store)  # type: ignore[arg-type]
        self.found: dict[str, list[str] | str] = {}
        self._nursery = nursery

    async def ask(self, who: str, *values: str, wanted: Wanted = WANTED) -> trio.CancelScope:
        scope = trio.CancelScope()

        async def read() -> None:
            with scope:
                try:
                    rows = await self.together.pages(TABLE, wanted, "author", values)
                    self.found[who] = [f"{row.values[0]}{row.values[1]}" for row in rows]
                except StoreUnavailable as error:
                    self.found[who] = type(error).__name__

        self._nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        return scope

    async def let(self, statements: int = 1) -> None:
        """So many of them end."""
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(statements):
            self.store.may_end.release()
            await trio.testing.wait_all_tasks_blocked()


async def test_a_lone_question_goes_out_at_once_and_those_meanwhile_are_one(nursery: trio.Nursery) -> None:
    readers = Readers(nursery)
    for number in range(AT_ONCE):
        await readers.ask(f"first{number}", "a")
    await readers.ask("bob", "b", "c")
    await readers.ask("eve", "c", "d")
    await trio.testing.wait_all_tasks_blocked()
    assert readers.store.statements == [["a"]] * AT_ONCE, "the others wait"
    await readers.let()
    assert readers.store.statements[AT_ONCE:] == [["b", "c", "d"]], "in one, each value once"
    await readers.let(AT_ONCE)
    assert readers.found["bob"] == ["b2", "b1", "c2", "c1"], "each is given theirs, in the order they asked for"
    assert readers.found["eve"] == ["c2", "c1", "d2", "d1"]
    assert not readers.together._lines, "nothing is kept of who has gone"


async def test_what_is_wanted_otherwise_is_a_statement_of_its_own(nursery: trio.Nursery) -> None:
    readers = Readers(nursery)
    for number in range(AT_ONCE):
        await readers.ask(f"first{number}", "a")
    await readers.ask("bob", "b")
    await readers.ask("eve", "b", wanted=Wanted(order=("author", "-id"), limit=3))
    await readers.let(AT_ONCE + 2)
    assert sorted(map(len, readers.store.statements)) == [1] * (AT_ONCE + 2)
    assert len(readers.found) == AT_ONCE + 2


@pytest.mark.bound("pages by their keys that one statement reads for all who wait")
async def test_a_statement_has_a_bound_and_the_next_takes_the_others(nursery: trio.Nursery) -> None:
    readers = Readers(nursery)
    for number in range(AT_ONCE):
        await readers.ask(f"first{number}", "a")
    for number in range(3):
        await readers.ask(f"many{number}", *(f"{number}-{one}" for one in range(KEYS_MAX // 2)))
    await readers.let(AT_ONCE + 2)
    assert sorted(map(len, readers.store.statements)) == [1] * AT_ONCE + [KEYS_MAX // 2, KEYS_MAX]
    assert all(len(readers.found[f"many{number}"]) == KEYS_MAX for number in range(3))


async def test_who_leaves_while_they_read_for_others_holds_up_nobody(nursery: trio.Nursery) -> None:
    readers = Readers(nursery)
    for number in range(AT_ONCE):
        await readers.ask(f"first{number}", "a")
    leaving = [await readers.ask(who, who) for who in ("bob", "eve")]
    staying = await readers.ask("sam", "s")
    await readers.let(AT_ONCE)
    assert len(readers.store.statements) == AT_ONCE + 1
    for scope in leaving:
        scope.cancel()
    await trio.testing.wait_all_tasks_blocked()
    await readers.let(2)
    assert not staying.cancel_called
    assert readers.found["sam"] == ["s2", "s1"]
    assert {"bob", "eve"}.isdisjoint(readers.found)
    assert not readers.together._lines


async def test_when_the_one_who_reads_is_cancelled_another_reads_again(nursery: trio.Nursery) -> None:
    readers = Readers(nursery)
    for number in range(AT_ONCE):
        await readers.ask(f"first{number}", "a")
    await readers.ask("bob", "b")
    leader = await readers.ask("eve", "e")  # came last, and so reads
    await readers.let()
    leader.cancel()
    await trio.testing.wait_all_tasks_blocked()
    assert readers.store.statements[AT_ONCE:] == [["b", "e"]] * 2
    await readers.let(AT_ONCE + 1)
    assert readers.found["bob"] == ["b2", "b1"]


async def test_all_who_leave_leave_nothing_behind(nursery: trio.Nursery) -> None:
    readers = Readers(nursery)
    for number in range(AT_ONCE):
        await readers.ask(f"first{number}", "a")
    gone = [await readers.ask(who, who) for who in ("bob", "eve")]
    await trio.testing.wait_all_tasks_blocked()
    for scope in gone:
        scope.cancel()
    await trio.testing.wait_all_tasks_blocked()
    await readers.ask("sam", "s")
    await readers.let(AT_ONCE + 1)
    assert readers.store.statements == [["a"]] * AT_ONCE + [["s"]]
    assert readers.found["sam"] == ["s2", "s1"]


async def test_what_one_asks_for_and_cannot_be_read_is_no_others_trouble(nursery: trio.Nursery) -> None:
    readers = Readers(nursery)
    readers.store.refused = {"bad"}
    for number in range(AT_ONCE):
        await readers.ask(f"first{number}", "a")
    await readers.ask("bob", "b")
    await readers.ask("eve", "bad")
    await readers.let(AT_ONCE + 3)
    assert readers.found["bob"] == ["b2", "b1"]
    assert readers.found["eve"] == "DataRefused"


async def test_a_store_that_is_down_is_down_for_all_of_them(nursery: trio.Nursery) -> None:
    readers = Readers(nursery)
    readers.store.is_down = True
    for who in ("ann", "bob", "eve", "sam"):
        await readers.ask(who, who)
    await readers.let(4)
    assert readers.found == dict.fromkeys(("ann", "bob", "eve", "sam"), "StoreUnavailable")
    assert len(readers.store.statements) == AT_ONCE + 1
