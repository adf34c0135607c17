"""The referee: who says which nodes there are, and which of them owns a shard under which term.

A node's **incarnation** is random and never used again. Its **lease** is on the referee's clock, so that no node's
clock decides anything. A shard goes from nobody to somebody, or from its owner to whom that gives it. Its owner's
death, which is either proven or follows from a lease that has run out, makes it nobody's, or theirs at once whom the
undertaker names. Each change raises the shard's **term**, the upper half of every fence granted under it, so what a
former owner still writes is refused, whatever it believes.

Two implementations keep these promises: `referee_postgres.py` and `referee_memory.py`;
`tests/store/ownership/test_referee.py` is one suite run over both.
"""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final, Literal, Protocol

from msgspec import Struct

from greenroom.store.errors import StoreUnavailable

NOBODY_NEXT: Final[Mapping[int, int]] = MappingProxyType({})

State = Literal["joining", "up", "draining"]  # each may only be followed by a later one


class ShardsDiffer(StoreUnavailable):
    """The database was set up with another number of shards."""


class Newcomer(Struct, frozen=True, kw_only=True):
    """What a node says of itself when it comes."""

    url: str
    version: str
    host: str  # where its process is; "" where that is not known
    process: str
    capacity: int = 100  # its part of the entities, beside the others' capacities
    is_alone: bool = True  # it shares the database with no other node
    release: str = ""  # names what its release knows; "" where it does not say
    knowledge: str = ""  # that itself, JSON


class Member(Struct, frozen=True):
    """A node that has not been declared dead."""

    incarnation: int
    url: str
    version: str
    host: str
    process: str
    state: State
    capacity: int
    is_alone: bool
    left_s: float  # of its lease, on the referee's clock
    until: float  # the end of its lease, Unix s on the referee's clock: it changes with each renewal
    shards: int  # how many it owns
    release: str = ""  # see Newcomer
    unreached: tuple[int, ...] = ()  # nodes that it can't reach; itself among them: it reaches nobody


class Owned(Struct, frozen=True):
    """A shard, as the referee's row has it."""

    shard: int
    owner: int | None  # an incarnation
    term: int
    since: float  # of the last change, Unix s on the referee's clock


class Referee(Protocol):
    """As one node sees it. All of its methods raise StoreUnavailable; what they change may be tried again."""

    @property
    def incarnation(self) -> int:
        """The node's own."""

    async def agree(self, shards: int) -> None:
        """That entities hash onto so many. Raises: ShardsDiffer."""

    async def cluster(self) -> str:
        """The name of the nodes that share this database: it is of no other's."""

    async def join(self, newcomer: Newcomer, *, lease_s: float) -> None:
        """Be a node, with a lease: up at once where it is alone, else joining."""

    async def renew(self, lease_s: float, *, unreached: Collection[int] = ()) -> bool:
        """Have the lease end so many seconds from now, and say which nodes this one can't reach. False: this node has
        been declared dead, and that is final."""

    async def renew_beside(self, lease_s: float) -> bool | None:
        """As `renew`, beside one that has not been answered, and without waiting for that. None: it is under way yet,
        or somebody else is about to change what is known of this node."""

    async def enter(self, state: State) -> bool:
        """Be in that state, or in a later one. False: this node has been declared dead."""

    async def members(self) -> list[Member]:
        """All nodes that are not dead, this one too, the oldest first."""

    async def releases(self, known: Collection[str]) -> dict[str, str | None]:
        """What those releases know whose nodes are members, or were so within the last week: by name, and None for
        those that are among `known`."""

    async def bury(
        self, incarnation: int, *, is_proven: bool, why: str, nexts: Mapping[int, int] = NOBODY_NEXT
    ) -> list[Owned] | None:
        """Declare a node dead, if its death is proven or its lease has run out. Its shards go to those whom `nexts`
        names and who are up, and are nobody's else: as they are now. None: this did not do it."""

    async def end_sessions(self, incarnation: int) -> None:
        """Have nothing under way any more of a node that is dead: a statement of its that waits for a lock would hold
        up whoever comes after it. No other's statement is ended with it."""

    async def withdraw(self) -> None:
        """Not to have been a node. No effect where this one owns a shard."""

    async def owned(self, *, since: float | None = None) -> list[Owned]:
        """The shards that have changed hands at or after `since`, by the referee's clock; None: all."""

    async def take(self, why: str, *, shards: Collection[int] | None = None) -> dict[int, int]:
        """Own those of `shards` (None: of all) that are nobody's: their terms, by shard. None of them where this node
        is not up."""

    async def give(self, shards: Mapping[int, tuple[int, int]], why: str) -> dict[int, int]:
        """Have others own shards that this node owns: by shard, the term that it has them under, and the incarnation
        of who is next. The new terms, by shard; without those that it no longer has, and those whose next one is not
        up. Given to itself, whatever its state, a shard is kept under a new term: then no other `give` that is on its
        way yet takes effect."""
