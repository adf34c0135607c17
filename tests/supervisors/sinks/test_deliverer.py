"""Sinks of a node on a real Postgres: what is recorded is delivered, at least once and in order, come what may."""

from collections import defaultdict
from typing import Any, ClassVar

import pytest
import trio
from structlog.testing import capture_logs

from greenroom import Batch, BatchRefused, Gone, Sink, Unreachable
from greenroom.actors.model.errors import HandlerStuck
from greenroom.config.limits import SinkConfig
from greenroom.store.errors import ViewRefused
from tests.actors.views.shows import Clapped, Renamed
from tests.supervisors.views.stage import Stage, record, stage, until


class Far:
    """The other side: what came, by entity, and what it does with a batch."""

    def __init__(self) -> None:
        self.batches: list[list[tuple[str, int]]] = []
        self.came: dict[str, list[int]] = defaultdict(list)
        self.wrong: dict[str, Exception] = {}  # by the user that clapped
        self.down: Exception | None = None
        self.gate: trio.Event | None = None
        self.waiting = 0
        self.at_once = 0

    async def take(self, batch: Batch) -> None:
        self.batches.append([(of.entity, of.offset) for _, of in batch])
        self.at_once += 1
        try:
            if self.gate is not None:
                self.waiting += 1
                await self.gate.wait()
            await trio.lowlevel.checkpoint()
            if self.down is not None:
                raise self.down
            for event, _ in batch:
                if getattr(event, "user", "") in self.wrong:
                    raise self.wrong[event.user]
            for _, of in batch:
                assert batch.epoch(of)
                self.came[of.entity].append(of.offset)
        finally:
            self.at_once -= 1


def to(far: Far, *, version: int = 1, **attributes: Any) -> type[Sink]:
    async def deliver(self: Sink, batch: Batch) -> None:
        await far.take(batch)

    fields = {"of": (Clapped, Renamed), "deliver": deliver, "attempts_max": 3} | attributes
    return type("Far", (Sink,), fields, version=version)


def is_in_order(offsets: list[int]) -> bool:
    """At least once: goes back at most to what came before, and never leaves one out."""
    greatest = 0
    for before, offset in zip([0, *offsets], offsets, strict=False):
        if offset > greatest + 1 or (offset != before + 1 and offset > greatest):
            return False
        greatest = max(greatest, offset)
    return True


async def test_what_is_recorded_is_delivered_in_order(database_url: str) -> None:
    far = Far()
    async with stage(database_url, to(far)) as node:
        for number in range(30):
            await node.clap(f"show{number % 3}", "ann", 1)
        await node.close("show0")
        await node.folded("far")
    assert dict(far.came) == {f"show:show{number}": list(range(1, 11)) for number in range(3)}


@pytest.mark.bound("events in one batch to a sink")
async def test_many_events_come_in_batches(database_url: str) -> None:
    far = Far()
    async with stage(database_url, to(far)) as node:
        for show in ("one", "two"):
            await record(node.pool, f"show:{show}", *(Clapped(user="ann") for _ in range(150)))
        await node.runners.versions.ring("far")
        await node.folded("far")
    assert far.came == {f"show:{show}": list(range(1, 151)) for show in ("one", "two")}
    assert max(map(len, far.batches)) == 100


async def test_what_was_recorded_while_nobody_ran_is_found_and_nothing_comes_twice(database_url: str) -> None:
    far = Far()
    async with stage(database_url, to(far), is_running=False) as node:
        await node.clap("finale", "ann", 3)
    for _ in range(2):
        async with stage(database_url, to(far)) as node:
            await node.folded("far")
            await node.clap("finale", "ann", 1)
            await node.folded("far")
    assert far.came == {"show:finale": [1, 2, 3]}


async def test_one_that_dies_between_delivering_and_noting_delivers_again(database_url: str) -> None:
    """In order per entity: from where it was noted."""
    far = Far()
    async with stage(database_url, to(far)) as node:
        for _ in range(5):
            await node.clap("finale", "ann", 1)
        await node.folded("far")
        far.came.clear()
        (deliverer,) = [one.runner for one in node.runners.filled.values()]
        claims = deliverer._claims  # type: ignore[attr-defined]
        settle = claims.settle

        async def die(*_: Any) -> None:
            raise RuntimeError("killed")

        claims.settle = die
        await record(node.pool, "show:finale", Clapped(user="ann"), Clapped(user="ann"))
        deliverer.backlog.fall_behind([1])
        await until(lambda: has_come(far, "show:finale", 7))
        claims.settle = settle
        await node.runners.versions.ring("far")
        await node.folded("far")
    assert far.came["show:finale"][-2:] == [6, 7] and len(far.came["show:finale"]) >= 4
    assert is_in_order([*range(1, 6), *far.came["show:finale"]])


