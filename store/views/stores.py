"""The stores of views, all together: what a node is given of them, in Postgres or in memory.

`ViewStore` is what runners see; beside it there are the versions, and how far each is.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

from msgspec import Struct

from greenroom.store.views.inline import Own
from greenroom.store.views.store import ParkedEntity, Version, ViewStore
from greenroom.store.views.wanted import Wanted


class Versions(Protocol):
    """Which tables there are, and what becomes of each: see versions.py. All of it raises StoreUnavailable, and what
    changes something OutcomeLost."""

    async def all(self) -> list[Version]:
        """By name, version and build."""

    async def install(self, wanted: Sequence[Wanted]) -> None:
        """Have a table for each, and see that those there are fit. Raises: ViewRefused."""

    async def releases(self, known: Collection[str]) -> dict[str, dict[str, int] | None]:
        """The releases of nodes that are up, by digest, each with the views that it has and their versions; None for
        those that are known."""

    async def switch(self, version: Version, *, until_s: float | None = None, lineage: str | None = None) -> bool:
        """One that has been filled takes the live one's place, which becomes old. False when that is done already, a
        later build of the same version is live, a node is up that has not its code, it is later than `until_s`, on
        the database's clock, or the database is of another lineage. Raises: ViewRefused."""

    async def rebuild(self, wanted: Wanted) -> Version:
        """Make another table of this release's version, to be filled beside the live one; where one is being filled, a
        new start. Raises: ViewRefused."""

    async def remake(self, name: str) -> Version | None:
        """As `rebuild`, whatever code there is: of each version that is being filled, else of the live one. The newest
        version's; None where there is no such view."""

    async def abandoned(self, versions: Collection[Version], code: Collection[Wanted]) -> set[int]:
        """Which of them nobody goes on with, by id."""

    async def running(self) -> set[tuple[str, int]]:
        """The views that nodes which are up have the code of, with their versions."""

    async def give_up(self, version: Version) -> bool:
        """One that is being filled, and that nobody can fill any more, is old from now on. False when it is not being
        filled."""

    async def drop(self, versions: Collection[Version], *, abandoned: Collection[int] = (), whole: bool = False) -> int:
        """Drop the tables of those that are old, or still `filling` and among the ids `abandoned`; with `whole`
        whatever they are. How many there were."""

    async def pause(self, name: str, *, paused: bool) -> int:
        """Fold nothing into any table of this view until it is resumed; or resume. How many tables it has."""

    async def ring(self, name: str) -> None:
        """Whoever fills its tables is to look anew for what there is to fold."""


class Left(Struct):
    """What is left to fold into one table."""

    entities: int = 0
    events: int = 0
    oldest_ms: int | None = None  # when the oldest event that is not folded was recorded, Unix ms


class Lacking(NamedTuple):
    """An entity with events that one table has not folded."""

    folded: int  # up to this offset
    through: int  # the last one recorded


class Behind(NamedTuple):
    """What one table lacks of all nodes' entities."""

    at_s: float  # when the look began, on the database's clock
    ended_s: float  # and when it ended: with millions of entities it takes a while
    lacking: dict[int, Lacking] | None  # by the ids of their heads; None where these are too many
    lineage: str  # of the database that was looked at; where it became another meanwhile, nothing is known: None above


class Parked(NamedTuple):
    """An entity that waits in one table."""

    head_id: int
    entity: str
    why: ParkedEntity


class Progress(Protocol):
    """How far each table is, and parked entities. All of it raises StoreUnavailable."""

    async def left(self, version: Version, *, entities_max: int) -> Left:
        """What is left to fold, of all nodes' entities; counted no further once it is more than so many."""

    async def behind(self, version: Version, *, entities_max: int) -> Behind:
        """The entities with something left, parked ones too: one that is tried again is no newcomer. Not looked at any
        further once there are more than so many."""

    async def kept_on(self, version: Version, after: int) -> int:
        """How many events are kept of its kinds, of some heads behind `after`."""

    async def folded(self, version: Version, entity: str) -> int | None:
        """Up to which event an entity is folded; None where it is parked, and so stays where it is."""

    async def parked_count(self, version: Version) -> int: ...

    async def parked(self, version: Version, *, limit: int, after: int = 0) -> list[Parked]:
        """Entities with why each waits, by rising heads; those behind the head `after`."""

    async def retry(self, versions: list[Version], entity: str | None = None) -> int:
        """Parked entities of these tables, or one of them, are to be tried again by the next sweep. How many."""

    async def clean(self) -> int:
        """Forget how far tables were that are gone. How many rows that was."""


class InlineRows(Protocol):
    """What tables have of entities whose appends write their rows."""

    async def own_rows(self, version: Version, heads: Sequence[tuple[int, str]]) -> dict[int, Own]:
        """Of these entities, by their heads' ids. Raises: StoreUnavailable."""


class Stores(Struct, frozen=True):
    """Of one node."""

    rows: ViewStore
    versions: Versions
    progress: Progress
    inline: InlineRows | None = None  # None: no append writes rows, and runners fold all
