from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.config.limits import CommitConfig
from greenroom.store.errors import OutcomeLost, StoreUnavailable
from greenroom.store.journal.committer import LEAST, TOLD, Committer
from greenroom.store.journal.consequences.consequences import Consequences
from greenroom.store.journal.consequences.letters import Letters
from greenroom.store.journal.consequences.marks import Marks
from greenroom.store.journal.consequences.outbox import Outbox, OutboxRow
from greenroom.store.journal.consequences.timers import TimerRow, Timers
from greenroom.store.journal.dead_letters import DeadLetter
from greenroom.store.journal.records import ROW_BYTES, Append, Claimed, Outcome, StoredEvent
from greenroom.supervisors.supervision.strategy import ChildSpec, RestartIntensity, Strategy, SupervisorSpec
from greenroom.supervisors.supervision.supervise import supervise
from tests.store.journal.faulty_journal import Fault, FaultyJournal


class Entity:
    """A writer that remembers what it was told."""

    def __init__(self, committer: Committer, claimed: Claimed) -> None:
        self._committer = committer
        self.head = claimed.head
        self.entity = claimed.head.entity
        self.sent = claimed.head.offset
        self.told: list[object] = []

    def write(
        self,
        count: int = 1,
        *,
        size: int = 2,  # bytes of each payload
        command_id: str | None = None,
        consequences: Consequences | None = None,
    ) -> None:
        events = [StoredEvent(self.sent + number, 0, b"x" * size) for number in range(1, count + 1)]
        if command_id is not None:
            events[-1].command_id = command_id
        self._committer.submit(Append(self.head.id, self.head.fence, self.sent, events, consequences), self)
        self.sent += count

    def append_nothing_but(self, consequences: Consequences) -> None:
        self._committer.submit(Append(self.head.id, self.head.fence, self.sent, [], consequences), self)

    def committed(self, fence: int, through: int) -> None:
        assert fence == self.head.fence
        self.told.append(through)

    def commit_failed(self, fence: int, error: Exception | Outcome) -> None:
        assert fence == self.head.fence
        self.told.append(error if isinstance(error, Outcome) else type(error))


class Bench:
    def __init__(self, config: CommitConfig) -> None:
        self.journal = FaultyJournal()
        self.batches: list[int] = []
        self.failures = 0
        self.landed: list[list[tuple[str, int, int]]] = []
        self.committer = Committer(
            self.journal,
            config,
            lambda events, _: self.batches.append(events),
            self._count_failure,
            lambda batch: self.landed.append([(entity, one.after, len(one.events)) for entity, one in batch]),
        )

    def _count_failure(self) -> None:
        self.failures += 1

    async def entity(self, name: str) -> Entity:
        [claimed] = await self.journal.claim({name: 1}, window=0)
        assert isinstance(claimed, Claimed)
        return Entity(self.committer, claimed)


@asynccontextmanager
async def running(**limits: Any) -> AsyncIterator[Bench]:
    bench = Bench(CommitConfig(**{"lanes": 1, **limits}))
    async with trio.open_nursery() as nursery:
        await nursery.start(bench.committer.run)
        yield bench
        nursery.cancel_scope.cancel()


async def test_what_piles_up_behind_a_statement_goes_out_as_one_append_for_each_entity_in_one_statement() -> None:
    async with running() as bench:
        a, b = await bench.entity("c:a"), await bench.entity("c:b")
        bench.journal.hold()
        a.write()
        await wait_all_tasks_blocked()
        a.write(2)
        b.write()
        a.write(3)
        bench.journal.release()
        await bench.committer.flushed()
        assert bench.journal.appends == [[("c:a", 0, 1)], [("c:a", 1, 5), ("c:b", 0, 1)]]
        assert (a.told, b.told, bench.batches) == ([1, 6], [1], [1, 6])
        assert bench.landed == bench.journal.appends


async def test_of_a_large_batch_some_are_told_at_a_time() -> None:
    """Each lets out what waited for it; two thousand of them would hold up everybody else."""
    many = 5 * TOLD
    async with running() as bench:
        entities = [await bench.entity(f"c:{number}") for number in range(many)]
        bench.journal.hold()
        entities[0].write()
        await wait_all_tasks_blocked()
        for entity in entities:
            entity.write()
        told = [0]

        async def others() -> None:
            while told[-1] < many:
                await trio.lowlevel.checkpoint()
                told.append(sum(bool(entity.told) for entity in entities[1:]) + (len(entities[0].told) > 1))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(others)
            bench.journal.release()
        assert (
            max(later - earlier for earlier, later in pairwise(told)) <= 2 * TOLD
        )  # a pass may begin and end with some
        await bench.committer.flushed()
        assert [sum(len(batch) for batch in bench.landed), bench.committer.pending_bytes] == [many + 1, 0]


