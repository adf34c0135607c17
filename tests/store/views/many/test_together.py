"""Pages by their keys, for many at once: which of them share a statement, and how many keys it has."""

import pytest
import trio

from greenroom.store.views.many.line import AT_ONCE
from greenroom.store.views.many.together import KEYS_MAX
from greenroom.store.views.paging import Wanted
from tests.store.views.many.asking import Readers


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


async def test_what_takes_too_long_for_many_is_not_asked_again_by_each(nursery: trio.Nursery) -> None:
    readers = Readers(nursery)
    for number in range(AT_ONCE):
        await readers.ask(f"first{number}", "a")
    for who in ("bob", "eve", "sam"):
        await readers.ask(who, who)
    await readers.let(AT_ONCE)
    readers.store.takes_too_long = True
    await readers.let()
    assert {readers.found[who] for who in ("bob", "eve", "sam")} == {"StoreUnavailable"}, (
        "of what each asked nobody knows"
    )
    assert len(readers.store.statements) == AT_ONCE + 1
