"""Reading: the statements, and records from their rows."""

from collections.abc import Sequence
from typing import Any

from greenroom.store.journal.journal import READ_BYTES_MAX
from greenroom.store.journal.names import decode_name
from greenroom.store.journal.records import StoredEvent

EVENT_COLUMNS = '"offset", at_ms, payload, info, command_id, reply, digest, fence'
EVENT_SIZE = "octet_length(payload) + coalesce(octet_length(info), 0) + coalesce(octet_length(reply), 0)"


def _read(direction: str) -> str:
    """As `page`, beside the head, which is there without any event too."""
    return f"""
SELECT h.id, h.entity, h.fence, h.epoch || h.lineage, h."offset", h.trimmed, h.era, h.shard,
    e."offset", e.at_ms, e.payload, e.info, e.command_id, e.reply, e.digest, e.fence
FROM heads h
LEFT JOIN LATERAL (
    SELECT * FROM (
        SELECT {EVENT_COLUMNS}, coalesce(sum({EVENT_SIZE}) OVER before, 0) AS size_before
        FROM journal j
        WHERE j.id = h.id AND j."offset" > $2 AND j."offset" < $3
        WINDOW before AS (ORDER BY j."offset" {direction} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
        ORDER BY j."offset" {direction} LIMIT $4
    ) page
    WHERE size_before < {READ_BYTES_MAX}
) e ON true
WHERE h.entity = $1
ORDER BY e."offset" {direction}
"""


READ_UP = _read("ASC")
READ_DOWN = _read("DESC")

REPLIES = """
SELECT command_id, reply, digest FROM journal WHERE id = $1 AND command_id = ANY ($2::bytea[])
UNION ALL
SELECT command_id, reply, digest FROM kept_ids WHERE id = $1 AND command_id = ANY ($2::bytea[])
"""

LINEAGE = "SELECT lineage()"
RECEIVED = "SELECT sender, seq FROM received WHERE id = $1 AND sender = ANY ($2::bigint[])"

DELIVERED = """
DELETE FROM outbox o USING unnest($1::bigint[], $2::bigint[]) AS d (id, "offset")
WHERE o.id = d.id AND o."offset" = d."offset" AND (SELECT lineage()) = $3::text
"""
OFFSET_MAX = 2**63 - 1


def event(columns: Sequence[Any]) -> StoredEvent:
    offset, at_ms, payload, info, command_id, reply, digest, fence = columns
    return StoredEvent(
        offset, at_ms, payload, info, None if command_id is None else decode_name(command_id), reply, digest, fence
    )
