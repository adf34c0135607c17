"""Snapshots and retention: the statements for what is kept of an entity."""

TRIM_EVENTS_MAX = 5_000  # deleted by one statement: a tenth of a second or so

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
EXPIRE_IDS = "DELETE FROM kept_ids WHERE id = $1 AND at_ms < $2"
TRIMMED = "SELECT trimmed FROM heads WHERE id = $1"

TRIMMABLE = """
SELECT h.id, h.entity, h."offset", h.trimmed, h.snapshot_offset, k.has
FROM heads h
CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM kept_ids k WHERE k.id = h.id) AS has) k
WHERE h.id > $1 AND (h.trimmed < h.snapshot_offset OR k.has)
ORDER BY h.id LIMIT $2
"""
