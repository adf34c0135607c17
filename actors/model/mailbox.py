"""The mailbox: where messages wait between the router and their entity. Hop 4 on the way of a message.

Bounded on purpose, in messages and in bytes: a full mailbox raises Overloaded at the sender, and that is how pressure
travels out to the socket. First in, first out; control messages (stop, passivate, rebuild) overtake. The actor takes
what has piled up as one burst. Nothing here survives a crash; what must is in the journal.
"""

from collections.abc import Callable, Iterator, Sequence

import trio

from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.errors import Overloaded
from greenroom.actors.model.message import Message

NUDGES_PART = 4  # nudges are at most this part of what may wait
Item = Message | Envelope  # a bare message is a tell between actors


class Sealed(Exception):
    """The actor behind this mailbox has gone to sleep or stopped: ask the router for the present one."""


class _Woken:
    """What a parked task is woken with: an Outcome to trio, made once instead of for every message."""

    def unwrap(self) -> None:
        pass


_WOKEN = _Woken()
reschedule = trio.lowlevel.reschedule


class Mailbox:
    """The queue before one actor: `capacity` messages and `bytes_max` bytes. Its cell owns it and alone takes from it.

    A list, not a deque, and none while nothing waits: an idle deque takes 760 bytes, and a burst is a swap.
    """

    __slots__ = ("_bytes_max", "_capacity", "_queue", "_waiter", "bytes", "control", "nudges", "sealed")

    def __init__(self, capacity: int, bytes_max: int) -> None:
        self._capacity = capacity  # messages that may wait; -1 once sealed, so that put() has one test
        self._bytes_max = bytes_max
        self._queue: list[Item] | tuple[()] = ()
        self.control: list[object] | None = None  # signals that wait, for `take_control`
        self._waiter: trio.lowlevel.Task | None = None
        self.bytes = 0  # what waiting envelopes had on the wire; bare tells are counted, not weighed
        self.sealed = False
        self.nudges = 0  # so many of the messages that wait keep nobody awake; its cell takes them off again

    def __len__(self) -> int:
        return len(self._queue)

    def __iter__(self) -> Iterator[Item]:
        """What waits, oldest first."""
        return iter(self._queue)

    def put(self, item: Item) -> None:
        """Queue a bare message or an envelope. Raises: Overloaded, Sealed; then nothing was queued."""
        queue = self._queue
        if len(queue) >= self._capacity:
            if self.sealed:
                raise Sealed
            raise Overloaded(f"{len(queue)} messages wait")
        if queue:
            queue.append(item)
        else:
            self._queue = [item]
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            reschedule(waiter, _WOKEN)  # type: ignore[arg-type]

    def put_envelope(self, envelope: Envelope) -> None:
        """As `put`, and weighs the envelope against the bound in bytes (one over-large message alone still fits).

        Raises: Overloaded, with nothing queued.
        """
        if self.bytes and self.bytes + envelope.size > self._bytes_max:
            raise Overloaded(f"{self.bytes} bytes wait")
        self.put(envelope)
        self.bytes += envelope.size

    def nudge(self, message: Message) -> bool:
        """Queue what nobody misses; of that a quarter of the capacity at most, so that no command finds the mailbox
        full of it. Was it queued?"""
        if self.nudges * NUDGES_PART >= self._capacity or len(self._queue) >= self._capacity:
            return False
        self.put(message)
        self.nudges += 1
        return True

    def put_control(self, signal: object) -> None:
        """Queue a control message, ahead of every ordinary one. One that waits already says it all, so few ever do."""
        if self.control is None:
            self.control = [signal]
        elif signal not in self.control:
            self.control.append(signal)
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            reschedule(waiter, _WOKEN)  # type: ignore[arg-type]

    @property
    def waits(self) -> bool:
        """Is the actor's task parked until something is queued?"""
        return self._waiter is not None

    @property
    def told(self) -> bool:
        """Does a control message wait? One that tells nothing new need not be queued behind it."""
        return self.control is not None

    def take_control(self) -> list[object]:
        signals, self.control = self.control, None
        return signals or []

    def take(self, burst_max: int) -> list[Item]:
        """Up to `burst_max` messages, oldest first; [] when none wait."""
        queue = self._queue
        if not queue:
            return []
        if len(queue) <= burst_max:
            self._queue = ()
            self.bytes = 0
            return queue
        burst = queue[:burst_max]
        del queue[:burst_max]
        self.bytes -= sum(item.size for item in burst if type(item) is Envelope)
        return burst

    def take_those(self, wanted: Callable[[Item], bool]) -> list[Item]:
        """Out of their turn: those of the messages that wait of which this is true, oldest first."""
        taken = [item for item in self._queue if wanted(item)]
        if taken:
            self._queue = [item for item in self._queue if not wanted(item)]
            self.bytes -= sum(item.size for item in taken if type(item) is Envelope)
        return taken

    async def more(self) -> None:
        """Return when something is queued from now on, whatever waits already. For the actor's task."""
        self._waiter = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(self.abandon)

    def put_back(self, items: Sequence[Item]) -> None:
        """Messages that were taken and not handled go back to the front, whatever the bound."""
        self._queue = [*items, *self._queue]
        self.bytes += sum(item.size for item in items if type(item) is Envelope)

    def seal(self) -> list[Item]:
        """Take no more; gives back what still waits."""
        self.sealed = True
        self._capacity = -1
        left, self._queue = self._queue or [], ()
        self.bytes = 0
        return left

    def oldest_queued_at(self) -> float | None:
        """When the message at the front was queued (trio clock); None when that is not known."""
        if self._queue:
            first = self._queue[0]
            if type(first) is Envelope:
                return first.queued_at
        return None

    def park(self, waiter: trio.lowlevel.Task) -> None:
        """Have `waiter`, the actor's task, rescheduled when something is queued; call only when nothing is.

        The task then awaits `trio.lowlevel.wait_task_rescheduled(mailbox.abandon)` itself: one coroutine less for every
        idle actor is 400 bytes.
        """
        assert not self._queue and not self.control
        self._waiter = waiter

    def abandon(self, _: object) -> trio.lowlevel.Abort:
        """Cancelled while parked."""
        self._waiter = None
        return trio.lowlevel.Abort.SUCCEEDED
