"""Many who read by keys at once: few readings, and nobody depends on another."""

import pytest
import trio
import trio.testing

from greenroom.store.errors import DataRefused, StatementRefused, StoreUnavailable
from greenroom.store.views.many.line import AT_ONCE
from tests.store.views.many.asking import Readers


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


@pytest.mark.parametrize("refusal", [DataRefused, StatementRefused])
async def test_what_one_asks_for_and_cannot_be_read_is_no_others_trouble(
    nursery: trio.Nursery, refusal: type[StoreUnavailable]
) -> None:
    readers = Readers(nursery)
    readers.store.refused, readers.store.refusal = {"bad"}, refusal
    for number in range(AT_ONCE):
        await readers.ask(f"first{number}", "a")
    await readers.ask("bob", "b")
    await readers.ask("eve", "bad")
    await readers.let(AT_ONCE + 3)
    assert readers.found["bob"] == ["b2", "b1"]
    assert readers.found["eve"] == refusal.__name__


async def test_a_store_that_is_down_is_down_for_all_of_them(nursery: trio.Nursery) -> None:
    readers = Readers(nursery)
    readers.store.is_down = True
    for who in ("ann", "bob", "eve", "sam"):
        await readers.ask(who, who)
    await readers.let(4)
    assert readers.found == dict.fromkeys(("ann", "bob", "eve", "sam"), "StoreUnavailable")
    assert len(readers.store.statements) == AT_ONCE + 1