async def has_come(far: Far, entity: str, offset: int) -> bool:
    return offset in far.came[entity]


async def test_two_on_the_same_shards_never_deliver_an_entity_at_once(database_url: str) -> None:
    far = Far()
    async with stage(database_url, to(far)) as one, stage(database_url, to(far)) as other:
        far.gate = trio.Event()
        for _ in range(5):
            await one.clap("finale", "ann", 1)
        await until(lambda: is_waiting(far))
        for node in (one, other):
            (deliverer,) = [filled.runner for filled in node.runners.filled.values()]
            deliverer.backlog.fall_behind([1])
        await trio.sleep(0.3)
        assert far.waiting == 1
        far.gate.set()
        far.gate = None
        await one.folded("far")
    assert far.came == {"show:finale": [1, 2, 3, 4, 5]}


async def is_waiting(far: Far) -> bool:
    return far.waiting > 0


async def test_what_a_dead_node_was_delivering_another_takes_over(database_url: str) -> None:
    far = Far()
    async with (
        stage(database_url, to(far), is_running=False) as dead,
        stage(database_url, to(far), is_running=False) as node,
        trio.open_nursery() as nursery,
    ):
        await record(node.pool, "show:finale", Clapped(user="ann"))
        assert await dead.runners_claims.claim(await node.version("far"), {1: 0}, lasts_s=1000)
        await nursery.start(node.runners.run)
        await until(lambda: finds_it_elsewhere(node))
        assert not far.came
        await dead.pool.fetch("UPDATE nodes SET state = 'dead' WHERE incarnation = $1", dead.number)
        await node.folded("far")
        nursery.cancel_scope.cancel()
    assert far.came == {"show:finale": [1]}


async def finds_it_elsewhere(node: Stage) -> bool:
    """Has it found that another node delivers what it would?"""
    return any(filled.runner._elsewhere for filled in node.runners.filled.values())  # type: ignore[attr-defined]


async def test_what_the_other_side_refuses_parks_its_entity_and_nobody_elses(database_url: str) -> None:
    far = Far()
    far.wrong["bad"] = BatchRefused("no such user")
    async with stage(database_url, to(far)) as node:
        for number in range(20):
            await record(
                node.pool, f"show:{number}", Clapped(user="ann"), Clapped(user="bad" if number == 7 else "bob")
            )
        await node.runners.versions.ring("far")
        await node.folded("far")
        assert list(await node.parked("far")) == ["show:7"]
        assert far.came["show:7"] == [1]
        assert all(far.came[f"show:{number}"] == [1, 2] for number in range(20) if number != 7)
        far.wrong.clear()
        assert await node.runners.progress.retry([await node.version("far")]) == 1
        await node.runners.versions.ring("far")
        await until(lambda: has_come(far, "show:7", 2))


async def test_what_fails_while_others_are_delivered_is_parked(database_url: str) -> None:
    far = Far()
    far.wrong["bad"] = KeyError("bad")
    async with stage(database_url, to(far)) as node:
        await node.clap("bad", "bad", 1)
        await trio.sleep(1)
        assert not await node.parked("far")  # nothing was delivered: nothing says that it is the event
        number = 0
        while not await node.parked("far"):
            await node.clap(f"good{number}", "ann", 1)
            number += 1
            await trio.sleep(0.05)
        assert list(await node.parked("far")) == ["show:bad"]


async def test_while_the_other_side_is_down_nothing_is_parked_and_nothing_lost(database_url: str) -> None:
    far = Far()
    far.down = Unreachable("down")
    async with stage(database_url, to(far)) as node:
        for number in range(10):
            await node.clap(f"show{number}", "ann", 1)
        await until(lambda: has_tried(far, 4))
        assert node.instruments.sink_resting == {("far", "1"): 1}
        assert not await node.parked("far")
        far.down = None
        await node.folded("far")
        assert node.instruments.sink_resting == {("far", "1"): 0}
    assert len(far.came) == 10


