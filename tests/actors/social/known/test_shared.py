"""Values by key, a few seconds old at most, for all who ask."""

import pytest
import trio
import trio.testing

from greenroom.actors.model.errors import Unavailable
from greenroom.actors.social.known.shared import Shared


class Store:
    """What there is, and how often it was looked at."""

    def __init__(self) -> None:
        self.there = {"a": 1, "b": 2}
        self.looks: list[list[str]] = []
        self.may_end = trio.Event()
        self.may_end.set()

    async def look(self, keys: list[str]) -> dict[str, int]:
        self.looks.append(keys)
        await self.may_end.wait()
        return {key: self.there[key] for key in keys if key in self.there}


async def test_what_one_has_read_others_need_not() -> None:
    store, shared = Store(), Shared[int](for_s=5.0, most=10)
    assert await shared.of(["a", "none"], 0.0, store.look) == {"a": 1}
    assert await shared.of(["a"], 2.0, store.look) == {"a": 1}
    assert await shared.of(["b", "none", "a"], 4.9, store.look) == {"a": 1, "b": 2}
    assert store.looks == [["a", "none"], ["b", "a"]], (
        "a is past half of its time, and that there is none is known, too"
    )


async def test_what_has_grown_old_is_read_anew() -> None:
    store, shared = Store(), Shared[int](for_s=5.0, most=10)
    await shared.of(["a", "b", "none"], 0.0, store.look)
    store.there = {"a": 3, "none": 4}
    assert await shared.of(["a", "b", "none"], 5.0, store.look) == {"a": 3, "none": 4}


async def test_one_reads_anew_and_others_have_the_old_one_meanwhile(nursery: trio.Nursery) -> None:
    store, shared = Store(), Shared[int](for_s=5.0, most=10)
    await shared.of(["a"], 0.0, store.look)
    store.there, store.may_end = {"a": 3}, trio.Event()
    found: list[dict[str, int]] = []

    async def first() -> None:
        found.append(await shared.of(["a"], 6.0, store.look))

    nursery.start_soon(first)
    await trio.testing.wait_all_tasks_blocked()
    assert await shared.of(["a"], 6.0, store.look) == {"a": 1}
    store.may_end.set()
    await trio.testing.wait_all_tasks_blocked()
    assert found == [{"a": 3}] and len(store.looks) == 2
    assert await shared.of(["a"], 6.1, store.look) == {"a": 3}


async def test_what_is_twice_too_old_is_given_to_nobody_though_another_reads(nursery: trio.Nursery) -> None:
    store, shared = Store(), Shared[int](for_s=5.0, most=10)
    await shared.of(["a"], 0.0, store.look)
    store.there, store.may_end = {"a": 3}, trio.Event()
    nursery.start_soon(shared.of, ["a"], 100.0, store.look)
    await trio.testing.wait_all_tasks_blocked()
    store.may_end.set()
    assert await shared.of(["a"], 100.0, store.look) == {"a": 3}


async def test_who_could_not_read_leaves_it_to_the_next() -> None:
    store, shared = Store(), Shared[int](for_s=5.0, most=10)
    await shared.of(["a"], 0.0, store.look)

    async def fail(keys: list[str]) -> dict[str, int]:
        raise Unavailable("down")

    with pytest.raises(Unavailable):
        await shared.of(["a"], 6.0, fail)
    store.there = {"a": 3}
    assert await shared.of(["a"], 6.0, store.look) == {"a": 3}


async def test_a_clock_that_was_set_back_makes_nothing_young_for_ever() -> None:
    store, shared = Store(), Shared[int](for_s=5.0, most=10)
    await shared.of(["a"], 1_000.0, store.look)
    store.there = {"a": 3}
    assert await shared.of(["a"], 10.0, store.look) == {"a": 3}


@pytest.mark.bound("posts, authors, names and walls that a node knows for its feeds")
async def test_what_was_read_longest_ago_goes_first() -> None:
    store, shared = Store(), Shared[int](for_s=5.0, most=3, at_once=2)
    store.there = dict.fromkeys("abcd", 1)
    assert len(await shared.of("abcd", 0.0, store.look)) == 4
    assert store.looks == [["a", "b"], ["c", "d"]] and len(shared) == 3
    await shared.of("bcd", 1.0, store.look)
    assert len(store.looks) == 2
    await shared.of("a", 1.0, store.look)
    assert store.looks[2:] == [["a"]]


async def test_where_another_reads_what_is_old_is_given_until_it_is_twice_as_old(nursery: trio.Nursery) -> None:
    """A look that hangs makes nothing older than that, and what there is none of is asked for as well."""
    store, shared = Store(), Shared[int](for_s=5.0, most=10)
    await shared.of(["a"], 0.0, store.look)
    store.there, store.may_end = {"a": 3}, trio.Event()
    nursery.start_soon(shared.of, ["a"], 6.0, store.look)
    await trio.testing.wait_all_tasks_blocked()
    assert await shared.of(["a"], 9.9, store.look) == {"a": 1} and len(store.looks) == 2
    nursery.start_soon(shared.of, ["a"], 10.0, store.look)
    await trio.testing.wait_all_tasks_blocked()
    assert len(store.looks) == 3
    store.may_end.set()
