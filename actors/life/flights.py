"""Flights: what bursts want to send out, in order, until its events are durable; what becomes of those that fail."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from greenroom.actors.life.command_ids import repeated
from greenroom.actors.life.departures import Answer, Departure, Rejection
from greenroom.actors.model.envelope import Envelope, Firing
from greenroom.actors.model.errors import ActorError, NotHere, OutcomeUnknown, Overloaded, Unavailable
from greenroom.actors.model.mailbox import Item
from greenroom.actors.model.message import ReplySlot
from greenroom.store.journal.consequences.consequences import Consequences
from greenroom.store.journal.records import Append, Remembered, StoredEvent


class Flight(Struct, gc=False):
    """What one burst sends out once all events up to `through` are durable."""

    through: int
    fence: int  # under which the events were submitted; 0 without a journal
    events: list[StoredEvent]
    consequences: Consequences | None  # what is committed with the events
    departures: list[Departure]
    items: list[Item]  # the messages it came from, to be handled again should the events prove lost

    def append(self, head_id: int) -> Append:
        """What was to become durable of it."""
        return Append(head_id, self.fence, self.through - len(self.events), self.events)


class Sorted(Struct):
    """What becomes of the flights of a former life."""

    landed: list[Flight]  # they depart
    answers: list[Departure]  # answers to repeated commands, which only the journal remembered
    again: list[Item]  # messages to be handled again


def command_ids_of(flights: Sequence[Flight]) -> list[str]:
    return [
        item.command_id
        for flight in flights
        for item in flight.items
        if type(item) is Envelope and item.command_id is not None
    ]


def sort_flights(
    flights: Sequence[Flight],
    stored: Mapping[int, StoredEvent],
    replies: Mapping[str, Remembered],
    *,
    suspected: bool = False,
) -> Sorted:
    """By what the journal holds at their offsets, and of their command ids. `suspected`: one of their messages is why.

    An event is ours if the row carries the fence under which we submitted it: somebody else may have recorded the same
    thing at the same offset in between.
    """
    landed = 0
    for flight in flights:
        if any(not _is_stored(event, flight.fence, stored) for event in flight.events):
            break
        if not flight.events and landed == 0:
            break  # nothing before it is known to have landed: handling it again is as good
        landed += 1
    answers: list[Departure] = []
    again: list[Item] = []
    for flight in flights[landed:]:
        for item in flight.items:
            if type(item) is Envelope and item.command_id is not None and item.command_id in replies:
                if item.slot is not None:
                    answers.append(repeated(item, item.slot, replies[item.command_id]))
            elif suspected or type(item) is not Envelope or type(item.source) is not Firing or item.strikes:
                again.append(item)  # a timer that is still due fires anew: once, and not once for each life
    return Sorted(list(flights[:landed]), answers, again)


def _is_stored(event: StoredEvent, fence: int, stored: Mapping[int, StoredEvent]) -> bool:
    row = stored.get(event.offset)
    return row is not None and row.fence == fence and row == event


def repeatable(flights: Sequence[Flight]) -> list[Item]:
    """Messages that somebody else may handle once more, though nobody knows which of these have landed: those that
    leave no trace, and those whose command ids tell."""
    return [
        item
        for flight in flights
        for item in flight.items
        if (not flight.events and flight.consequences is None)
        or (type(item) is Envelope and item.command_id is not None)
    ]


class PerhapsDone:
    """The reply slot of a message that may have landed: nobody who did not handle it again can say that it was not.

    `slot` is the one that whoever waits has given.
    """

    __slots__ = ("slot",)

    def __init__(self, slot: ReplySlot) -> None:
        self.slot = slot

    def resolve(self, reply: object, encoded: bytes | None) -> None:
        self.slot.resolve(reply, encoded)

    def reject(self, error: ActorError) -> None:
        if isinstance(error, NotHere | Overloaded | Unavailable):
            error = OutcomeUnknown(f"it was not handled again, and may have been before: {error}")
        self.slot.reject(error)


def doubt(flights: Sequence[Flight]) -> None:
    """Whoever waits for what these have submitted is not told that it was not handled, once they are `repeatable`."""
    for flight in flights:
        if flight.events or flight.consequences is not None:
            for item in flight.items:
                if type(item) is Envelope and item.command_id is not None and item.slot is not None:
                    item.slot = PerhapsDone(item.slot)


def answers_of(flights: Sequence[Flight]) -> list[Answer | Rejection]:
    """Whoever waits for one of these."""
    return [one for flight in flights for one in flight.departures if isinstance(one, Answer | Rejection)]