async def has_tried(far: Far, times: int) -> bool:
    return len(far.batches) >= times


async def test_one_that_takes_too_long_counts_as_down(database_url: str) -> None:
    far = Far()
    far.gate = trio.Event()
    async with stage(database_url, to(far, deadline_s=0.1)) as node:
        await node.clap("finale", "ann", 1)
        await until(lambda: has_tried(far, 3))
        assert not await node.parked("far")
        far.gate.set()
        await node.folded("far")
    assert far.came == {"show:finale": [1]}


async def test_one_that_wants_nothing_more_is_paused(database_url: str) -> None:
    far = Far()
    far.down = Gone("410")
    async with stage(database_url, to(far)) as node:
        await node.clap("finale", "ann", 1)
        await until(lambda: is_paused(node))
        far.down = None
        assert await node.runners.versions.pause("far", paused=False) == 1
        await node.folded("far")
    assert far.came == {"show:finale": [1]}


async def is_paused(node: Stage) -> bool:
    return (await node.version("far")).paused


async def test_a_slow_sink_delays_no_append(database_url: str) -> None:
    far = Far()
    far.gate = trio.Event()
    async with stage(database_url, to(far)) as node:
        with trio.fail_after(10):
            for number in range(50):
                await node.clap(f"show{number}", "ann", 1)
        (deliverer,) = [one.runner for one in node.runners.filled.values()]
        assert deliverer.backlog.bytes == 0
        far.gate.set()
        await node.folded("far")
    assert len(far.came) == 50


@pytest.mark.parametrize(("entity", "again"), [(None, 2), ("show:one", 1)])
async def test_a_replay_delivers_again_from_an_offset_on(database_url: str, entity: str | None, again: int) -> None:
    far = Far()
    async with stage(database_url, to(far)) as node:
        for show in ("one", "two"):
            for _ in range(4):
                await node.clap(show, "ann", 1)
        await node.folded("far")
        far.came.clear()
        version = await node.version("far")
        assert await node.runners_claims.replay([version], offset=3, entity=entity) == again
        await node.runners.versions.ring("far")
        await node.folded("far")
    assert far.came == {f"show:{show}": [3, 4] for show in ("one", "two") if entity in (None, f"show:{show}")}


async def test_a_replay_in_the_middle_of_a_delivery_is_not_taken_back_by_its_end(database_url: str) -> None:
    far = Far()
    async with stage(database_url, to(far)) as node:
        await node.clap("finale", "ann", 1)
        await node.folded("far")
        far.gate = trio.Event()
        await node.clap("finale", "ann", 1)
        await until(lambda: is_waiting(far))
        assert await node.runners_claims.replay([await node.version("far")], offset=1) == 1
        gate, far.gate = far.gate, None
        gate.set()
        await node.folded("far")
    assert far.came == {"show:finale": [1, 2, 1, 2]}


async def test_where_retention_has_been_a_sink_says_where_it_begins(database_url: str) -> None:
    far = Far()
    async with stage(database_url, to(far), is_running=False, is_installed=False) as node:
        await record(node.pool, "show:finale", *(Clapped(user="ann") for _ in range(4)))
        await node.pool.fetch('DELETE FROM journal WHERE "offset" <= 2')
        await node.pool.fetch("UPDATE heads SET trimmed = 2")
        with pytest.raises(ViewRefused, match='since = "kept"'):
            await node.runners.install()
    async with stage(database_url, to(far, since="kept")) as node:
        await node.folded("far")
    assert far.came == {"show:finale": [3, 4]}


async def test_the_first_failover_of_a_database_has_all_entities_looked_at(database_url: str) -> None:
    far = Far()
    async with stage(database_url, to(far)) as node:
        await node.clap("finale", "ann", 1)
        await node.folded("far")
        node.runners.history_changed("")
        await node.runners.versions.ring("far")
        (filled,) = node.runners.filled.values()

        async def has_gone_round() -> bool:
            return filled.sweep.laps == 2

        await until(has_gone_round)
        await record(node.pool, "show:finale", Clapped(user="ann"))  # of which nobody tells
        node.runners.history_changed(".2")
        with trio.fail_after(8.0):  # before the lap that comes a while after shards
            await node.folded("far")
    assert far.came == {"show:finale": [1, 2]}


