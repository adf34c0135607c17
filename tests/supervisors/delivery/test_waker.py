"""Waking entities when their durable timers are due."""

import math
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from greenroom.actors.model.errors import Overloaded, Unavailable, UnknownKind
from greenroom.store.errors import StoreUnavailable
from greenroom.store.journal.records import Due
from greenroom.supervisors.delivery import waker as waker_module
from greenroom.supervisors.delivery.waker import PAGE, REST, SCAN_S, START, Waker

BEGIN_S = 1e6


class Rows:
    """The journal, as far as timers see it; and entities that fire what is due, unless they can't be woken."""

    def __init__(self) -> None:
        self.rows: set[Due] = set()
        self.errors: deque[Exception] = deque()
        self.looks = 0
        self.whole_looks = 0
        self.whole_s = 0.0  # what these take
        self.fails_after_pages = 0  # looks that fail once they have read a page
        self.ahead_s = 0.0  # of the wall clock, before the monotonic one
        self.unwakeable: dict[str, Exception] = {}
        self.woken: list[tuple[float, str]] = []
        self.shards: frozenset[int] | None = None  # that are ours; each row is on the shard of its number
        self.timers = Waker(
            journal=self,  # type: ignore[arg-type]
            now=self.now,
            wake=self.wake,
            shards=lambda: self.shards,
        )

    def now(self) -> float:
        return 1_000_000.0 + trio.current_time() + self.ahead_s

    def set(self, entity: str, in_s: float, *, tell: bool = True) -> None:
        due_ms = int((self.now() + in_s) * 1000)
        self.rows.add(Due(due_ms, len(self.rows) + 1, entity))
        if tell:
            self.timers.soon(due_ms, entity)

    async def due(
        self, *, before_ms: int, after: tuple[int, int], limit: int, shards: frozenset[int] | None = None
    ) -> list[Due]:
        await trio.lowlevel.checkpoint()
        self.looks += 1
        if after == START:
            self.whole_looks += 1
            await trio.sleep(self.whole_s)
        if self.errors:
            raise self.errors.popleft()
        if after != START and self.fails_after_pages:
            self.fails_after_pages -= 1
            raise StoreUnavailable("away")
        mine = [row for row in self.rows if shards is None or row.head_id in shards]
        return sorted(row for row in mine if row.due_ms < before_ms and row[:2] > after)[:limit]

    def wake(self, entity: str) -> None:
        if entity in self.unwakeable:
            raise self.unwakeable[entity]
        self.woken.append((trio.current_time(), entity))
        self.rows -= {row for row in self.rows if row.entity == entity and row.due_ms <= self.now() * 1000}


@asynccontextmanager
async def rows() -> AsyncIterator[Rows]:
    made = Rows()
    with capture_logs():
        async with trio.open_nursery() as nursery:
            await nursery.start(made.timers.run)
            yield made
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize("tell", [True, False])
@pytest.mark.parametrize("in_s", [0.3, 1.2, 7.0, 3600.0])
async def test_an_entity_is_woken_at_the_time_whether_or_not_it_said_so(
    in_s: float, tell: bool, autojump_clock: MockClock
) -> None:
    async with rows() as run:
        await trio.sleep(0.1)
        run.set("log:a", in_s, tell=tell)
        await trio.sleep(in_s + 5)
        assert [entity for _, entity in run.woken] == ["log:a"]
        late = run.woken[0][0] - 0.1 - in_s
        assert -0.002 < late < (0.01 if tell or in_s > 2 else SCAN_S), "found late only if set after the look"


async def test_what_was_due_while_nobody_ran_wakes_at_once_in_order(autojump_clock: MockClock) -> None:
    made = Rows()
    for number in (3, 1, 2):
        made.set(f"log:{number}", -100.0 + number, tell=False)
    async with trio.open_nursery() as nursery:
        await nursery.start(made.timers.run)
        await trio.sleep(0.1)
        assert made.woken == [(0.0, "log:1"), (0.0, "log:2"), (0.0, "log:3")]
        assert made.timers.overdue == 3
        await trio.sleep(2)
        assert made.timers.overdue == 0
        nursery.cancel_scope.cancel()


