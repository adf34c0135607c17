"""Messages to oneself after a while, in memory: of each life, and void with it. What must happen is a durable timer."""

import heapq
from collections.abc import Callable
from itertools import count

import trio

from greenroom.actors.life.life import Life
from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.errors import Overloaded
from greenroom.actors.model.mailbox import Mailbox
from greenroom.actors.model.message import Message

DUE_AT_ONCE = 64  # put into mailboxes before others get the loop
DROPPED_MAX = 64  # entries of the heap that nothing is behind any more, beside as many as there are others


class Afters:
    """One heap for all entities of the node, bounded by each kind's `afters_max`. What a life awaits ends with it."""

    def __init__(self, *, keep_letter: Callable[[str, Envelope, Exception], None]) -> None:
        self._keep_letter = keep_letter
        self._heap: list[tuple[float, int]] = []  # trio time and number of each, also of those dropped since
        self._waiting: dict[int, tuple[Life, Mailbox, Message]] = {}  # by number
        self._numbers_of: dict[Life, set[int]] = {}
        self._numbers = count(1)
        self._wake = trio.Event()

    def __len__(self) -> int:
        """How many messages are on their way."""
        return len(self._waiting)

    def start(self, life: Life, mailbox: Mailbox, seconds: float, message: Message) -> None:
        """Put the message into the mailbox in so many seconds, unless that life has ended by then."""
        if life.ended:
            return
        number = next(self._numbers)
        self._waiting[number] = (life, mailbox, message)
        self._numbers_of.setdefault(life, set()).add(number)
        heapq.heappush(self._heap, (trio.current_time() + max(0.0, seconds), number))
        if self._heap[0][1] == number:
            self._wake.set()

    def drop(self, life: Life) -> None:
        """That life has ended: nothing of it comes any more, nor is kept until it were due."""
        for number in self._numbers_of.pop(life, ()):
            del self._waiting[number]
        if len(self._heap) > 2 * len(self._waiting) + DROPPED_MAX:
            self._heap = [entry for entry in self._heap if entry[1] in self._waiting]
            heapq.heapify(self._heap)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled."""
        task_status.started()
        while True:
            self._wake = trio.Event()
            with trio.move_on_at(self._heap[0][0] if self._heap else trio.current_time() + 3600.0):
                await self._wake.wait()
                continue
            for _ in range(DUE_AT_ONCE):
                if not self._heap or self._heap[0][0] > trio.current_time():
                    break
                self._fire(heapq.heappop(self._heap)[1])

    def _fire(self, number: int) -> None:
        found = self._waiting.pop(number, None)
        if found is None:
            return  # its life has ended
        life, mailbox, message = found
        numbers = self._numbers_of[life]
        numbers.discard(number)
        if not numbers:
            del self._numbers_of[life]
        life.actor.afters -= 1
        if mailbox.sealed:
            return
        try:
            mailbox.put(message)
        except Overloaded as error:
            self._keep_letter(life.entity, Envelope(message=message), error)
