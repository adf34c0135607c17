"""Snapshots and retention: the statements for what is kept of an entity, each of them bounded."""

from greenroom.store.errors import TookTooLong
from greenroom.store.postgres.connection import Connection

TRIM_EVENTS_MAX = 5_000  # deleted by one statement: a tenth of a second or so
IDS_MAX = 5_000  # command ids looked at by one statement
SHRINK = 8  # which part of the events is tried next when deleting them took too long

SAVE_SNAPSHOT = """
WITH owned AS (
    UPDATE heads SET snapshot_offset = $4
    WHERE id = $1 AND fence = $2 AND incarnation = $3 AND "offset" >= $4 AND snapshot_offset <= $4
    RETURNING id
)
INSERT INTO snapshots (id, fence, "offset", body, at)
SELECT id, $2, $4, $5, now() FROM owned
ON CONFLICT (id) DO UPDATE SET fence = excluded.fence, "offset" = excluded."offset", body = excluded.body, at = now()
RETURNING id
"""

# By age: everything before the first event that is young enough, so what stays has no gap even if the clock went back.
TRIM = """
WITH cut AS (
    UPDATE heads h SET trimmed = c.cut
    FROM (
        SELECT s.id, least(
            s.snapshot_offset,
            s.trimmed + $5::bigint,
            greatest(
                s."offset" - $2::bigint,
                coalesce(
                    (SELECT j."offset" FROM journal j
                     WHERE j.id = s.id AND j."offset" > s.trimmed AND j."offset" <= s.trimmed + $5::bigint + 1
                         AND j.at_ms >= $3::bigint
                     ORDER BY j."offset" LIMIT 1) - 1,
                    s."offset"
                )
            )
        ) AS cut
        FROM heads s WHERE s.id = $1
    ) c
    WHERE h.id = c.id AND h.trimmed < c.cut
    RETURNING h.id, h.trimmed
), gone AS (
    DELETE FROM journal j USING cut WHERE j.id = cut.id AND j."offset" <= cut.trimmed
    RETURNING j.id, j.command_id, j.reply, j.at_ms, j.digest
), kept AS (
    INSERT INTO kept_ids (id, command_id, reply, at_ms, digest)
    SELECT id, command_id, reply, at_ms, digest FROM gone WHERE command_id IS NOT NULL AND at_ms >= $4::bigint
    ON CONFLICT DO NOTHING
)
SELECT trimmed FROM cut
"""
# By rising id from $3 on; the last one looked at.
EXPIRE_IDS = """
WITH looked AS MATERIALIZED (
    SELECT command_id, at_ms FROM kept_ids WHERE id = $1 AND command_id >= $3 ORDER BY command_id LIMIT $4
), gone AS (
    DELETE FROM kept_ids k USING looked WHERE k.id = $1 AND k.command_id = looked.command_id AND looked.at_ms < $2
)
SELECT command_id FROM looked ORDER BY command_id DESC LIMIT 1
"""
TRIMMED = "SELECT trimmed FROM heads WHERE id = $1"

# Of so many heads, however few of them have something to trim; the last one looked at is always among them.
TRIMMABLE = """
WITH looked AS MATERIALIZED (
    SELECT id, entity, "offset", trimmed, snapshot_offset FROM heads WHERE id > $1 ORDER BY id LIMIT $2
)
SELECT l.*, k.has
FROM looked l
CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM kept_ids k WHERE k.id = l.id) AS has) k
WHERE l.trimmed < l.snapshot_offset OR k.has OR l.id = (SELECT max(id) FROM looked)
ORDER BY l.id
"""


async def trim(connection: Connection, head_id: int, keep_count: int, keep_after_ms: int, ids_after_ms: int) -> int:
    """See Journal. Statements of at most TRIM_EVENTS_MAX events, so that appends never wait long for the head."""
    events = TRIM_EVENTS_MAX
    while True:
        try:
            if not await connection.fetch(TRIM, head_id, keep_count, keep_after_ms, ids_after_ms, events):
                break
        except TookTooLong:  # large ones
            if events == 1:
                raise
            events = max(1, events // SHRINK)
    at = b""
    while looked := await connection.fetch(EXPIRE_IDS, head_id, ids_after_ms, at, IDS_MAX):
        at = looked[0]["command_id"] + b"\0"  # the next id that there could be
    rows = await connection.fetch(TRIMMED, head_id)
    return rows[0][0] if rows else 0
