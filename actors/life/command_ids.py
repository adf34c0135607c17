"""Command ids: the first reply to each command that came with one, for whoever repeats it."""

from collections.abc import Iterable, Mapping
from itertools import islice

from greenroom.actors.life.departures import Answer, Rejection
from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.message import ReplySlot, decoded_reply
from greenroom.config.telemetry.held import Holdings
from greenroom.store.journal.records import Remembered

REMEMBERED_MAX = 1024  # older ones are found in the journal
WEIGHT = 250  # bytes that a remembered reply takes beyond its own and its id's, about


class CommandIds:
    """What one life remembers."""

    __slots__ = ("_absent", "_held", "bytes", "replies")

    def __init__(self) -> None:
        self._held: Holdings | None = None
        self.bytes = 0  # about
        self.replies: dict[str, Remembered] = {}  # by command id; only `remember` adds to it
        self._absent: frozenset[str] = frozenset()  # ids that the journal did not have at the last look

    def is_unknown(self, command_id: str) -> bool:
        """May the journal have it, for all that is known here?"""
        return command_id not in self.replies and command_id not in self._absent

    def remember(self, command_id: str, what: Remembered) -> None:
        if len(self.replies) >= REMEMBERED_MAX:
            # Half of them at once: to find the first key of a dict takes as long as many have been removed before it.
            self.replies = dict(islice(self.replies.items(), REMEMBERED_MAX // 2, None))
            self._weigh(sum(WEIGHT + len(one) + len(kept.reply) for one, kept in self.replies.items()))
        elif not self.replies and self._held is not None:
            self._held.join(self)
        self.replies[command_id] = what
        size = WEIGHT + len(command_id) + len(what.reply)
        self.bytes += size
        if self._held is not None:
            self._held.bytes += size

    def count_in(self, held: Holdings) -> None:
        """From now on, as the life is somebody's."""
        self._held = held
        held.bytes += self.bytes
        held.join(self)

    def forget(self) -> int:
        """All of them: the journal has them too."""
        forgotten = self.bytes
        self.replies = {}
        self._absent = frozenset()
        self._weigh(0)
        return forgotten

    def end(self) -> None:
        """With its life."""
        self.forget()
        if self._held is not None:
            self._held.leave(self)
            self._held = None

    def _weigh(self, size: int) -> None:
        if self._held is not None:
            self._held.bytes += size - self.bytes
        self.bytes = size

    def learn(self, looked_up: Iterable[str], found: Mapping[str, Remembered]) -> None:
        """What the journal has of these."""
        for command_id, what in found.items():
            self.remember(command_id, what)
        self._absent = frozenset(looked_up) - found.keys()


def repeated(envelope: Envelope, slot: ReplySlot, known: Remembered) -> Answer | Rejection:
    """The first reply to a repeated command; a refusal when it is another command with the same id."""
    if known.digest is not None and envelope.digest is not None and known.digest != envelope.digest:
        text = "this idempotency key was used before, for a command with other fields"
        return Rejection(slot, Refused("command_id.reused", text, status=409))
    return Answer(slot, decoded_reply(envelope.message, known.reply), known.reply)
