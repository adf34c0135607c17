"""A life at work: when it lets others have their turn, and what it is told beside its messages: to sleep, stop, begin
anew. None of that is lost, none of it waits long."""

import gc
import weakref
from collections import Counter
from typing import Any, ClassVar

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.errors import ActorError, Unavailable
from greenroom.actors.model.lifecycle import Passivate, Reclaim, Stop
from greenroom.config.limits import PassivationConfig
from greenroom.supervisors.kernel.cells.serving import TURN
from tests.store.journal.faulty_journal import Fault
from tests.supervisors.kernel.small_kernel import Brief, Kernel, Log, Note, Read, Slow, SlowHeard, kernel

A = "log:a"
S = "slow:a"


class Asking:
    """Asks again as soon as it is answered."""

    def __init__(self, run: Kernel, again: int, answered: list[int], turn: list[int]) -> None:
        self._run = run
        self._again = again
        self._answered = answered
        self._turn = turn

    def resolve(self, reply: Any, encoded: bytes | None) -> None:
        self._answered.append(self._turn[0])
        if self._again:
            slot = Asking(self._run, self._again - 1, self._answered, self._turn)
            self._run.router.submit(A, Envelope(message=Read(), slot=slot))

    def reject(self, error: ActorError) -> None:
        raise AssertionError(error)


class Working(Slow):
    """Each message is a second of I/O."""

    worked: ClassVar[list[str]]

    async def handle(self, message: Any) -> Any:
        self.worked.append(message.text)
        await trio.sleep(1.0)
        self.note(message.text)


# Turns.


async def test_what_comes_of_a_message_is_handled_in_the_same_turn_but_others_have_theirs() -> None:
    """As the presence of who has connected, which then leaves together with the answer."""
    answered: list[int] = []
    turn = [0]
    async with kernel() as run, trio.open_nursery() as nursery:
        await run.ask(A, Read())

        async def other() -> None:
            while len(answered) <= 3 * TURN:
                turn[0] += 1
                await trio.lowlevel.checkpoint()

        nursery.start_soon(other)
        run.router.submit(A, Envelope(message=Read(), slot=Asking(run, 3 * TURN, answered, turn)))
    assert len(set(answered[:TURN])) == 1
    assert max(Counter(answered).values()) <= 2 * TURN


async def test_an_idle_entity_keeps_nothing_of_what_it_did_last() -> None:
    async with kernel() as run:
        for message in (Note(text="x"), Read()):
            slot = Asking(run, 0, [], [0])
            gone = weakref.ref(slot)
            run.router.submit(A, Envelope(message=message, slot=slot))
            del slot
            await wait_all_tasks_blocked()
            await trio.sleep(0.05)
            gc.collect()
            assert gone() is None, message


# Signals.


async def test_between_two_async_messages_of_a_burst_a_failed_append_is_noticed(autojump_clock: MockClock) -> None:
    """What is handled behind a lost append is handled again, so nothing is handled that need not be."""

    class Worker(Working):
        worked: ClassVar[list[str]] = []

    async with kernel(kinds=(Log, Brief, Worker)) as run:
        run.journal.faults["append"] += [Fault.LOST]
        slots = [run.send(S, SlowHeard(text=str(number))) for number in range(60)]
        await trio.sleep(10)
        assert Worker.worked.count("0") == 2, "begun again at once"
        await trio.sleep(100)
        assert run.texts(S) == [str(number) for number in range(60)]
        assert len(Worker.worked) <= 60 + 3
        assert all(not isinstance(slot.answer, Exception) for slot in slots)


async def test_between_two_async_messages_of_a_burst_a_stop_is_obeyed(autojump_clock: MockClock) -> None:
    class Worker(Working):
        worked: ClassVar[list[str]] = []

    async with kernel(kinds=(Log, Brief, Worker)) as run:
        slots = [run.send(S, SlowHeard(text=str(number))) for number in range(60)]
        await trio.sleep(1.5)
        began = trio.current_time()
        await run.kernel.drain()
        assert trio.current_time() - began == pytest.approx(0.5)
        assert run.texts(S) == ["0", "1"]
        assert [isinstance(slot.answer, Unavailable) for slot in slots] == [False] * 2 + [True] * 58


@pytest.mark.parametrize("others", [[Stop()], [Reclaim()], [Reclaim(), Stop()]])
async def test_whoever_is_asked_to_sleep_and_more_does_the_other_first(
    others: list[object], autojump_clock: MockClock
) -> None:
    async with kernel() as run:
        await run.ask(A, Note(text="x"))
        cell, fence = run.cell(A), run.journal.rows.by_entity[A].head.fence
        run.journal.rows.timeline = 2
        run.system.lineage = run.journal.rows.lineage
        for signal in (Passivate(), *others):
            cell.mailbox.put_control(signal)
        await trio.sleep(1)
        row = run.journal.rows.by_entity[A]
        if Stop() in others:
            assert run.awake() == set()
        else:
            assert run.awake() == {A}
            assert row.head.fence > fence
        assert run.instruments.passivations == 0


class Moody(Log):
    def may_sleep(self) -> bool:
        raise KeyError("not in state")


async def test_a_failing_may_sleep_loses_no_stop(autojump_clock: MockClock) -> None:
    async with kernel(kinds=(Moody, Brief, Slow)) as run:
        await run.ask(A, Note(text="x"))
        run.cell(A).mailbox.put_control(Passivate())
        with trio.fail_after(10):
            await run.kernel.drain()
        assert run.awake() == set()


async def test_a_snapshot_that_fails_unexpectedly_loses_no_stop(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        await run.ask(A, Note(text="x", times=100))
        run.journal.faults["save_snapshot"] += [Fault.CRASHES]
        with trio.fail_after(10):
            await run.kernel.drain()
        assert run.awake() == set()
        assert run.journal.rows.by_entity[A].snapshot_offset == 100


async def test_an_entity_that_falls_asleep_answers_while_its_snapshot_hangs(autojump_clock: MockClock) -> None:
    async with kernel(passivation=PassivationConfig(idle_s=5, sweep_s=1)) as run:
        await run.ask(A, Note(text="x", times=100))
        run.journal.faults["save_snapshot"] += [Fault.HANGS]
        await trio.sleep(10)
        assert run.awake() == set()
        assert "save_snapshot" in run.journal.calls
        with trio.fail_after(1):
            assert len(await run.ask(A, Read())) == 100


async def test_a_reclaim_that_comes_with_sleep_reaches_the_next_life(autojump_clock: MockClock) -> None:
    """Whoever watches an entity that goes to sleep during a failover is told of the new history."""
    async with kernel(passivation=PassivationConfig(idle_s=5, sweep_s=1)) as run:
        await run.ask(A, Note(text="x", times=40))
        run.system.lineage_changed("")
        run.journal.delay_s = 3.0  # the old primary is slow to die
        await trio.sleep(7.5)
        run.journal.rows.timeline = 2
        run.system.lineage_changed(run.journal.rows.lineage)
        run.journal.delay_s = 0
        await trio.sleep(120)
        assert run.audience.epochs[A].endswith(run.journal.rows.lineage)