async def test_a_timer_that_is_told_of_twice_and_found_wakes_once(autojump_clock: MockClock) -> None:
    async with rows() as run:
        run.set("log:a", 1.0)
        run.timers.soon(int((run.now() + 1.0) * 1000), "log:a")
        await trio.sleep(10)
        assert len(run.woken) == 1


@pytest.mark.parametrize("error", [Unavailable("stopping"), Overloaded("too many"), UnknownKind("none")])
async def test_an_entity_that_can_not_be_woken_is_tried_again(error: Exception, autojump_clock: MockClock) -> None:
    async with rows() as run:
        run.unwakeable["log:a"] = error
        run.set("log:a", 0.5)
        run.set("log:b", 0.6)
        await trio.sleep(10)
        assert [entity for _, entity in run.woken] == ["log:b"]
        assert run.timers.overdue == 1
        run.unwakeable.clear()
        await trio.sleep(2 * SCAN_S)
        assert [entity for _, entity in run.woken] == ["log:b", "log:a"]


async def test_many_that_nobody_can_wake_starve_no_others(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as those of a kind that is not installed any more."""
    monkeypatch.setattr(waker_module, "PAGE", 10)
    monkeypatch.setattr(waker_module, "WOKEN_MAX", 30)
    made = Rows()
    for number in range(100):
        made.unwakeable[f"gone:{number}"] = UnknownKind("gone")
        made.set(f"gone:{number}", -1000.0 + number, tell=False)
    made.set("log:a", 1.0, tell=False)
    with capture_logs():
        async with trio.open_nursery() as nursery:
            await nursery.start(made.timers.run)
            await trio.sleep(8 * SCAN_S)
            nursery.cancel_scope.cancel()
    assert [entity for _, entity in made.woken] == ["log:a"]
    assert made.timers.overdue == 100


async def test_a_store_that_is_away_makes_timers_late(autojump_clock: MockClock) -> None:
    async with rows() as run:
        run.errors += [StoreUnavailable("away")] * 5
        run.set("log:a", 2.0, tell=False)
        await trio.sleep(10)
        assert [(round(at), entity) for at, entity in run.woken] == [(5, "log:a")]


async def test_a_clock_set_forward_fires_what_is_due_by_it(autojump_clock: MockClock) -> None:
    async with rows() as run:
        run.set("log:a", 3600.0)
        await trio.sleep(2)
        run.ahead_s = 7200.0
        await trio.sleep(SCAN_S + 0.1)
        assert len(run.woken) == 1


async def test_a_clock_set_back_waits_for_the_time_to_come_again(autojump_clock: MockClock) -> None:
    async with rows() as run:
        run.set("log:a", 1.0)
        await trio.sleep(0.5)
        run.ahead_s = -100.0
        await trio.sleep(60)
        assert run.woken == []
        await trio.sleep(41)
        assert [round(at) for at, _ in run.woken] == [101]


async def test_run_again_it_forgets_what_it_knew_and_finds_it_again(autojump_clock: MockClock) -> None:
    made = Rows()
    for _ in range(2):
        async with trio.open_nursery() as nursery:
            await nursery.start(made.timers.run)
            if not made.rows and not made.woken:
                made.set("log:a", 1.0)
            else:
                await trio.sleep(2)
            nursery.cancel_scope.cancel()
    assert len(made.woken) == 1 and made.looks > 1


async def test_a_wait_too_short_for_the_clock_ends(autojump_clock: MockClock) -> None:
    """After a million seconds, adding a tenth of a femtosecond to the time changes nothing."""

    class Rounded(Rows):
        calls = 0

        def now(self) -> float:
            self.calls += 1
            assert self.calls < 1000
            return (trio.current_time() - BEGIN_S) + math.nextafter(1.001, 0.0)

    autojump_clock.jump(BEGIN_S)
    made = Rounded()
    async with trio.open_nursery() as nursery:
        await nursery.start(made.timers.run)
        made.timers.soon(1001, "log:a")
        await trio.sleep(0.1)
        nursery.cancel_scope.cancel()
    assert [entity for _, entity in made.woken] == ["log:a"]


def test_what_is_far_off_is_left_to_the_rows() -> None:
    class Frozen(Rows):
        def now(self) -> float:
            return 0.0

    made: Any = Frozen()
    for number in range(100):
        made.timers.soon(5_000 + number, "log:a")
    assert made.timers._soon == []


@pytest.mark.bound("durable timers in memory, due within a second or two")
async def test_more_timers_than_are_kept_in_memory_are_found_in_the_rows(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    monkeypatch.setattr(waker_module, "SOON_MAX", 5)
    async with rows() as made:
        for number in range(20):
            made.set(f"log:{number}", 0.5)
            assert len(made.timers._soon) <= 5
        await trio.sleep(10)
        assert {entity for _, entity in made.woken} == {f"log:{number}" for number in range(20)}
        assert sum(at <= BEGIN_S + 1.0 for at, _ in made.woken) >= 5
        assert not made.timers._soon and not made.timers._known


async def test_timers_of_others_shards_are_left_alone_and_those_of_a_new_one_are_found_at_the_next_look(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the looks have come far behind them, as after a long outage."""
    monkeypatch.setattr(waker_module, "PAGE", 2)
    monkeypatch.setattr(waker_module, "WOKEN_MAX", 2)
    async with rows() as run:
        run.shards = frozenset(range(2, 100))
        await trio.sleep(SCAN_S / 2)  # the look at the start was at all of them
        run.set("a:new", -50.0, tell=False)  # head 1
        for number in range(20):
            name = f"a:{number}"
            run.set(name, -40.0 + number, tell=False)
            run.unwakeable[name] = Unavailable("not now")
        await trio.sleep(4.5 * SCAN_S)
        assert run.woken == []
        began = trio.current_time()
        run.shards = frozenset(range(1, 100))
        await trio.sleep(2 * SCAN_S)
        assert [entity for _, entity in run.woken] == ["a:new"]
        assert run.woken[0][0] - began <= SCAN_S


async def test_what_takes_long_to_look_through_is_looked_through_rarely_and_keeps_nobody_waiting(
    autojump_clock: MockClock,
) -> None:
    """Of timers that were ended the database may have to keep millions of rows."""
    async with rows() as run:
        run.whole_s = 0.5
        await trio.sleep(SCAN_S)
        begun = trio.current_time()
        for number in range(60):
            run.set(f"room:{number}", 2.5 + number, tell=False)
        run.whole_looks = 0
        await trio.sleep(60.0)
        assert run.whole_looks in range(60 // (REST + 1), 60 * 2 // REST + 1)
        assert [round(at - begun, 1) for at, _ in run.woken] == [2.5 + number for number in range(len(run.woken))]
        assert len(run.woken) >= 57


async def test_what_could_not_be_woken_is_tried_again_though_a_look_takes_long(autojump_clock: MockClock) -> None:
    async with rows() as run:
        run.whole_s = 0.5
        run.unwakeable["room:a"] = Overloaded("full")
        run.set("room:a", 0.1)
        await trio.sleep(1.0)
        run.unwakeable.clear()
        await trio.sleep((REST + 3) * run.whole_s)
        assert [entity for _, entity in run.woken] == ["room:a"]


async def test_a_look_that_stood_still_keeps_nobody_waiting_for_as_long_again(autojump_clock: MockClock) -> None:
    async with rows() as run:
        run.unwakeable["room:a"] = Overloaded("full")
        run.set("room:a", 0.1)
        await trio.sleep(0.5)
        run.whole_s = 30.0
        await trio.sleep(32.0)
        run.unwakeable.clear()
        run.whole_s = 0.0
        await trio.sleep(20.0)
        assert [entity for _, entity in run.woken] == ["room:a"]


async def test_a_clock_that_is_set_back_and_right_again_makes_nothing_late(autojump_clock: MockClock) -> None:
    async with rows() as run:
        run.set("room:a", 1.0)
        run.ahead_s = -3_600.0
        await trio.sleep(0.5)
        run.set("room:b", 0.1)
        await trio.sleep(0.2)
        run.ahead_s = 0.0
        await trio.sleep(3.0)
        assert {entity for _, entity in run.woken} == {"room:a", "room:b"}


async def test_a_look_that_fails_goes_on_where_it_was_and_counts_nothing_twice(autojump_clock: MockClock) -> None:
    async with rows() as run:
        run.unwakeable = {f"room:{number}": Overloaded("full") for number in range(PAGE + 10)}
        for number in range(PAGE + 10):
            run.set(f"room:{number}", -5.0, tell=False)
        run.fails_after_pages = 1
        await trio.sleep(2 * SCAN_S)
        assert run.timers.overdue == PAGE + 10