async def test_a_lone_event_does_not_wait_for_company(autojump_clock: MockClock) -> None:
    async with running() as bench:
        a = await bench.entity("c:a")
        a.write()
        await bench.committer.flushed()
        assert (a.told, trio.current_time()) == ([1], 0.0)


async def test_each_lane_appends_on_its_own_and_one_entity_always_takes_the_same() -> None:
    async with running(lanes=2) as bench:
        a, b = await bench.entity("c:a"), await bench.entity("c:b")
        bench.journal.hold()
        a.write()
        b.write()
        await wait_all_tasks_blocked()
        assert len(bench.journal.appends) == 2
        a.write()
        await wait_all_tasks_blocked()
        assert len(bench.journal.appends) == 2, "its own lane is under way, and no other may overtake it"
        bench.journal.release()
        await bench.committer.flushed()
        assert (a.told, b.told) == ([1, 2], [1])


@pytest.mark.parametrize("limits", [{"batch_events_max": 3}, {"batch_bytes_max": 2 * (20 + ROW_BYTES) + 1}])
@pytest.mark.bound("one commit")
async def test_a_statement_is_bounded_and_who_has_to_wait_keeps_its_place(limits: dict[str, int]) -> None:
    async with running(**limits) as bench:
        entities = [await bench.entity(f"c:{number}") for number in range(4)]
        bench.journal.hold()
        entities[0].write()
        await wait_all_tasks_blocked()
        for entity in entities:
            entity.write(2, size=20)
        bench.journal.release()
        await bench.committer.flushed()
        assert [[name for name, *_ in batch] for batch in bench.journal.appends] == [
            ["c:0"],
            *([f"c:{number}"] for number in range(4)),
        ]


@pytest.mark.parametrize(
    ("fault", "error"),
    [(Fault.UNAVAILABLE, StoreUnavailable), (Fault.LOST, OutcomeLost), (Fault.LANDED_LOST, OutcomeLost)],
)
async def test_a_failed_statement_is_told_to_each_of_its_writers_and_drops_what_they_queued_behind(
    fault: Fault, error: type[Exception]
) -> None:
    async with running() as bench:
        a, b, c = [await bench.entity(f"c:{name}") for name in "abc"]
        bench.journal.faults["append"].append(fault)
        bench.journal.hold()
        a.write()
        b.write()
        await wait_all_tasks_blocked()
        a.write()
        c.write()
        bench.journal.release()
        await bench.committer.flushed()
        assert (a.told, b.told, c.told) == ([error], [error], [1])
        assert [[name for name, *_ in batch] for batch in bench.journal.appends] == [["c:a", "c:b"], ["c:c"]]
        assert (bench.failures, bench.committer.pending_bytes) == (1, 0)


async def test_an_append_that_takes_too_long_has_an_unknown_outcome(autojump_clock: MockClock) -> None:
    async with running(append_timeout_s=3.0) as bench:
        a = await bench.entity("c:a")
        bench.journal.faults["append"].append(Fault.HANGS)
        a.write()
        await bench.committer.flushed()
        assert (a.told, trio.current_time()) == ([OutcomeLost], 3.0)


async def test_each_append_has_its_time_whenever_the_one_before_it_was_sent(autojump_clock: MockClock) -> None:
    """A scope serves many appends: none is to end early with it, nor to have more than its time."""
    async with running(append_timeout_s=3.0) as bench:
        a = await bench.entity("c:a")
        for rest_s in (0.1, 0.1, 1.0, 2.9, 3.0, 3.1, 7.0, 0.0):
            a.write()
            await bench.committer.flushed()
            await trio.sleep(rest_s)
        assert a.told == [1, 2, 3, 4, 5, 6, 7, 8]
        for rest_s in (0.1, 2.0, 3.0, 5.0):
            b = await bench.entity(f"c:b{rest_s}")
            a.write()
            await bench.committer.flushed()
            await trio.sleep(rest_s)
            bench.journal.faults["append"].append(Fault.HANGS)
            begun = trio.current_time()
            b.write()
            await bench.committer.flushed()
            assert b.told == [OutcomeLost]
            assert LEAST * 3.0 <= trio.current_time() - begun <= 3.0


