"""What a node says of itself and of what it has in memory."""

from collections.abc import Mapping, Sequence

import msgspec
import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.jobs.queue.messages import Add
from greenroom.actors.model.entity import BadEntity
from greenroom.config.telemetry.job_instruments import JobInstruments
from greenroom.supervisors.admin import local as local_module
from greenroom.supervisors.admin.local import Blocked, Local, Sockets
from greenroom.supervisors.admin.told import (
    AboutEntity,
    AboutNode,
    AboutQueues,
    AboutViews,
    EntityTold,
    decode_entity,
    decode_node,
    decode_queues,
    decode_views,
)
from greenroom.supervisors.admin.traces import Traces
from greenroom.supervisors.cluster.moves import Move
from tests.supervisors.admin.jobs.studio import Cut
from tests.supervisors.jobs.work_stage import stage
from tests.supervisors.kernel.small_kernel import Fail, Kernel, Note, Read, kernel


class Slow:
    def __init__(self, peer: str, waits_s: float) -> None:
        self.peer = peer
        self.queued_bytes = 100
        self._waits_s = waits_s

    def waited_s(self, now: float) -> float:
        return self._waits_s


class Somewhere(Sockets):
    @property
    def queued_bytes(self) -> int:
        return 700

    def __init__(self, *slow: Blocked) -> None:
        self._slow = slow

    @property
    def slow(self) -> Sequence[Blocked]:
        return self._slow


def of(run: Kernel, sockets: Sockets | None = None, watchers: Mapping[int, int] | None = None) -> Local:
    return Local(
        node=1,
        version="1.2",
        clock=lambda: 50.0,
        kernel=lambda: run.kernel,
        sockets=lambda: sockets or Somewhere(),
        instruments=run.instruments,
        serving=lambda: True,
        memory_bytes=lambda: 9,
        watchers=lambda entity: watchers or {},
        moves=lambda: [Move(2.0, "moved", 3, 1, 2, 0.25)],
        links=lambda: {2: "ok"},
        traces=Traces(),
    )


async def entity(local: Local, name: str, *, state: bool = False) -> EntityTold:
    question = msgspec.json.encode(AboutEntity(name, state=state))
    return decode_entity(await local.answer(question))


async def test_a_node_tells_who_is_awake_who_is_behind_and_who_is_slow(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        await run.ask("log:a", Note(text="x"))
        await run.ask("brief:b", Read())
        run.send("log:behind", Note(text="1"))
        run.send("log:behind", Note(text="2"))
        local = of(run, Somewhere(Slow("10.0.0.1", 7.04), Slow("10.0.0.2", 1.0)))
        found = decode_node(await local.answer(msgspec.json.encode(AboutNode())))
        assert found.kinds == {"log": 2, "brief": 1}
        assert [(one.entity, one.messages) for one in found.deepest] == [("log:behind", 2)]
        assert found.mailbox_depth == 2
        assert [(one.peer, one.waited_s) for one in found.slow] == [("10.0.0.1", 7.0), ("10.0.0.2", 1.0)]
        assert (found.slow_count, found.queue_bytes, found.memory_bytes) == (2, 700, 9)
        assert found.counters["activations"] >= 2 and found.counters["events"] >= 1
        assert found.links == {f"{2:016x}": "ok"}
        (move,) = found.moves
        assert (move.at_ms, move.former, move.owner, move.seconds) == (2_000, f"{1:016x}", f"{2:016x}", 0.25)
        await trio.sleep(1)


async def test_a_node_tells_what_it_has_folded_and_which_sinks_rest(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        run.instruments.view_events["standings", "2"] = 7
        run.instruments.sink_resting |= {("far", "1"): 1, ("near", "1"): 0}
        found = decode_views(await of(run).answer(msgspec.json.encode(AboutViews())))
        assert (found.events, found.resting) == ({"standings 2": 7}, ["far 1"])
        assert (found.node, found.started_at_ms) == (f"{1:016x}", 50_000)


async def test_of_very_many_others_have_their_turn_meanwhile(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_module, "STEP", 2)
    async with kernel() as run:
        for number in range(12):
            await run.ask(f"log:{number}", Note(text="x"))
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(others)
            await of(run).of_node()
            assert turns >= 3
            nursery.cancel_scope.cancel()


async def test_of_kinds_the_most_frequent_are_told_apart(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_module, "KINDS_MAX", 1)
    async with kernel() as run:
        for name in ("log:a", "log:b", "brief:c"):
            await run.ask(name, Read())
        assert (await of(run).of_node()).kinds == {"log": 2, "other": 1}


async def test_an_entity_that_is_awake_is_told_with_its_state_for_whoever_asks(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        await run.ask("log:a", Note(text="hello"))
        await trio.sleep(3)
        local = of(run, watchers={1: 2, 5: 1})
        found = await entity(local, "log:a")
        assert found.awake and found.owns and bytes(found.state) == b"null"
        assert (found.offset, found.waits, found.idle_s, found.restarts) == (1, 0, 3.0, 0)
        assert found.epoch and found.fence
        assert found.watchers == {f"{1:016x}": 2, f"{5:016x}": 1}
        asked = await entity(local, "log:a", state=True)
        assert b"hello" in bytes(asked.state)


async def test_a_state_that_is_too_long_is_not_told(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_module, "STATE_BYTES_MAX", 5)
    async with kernel() as run:
        await run.ask("log:a", Note(text="hello"))
        found = await entity(of(run), "log:a", state=True)
        assert (bytes(found.state), found.state_is_long) == (b"null", True)


async def test_who_sleeps_is_not_woken_by_a_look(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        found = await entity(of(run), "log:a", state=True)
        assert not found.awake and found.owns and found.offset is None
        assert run.awake() == set()


async def test_one_that_has_failed_says_what_was_wrong_and_how_long_it_stays_down(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        run.send("log:a", Fail())
        await trio.sleep(0.02)
        found = await entity(of(run), "log:a")
        assert found.failures and found.failures[0].what == "restarted"
        await trio.sleep(30)


async def test_a_bad_name_is_refused(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        with pytest.raises(BadEntity):
            of(run).of_entity(AboutEntity("nonsense"))


async def test_a_node_tells_of_its_queues_and_what_has_ended(autojump_clock: MockClock) -> None:
    async with stage(Cut) as run:
        instruments = JobInstruments()
        instruments.of("q").ended("failed", 3)
        local = Local(
            node=1,
            version="1",
            clock=lambda: 50.0,
            kernel=lambda: run.kernel.kernel,
            sockets=Somewhere,
            instruments=run.kernel.instruments,
            serving=lambda: True,
            memory_bytes=lambda: 9,
            watchers=lambda entity: {},
            traces=Traces(),
            jobs=instruments,
        )
        question = msgspec.json.encode(AboutQueues())
        assert decode_queues(await local.answer(question)).queues == [], "none is woken"
        await run.ask(Add(job="job.cut"))
        found = decode_queues(await local.answer(question))
        assert [(one.queue, one.waiting, one.active) for one in found.queues] == [("q", 1, 0)]
        assert found.ended == {"q": {"failed": 3}}
