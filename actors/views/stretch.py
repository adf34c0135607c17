"""A stretch: events of one entity that follow one another, on their way into views."""

from collections.abc import Sequence

from greenroom.actors.model.kinds import Kind
from greenroom.actors.model.message import Event, tag_of
from greenroom.actors.model.upcasters import UnreadableEvent
from greenroom.actors.views.view import Origin
from greenroom.store.journal.records import ROW_BYTES, StoredEvent

TAGGED = b'{"type":"'  # what each event begins with, as it is stored
FROM_JOURNAL = 0  # the fence of a stretch that was read, and not heard of


class Stretch:
    """Decoded when the first view asks for it, and then for all.

    `fence` is that of the activation whose append was heard of; of what was read from the journal it is FROM_JOURNAL,
    and `lineage` says in which history. `state` is a snapshot as of `after`, for a view that begins there.
    """

    __slots__ = (
        "_happened", "_kind", "after", "broken", "bytes", "entity", "fence", "head_id", "lineage", "state", "stored",
    )  # fmt: skip

    def __init__(
        self,
        kind: Kind,
        entity: str,
        head_id: int,
        after: int,
        stored: Sequence[StoredEvent],
        *,
        fence: int = FROM_JOURNAL,
        lineage: str = "",
        state: tuple[bytes, int] | None = None,
    ) -> None:
        """`stored` have the offsets after+1, after+2, ...; `state` is the snapshot's JSON and when it was saved, ms."""
        self._kind = kind
        self.entity = entity
        self.head_id = head_id
        self.after = after
        self.stored = stored
        self.fence = fence
        self.lineage = lineage
        self.state = state
        self._happened: list[tuple[Origin, Event]] | None = None
        self.bytes = sum([len(one.payload) for one in stored]) + ROW_BYTES * (len(stored) + 1)  # in memory, about
        self.broken: tuple[int, Exception] | None = None  # the offset that could not be decoded, once that is known

    @property
    def through(self) -> int:
        return self.after + len(self.stored)

    def happened(self) -> list[tuple[Origin, Event]]:
        """Its events, as they are at present, each with where it comes from; up to the first that can't be decoded,
        which `broken` names from then on. Where a newer release has recorded what this one does not read, the stretch
        ends there: a node of that release goes on."""
        if self._happened is None:
            self._happened = []
            decode, entity = self._kind.decode_events, self.entity
            for one in self.stored:
                try:
                    events = decode(one.payload)
                except UnreadableEvent as error:
                    if self._kind.is_behind:
                        self.stored = self.stored[: one.offset - self.after - 1]
                    else:
                        self.broken = one.offset, error
                    break
                if events:
                    origin = Origin(entity, one.offset, one.at_ms, one.info)
                    self._happened += [(origin, event) for event in events]
        return self._happened

    def says(self, beginnings: tuple[bytes, ...]) -> bool:
        """Does one of its events begin so, see `beginning`? What can't be told by how it begins might."""
        for one in self.stored:  # mostly one, and asked by each view of its kind
            payload = one.payload
            if payload.startswith(beginnings) or not payload.startswith(TAGGED):
                return True
        return False

    def decoded_state(self) -> object:
        """Raises: msgspec.DecodeError when it is of another shape."""
        assert self.state is not None
        return self._kind.decode_state(self.state[0])

    def part(self, after: int, through: int) -> "Stretch":
        """The events after one offset, up to another; itself where that is all of it."""
        if after <= self.after and through >= self.through:
            return self
        first = max(after - self.after, 0)
        return Stretch(
            self._kind,
            self.entity,
            self.head_id,
            self.after + first,
            self.stored[first : through - self.after],
            fence=self.fence,
            lineage=self.lineage,
            state=self.state if first == 0 else None,
        )


def beginning(event: type[Event]) -> bytes:
    """What every event of that class begins with, as it is stored."""
    return TAGGED + tag_of(event).encode() + b'"'
