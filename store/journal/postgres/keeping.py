"""Snapshots and retention: the statements for what is kept of an entity, each of them bounded."""

from collections.abc import Sequence

from greenroom.store.errors import TookTooLong
from greenroom.store.journal.keep import Found, Looked, Rule
from greenroom.store.journal.records import Trimmed
from greenroom.store.ownership.sharding import shard_sql
from greenroom.store.postgres.connection import Connection

TRIM_EVENTS_MAX = 500  # deleted by one statement, which keeps the head locked: some milliseconds
IDS_MAX = 5_000  # command ids deleted by one statement
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

# The same of what was made from the journal itself. Whose activation the fence is matters to nobody: that it is still
# the one that was read with the events says that nobody has claimed the entity since, and so that these are its events.
SAVE_FOLDED = """
WITH folded AS (
    UPDATE heads SET snapshot_offset = $3
    WHERE id = $1 AND fence = $2 AND "offset" >= $3 AND snapshot_offset < $3
    RETURNING id
)
INSERT INTO snapshots (id, fence, "offset", body, at)
SELECT id, $2, $3, $4, now() FROM folded
ON CONFLICT (id) DO UPDATE SET fence = excluded.fence, "offset" = excluded."offset", body = excluded.body, at = now()
RETURNING id
"""

# Head and snapshot of one moment.
STORED = """
SELECT h.id, h.entity, h.fence, h.epoch || h.lineage, h."offset", h.trimmed, h.era, h.shard, s."offset", s.body
FROM heads h LEFT JOIN snapshots s ON s.id = h.id AND s."offset" > 0
WHERE h.entity = $1
"""

# By age: everything before the first event that is young enough, so what stays has no gap even if the clock went back.
# `since_ms` becomes when the first event that stays was recorded. Where there is none, one that is appended meanwhile
# was recorded about now. Nothing goes that a view has yet to fold: progress only rises, so what this statement sees of
# it is never too much. Tables that are old hold nothing back.
TRIM = """
WITH cut AS (
    UPDATE heads h SET trimmed = c.cut, since_ms = coalesce(
        (SELECT j.at_ms FROM journal j WHERE j.id = c.id AND j."offset" = c.cut + 1), $6::bigint
    )
    FROM (
        SELECT s.id, s.trimmed, least(
            s.snapshot_offset,
            s.trimmed + $5::bigint,
            (
                SELECT min(coalesce(p."offset", 0))
                FROM view_versions v LEFT JOIN view_progress p ON p.view_id = v.id AND p.id = s.id
                WHERE v.state <> 'old' AND split_part(s.entity, ':', 1) = ANY (v.kinds)
            ),
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
    RETURNING h.id, h.trimmed, h.trimmed >= c.trimmed + $5::bigint AS has_more
), gone AS (
    DELETE FROM journal j USING cut WHERE j.id = cut.id AND j."offset" <= cut.trimmed
    RETURNING j.id, j.command_id, j.reply, j.at_ms, j.digest
), kept AS (
    INSERT INTO kept_ids (id, command_id, reply, at_ms, digest)
    SELECT id, command_id, reply, at_ms, digest FROM gone WHERE command_id IS NOT NULL AND at_ms >= $4::bigint
    ON CONFLICT DO NOTHING
)
SELECT trimmed, has_more FROM cut
UNION ALL
SELECT trimmed, false FROM heads WHERE id = $1 AND NOT EXISTS (SELECT FROM cut)
"""
EXPIRE_IDS = """
DELETE FROM kept_ids k
USING (SELECT command_id FROM kept_ids WHERE id = $1 AND at_ms < $2 ORDER BY at_ms LIMIT $3) old
WHERE k.id = $1 AND k.command_id = old.command_id
RETURNING 1
"""

# Of the page's heads only those on the shards in the mask, NULL for all. Heads that nobody has claimed since there are
# shards get theirs here; none that is locked, which is to say claimed, is waited for.
# `due` is the twin of `to_go` in keep.py. What a page finds to be younger than its head says is noted there: `since_ms`
# may be too early, never too late, and has no index, so that noting it rewrites none.
LOOK = f"""
WITH looked AS MATERIALIZED (
    SELECT id, entity, "offset", trimmed, snapshot_offset, since_ms, claimed_ms, shard
    FROM heads WHERE id > $1 ORDER BY id LIMIT $2
), unplaced AS MATERIALIZED (
    SELECT h.id FROM looked l JOIN heads h ON h.id = l.id WHERE l.shard IS NULL AND h.shard IS NULL
    FOR UPDATE OF h SKIP LOCKED
), placed AS (
    UPDATE heads h SET shard = {shard_sql("h.entity", "$9::int")} FROM unplaced u WHERE h.id = u.id
), candidates AS MATERIALIZED (
    SELECT * FROM (
        SELECT l.id, l.entity, l."offset", l.trimmed, l.snapshot_offset, k.after_ms,
            l."offset" - k.events AS through,
            l."offset" - l.trimmed > k.events_due AS is_much,
            l.trimmed < l."offset" AND l.since_ms < k.after_ms AS may_be_old,
            EXISTS (SELECT FROM kept_ids d WHERE d.id = l.id AND d.at_ms < k.ids_after_ms) AS expired_ids,
            l."offset" = 0 AND l.claimed_ms < $8::bigint AS unused
        FROM looked l
        LEFT JOIN unnest($3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
            AS k (kind, events, events_due, after_ms, ids_after_ms) ON k.kind = split_part(l.entity, ':', 1)
        WHERE $10::bytea IS NULL OR get_bit($10, coalesce(l.shard, {shard_sql("l.entity", "$9::int")})) = 1
    ) c
    WHERE is_much OR may_be_old OR expired_ids OR unused
), timed AS MATERIALIZED (
    SELECT c.*,
        (SELECT j.at_ms FROM journal j WHERE c.may_be_old AND j.id = c.id AND j."offset" > c.trimmed
         ORDER BY j."offset" LIMIT 1) AS first_ms,
        (SELECT j.at_ms FROM journal j
         WHERE c.may_be_old AND j.id = c.id AND j."offset" > greatest(c.trimmed, c.snapshot_offset)
         ORDER BY j."offset" LIMIT 1) AS uncovered_ms
    FROM candidates c
), due AS (
    SELECT id, entity,
        (is_much AND snapshot_offset < through) OR (first_ms < after_ms AND uncovered_ms < after_ms) AS uncovered,
        trimmed < snapshot_offset AND (first_ms < after_ms OR (is_much AND trimmed < through)) AS covered,
        expired_ids, unused
    FROM timed
), noted AS (
    UPDATE heads h SET since_ms = t.first_ms FROM timed t
    WHERE h.id = t.id AND h.trimmed = t.trimmed AND h.since_ms < t.first_ms AND t.first_ms >= t.after_ms
)
SELECT id, entity, coalesce(uncovered, false), coalesce(covered, false), coalesce(expired_ids, false), unused
FROM due WHERE uncovered OR covered OR expired_ids OR unused
UNION ALL
SELECT max(id), NULL, false, false, false, false FROM looked
"""

