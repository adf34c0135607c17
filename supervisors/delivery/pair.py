"""A pair: what is on its way from one entity to another, in order, and the outbox rows that it lies in."""

from collections import deque
from typing import Any, Protocol

from msgspec import Struct

from greenroom.actors.life.outgoing import Outgoing
from greenroom.actors.model.errors import ActorError
from greenroom.supervisors.supervision.backoff import Backoff


class Row(Struct, eq=False, gc=False):
    """An outbox row, of which some messages are not decided yet."""

    head_id: int
    offset: int
    left: int
    bytes_left: int


class Deliverer(Protocol):
    """Who hears what the receivers make of deliveries: the relay."""

    def decided(self, delivery: "Delivery") -> None: ...

    def rejected(self, delivery: "Delivery", error: ActorError) -> None: ...

    def postpone(self, delivery: "Delivery", error: ActorError) -> None: ...


class Delivery(Struct, eq=False, gc=False):
    """One message on its way: the reply slot of each of its envelopes, one at a time.

    `gc=False`, for under load there are thousands. They lead back to their pair, so one that is given up forgets them.
    """

    pair: "Pair"
    row: Row
    message: Outgoing
    first_at: int = 0  # see Envelope; once it was sent it is the first no more

    def resolve(self, reply: Any, encoded: bytes | None) -> None:
        self.pair.deliverer.decided(self)

    def reject(self, error: ActorError) -> None:
        self.pair.deliverer.rejected(self, error)


class Return(Struct, eq=False, frozen=True):
    """The reply slot of the word to a sender that its message can't be delivered: until it has that, nor is the message
    decided."""

    deliverer: Deliverer
    delivery: Delivery

    def resolve(self, reply: Any, encoded: bytes | None) -> None:
        self.deliverer.decided(self.delivery)

    def reject(self, error: ActorError) -> None:
        if error.temporary:
            self.deliverer.postpone(self.delivery, error)
        else:
            self.deliverer.decided(self.delivery)  # whatever it makes of that


class Pair:
    """Of one sender and one receiver: a message is under way only behind all that came before."""

    __slots__ = (
        "__weakref__", "attempts", "backoff", "deliverer", "paused", "receiver", "returned", "sender", "sender_id",
        "sent", "under_way", "waiting",
    )  # fmt: skip

    def __init__(self, deliverer: Deliverer, sender_id: int, sender: str, receiver: str) -> None:
        self.deliverer = deliverer
        self.sender_id = sender_id
        self.sender = sender
        self.receiver = receiver
        self.waiting: deque[Delivery] = deque()  # deliveries by rising sequence numbers
        self.under_way = 0  # how many the receiver has in its mailbox or handles
        self.sent = 0  # the highest sequence number of those
        self.returned: list[Delivery] = []  # deliveries to be sent again, once nothing is under way
        self.paused = False  # after a failure, until the retry
        self.backoff: Backoff | None = None
        self.attempts = 0  # tries in a row without success

    def add(self, delivery: Delivery) -> None:
        """Behind those that wait."""
        waiting = self.waiting
        waiting.append(delivery)
        if len(waiting) > 1 and waiting[-2].message.seq > delivery.message.seq:  # rows are read in order, but for races
            self.waiting = deque(sorted(waiting, key=_seq))

    def forget(self) -> None:
        """It is given up: nothing more of it is sent from here."""
        self.waiting.clear()
        self.returned.clear()

    def take_back(self) -> None:
        """What was returned is to be sent again, before all that waits behind it."""
        self.waiting = deque(sorted([*self.returned, *self.waiting], key=_seq))
        self.returned = []
        self.paused = False


def _seq(delivery: Delivery) -> int:
    return delivery.message.seq
