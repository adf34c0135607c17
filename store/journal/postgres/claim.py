"""Claiming: raise the fences of many heads in one statement, then load what each activation is built from.

Heads are locked in the order of their ids, by the append too, so two statements can't deadlock.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from greenroom.store.errors import DataRefused, Erased, JournalDamaged, NotOwner
from greenroom.store.journal.journal import Claim
from greenroom.store.journal.names import digest_of
from greenroom.store.journal.postgres.load import Loading
from greenroom.store.journal.records import Claimed, Head
from greenroom.store.ownership.sharding import shard_of
from greenroom.store.postgres.connection import Connection

# The conflict branch waits for the row's lock and then works on its newest version, whatever the snapshot says.
# A standby that takes over may lack the newest claims and heads. So that it grants no fence that its predecessor has
# granted, it leaves room for as many claims as may be missing, and new heads begin with another number. So that an
# entity whose unused head was removed gets no fence again, a new head begins above all that were removed, and above the
# one that this statement's snapshot still has.
# The shard must be the claimer's, under the term that it knows, where there are shards at all. One that is nobody's may
# be so since a standby took over that had not heard who owns it: who claimed under the term that it remembers would
# leave a head above all terms that the next owners are given, and these could never claim it. A plain read is enough:
# who loses that race gets a fence that the rightful owner overtakes. A subquery, so that it is looked up by its key:
# joined, all rows of shards would be read for a single entity.
# Terms are those of shards, and so each entity's own. The conflict branch sees it only as the upper half of the fence
# that was to be: so none is formed above a head's that is under a newer term.
# What was erased is not made anew. While that is under way its head is there, under a term that nobody has; so only the
# claim of an entity without a head looks.
RAISE = """
INSERT INTO heads (entity, fence, incarnation, epoch, lineage, era, since_ms, claimed_ms, shard)
SELECT w.entity,
    greatest(
        (w.term << 32) | greatest((now.era << 16) | 1, now.activation + 1), w.above + 1, known.fence + 1
    ),
    $4::bigint, w.epoch, now.lineage, now.era, $6::bigint, $6::bigint, w.shard
FROM unnest($1::text[], $2::text[], $5::bigint[], $7::int[], $3::bigint[]) AS w (entity, epoch, above, shard, term)
CROSS JOIN (
    SELECT lineage() AS lineage, timeline() - 1 & 32767 AS era, (SELECT activation FROM fence_floor) AS activation
    OFFSET 0
) now
LEFT JOIN heads known ON known.entity = w.entity
WHERE (known.fence IS NULL OR known.fence >> 32 <= w.term) AND coalesce(
    (
        SELECT s.owner IS NOT DISTINCT FROM $4 AND s.term = w.term
        FROM shards s WHERE s.shard = w.shard
    ),
    true
)
AND (known.id IS NOT NULL OR NOT EXISTS (
    SELECT FROM erasures e WHERE e.digest = sha256(convert_to(w.entity, 'UTF8'))
))
ORDER BY known.id NULLS LAST, w.entity
ON CONFLICT (entity) DO UPDATE SET
    fence = greatest(
        excluded.fence, heads.fence + CASE WHEN heads.lineage = excluded.lineage THEN 1 ELSE 65536 END
    ),
    incarnation = $4,
    lineage = excluded.lineage,
    claimed_ms = $6,
    shard = excluded.shard,
    era = CASE WHEN heads.lineage = excluded.lineage THEN heads.era ELSE greatest(heads.era + 1, excluded.era) END
WHERE heads.fence >> 32 <= excluded.fence >> 32
RETURNING id, entity, fence, epoch || lineage AS epoch, "offset", trimmed, era, shard, snapshot_offset,
    xmax <> 0 AS known