# Only heads with nothing at all. `seen` is the head as this statement's snapshot has it, `h` as it is once locked: it
# goes only when nobody has written to it meanwhile. An append that comes late finds no head: it is fenced. The highest
# number of an activation among those removed stays, and heads that are made later begin above it.
REMOVE_UNUSED = """
WITH gone AS (
    DELETE FROM heads h USING unnest($1::bigint[]) AS w (id) JOIN heads seen ON seen.id = w.id
    WHERE h.id = w.id AND h.xmin = seen.xmin AND h."offset" = 0 AND h.claimed_ms < $2::bigint
        AND NOT EXISTS (SELECT FROM timers t WHERE t.id = w.id)
        AND NOT EXISTS (SELECT FROM outbox o WHERE o.id = w.id)
        AND NOT EXISTS (SELECT FROM received r WHERE r.id = w.id)
        AND NOT EXISTS (SELECT FROM snapshots s WHERE s.id = w.id)
    RETURNING h.fence & 4294967295 AS activation
), floor AS (
    UPDATE fence_floor f SET activation = greatest(f.activation, g.highest)
    FROM (SELECT max(activation) AS highest FROM gone) g WHERE g.highest > f.activation
)
SELECT count(*) FROM gone
"""

# A mark turns away what comes again, and nothing can once the sender's outbox is empty; the time is for messages that
# were read from there before, and are still on their way in somebody's memory.
EXPIRE_MARKS = f"""
WITH looked AS MATERIALIZED (
    SELECT id, sender, seq, at FROM received
    WHERE (id, sender) > ($1::bigint, $2::bigint) ORDER BY id, sender LIMIT $3
), gone AS (
    DELETE FROM received r USING looked l
    WHERE r.id = l.id AND r.sender = l.sender AND r.seq = l.seq
        AND l.at < now() - make_interval(secs => $4::float8)
        AND NOT EXISTS (SELECT FROM outbox o WHERE o.id = l.sender)
        AND ($5::bytea IS NULL OR EXISTS (
            SELECT FROM heads h
            WHERE h.id = l.id AND get_bit($5, coalesce(h.shard, {shard_sql("h.entity", "$6::int")})) = 1
        ))
    RETURNING r.id
)
SELECT id, sender, (SELECT count(*) FROM gone) AS removed FROM looked ORDER BY id DESC, sender DESC LIMIT 1
"""


async def trim(
    connection: Connection, head_id: int, keep_count: int, keep_after_ms: int, ids_after_ms: int, now_ms: int
) -> Trimmed:
    """See Journal. One statement, of at most TRIM_EVENTS_MAX events, so that appends never wait long for the head."""
    events = TRIM_EVENTS_MAX
    while True:
        try:
            rows = await connection.fetch(TRIM, head_id, keep_count, keep_after_ms, ids_after_ms, events, now_ms)
            return Trimmed(*rows[0]) if rows else Trimmed(0, has_more=False)
        except TookTooLong:  # large ones
            if events == 1:
                raise
            events = max(1, events // SHRINK)


async def look(
    connection: Connection,
    rules: Sequence[Rule],
    *,
    after_id: int,
    limit: int,
    unused_before_ms: int,
    shards: int,
    mask: bytes | None,
) -> Looked:
    """See SweptJournal. `shards` is how many there are, `mask` has those that are wanted."""
    columns = [
        [rule.kind for rule in rules],
        [rule.events for rule in rules],
        [rule.events_due for rule in rules],
        [rule.after_ms for rule in rules],
        [rule.ids_after_ms for rule in rules],
    ]
    found = await connection.fetch(LOOK, after_id, limit, *columns, unused_before_ms, shards, mask)
    rows = [tuple(row) for row in found]
    last_id: int | None = rows.pop()[0]
    return Looked([Found(*row) for row in rows], last_id)
