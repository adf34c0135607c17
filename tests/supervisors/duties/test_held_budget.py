"""What is held to be quick: it goes in a stated order, and nobody is told anything else for it."""

import trio

from bench.counter import Add, Ledger
from bench.kernel import in_memory
from greenroom.actors.model.lifecycle import Passivate
from greenroom.config.telemetry.held import Held, Holdings
from greenroom.supervisors.duties.held_budget import STEP, HeldBudget


class Holder:
    def __init__(self, holdings: Holdings, size: int) -> None:
        self.holdings, self.size = holdings, size
        holdings.join(self)
        holdings.bytes += size

    def forget(self) -> int:
        forgotten, self.size = self.size, 0
        self.holdings.bytes -= forgotten
        return forgotten


def budget(held: Held, bytes_max: int, *, memory: int = 0, memory_max: int = 0) -> HeldBudget:
    return HeldBudget(held, bytes_max=bytes_max, memory_bytes=lambda: memory, memory_bytes_max=memory_max)


async def test_replies_go_before_tails_and_no_more_than_must() -> None:
    held = Held()
    for _ in range(2 * STEP):
        Holder(held.replies, 1000)
        Holder(held.tails, 1000)
    await budget(held, 4 * STEP * 1000).look()
    assert (held.replies.bytes, held.tails.bytes) == (2 * STEP * 1000, 2 * STEP * 1000), "it is not too much"
    await budget(held, 4 * STEP * 1000 - 1).look()
    assert (held.replies.bytes, held.tails.bytes) == (STEP * 1000, 2 * STEP * 1000)
    await budget(held, STEP * 1000).look()
    assert (held.replies.bytes, held.tails.bytes) == (0, 0)


async def test_all_of_it_goes_before_the_process_has_more_memory_than_it_may() -> None:
    held = Held()
    Holder(held.replies, 1000)
    Holder(held.tails, 1000)
    await budget(held, 1 << 20, memory=5000, memory_max=6000).look()
    assert (held.replies.bytes, held.tails.bytes) == (1000, 1000)
    await budget(held, 1 << 20, memory=6001, memory_max=6000).look()
    assert (held.replies.bytes, held.tails.bytes) == (0, 1000)
    await budget(held, 1 << 20, memory=9000, memory_max=6000).look()
    assert held.tails.bytes == 0


async def test_a_repeat_of_what_was_forgotten_is_answered_as_before() -> None:
    held = Held()
    async with in_memory(Ledger, held=held) as kernel:
        ref = kernel.router.ref("ledger:a")
        first = await ref.ask(Add(amount=1), command_id="one")
        await ref.ask(Add(amount=1), command_id="two")
        assert held.replies.bytes > 2 * 250
        await budget(held, 0).look()
        assert (held.replies.bytes, len(held.replies)) == (0, 0)
        assert await ref.ask(Add(amount=1), command_id="one") == first
        assert (await ref.ask(Add(amount=1), command_id="three")).value == 3
        assert held.replies.bytes > 250, "it holds again"


async def test_what_sleeps_holds_nothing() -> None:
    held = Held()
    async with in_memory(Ledger, held=held) as kernel:
        for number in range(3):
            await kernel.router.ref(f"ledger:{number}").ask(Add(amount=1), command_id=f"{number}")
        assert len(held.replies) == 3
        for cell in kernel.system.awake():
            cell.mailbox.put_control(Passivate())
        while kernel.system.awake():
            await trio.lowlevel.checkpoint()
        assert (held.replies.bytes, len(held.replies)) == (0, 0)