"""

ERASED = """
SELECT w.entity FROM unnest($1::text[], $2::bytea[]) AS w (entity, digest) JOIN erasures e ON e.digest = w.digest
"""
FENCES = "SELECT id, fence FROM heads WHERE id = ANY ($1::bigint[])"


class Claiming:
    """One claim of several entities, each at most once."""

    def __init__(
        self,
        connection: Connection,
        *,
        incarnation: int,
        shards: int,
        new_epoch: Callable[[], str],
        now_ms: int,
    ) -> None:
        self._connection = connection
        self._now_ms = now_ms
        self._incarnation = incarnation
        self._shards = shards
        self._new_epoch = new_epoch

    async def warm(self) -> None:
        """Claim nothing, and load nothing: what a session does first takes it twenty times as long as afterwards.
        Raises: StoreUnavailable."""
        await self._raise([], {}, {}, {})
        await Loading(self._connection, window=0).nothing()

    async def run(self, terms: Mapping[str, int], *, window: int, above: Mapping[str, int]) -> dict[str, Claim]:
        """See Journal. A raise that was lost on the way does no harm: claim again. Raises: StoreUnavailable."""
        found: dict[str, Claim] = {entity: NotOwner(entity) for entity in terms}
        old: list[Claimed] = []
        for row in await self._raise(list(terms), terms, above, found):
            claimed = Claimed(Head(*tuple(row)[:8]), snapshot=None, snapshot_offset=row["snapshot_offset"], events=[])
            found[claimed.head.entity] = claimed
            if row["known"] or row["offset"]:
                old.append(claimed)  # a head that is new has nothing to load; one without events may have timers
        await self._load(old, window, found)
        refused = [entity for entity, claim in found.items() if type(claim) is NotOwner]
        if refused:
            digests = [digest_of(entity) for entity in refused]
            for (entity,) in await self._connection.fetch(ERASED, refused, digests):
                found[entity] = Erased(entity)
        return found

    async def _raise(
        self, entities: list[str], terms: Mapping[str, int], above: Mapping[str, int], found: dict[str, Claim]
    ) -> list[Any]:
        """The heads that are ours now. By halves when the server refuses a name, so that only that one fails."""
        epochs = [self._new_epoch() for _ in entities]
        floors = [above.get(entity, 0) for entity in entities]
        shards = [shard_of(entity, self._shards) for entity in entities]
        try:
            return list(
                await self._connection.fetch(
                    RAISE,
                    entities,
                    epochs,
                    [terms[entity] for entity in entities],
                    self._incarnation,
                    floors,
                    self._now_ms,
                    shards,
                )
            )
        except DataRefused as error:
            if len(entities) == 1:
                found[entities[0]] = JournalDamaged(entities[0], f"the server refuses its claim ({error})")
                return []
            half = len(entities) // 2
            return [
                *await self._raise(entities[:half], terms, above, found),
                *await self._raise(entities[half:], terms, above, found),
            ]

    async def _load(self, items: Sequence[Claimed], window: int, found: dict[str, Claim]) -> None:
        """Fill in what each is built from: statements of their own, after the raise, whose snapshots then hold the
        append that the raise has waited for (trap 4).

        Those in `found` that contradict themselves are damaged, unless somebody else has claimed them in the meantime.
        """
        if not items:
            return
        loading = Loading(self._connection, window=window)
        await loading.run(items)
        damaged: dict[int, str] = {}
        by_id = {item.head.id: item for item in items}
        for head_id, item in by_id.items():
            if head_id in loading.too_long:
                found[item.head.entity] = loading.too_long[head_id]
            elif head_id in loading.refused:
                damaged[head_id] = f"the server refuses to read it ({loading.refused[head_id]})"
            elif (damage := item.damage()) is not None:
                damaged[head_id] = damage
        if not damaged:
            return
        for head_id, fence in await self._connection.fetch(FENCES, list(damaged)):
            head = by_id[head_id].head
            is_mine = fence == head.fence
            found[head.entity] = JournalDamaged(head.entity, damaged[head_id]) if is_mine else NotOwner(head.entity)
