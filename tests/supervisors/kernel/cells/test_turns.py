"""When an entity lets others have their turn, and what it keeps while it is idle."""

import gc
import weakref
from collections import Counter
from typing import Any

import trio
from trio.testing import wait_all_tasks_blocked

from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.errors import ActorError
from greenroom.supervisors.kernel.cells.cell import TURN
from tests.supervisors.kernel.small_kernel import Kernel, Note, Read, kernel

A = "log:a"


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
