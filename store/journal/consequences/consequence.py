"""What a consequence is: something that is committed with the events that caused it, in the same statement.

Each kind is one file here, with all that the store must know of it: its SQL with columns by name, its twin in the
journal in memory, what it costs, how two of one entity merge. `Consequences` names the kinds.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

from msgspec import Struct

C = TypeVar("C")
T = TypeVar("T")


class Part(Struct, Generic[C], frozen=True):
    """One write among those of the append: it takes rows of the heads that the append owns, and of no others."""

    name: str  # the common table expression's name
    columns: Mapping[str, str]  # its rows' columns and their SQL types; in `sql` a row is `m`, and `id` is the head's
    sql: str  # holds {rows}, where the rows come from, and {owned}, true for those that may be written
    # Head id, its shard, consequence -> rows, in the order of `columns`.
    rows: Callable[[int, int | None, C], Iterable[tuple[object, ...]]]


class Tables:
    """Rows in memory, each table found by its class: of one head, or of the whole database."""

    def __init__(self) -> None:
        self._by_class: dict[type[Any], Any] = {}

    def of(self, table: type[T]) -> T:
        found: T | None = self._by_class.get(table)
        if found is None:
            found = self._by_class[table] = table()
        return found


class Consequence(Protocol):
    """One kind: of one entity, in one append."""

    parts: ClassVar[tuple[Part[Any], ...]]

    def merge(self, later: Self) -> None:
        """Take in what came after, in the same append."""

    def cost(self) -> tuple[int, int]:
        """How many rows, and their bytes: what bounds of batches and of what waits count."""

    def land(self, head: Tables, database: Tables) -> None:
        """The twin of `parts`: write it into memory."""

    def __len__(self) -> int: ...
