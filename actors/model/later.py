"""Later: the answer to a message that comes with another one."""

from greenroom.actors.model.envelope import ReplySlot
from greenroom.actors.model.errors import ActorError


class Later:
    """What `handle` returns in place of the reply: whoever asked waits until `Actor.answer` gives it.

    In memory alone. Whose life ends before hears `unavailable`, and may ask again: nothing of it has been answered.
    A message that is answered later is not remembered by its idempotency key.
    """

    __slots__ = ("_open", "_slot")

    def __init__(self) -> None:
        self._slot: ReplySlot | None = None
        self._open: set[Later] | None = None

    def wait(self, slot: ReplySlot | None, among: "set[Later]") -> None:
        """Of the life that handled the message: here is where the answer goes. It is `among` those that wait."""
        self._slot = slot
        self._open = among
        among.add(self)

    # It is a ReplySlot: the answer departs as any other does, behind what must be durable before.

    def resolve(self, reply: object, encoded: bytes | None) -> None:
        slot = self._take()
        if slot is not None:
            slot.resolve(reply, encoded)

    def reject(self, error: ActorError) -> None:
        slot = self._take()
        if slot is not None:
            slot.reject(error)

    def _take(self) -> ReplySlot | None:
        slot, self._slot = self._slot, None
        if self._open is not None:
            self._open.discard(self)
            self._open = None
        return slot
