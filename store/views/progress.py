"""Progress: how far each table is, for whoever looks, and what is done about parked entities."""

from typing import Any

import msgspec

from greenroom.store.postgres.pool import Pool
from greenroom.store.views.store import ParkedEntity, Version
from greenroom.store.views.stores import Behind, Lacking, Left, Parked

HEADS_AT_ONCE = 20_000  # that one statement looks at
ROWS_AT_ONCE = 10_000  # of progress that one statement removes

# Of a page of heads: how many have events that are not folded, how many events these are, and the oldest of them.
LEFT = """
WITH looked AS MATERIALIZED (
    SELECT id, entity, "offset", trimmed FROM heads WHERE id > $2 ORDER BY id LIMIT $3
), behind AS MATERIALIZED (
    SELECT l.id, l."offset" AS through, greatest(coalesce(p."offset", 0), l.trimmed) AS folded
    FROM looked l LEFT JOIN view_progress p ON p.view_id = $1 AND p.id = l.id
    WHERE l."offset" > coalesce(p."offset", 0) AND p.parked IS NULL AND split_part(l.entity, ':', 1) = ANY ($4::text[])
)
SELECT (SELECT max(id) FROM looked), (SELECT count(*) FROM behind), (SELECT sum(through - folded)::bigint FROM behind),
    (
        SELECT min(e.at_ms) FROM (SELECT * FROM behind LIMIT $5) b
        JOIN LATERAL (SELECT j.at_ms FROM journal j WHERE j.id = b.id AND j."offset" = b.folded + 1) e ON true
    )
"""
# Of a page of heads: the last of these, and those with events that are not folded; parked ones too.
BEHIND = """
WITH looked AS MATERIALIZED (
    SELECT id, entity, "offset", trimmed FROM heads WHERE id > $2 ORDER BY id LIMIT $3
), behind AS MATERIALIZED (
    SELECT l.id, greatest(coalesce(p."offset", 0), l.trimmed) AS folded, l."offset" AS through
    FROM looked l LEFT JOIN view_progress p ON p.view_id = $1 AND p.id = l.id
    WHERE l."offset" > coalesce(p."offset", 0) AND split_part(l.entity, ':', 1) = ANY ($4::text[])
    LIMIT $5
)
SELECT m.last, m.at_s, m.lineage, b.id, b.folded, b.through
FROM (
    SELECT max(id) AS last, extract(epoch FROM statement_timestamp())::float8 AS at_s, lineage() AS lineage FROM looked
) m
LEFT JOIN behind b ON true
"""
PARKED_COUNT = "SELECT count(*) FROM view_progress WHERE view_id = $1 AND parked IS NOT NULL"
PARKED = """
SELECT p.id, h.entity, p.parked FROM view_progress p JOIN heads h ON h.id = p.id
WHERE p.view_id = $1 AND p.parked IS NOT NULL AND p.id > $3 ORDER BY p.id LIMIT $2
"""
# Of a page of heads: how many events of these kinds there are.
KEPT = """
SELECT sum("offset" - trimmed) FILTER (WHERE split_part(entity, ':', 1) = ANY ($3::text[]))::bigint FROM (
    SELECT id, entity, "offset", trimmed FROM heads WHERE id > $1 ORDER BY id LIMIT $2
) looked
"""
RETRY = """
UPDATE view_progress p SET parked = NULL
WHERE p.view_id = ANY ($1::int[]) AND p.parked IS NOT NULL
    AND ($2::text IS NULL OR p.id = (SELECT id FROM heads WHERE entity = $2))
RETURNING p.id
"""
# Tables that are gone: each view_id by a step over the index.
ORPHANS = """
WITH RECURSIVE ids (view_id) AS (
    (SELECT view_id FROM view_progress ORDER BY view_id LIMIT 1)
    UNION ALL
    SELECT (SELECT p.view_id FROM view_progress p WHERE p.view_id > ids.view_id ORDER BY p.view_id LIMIT 1)
    FROM ids WHERE ids.view_id IS NOT NULL
)
SELECT view_id FROM ids WHERE view_id IS NOT NULL AND NOT EXISTS (SELECT FROM view_versions v WHERE v.id = ids.view_id)
"""
REMOVE = """
DELETE FROM view_progress WHERE view_id = $1 AND id IN (
    SELECT id FROM view_progress WHERE view_id = $1 ORDER BY id LIMIT $2
) RETURNING id
"""
FOLDED = """
SELECT p."offset", p.parked IS NOT NULL, h."offset"
FROM heads h LEFT JOIN view_progress p ON p.view_id = $1 AND p.id = h.id
WHERE h.entity = $2
"""


