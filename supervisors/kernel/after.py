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


class Afters:
    """One heap for all entities of the node."""

    def __init__(self, *, keep_letter: Callable[[str, Envelope, Exception], None]) -> None:
        self._keep_letter = keep_letter
        self._heap: list[tuple[float, int, Life, Mailbox, Message]] = []  # heap of (trio time, number, whose, what)
        self._numbers = count(1)
        self._wake = trio.Event()

    def start(self, life: Life, mailbox: Mailbox, seconds: float, message: Message) -> None:
        """Put the message into the mailbox in so many seconds, unless that life has ended by then."""
        life.afters += 1
        number = next(self._numbers)
        heapq.heappush(self._heap, (trio.current_time() + max(0.0, seconds), number, life, mailbox, message))
        if self._heap[0][1] == number:
            self._wake.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled."""
        task_status.started()
        while True:
            self._wake = trio.Event()
            with trio.move_on_at(self._heap[0][0] if self._heap else trio.current_time() + 3600.0):
                await self._wake.wait()
                continue
            while self._heap and self._heap[0][0] <= trio.current_time():
                _, _, life, mailbox, message = heapq.heappop(self._heap)
                self._fire(life, mailbox, message)

    def _fire(self, life: Life, mailbox: Mailbox, message: Message) -> None:
        life.afters -= 1
        if life.ended or mailbox.sealed:
            return
        try:
            mailbox.put(message)
        except Overloaded as error:
            self._keep_letter(life.entity, Envelope(message=message), error)