async def test_an_append_that_landed_though_its_time_was_over_ends_no_other(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a call over the bridge may: cancelled, and done all the same."""
    async with running(append_timeout_s=3.0) as bench:
        a, b = await bench.entity("c:a"), await bench.entity("c:b")
        append = bench.journal.append

        async def late(batch: Sequence[Append], *, lane: int = 0) -> list[Outcome]:
            outcomes: list[Outcome] = []
            with trio.CancelScope(shield=True):
                await trio.sleep(4.0)
                outcomes = await append(batch, lane=lane)
            return outcomes

        monkeypatch.setattr(bench.journal, "append", late)
        a.write()
        await wait_all_tasks_blocked()
        monkeypatch.setattr(bench.journal, "append", append)
        b.write()
        await bench.committer.flushed()
        assert (a.told, b.told, trio.current_time()) == ([1], [1], 4.0)


async def test_what_comes_after_an_append_that_took_too_long_is_appended(autojump_clock: MockClock) -> None:
    async with running(append_timeout_s=3.0) as bench:
        a, b = await bench.entity("c:a"), await bench.entity("c:b")
        bench.journal.faults["append"].append(Fault.HANGS)
        a.write()
        await wait_all_tasks_blocked()
        b.write()
        await bench.committer.flushed()
        assert (a.told, b.told, trio.current_time()) == ([OutcomeLost], [1], 3.0)


async def test_a_fenced_or_repeated_append_fails_alone() -> None:
    async with running() as bench:
        a, b, c = [await bench.entity(f"c:{name}") for name in "abc"]
        c.write(command_id="once")
        await bench.committer.flushed()
        await bench.entity("c:a")  # somebody else has claimed it
        a.write()
        b.write()
        c.write(command_id="once")
        await bench.committer.flushed()
        assert (a.told, b.told, c.told) == ([Outcome.FENCED], [1], [1, Outcome.REPEATED])


async def test_the_outcome_of_a_former_activation_leaves_the_queue_of_the_present_one_alone() -> None:
    async with running() as bench:
        old = await bench.entity("c:a")
        bench.journal.hold()
        old.write()
        await wait_all_tasks_blocked()
        new = await bench.entity("c:a")
        new.write()
        bench.committer.forget(old.head.id, old.head.fence)
        bench.journal.release()
        await bench.committer.flushed()
        assert (old.told, new.told) == ([Outcome.FENCED], [1])


async def test_forgotten_events_are_not_appended() -> None:
    async with running() as bench:
        a, b = await bench.entity("c:a"), await bench.entity("c:b")
        bench.journal.hold()
        b.write()
        await wait_all_tasks_blocked()
        a.write()
        bench.committer.forget(a.head.id, a.head.fence)
        bench.journal.release()
        await bench.committer.flushed()
        assert (a.told, b.told, bench.journal.offset("c:a")) == ([], [1], 0)


@pytest.mark.bound("what waits for its commit, over all entities")
async def test_congestion_begins_at_the_bound_in_bytes_and_ends_with_the_commit() -> None:
    async with running(pending_bytes_max=100 + 2 * ROW_BYTES) as bench:
        a = await bench.entity("c:a")
        bench.journal.hold()
        a.write(size=99)
        before = bench.committer.congested
        a.write(size=1)
        assert (before, bench.committer.congested) == (False, True)
        await wait_all_tasks_blocked()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bench.committer.uncongested)
            await wait_all_tasks_blocked()
            assert len(nursery.child_tasks) == 1
            bench.journal.release()
        assert not bench.committer.congested


async def test_a_committer_that_crashed_begins_empty_when_its_supervisor_starts_it_again(
    autojump_clock: MockClock,
) -> None:
    bench = Bench(CommitConfig(lanes=1))
    a, b = await bench.entity("c:a"), await bench.entity("c:b")
    spec = SupervisorSpec(
        name="node",
        strategy=Strategy.REST_FOR_ONE,
        intensity=RestartIntensity(restarts_max=1, window_s=5.0),
        children=(ChildSpec(name="committer", start=bench.committer.run),),
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(supervise, spec)
        bench.journal.faults["append"].append(Fault.CRASHES)
        bench.journal.hold()
        a.write()
        await wait_all_tasks_blocked()
        b.write()  # queued when the lane dies
        with trio.fail_after(1.0):
            bench.journal.release()
            await bench.committer.flushed()
        assert (bench.committer.pending_count, bench.committer.pending_bytes) == (0, 0)
        again = await bench.entity("c:b")
        again.write()
        with trio.fail_after(1.0):
            await bench.committer.flushed()
        assert (a.told, b.told, again.told) == ([], [], [1])
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("older_first", [True, False])
async def test_of_two_entities_with_one_head_the_one_that_was_claimed_before_the_failover_is_fenced(
    older_first: bool,
) -> None:
    """The head of the older was lost, and its number given out again."""
    async with running() as bench:
        await bench.entity("c:busy")
        older = await bench.entity("c:older")
        rows = bench.journal.rows
        del rows.by_id[older.head.id], rows.by_entity["c:older"]
        rows.last_id -= 1
        rows.timeline += 1
        busy, newer = await bench.entity("c:busy"), await bench.entity("c:newer")
        assert newer.head.id == older.head.id
        bench.journal.hold()
        busy.write()
        await wait_all_tasks_blocked()
        for entity in (older, newer) if older_first else (newer, older):
            entity.write()
        bench.journal.release()
        await bench.committer.flushed()
        assert (older.told, newer.told) == ([Outcome.FENCED], [1])
        assert bench.committer.pending_bytes == 0
        assert bench.journal.offset("c:newer") == 1


LETTER = DeadLetter(entity="e" * 3, message_type="t", payload=b"p" * 5, principal="", error="e" * 7, traceback="t" * 11)


@pytest.mark.parametrize(
    ("events", "consequences", "count", "size"),
    [
        ([], None, 1, 0),
        ([StoredEvent(1, 0, b"p" * 10)], None, 1, 10),
        ([StoredEvent(1, 0, b"p", b"i" * 20, "c" * 30, b"r" * 40)], None, 1, 91),
        ([StoredEvent(1, 0, b""), StoredEvent(2, 0, b"")], Consequences(), 2, 0),
        ([], Consequences(outbox=Outbox([OutboxRow(1, b"o" * 50)])), 1, 50),
        ([StoredEvent(1, 0, b"")], Consequences(marks=Marks({1: 1, 2: 2})), 3, 32),
        ([], Consequences(timers=Timers({"name": TimerRow("name", 1, b"t" * 60), "gone": None})), 2, 68),
        ([], Consequences(letters=Letters([LETTER])), 1, 26),
    ],
)
def test_an_append_counts_all_that_it_holds(
    events: list[StoredEvent], consequences: Consequences | None, count: int, size: int
) -> None:
    assert Append(1, 1, 0, events, consequences).cost() == (count, size + count * ROW_BYTES)


async def test_appends_without_events_are_bounded_and_waited_for_like_others() -> None:
    async with running(batch_events_max=10, pending_bytes_max=10_000) as bench:
        entities = [await bench.entity(f"c:{number}") for number in range(25)]
        bench.journal.hold()
        entities[0].write()
        await wait_all_tasks_blocked()
        for entity in entities[1:]:
            timers = Timers({"t": TimerRow("t", 1, b"x" * 400)})
            entity.append_nothing_but(Consequences(timers=timers))
        assert bench.committer.congested
        bench.journal.release()
        with trio.fail_after(5):
            await bench.committer.flushed()
        assert [len(batch) for batch in bench.journal.appends] == [1, 10, 10, 4]
        assert all(entity.told for entity in entities)


async def test_what_one_head_has_waiting_is_cut_into_batches_in_order_and_others_get_their_turn() -> None:
    async with running(batch_events_max=4) as bench:
        a, b = await bench.entity("c:a"), await bench.entity("c:b")
        bench.journal.hold()
        a.write()
        await wait_all_tasks_blocked()
        for count in (1, 2, 3, 1, 9):
            a.write(count)
        b.write()
        bench.journal.release()
        await bench.committer.flushed()
        assert bench.journal.appends == [
            [("c:a", 0, 1)],
            [("c:a", 1, 3)],
            [("c:b", 0, 1), ("c:a", 4, 3)],
            [("c:a", 7, 1)],
            [("c:a", 8, 9)],  # one submission, which lands as a whole
        ]
        assert (a.told, b.told) == ([1, 4, 7, 8, 17], [1])
        assert (bench.committer.pending_count, bench.committer.pending_bytes) == (0, 0)


async def test_what_is_left_of_a_head_is_dropped_when_the_part_before_it_fails() -> None:
    async with running(batch_events_max=2) as bench:
        a = await bench.entity("c:a")
        bench.journal.hold()
        a.write()
        await wait_all_tasks_blocked()
        for _ in range(4):
            a.write()
        bench.journal.faults["append"] += [Fault.NONE, Fault.LOST]
        bench.journal.release()
        await bench.committer.flushed()
        assert a.told == [1, OutcomeLost]
        assert bench.journal.appends == [[("c:a", 0, 1)], [("c:a", 1, 2)]]
        assert (bench.committer.pending_count, bench.committer.pending_bytes) == (0, 0)