class PostgresProgress:
    """All of it raises StoreUnavailable."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def left(self, version: Version, *, entities_max: int) -> Left:
        """Counted over all nodes' entities; no further once it is more than so many."""
        left = Left()
        after: int | None = 0
        while after is not None and left.entities <= entities_max:
            after = await self.count_on(left, version, after, entities_max=entities_max)
        return left

    async def behind(self, version: Version, *, entities_max: int) -> Behind:
        """See Progress."""
        lacking: dict[int, Lacking] = {}
        at_s: float | None = None
        ended_s, lineage = 0.0, ""
        after: int | None = 0
        while after is not None:
            arguments = (version.id, after, HEADS_AT_ONCE, sorted(version.kinds), entities_max + 1)
            rows = await self._pool.fetch(BEHIND, *arguments)
            last, looked_s, present = rows[0][:3]
            has_changed = at_s is not None and present != lineage
            at_s, ended_s, lineage = looked_s if at_s is None else at_s, looked_s, present
            lacking |= {id_: Lacking(folded, through) for *_, id_, folded, through in rows if id_ is not None}
            if has_changed or len(lacking) > entities_max:
                return Behind(at_s, ended_s, None, lineage)
            after = last
        assert at_s is not None
        return Behind(at_s, ended_s, lacking, lineage)

    async def count_on(self, left: Left, version: Version, after: int, *, entities_max: int) -> int | None:
        """Add to `left` what the heads behind `after` have left, of so many as one statement looks at. The last of
        these; None at the end. The oldest event is looked for among those of `entities_max` entities."""
        arguments = (version.id, after, HEADS_AT_ONCE, sorted(version.kinds), entities_max)
        ((last, entities, events, oldest_ms),) = await self._pool.fetch(LEFT, *arguments)
        left.entities += entities
        left.events += events or 0
        if oldest_ms is not None:
            left.oldest_ms = oldest_ms if left.oldest_ms is None else min(left.oldest_ms, oldest_ms)
        return None if last is None else int(last)

    async def kept_on(self, version: Version, after: int) -> int:
        """How many events are kept of its kinds, of as many heads behind `after` as `count_on` looks at."""
        ((events,),) = await self._pool.fetch(KEPT, after, HEADS_AT_ONCE, sorted(version.kinds))
        return int(events or 0)

    async def folded(self, version: Version, entity: str) -> int | None:
        """Up to which event an entity is folded; None where it is parked, and so stays where it is."""
        rows = await self._pool.fetch(FOLDED, version.id, entity)
        if not rows:
            return 0
        offset, parked, _ = rows[0]
        return None if parked else offset or 0

    async def parked_count(self, version: Version) -> int:
        ((count,),) = await self._pool.fetch(PARKED_COUNT, version.id)
        return int(count)

    async def parked(self, version: Version, *, limit: int, after: int = 0) -> list[Parked]:
        """Entities with why each waits, by rising heads; those behind the head `after`."""
        rows = await self._pool.fetch(PARKED, version.id, limit, after)
        return [Parked(row[0], row[1], msgspec.json.decode(row[2], type=ParkedEntity)) for row in rows]

    async def retry(self, versions: list[Version], entity: str | None = None) -> int:
        """Parked entities of these tables, or one of them, are to be tried again by the next sweep: see
        PostgresVersions.ring. How many there are."""
        return len(await self._pool.fetch(RETRY, [one.id for one in versions], entity))

    async def clean(self) -> int:
        """Forget how far tables were that are gone. How many rows that was."""
        removed = 0
        ids: list[Any] = [row[0] for row in await self._pool.fetch(ORPHANS)]
        for view_id in ids:
            while found := len(await self._pool.fetch(REMOVE, view_id, ROWS_AT_ONCE)):
                removed += found
        return removed
