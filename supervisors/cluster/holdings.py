"""Holdings: which node owns which shard under which term, as far as this node has heard.

The referee knows; this is what its rows said when they were read last, and what has been heard since. It may be late,
which costs whoever trusts it a message more, and never more than that: a claim asks the rows themselves.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from greenroom.store.errors import NotOwner
from greenroom.store.ownership.referee import Owned
from greenroom.store.ownership.sharding import shard_of


class Holdings:
    """Of all shards. `mine` are those in which this node may wake entities, `leaving` those that it is handing over."""

    def __init__(self, incarnation: int, shards: int) -> None:
        self.mine: dict[int, int] = {}  # shard -> term
        self.leaving: dict[int, int] = {}
        self._incarnation = incarnation
        self._owners: list[int | None] = [None] * shards
        self._terms = [-1] * shards
        self._heard: set[int] = set()  # shards of which something was heard since the last reading began
        self._disputed: dict[int, int] = {}  # shard -> the term under which a claim was refused
        self._doubted: dict[int, int] = {}  # shard -> the term under which it was ours, until its row has been read
        self._overtaken: set[int] = set()  # shards that were another's while we believed them to be ours
        self._shards: frozenset[int] | None = None  # what `shards` gives, while that is so

    def __len__(self) -> int:
        """How many shards there are."""
        return len(self._owners)

    @property
    def owned(self) -> int:
        """How many are this node's."""
        return len(self.mine) + len(self.leaving)

    # The kernel's questions.

    def shard(self, entity: str) -> int:
        return shard_of(entity, len(self._owners))

    def owns(self, entity: str) -> bool:
        return shard_of(entity, len(self._owners)) in self.mine

    def term(self, entity: str) -> int:
        """Raises: NotOwner."""
        shard = shard_of(entity, len(self._owners))
        term = self.mine.get(shard)
        if term is None:
            term = self.leaving.get(shard)  # until all of its entities have ended they may be built anew
        if term is None:
            raise NotOwner(entity)
        return term

    def shards(self) -> frozenset[int] | None:
        """Those that are ours, also while they are handed over; None: all. Another object after each change, and only
        then."""
        if self.owned == len(self._owners):
            return None
        if self._shards is None:
            self._shards = frozenset(self.mine.keys() | self.leaving.keys())
        return self._shards

    def owner(self, entity: str) -> int | None:
        return self._owners[shard_of(entity, len(self._owners))]

    def owner_of(self, shard: int) -> int | None:
        return self._owners[shard]

    def shards_of(self, node: int) -> list[int]:
        return [shard for shard, owner in enumerate(self._owners) if owner == node]

    def counts(self) -> Mapping[int | None, int]:
        """How many shards each node owns."""
        return Counter(self._owners)

    # What is heard.

    def begin_reading(self) -> None:
        """The rows are about to be read: what is heard from now on may be newer than they are."""
        self._heard.clear()

    def read(self, rows: Iterable[Owned]) -> set[int]:
        """What the rows say. Terms may have fallen, where a standby took over that lacked the newest. Gives the shards
        that have changed hands since we heard of them last."""
        terms, heard = self._terms, self._heard
        return {
            row.shard
            for row in rows
            if (row.shard not in heard or row.term > terms[row.shard]) and self._set(row.shard, row.owner, row.term)
        }

    def hear(self, owner: int, terms: Mapping[int, int]) -> set[int]:
        """These shards are that node's under these terms, says itself or who gave them to it. Gives as `read`."""
        changed = {
            shard
            for shard, term in terms.items()
            if 0 <= shard < len(self._terms) and term > self._terms[shard] and self._set(shard, owner, term)
        }
        self._heard |= changed
        return changed

    def _set(self, shard: int, owner: int | None, term: int) -> bool:
        is_new = self._terms[shard] != term or self._owners[shard] != owner
        self._owners[shard], self._terms[shard] = owner, term
        believed = self._doubted.pop(shard, None) if self._doubted else None
        if believed is None:
            believed = self.mine.get(shard)
        if believed is not None and (owner != self._incarnation or term != believed):
            self._overtaken.add(shard)
        if owner != self._incarnation:
            self._drop(shard)
        elif shard in self.leaving:
            self.leaving[shard] = term
        elif is_new or shard not in self.mine:
            self._shards = None
            self.mine[shard] = term
        return is_new

    def _drop(self, shard: int) -> None:
        if self.mine.pop(shard, self.leaving.pop(shard, None)) is not None:
            self._shards = None

    def lost(self, shard: int) -> bool:
        """A claim in it was refused. True: it is nobody's, as far as we know, until the rows have been read again.
        False when they were since we were refused before, and say that it is ours: then that claim has other reasons.
        """
        term = self.mine.get(shard, self.leaving.get(shard))
        if term is None:
            return True
        if self._disputed.get(shard) == term:
            return False
        self._disputed[shard] = self._doubted[shard] = term
        self._drop(shard)
        self._owners[shard] = None
        return True

    def take_overtaken(self) -> set[int]:
        """Shards that have been another's without having been handed over: whoever is awake in them remembers what may
        be old, also where they are ours again. Each is given once."""
        overtaken, self._overtaken = self._overtaken, set()
        return overtaken

    # Handing over.

    def begin_leaving(self, shards: Collection[int]) -> set[int]:
        """Wake nobody in these any more; gives those that are ours."""
        ours = {shard for shard in shards if shard in self.mine}
        for shard in ours:
            self.leaving[shard] = self.mine.pop(shard)
        return ours

    def keep(self, shards: Collection[int]) -> None:
        """Those of them that are still ours are not handed over."""
        for shard in shards:
            if shard in self.leaving:
                self.mine[shard] = self.leaving.pop(shard)

    def clear(self) -> None:
        """Own nothing any more."""
        self.mine.clear()
        self.leaving.clear()
        self._shards = None
