"""Claims: who delivers an entity's events to a sink just now, and what was delivered.

A transaction is not held open while the other side answers; so a node claims, for about as long as a delivery may take,
delivers, and then notes what was delivered and lets go, each by a statement of its own. Until then nobody else delivers
events of that entity to that sink, unless the node is dead. Rows are locked by rising head id, by all.

Each statement asks whether the number of the sink's version is still its own: after a failover that has lost it another
may have it, and what was delivered to one would be noted of the other.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from greenroom.store.postgres.pool import Pool
from greenroom.store.views.store import ParkedEntity, Version

HEADS_AT_ONCE = 20_000  # that one statement begins again

CLAIM = """
INSERT INTO view_progress AS p (view_id, id, "offset", claimed_by, claimed_until)
SELECT $1, h.id, w.at, $4::bigint, clock_timestamp() + make_interval(secs => $5)
FROM unnest($2::bigint[], $3::bigint[]) AS w (id, at) JOIN heads h ON h.id = w.id
JOIN view_versions v ON (v.id, v.name, v.version, v.build) = ($1::int, $6, $7::int, $8::int)
ORDER BY h.id
ON CONFLICT (view_id, id) DO UPDATE SET claimed_by = excluded.claimed_by, claimed_until = excluded.claimed_until
WHERE p.parked IS NULL AND p."offset" = excluded."offset" AND (
    p.claimed_by IS NULL OR p.claimed_by = excluded.claimed_by OR p.claimed_until < clock_timestamp()
    OR NOT EXISTS (
        SELECT FROM nodes n
        WHERE n.incarnation = p.claimed_by AND n.state <> 'dead' AND n.lease_until > clock_timestamp()
    )
)
RETURNING p.id, (SELECT h.epoch || h.lineage FROM heads h WHERE h.id = p.id)
"""
SETTLE = """
WITH mine AS MATERIALIZED (
    SELECT p.id, i.at, i.why
    FROM view_progress p
    JOIN unnest($3::bigint[], $4::bigint[], $5::bigint[], $6::text[]) AS i (id, before, at, why)
        ON i.id = p.id AND i.before = p."offset"
    JOIN view_versions v ON (v.id, v.name, v.version, v.build) = ($1::int, $7, $8::int, $9::int)
    WHERE p.view_id = $1 AND p.claimed_by = $2
    ORDER BY p.id FOR UPDATE OF p
)
UPDATE view_progress p
SET "offset" = m.at, parked = m.why::jsonb, claimed_by = NULL, claimed_until = NULL
FROM mine m WHERE p.view_id = $1 AND p.id = m.id
RETURNING p.id
"""
# Of entities that the sink has not begun with: behind what is gone. Where it wants to hear of nothing older, it has
# begun with all that there were when it was made; of one that a release before has made, it is what nodes' clocks say.
BEGIN = """
INSERT INTO view_progress (view_id, id, "offset")
SELECT v.id, h.id, greatest(h.trimmed, CASE WHEN $3 AND NOT v.begun THEN coalesce((
    SELECT j."offset" FROM journal j
    WHERE j.id = h.id AND j.at_ms < extract(epoch FROM v.made_at) * 1000 ORDER BY j."offset" DESC LIMIT 1
), 0) ELSE 0 END)
FROM view_versions v, heads h
WHERE (v.id, v.name, v.version, v.build) = ($1::int, $4, $5::int, $6::int) AND h.id = ANY ($2::bigint[])
ORDER BY h.id
ON CONFLICT DO NOTHING
"""
# What was claimed is not any more: whoever is delivering notes nothing of it.
REPLAY = """
WITH looked AS MATERIALIZED (
    SELECT p.id, greatest($2::bigint - 1, h.trimmed) AS at
    FROM view_progress p JOIN heads h ON h.id = p.id
    JOIN view_versions v ON (v.id, v.name, v.version, v.build) = ($1::int, $6, $7::int, $8::int)
    WHERE p.view_id = $1 AND p.id > $3 AND ($4::text IS NULL OR h.entity = $4)
    ORDER BY p.id LIMIT $5 FOR UPDATE OF p
), again AS (
    UPDATE view_progress p SET "offset" = l.at, parked = NULL, claimed_by = NULL, claimed_until = NULL
    FROM looked l WHERE p.view_id = $1 AND p.id = l.id AND p."offset" > l.at
    RETURNING p.id
)
SELECT (SELECT max(id) FROM looked), (SELECT count(*) FROM again)
"""


class Settled(NamedTuple):
    """What became of an entity that was claimed."""

    before: int  # the offset at which it was claimed
    through: int  # it is delivered up to here
    parked: ParkedEntity | None = None


class Claims(Protocol):
    """Of one node. All of it raises StoreUnavailable."""

    async def claim(self, version: Version, at: Mapping[int, int], *, lasts_s: float) -> dict[int, str]:
        """Claim entities by their heads, where each is still delivered up to what is said, and nobody else has it. The
        epochs of those that are this node's now."""

    async def settle(self, version: Version, settled: Mapping[int, Settled]) -> set[int]:
        """Note what was delivered, and let go. Those of which it was noted: others were begun again meanwhile, or have
        been claimed by somebody else."""

    async def begin(self, version: Version, head_ids: Collection[int], *, now: bool) -> None:
        """Begin with entities of which nothing is noted; with `now`, behind what is older than the sink."""

    async def replay(self, versions: Sequence[Version], *, offset: int, entity: str | None = None) -> int:
        """Deliver again from an offset on what was delivered, of all entities or one; of what is kept. Parked ones
        are tried again. How many entities that is."""


class PostgresClaims:
    """See Claims."""

    def __init__(self, pool: Pool, *, incarnation: int) -> None:
        self._pool = pool
        self._incarnation = incarnation

    async def claim(self, version: Version, at: Mapping[int, int], *, lasts_s: float) -> dict[int, str]:
        """See Claims."""
        arguments = (list(at), list(at.values()), self._incarnation, lasts_s)
        id_, *named = version.identity
        return dict([tuple(row) for row in await self._pool.fetch(CLAIM, id_, *arguments, *named)])

    async def settle(self, version: Version, settled: Mapping[int, Settled]) -> set[int]:
        """See Claims."""
        if not settled:
            return set()
        ids = sorted(settled)
        id_, *named = version.identity
        rows = await self._pool.fetch(
            SETTLE,
            id_,
            self._incarnation,
            ids,
            [settled[one].before for one in ids],
            [settled[one].through for one in ids],
            [_json(settled[one].parked) for one in ids],
            *named,
        )
        return {row[0] for row in rows}

    async def begin(self, version: Version, head_ids: Collection[int], *, now: bool) -> None:
        """See Claims."""
        id_, *named = version.identity
        await self._pool.fetch(BEGIN, id_, sorted(head_ids), now, *named)

    async def replay(self, versions: Sequence[Version], *, offset: int, entity: str | None = None) -> int:
        """See Claims."""
        again = 0
        for version in versions:
            id_, *named = version.identity
            after: int | None = 0
            while after is not None:
                arguments = (offset, after, entity, HEADS_AT_ONCE)
                ((after, count),) = await self._pool.fetch(REPLAY, id_, *arguments, *named)
                again += count
        return again


def _json(parked: ParkedEntity | None) -> str | None:
    return None if parked is None else msgspec.json.encode(parked).decode()
