"""Another primary takes over while entities wake: what it has lost has no effect, and nobody is claimed twice."""

from typing import Any, ClassVar

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.actors.model.errors import Refused
from greenroom.actors.model.lifecycle import Reclaim
from greenroom.config.limits import PassivationConfig
from tests.store.journal.faulty_journal import Fault
from tests.supervisors.kernel.small_kernel import Brief, Do, Heard, Kernel, Log, Note, Slow, SlowHeard, kernel

SENDER, RECEIVER = "log:s", "slow:r"


class Busy(Slow):
    """Takes nothing until it is ready."""

    ready: ClassVar[bool]

    async def handle(self, message: Any) -> Any:
        if not self.ready:
            await trio.sleep(2)
            raise Refused("slow.later", status=429)
        self.note(message.text)


def lose_newest(run: Kernel, entity: str) -> None:
    """The standby that takes over never had that entity's newest event, nor what was committed with it."""
    row = run.journal.rows.by_entity[entity]
    row.events.pop()
    row.head.offset -= 1
    row.outbox.clear()
    run.journal.rows.timeline = 2


def send_on(text: str) -> Do:
    return Do(act=lambda actor: (actor.note(text), actor.tell(RECEIVER, SlowHeard(text=text)))[0])


async def hold_reads(run: Kernel, seconds: float) -> trio.Event:
    """The next read hears of the journal as it was, so much later."""
    real, reading = run.journal.memory.read, trio.Event()

    async def slow(*args: Any, **named: Any) -> Any:
        reading.set()
        await trio.sleep(seconds)
        return await real(*args, **named)

    run.journal.memory.read = slow  # type: ignore[method-assign]
    return reading


async def test_a_sender_that_wakes_as_its_newest_is_lost_sends_nothing_of_that(autojump_clock: MockClock) -> None:
    """Its claim is answered by the old primary, outbox and all; the failover comes before it is built."""

    class Receiver(Busy):
        ready = False

    async with kernel(kinds=(Log, Brief, Receiver)) as run:
        run.system.lineage_changed("")
        await run.ask(SENDER, Note(text="kept"))
        await run.ask(SENDER, send_on("lost"))
        run.journal.faults["append"] += [Fault.LOST]  # the sender is built anew
        reading = await hold_reads(run, 6)
        run.send(SENDER, Note(text="x"))
        await reading.wait()
        lose_newest(run, SENDER)
        run.system.lineage_changed(run.journal.rows.lineage)
        Receiver.ready = True
        await trio.sleep(60)
        assert "lost" not in run.texts(SENDER)
        assert run.texts(RECEIVER) == []


async def test_a_first_life_too_is_claimed_in_the_present_history(autojump_clock: MockClock) -> None:
    class Receiver(Busy):
        ready = True

    async with kernel(kinds=(Log, Brief, Receiver), passivation=PassivationConfig(idle_s=5, sweep_s=1)) as run:
        run.system.lineage_changed("")
        await run.ask("log:other", Note(text="x"))
        real = run.journal.memory.claim
        claiming = trio.Event()

        async def slow(terms: Any, **named: Any) -> Any:
            claimed = await real(terms, **named)
            if list(terms) == [SENDER] and not claiming.is_set():
                claiming.set()
                await trio.sleep(5)  # the old primary's answer is long under way
            return claimed

        run.journal.memory.claim = slow  # type: ignore[method-assign]
        slot = run.send(SENDER, Note(text="new"))
        await claiming.wait()
        run.journal.rows.timeline = 2
        run.system.lineage_changed(run.journal.rows.lineage)
        await trio.sleep(30)
        assert slot.answer == 1
        assert run.system.lineage == run.journal.rows.lineage, "an answer of long ago is no news"
        assert run.audience.epochs[SENDER].endswith(run.journal.rows.lineage)
        assert run.instruments.restarts == 0


async def test_whoever_was_claimed_anew_already_is_not_claimed_again(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        await run.ask(SENDER, Note(text="x"))
        claims = run.journal.calls.count("claim")
        run.cell(SENDER).mailbox.put_control(Reclaim())
        await wait_all_tasks_blocked()
        run.send(SENDER, Heard(text="y"))
        await trio.sleep(1)
        assert run.journal.calls.count("claim") == claims
