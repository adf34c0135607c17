"""All kinds together. Another kind is a file beside this one, and a line among the fields."""

from collections.abc import Iterator

from msgspec import Struct, field

from greenroom.store.journal.consequences.consequence import Consequence, Tables
from greenroom.store.journal.consequences.letters import Letters
from greenroom.store.journal.consequences.marks import Marks
from greenroom.store.journal.consequences.outbox import Outbox
from greenroom.store.journal.consequences.timers import Timers


class Consequences(Struct):
    """What one entity commits with its events, in the same statement."""

    outbox: Outbox = field(default_factory=Outbox)
    marks: Marks = field(default_factory=Marks)
    timers: Timers = field(default_factory=Timers)
    letters: Letters = field(default_factory=Letters)

    def each(self) -> Iterator[tuple[str, Consequence]]:
        """Those that there are, by their field's name."""
        for name in self.__struct_fields__:
            kind: Consequence = getattr(self, name)
            if len(kind):
                yield name, kind

    def extend(self, later: "Consequences") -> None:
        """Take in what came after, in the same append."""
        for name, kind in later.each():
            getattr(self, name).merge(kind)

    def cost(self) -> tuple[int, int]:
        """Rows and bytes."""
        rows = size = 0
        for name in KINDS:  # not by `each`: this is asked for every append
            kind: Consequence = getattr(self, name)
            if not kind:
                continue
            its_rows, its_size = kind.cost()
            rows += its_rows
            size += its_size
        return rows, size

    def land(self, head: Tables, database: Tables) -> None:
        """Write them into memory."""
        for _, kind in self.each():
            kind.land(head, database)


KINDS = Consequences.__struct_fields__
