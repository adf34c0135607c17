"""What a topic has said since its last flush, as bytes for each encoding: publications together, as far as nothing
ephemeral was said between them, which keeps its place among them."""

from msgspec import Struct

from greenroom.transports.hub.encoding import Encoding
from greenroom.transports.hub.publication import Publication


class Ephemeral(Struct, frozen=True):
    """A publication without an offset, or a join or leave."""

    place: int  # so many of the publications that wait came before it
    number: int  # of the topic's ephemeral ones, from 1
    key: str
    data: bytes  # JSON: what is shown, or the ClientInfo of who joins or leaves
    presence: str = ""  # "join" or "leave"

    def encoded(self, encoding: type[Encoding], entity: str) -> bytes:
        """b"" where it is not shown."""
        if self.presence:
            return encoding.presence(entity, self.presence, self.data)
        return encoding.ephemeral(entity, self.data)

    def ring_key(self, entity: str) -> str:
        """The name of an entity holds no control character, so none reads as another."""
        return f"{entity}\r{self.presence} {self.key}" if self.presence else f"{entity}\n{self.key}"


class Piece(Struct, frozen=True):
    """Bytes for a subscriber."""

    data: bytes
    last: int  # the offset of the last publication in it; 0 of an ephemeral one
    ring_key: str | None = None  # of an ephemeral one: the newest per key is enough for who is slow


class Said:
    """Publications and ephemeral ones in their order. Unchanging."""

    def __init__(self, entity: str, epoch: str, publications: list[Publication], ephemerals: list[Ephemeral]) -> None:
        self._entity = entity
        self._epoch = epoch
        self.publications = publications
        self.ephemerals = ephemerals
        self.presences = any(one.presence for one in ephemerals)
        self._alike: dict[tuple[type[Encoding], bool], list[Piece]] = {}  # for all who were there before it

    @property
    def only_presences(self) -> bool:
        return not self.publications and all(one.presence for one in self.ephemerals)

    def pieces(self, encoding: type[Encoding], *, presences: bool, offset: int = 0, number: int = 0) -> list[Piece]:
        """What came after `offset`, and after the ephemeral one of `number`."""
        if offset or number:
            return self._pieces(encoding, presences, offset, number)
        found = self._alike.get((encoding, presences))
        if found is None:
            found = self._alike[encoding, presences] = self._pieces(encoding, presences, 0, 0)
        return found

    def _pieces(self, encoding: type[Encoding], presences: bool, offset: int, number: int) -> list[Piece]:
        found: list[Piece] = []
        begin = 0
        for one in self.ephemerals:
            if one.number <= number or (one.presence and not presences):
                continue
            self._add(found, encoding, begin, one.place, offset)
            begin = one.place
            data = one.encoded(encoding, self._entity)
            if data:
                found.append(Piece(data, 0, one.ring_key(self._entity)))
        self._add(found, encoding, begin, len(self.publications), offset)
        return found

    def _add(self, found: list[Piece], encoding: type[Encoding], begin: int, end: int, offset: int) -> None:
        batch = self.publications[begin:end]
        if batch and batch[0].offset <= offset:
            batch = [one for one in batch if one.offset > offset]
        if batch:
            data = encoding.publications(self._entity, self._epoch, batch)
            if data:
                found.append(Piece(data, batch[-1].offset))
