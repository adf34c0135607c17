"""Folding: snapshots of entities that sleep, and what retention makes of those that were only looked at."""

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.model.actor import KindLimits
from greenroom.actors.model.errors import HandlerStuck
from greenroom.actors.model.lifecycle import Inspect
from greenroom.store.journal.keep import Keep
from greenroom.store.journal.records import Head, StoredEvent
from greenroom.store.journal.retention import CannotFold, Retention
from greenroom.supervisors.duties import folding
from greenroom.supervisors.duties.folding import Folding
from tests.supervisors.kernel.small_kernel import ANN, Brief, Kernel, Log, Note, Noted, Read, Slow, kernel

A = "log:a"
DAY_S = 86_400.0


def folding_of(run: Kernel) -> Folding:
    return Folding(kinds=run.kinds, journal=run.journal, world=run.kernel.world, turn=run.kernel.turn)


def retention_of(run: Kernel, keep: Keep, *, later_s: float = 0.0) -> Retention:
    """A sweep as it will be so much later."""
    return Retention(
        run.journal.memory,
        {"log": keep},
        fold=folding_of(run).fold,
        is_present=run.kernel.is_present,
        now=lambda: trio.current_time() + later_s,
        monotonic=trio.current_time,
    )


async def test_of_who_sleeps_with_few_events_they_go_all_the_same(autojump_clock: MockClock) -> None:
    """Without a wake: the fence is as before, and nobody was claimed. The state is there when it wakes."""
    async with kernel() as run:
        for number in range(31):
            await run.ask(A, Note(text=str(number)))
        await trio.sleep(200)
        row = run.journal.rows.by_entity[A]
        assert not run.awake() and row.snapshot is None
        fence, claims = row.head.fence, run.journal.calls.count("claim")
        swept = await retention_of(run, Keep(seconds=90 * DAY_S), later_s=400 * DAY_S).sweep()
        assert (swept.trimmed, swept.folded) == (1, 1)
        assert not run.awake() and not run.journal.events(A)
        assert (row.head.fence, run.journal.calls.count("claim")) == (fence, claims)
        assert await run.ask(A, Read()) == [str(number) for number in range(31)]
        assert await run.ask(A, Note(text="next")) == 32


async def test_of_who_is_awake_they_go_too_and_it_goes_on(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        await run.ask(A, Note(text="x", times=20))
        await retention_of(run, Keep(seconds=10.0), later_s=100.0).sweep()
        assert A in run.awake() and not run.journal.events(A)
        assert await run.ask(A, Note(text="y")) == 21
        assert run.instruments.restarts == 0 and run.journal.calls.count("claim") == 1


@pytest.mark.parametrize("snapshot_every", [7, 1_000])
async def test_many_events_are_folded_some_at_a_time(
    snapshot_every: int, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Kept(Log):
        limits: ClassVar[KindLimits] = KindLimits(snapshot_every=snapshot_every)

    monkeypatch.setattr(folding, "EVENTS_AT_ONCE", 10)
    async with kernel(kinds=(Kept, Brief, Slow)) as run:
        for number in range(31):
            await run.ask(A, Note(text=str(number)))
        await trio.sleep(200)
        await folding_of(run).fold(A)
        assert run.journal.rows.by_entity[A].snapshot_offset == 31
        run.journal.rows.by_entity[A].events.clear()
        run.journal.rows.by_entity[A].head.trimmed = 31
        assert await run.ask(A, Read()) == [str(number) for number in range(31)]


async def test_whoever_claims_between_two_reads_stops_it(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read before may be of a history that a failover has ended."""
    async with kernel() as run:
        await run.ask(A, Note(text="x", times=20))
        await trio.sleep(200)
        read: Callable[..., Any] = run.journal.read

        async def claimed_before(entity: str, **how: Any) -> tuple[Head | None, list[StoredEvent]]:
            await run.journal.claim({entity: 1}, window=0)
            found: tuple[Head | None, list[StoredEvent]] = await read(entity, **how)
            return found

        monkeypatch.setattr(run.journal, "read", claimed_before)
        await folding_of(run).fold(A)
        assert "save_folded" not in run.journal.calls
        assert run.journal.rows.by_entity[A].snapshot is None


async def test_what_its_own_code_raises_is_named(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    async with kernel() as run:
        await run.ask(A, Note(text="x"))
        await trio.sleep(200)

        def apply(self: Log, event: Noted) -> None:
            raise ZeroDivisionError("boom")

        monkeypatch.setattr(Log, "apply", apply)
        with pytest.raises(CannotFold, match="ZeroDivisionError"):
            await folding_of(run).fold(A)
        monkeypatch.undo()
        run.journal.rows.by_entity[A].events.clear()
        with pytest.raises(CannotFold, match="ends with event 0, its head says 1"):
            await folding_of(run).fold(A)


async def test_who_was_only_looked_at_leaves_nothing(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        run.audience.watchers = {}
        slots = [run.send(f"log:never-{number}", Inspect(), principal=ANN) for number in range(3)]
        await trio.sleep(1)
        assert [slot.answer.offset for slot in slots] == [0, 0, 0]
        assert len(run.journal.rows.by_id) == 3
        sweep = retention_of(run, Keep(), later_s=2 * DAY_S).sweep
        assert (await sweep()).unused == 0, "they are awake"
        await trio.sleep(200)
        run.audience.watchers = {"log:never-1": [ANN]}
        assert (await sweep()).unused == 2, "one is watched"
        assert list(run.journal.rows.by_entity) == ["log:never-1"]
        assert await run.ask("log:never-0", Note(text="now")) == 1


async def test_who_is_awake_without_its_head_writes_once(autojump_clock: MockClock) -> None:
    """Another node has removed it: the append is fenced, and the message handled again under a new head."""
    async with kernel() as run:
        assert await run.ask(A, Read()) == []
        before = run.journal.rows.by_entity[A].head
        removed = await run.journal.memory.remove_unused([before.id], claimed_before_ms=1 << 60)
        assert removed == 1
        assert await run.ask(A, Note(text="x")) == 1
        after = run.journal.rows.by_entity[A].head
        assert after.fence > before.fence and after.id != before.id
        assert run.texts(A) == ["x"]


async def test_the_watchdog_sees_what_it_applies(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    async with kernel() as run:
        await run.ask(A, Note(text="x"))
        await trio.sleep(200)
        seen: list[object] = []

        def apply(self: Log, event: Noted) -> None:
            seen.append(getattr(run.kernel.turn.item, "offset", None))
            raise HandlerStuck("as the watchdog raises it")

        monkeypatch.setattr(Log, "apply", apply)
        with pytest.raises(CannotFold, match="as the watchdog raises it"):
            await folding_of(run).fold(A)
        assert (seen, run.kernel.turn.item) == ([1], None)
