"""Counting what is left, a while at each look."""

from collections.abc import Sequence
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from greenroom.store.views.progress import PostgresProgress
from greenroom.store.views.shape import Shape
from greenroom.store.views.store import Version
from greenroom.store.views.stores import Left
from greenroom.supervisors.admin.counting import BUDGET_S, FRESH_S, REMEMBERED_S, Count, Counted, Counting


class Heads(PostgresProgress):
    """So many pages of heads; each has `lags` entities with two events each that are left. A page takes `step_s`."""

    def __init__(self, pages: int, *, step_s: float = 0.0) -> None:
        self.pages = pages
        self.step_s = step_s
        self.lags = 1
        self.now = 100.0
        self.steps: list[tuple[int, int]] = []  # table, page
        self.go_on: trio.Event | None = None

    def clock(self) -> float:
        return self.now

    async def count_on(self, left: Left, version: Version, after: int, *, entities_max: int) -> int | None:
        if self.go_on is not None:
            await self.go_on.wait()
        self.now += self.step_s
        self.steps.append((version.id, after))
        if after >= self.pages:
            return None
        left.entities += self.lags
        left.events += 2 * self.lags
        return after + 1

    async def kept_on(self, version: Version, after: int) -> int:
        return 8 if after < self.pages else 0


def version(id_: int, state: Any = "live") -> Version:
    return Version(
        id=id_, name=f"v{id_}", version=1, build=1, shape=Shape(()), kinds=frozenset({"show"}), state=state,
        paused=False, rung=0, age_s=1.0,
    )  # fmt: skip


def of(heads: Heads) -> Counting:
    return Counting(heads, clock=heads.clock)


async def events(counting: Counting, versions: Sequence[Version]) -> dict[int, int]:
    return {id_: count.now.left.events for id_, count in (await counting.look(versions)).items()}


async def test_a_small_table_is_counted_at_each_look() -> None:
    heads = Heads(2)
    counting = of(heads)
    tables = [version(1), version(2, "filling"), version(3, "old")]
    assert await events(counting, tables) == {1: 4, 2: 4}
    heads.lags, heads.now = 0, 102.0
    assert await events(counting, tables) == {1: 0, 2: 0}
    assert await events(counting, tables[:1]) == {1: 0}, "what is gone is forgotten"


@pytest.mark.bound("what one look at views counts of what is left to fold")
async def test_a_look_takes_no_longer_than_it_may_and_the_next_goes_on() -> None:
    heads = Heads(9, step_s=BUDGET_S / 2)
    counting = of(heads)
    looks: list[dict[int, int]] = []
    for _ in range(10):
        began, steps = heads.now, len(heads.steps)
        looks.append(await events(counting, [version(1), version(2)]))
        assert heads.now - began <= BUDGET_S and len(heads.steps) - steps == 2
        heads.now += FRESH_S
    assert looks[3] == {} and looks[4] == {1: 18} and looks[9] == {1: 18, 2: 18}, "one after the other, each whole"
    assert heads.steps == [(id_, page) for id_ in (1, 2) for page in range(10)]


async def test_a_step_that_takes_too_long_is_taken_all_the_same() -> None:
    heads = Heads(1, step_s=5 * BUDGET_S + FRESH_S)
    counting = of(heads)
    assert [await events(counting, [version(1)]) for _ in range(2)] == [{}, {1: 2}]


async def test_who_looks_while_another_does_or_soon_after_is_shown_what_there_is() -> None:
    heads = Heads(1)
    counting = of(heads)
    tables = [version(1), version(2)]
    assert await events(counting, tables) == {1: 2, 2: 2}
    heads.lags, heads.now = 3, heads.now + FRESH_S / 2
    assert await events(counting, tables) == {1: 2, 2: 2}
    assert await events(counting, tables[1:]) == {2: 2}
    heads.now += FRESH_S
    heads.go_on = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(counting.look, tables)
        await wait_all_tasks_blocked()
        heads.now += 2 * FRESH_S
        with trio.fail_after(20):
            assert await events(counting, tables) == {1: 2, 2: 2}
        heads.go_on.set()
    assert await events(counting, tables) == {1: 6, 2: 6}


async def test_who_looks_again_after_long_begins_anew() -> None:
    heads = Heads(1)
    counting = of(heads)
    await counting.look([version(1)])
    heads.now += REMEMBERED_S + 1
    found = await counting.look([version(1)])
    assert found[1].before is None


def count(now: tuple[float, int], before: tuple[float, int] | None = None, kept: int = 0) -> Count:
    def counted(at_s: float, events: int) -> Counted:
        return Counted(at_s, Left(1, events), kept)

    return Count(counted(*now), counted(*before) if before is not None else None)


@pytest.mark.parametrize(
    ("counted", "rate", "estimate"),
    [
        (count((2.0, 60), (0.0, 100)), 20.0, 3.0),
        (count((2.0, 0), (0.0, 100)), 50.0, 0.0),
        (count((2.0, 200), (0.0, 100)), 0.0, None),  # it becomes more
        (count((2.0, 5), (0.0, 0)), None, None),
        (count((2.0, 5)), None, None),
        (count((2.0, 5), (2.0, 9)), None, None),
    ],
)
def test_how_fast_and_how_long(counted: Count, rate: float | None, estimate: float | None) -> None:
    assert (counted.less_per_s, counted.estimate_s) == (rate, estimate)


def test_the_share_that_is_done() -> None:
    assert count((0.0, 25), kept=100).done == 0.75
    assert count((0.0, 0), kept=100).done == 1.0
    assert count((0.0, 120), kept=100).done == 0.0, "recorded between the two questions"
    assert count((0.0, 5)).done is None