async def test_a_sink_from_now_on_hears_of_nothing_older(database_url: str) -> None:
    far = Far()
    async with stage(database_url, to(far, since="now"), is_running=False, is_installed=False) as node:
        await record(node.pool, "show:finale", *(Clapped(user="ann") for _ in range(4)))
        await node.pool.fetch("UPDATE journal SET at_ms = at_ms + 3600000")  # by a node whose clock is ahead
    async with stage(database_url, to(far, since="now")) as node:
        await node.folded("far")
        await record(node.pool, "show:finale", Clapped(user="ann"))
        await node.clap("later", "ann", 1)
        await node.runners.versions.ring("far")
        await node.folded("far")
    assert far.came == {"show:finale": [5], "show:later": [1]}


async def test_the_next_version_is_delivered_everything_and_takes_the_place_of_the_one_before(
    database_url: str,
) -> None:
    far, other = Far(), Far()
    async with stage(database_url, to(far)) as node:
        await node.clap("finale", "ann", 1)
        await node.folded("far")
    async with stage(database_url, to(other, version=2)) as node:
        await until(lambda: is_second(node))
        await node.clap("finale", "ann", 1)
        await node.folded("far")
    assert (far.came, other.came) == ({"show:finale": [1]}, {"show:finale": [1, 2]})


async def is_second(node: Stage) -> bool:
    return (await node.version("far")).version == 2


class Connected(Sink):
    """Opens something that fails at first."""

    of = (Clapped,)
    opened: ClassVar[int] = 0
    came: ClassVar[list[int]] = []

    def connected(self) -> Any:
        type(self).opened += 1
        if self.opened < 3:
            raise OSError("refused")
        return super().connected()

    async def deliver(self, batch: Batch) -> None:
        self.came.extend(of.offset for _, of in batch)


async def test_what_can_not_be_opened_is_opened_again(database_url: str) -> None:
    async with stage(database_url, Connected) as node:
        await node.clap("finale", "ann", 1)
        await node.folded("connected")
    assert (Connected.opened, Connected.came) == (3, [1])


async def test_what_can_not_be_made_is_made_again(database_url: str) -> None:
    far = Far()
    made: list[int] = []

    def broken_at_first(self: Sink, config: SinkConfig) -> None:
        made.append(1)
        if len(made) == 1:
            raise ValueError("no such file")
        Sink.__init__(self, config)

    async with stage(database_url, to(far, __init__=broken_at_first), is_running=False) as node:
        await node.clap("finale", "ann", 1)
        with capture_logs() as logs:
            async with trio.open_nursery() as nursery:
                await nursery.start(node.runners.run)
                await node.folded("far")
                nursery.cancel_scope.cancel()
    told = [one["event"] for one in logs]
    assert "sink_rests" in told and "child_restarted" not in told
    assert len(made) == 2


@pytest.mark.parametrize("error", [OSError("reset"), trio.TooSlowError(), Unreachable("503")])
async def test_who_gets_no_answer_does_not_look_for_the_event_that_is_at_fault(
    database_url: str, error: Exception
) -> None:
    far = Far()
    far.wrong["ann"] = error
    async with stage(database_url, to(far, attempts_max=1), is_running=False) as node, trio.open_nursery() as nursery:
        await node.clap("of-ann", "ann", 1)
        await node.clap("of-bob", "bob", 1)
        await nursery.start(node.runners.run)
        await until(lambda: has_tried(far, 3))
        assert not far.came, "halves of a batch were delivered"
        far.wrong.clear()
        await node.folded("far")
        nursery.cancel_scope.cancel()
    assert far.came == {"show:of-ann": [1], "show:of-bob": [1]}


async def test_the_watchdog_sees_each_step_of_a_delivery_and_what_it_interrupts_is_tried_again(
    database_url: str,
) -> None:
    far = Far()
    seen: list[tuple[bool, str]] = []

    async def deliver(self: Sink, batch: Batch) -> None:
        for _ in range(2):
            seen.append((node.turn.item is batch, type(node.turn.owner).__name__))
            await trio.lowlevel.checkpoint()
        if len(seen) == 2:
            raise HandlerStuck("as the watchdog raises it")
        await far.take(batch)

    async with stage(database_url, to(far, deliver=deliver)) as node:
        await node.clap("finale", "ann", 1)
        await node.folded("far")
    assert (far.came, seen) == ({"show:finale": [1]}, [(True, "Far")] * 4)
    assert node.turn.item is None
