"""What is held to be quick: it goes in a stated order, and nobody is told anything else for it."""

import pytest
import trio

from bench.counter import Add, Ledger
from bench.kernel import in_memory
from greenroom.actors.model.lifecycle import Passivate
from greenroom.config.telemetry.held import Held, Holdings
from greenroom.supervisors.duties.held_budget import REST_S, SHARE, SHED_TO, STEP, HeldBudget


class Holder:
    def __init__(self, holdings: Holdings, size: int) -> None:
        self.holdings, self.size = holdings, size
        holdings.join(self)
        holdings.bytes += size

    def forget(self) -> int:
        forgotten, self.size = self.size, 0
        self.holdings.bytes -= forgotten
        return forgotten


def budget(held: Held, bytes_max: int) -> HeldBudget:
    return HeldBudget(held, bytes_max=bytes_max, memory_bytes=lambda: 0, memory_bytes_max=0)


@pytest.mark.bound("replies of command ids, and tails of topics, over all entities")
async def test_replies_go_before_tails_and_no_more_than_must() -> None:
    held = Held()
    for _ in range(2 * STEP):
        Holder(held.replies, 1000)
        Holder(held.tails, 1000)
    await budget(held, 4 * STEP * 1000).look(0.0)
    assert (held.replies.bytes, held.tails.bytes) == (2 * STEP * 1000, 2 * STEP * 1000), "it is not too much"
    await budget(held, 4 * STEP * 1000 - 1).look(0.0)
    left = round(SHED_TO * (4 * STEP * 1000 - 1)) - 2 * STEP * 1000
    assert left - 1000 < held.replies.bytes <= left, "the last of them is forgotten whole"
    assert held.tails.bytes == 2 * STEP * 1000
    await budget(held, 1).look(0.0)
    assert (held.replies.bytes, held.tails.bytes) == (0, 0)


@pytest.mark.bound("memory of the process")
async def test_of_a_process_with_too_much_a_share_goes_and_no_more_until_entities_had_time_to_sleep() -> None:
    """What is held is mostly not what it has too much of."""
    held = Held()
    for _ in range(100):
        Holder(held.replies, 1000)
        Holder(held.tails, 1000)
    memory = 6000
    minder = HeldBudget(held, bytes_max=1 << 20, memory_bytes=lambda: memory, memory_bytes_max=6000)
    await minder.look(0.0)
    assert (held.replies.bytes, held.tails.bytes) == (100_000, 100_000), "it is not too much"
    memory = 1 << 30
    left = []
    for second in range(int(3 * REST_S)):
        await minder.look(float(second))
        left.append(held.replies.bytes + held.tails.bytes)
    assert left[0] == 200_000 * (1 - SHARE), "a share, whatever it has too much"
    assert left[int(REST_S) - 1] == left[0] > left[int(REST_S)] == left[2 * int(REST_S) - 1] > left[-1]
    assert left[-1] >= 200_000 * (1 - SHARE) ** 3 - 2 * 1000
    memory = 6500
    await minder.look(3 * REST_S)
    assert held.replies.bytes + held.tails.bytes == left[-1] - 1000, "what is over, where that is less"


async def test_a_repeat_of_what_was_forgotten_is_answered_as_before() -> None:
    held = Held()
    async with in_memory(Ledger, held=held) as kernel:
        ref = kernel.router.ref("ledger:a")
        first = await ref.ask(Add(amount=1), command_id="one")
        await ref.ask(Add(amount=1), command_id="two")
        assert held.replies.bytes > 2 * 250
        await budget(held, 0).look(0.0)
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
