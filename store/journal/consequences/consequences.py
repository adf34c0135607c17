"""All kinds together. Another kind is a file beside this one, and a line among the fields."""

from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import get_args, get_type_hints

from msgspec import Struct

from greenroom.store.journal.consequences.consequence import Consequence, Tables
from greenroom.store.journal.consequences.inline import Inline
from greenroom.store.journal.consequences.jobs import Jobs
from greenroom.store.journal.consequences.letters import Letters
from greenroom.store.journal.consequences.marks import Marks
from greenroom.store.journal.consequences.outbox import Outbox
from greenroom.store.journal.consequences.timers import Timers


class Consequences(Struct, gc=False):
    """What one entity commits with its events, in the same statement; None where there is none of a kind.

    `gc=False`, and no empty containers: under load there are thousands, and none of them leads back to any.
    """

    outbox: Outbox | None = None
    marks: Marks | None = None
    timers: Timers | None = None
    letters: Letters | None = None
    inline: Inline | None = None
    jobs: Jobs | None = None

    def each(self) -> Iterator[tuple[str, Consequence]]:
        """Those that there are, by their field's name."""
        for name in KINDS:
            kind: Consequence | None = getattr(self, name)
            if kind:
                yield name, kind

    def extend(self, later: "Consequences") -> None:
        """Take in what came after, in the same append."""
        for name, kind in later.each():
            if getattr(self, name) is None:
                setattr(self, name, type(kind)())
            getattr(self, name).merge(kind)

    def cost(self) -> tuple[int, int]:
        """Rows and bytes."""
        rows = size = 0
        for kind in of_each(self):  # not by `each`: this is asked for every append
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


KINDS: dict[str, type[Consequence]] = {name: get_args(kind)[0] for name, kind in get_type_hints(Consequences).items()}
# Those of one append in the order of KINDS, None where there is none of a kind: in one call, for it is asked of each.
of_each: Callable[[Consequences], tuple[Consequence | None, ...]] = attrgetter(*KINDS)
