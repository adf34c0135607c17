"""Rewriting: events and states of entities written anew in place, without what was a user's. Offsets stay as they are.

It takes the entity away from whoever has it awake, as a claim does, and in the same transaction: the head gets another
fence, nobody's incarnation and another epoch. So nothing that was decided on what memory said before lands after it,
and whoever watches starts over.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from greenroom.store.erasure.erasures import FENCE_MAX
from greenroom.store.erasure.removing import ROWS_AT_ONCE
from greenroom.store.journal.epoch import random_epoch
from greenroom.store.postgres.connection import Transaction
from greenroom.store.postgres.pool import Pool

EVENTS_AT_ONCE = 20_000  # that one statement looks through
SNAPSHOTS_AT_ONCE = 2_000  # likewise

# In the order of the key, so that the whole journal is read once, by pages.
EVENTS = """
WITH page AS MATERIALIZED (
    SELECT id, "offset" FROM journal WHERE (id, "offset") > ($1::bigint, $2::bigint) ORDER BY id, "offset" LIMIT $3
)
SELECT j.id, j."offset", j.payload, j.info, position($5::bytea IN j.command_id) > 0, position($4 IN j.reply) > 0
FROM page p JOIN journal j ON j.id = p.id AND j."offset" = p."offset"
WHERE position($4::bytea IN j.payload) > 0 OR position($4 IN j.info) > 0 OR position($4 IN j.reply) > 0
    OR position($5 IN j.command_id) > 0
UNION ALL (SELECT id, "offset", NULL, NULL, NULL, NULL FROM page ORDER BY id DESC, "offset" DESC LIMIT 1)
"""
SNAPSHOTS = """
WITH page AS MATERIALIZED (SELECT id FROM snapshots WHERE id > $1::bigint ORDER BY id LIMIT $2)
SELECT s.id, true FROM page p JOIN snapshots s ON s.id = p.id WHERE position($3::bytea IN s.body) > 0
UNION ALL SELECT max(id), false FROM page
"""
TAKE = """
UPDATE heads SET fence = fence + 1, incarnation = 0, epoch = $2 WHERE id = $1 AND fence < $3
RETURNING entity, trimmed
"""
WRITE = """
UPDATE journal j SET payload = i.payload, info = i.info,
    command_id = CASE WHEN i.is_theirs THEN NULL ELSE j.command_id END,
    reply = CASE WHEN i.is_theirs OR position($6::bytea IN j.reply) > 0 THEN NULL ELSE j.reply END,
    digest = CASE WHEN i.is_theirs THEN NULL ELSE j.digest END
FROM unnest($2::bigint[], $3::bytea[], $4::bytea[], $5::boolean[]) AS i ("offset", payload, info, is_theirs)
WHERE j.id = $1 AND j."offset" = i."offset"
"""
BODY = "SELECT body FROM snapshots WHERE id = $1 FOR UPDATE"
SAVE = "UPDATE snapshots SET body = $2 WHERE id = $1"
ENTITY = "SELECT entity FROM heads WHERE id = $1"
NO_SNAPSHOT = "WITH gone AS (DELETE FROM snapshots WHERE id = $1) UPDATE heads SET snapshot_offset = 0 WHERE id = $1"
# Of what a whole table has, by pieces: nothing else is known to be quick.
REMOVE = """
WITH gone AS (
    DELETE FROM {table} t WHERE t.ctid = ANY (ARRAY(SELECT o.ctid FROM {table} o WHERE {which} LIMIT $4)) RETURNING 1
), counted AS (
    SELECT count(*) AS rows FROM gone
)
UPDATE erasures e
SET did = jsonb_set(e.did, '{{{table}}}', to_jsonb(coalesce((e.did ->> '{table}')::bigint, 0) + c.rows))
FROM counted c WHERE e.id = $5 RETURNING c.rows
"""
# `$1` the user's id as a JSON string, `$2` as command ids have it, `$3` bare.
THEIRS = {
    "kept_ids": "(position($2::bytea IN o.command_id) > 0 OR position($1::bytea IN o.reply) > 0) AND $3::text <> ''",
    "dead_letters": "(o.principal = $3::text OR position($1::bytea IN o.payload) > 0) AND $2::bytea IS NOT NULL",
}
# `$1` without its quotes.
BARE = "(convert_from($1::bytea, 'UTF8')::jsonb #>> '{}')"
IN_OPTIONS = "position(substr($1::bytea, 2, length($1) - 2) IN options) > 0"
IN_ERRORS = f"position({BARE} IN errors::text) > 0"
# Where the id, as a JSON string, is still to be found.
LEFT = {
    "journal": "position($1::bytea IN payload) > 0 OR position($1 IN info) > 0 OR position($1 IN reply) > 0",
    "snapshots": "position($1::bytea IN body) > 0",
    "timers": "position($1::bytea IN body) > 0",
    "outbox": "position($1::bytea IN body) > 0",
    # Of jobs nobody says what of them is about users but for arguments, and messages of errors have ids bare.
    "jobs": f"position($1::bytea IN arguments) > 0 OR {IN_OPTIONS} OR {IN_ERRORS} OR partition = {BARE}"
    f" OR position({BARE} IN unique_key) > 0",
    "jobs_done": f"position($1::bytea IN arguments) > 0 OR {IN_OPTIONS} OR {IN_ERRORS} OR partition = {BARE}"
    " OR position($1 IN result) > 0",
    "job_steps": "position($1::bytea IN result) > 0",
    "job_windows": f"position({BARE} IN unique_key) > 0 AND $1::bytea IS NOT NULL",
}


class Found(NamedTuple):
    """An event with something of the user's."""

    offset: int
    payload: bytes
    info: bytes | None
    has_their_id: bool  # a command id of theirs
    is_answered: bool  # with a reply that names them


class Anew(NamedTuple):
    """What is written in an event's place."""

    offset: int
    payload: bytes
    info: bytes | None
    is_theirs: bool  # they caused it: its command id goes, and the reply


class Needles(NamedTuple):
    """What is looked for."""

    json: bytes  # the user's id, as a string of JSON
    command_id: bytes  # as it stands in ids of their commands
    user: str


class Rewriting:
    """All of it raises StoreUnavailable. Over a pool whose statements may take long."""

    def __init__(self, pool: Pool, needles: Needles, erasure_id: int) -> None:
        self._pool = pool
        self._needles = needles
        self._erasure_id = erasure_id

    async def events(self, after: tuple[int, int]) -> tuple[dict[int, list[Found]], tuple[int, int] | None]:
        """Of the next page of the journal what has something of them, by head; and where it ends. None: at the end."""
        needles = self._needles
        rows = await self._pool.fetch(EVENTS, *after, EVENTS_AT_ONCE, needles.json, needles.command_id)
        found: dict[int, list[Found]] = {}
        end: tuple[int, int] | None = None
        for head_id, offset, payload, info, has_their_id, is_answered in rows:
            if payload is None:
                end = (head_id, offset)
            else:
                event = Found(offset, payload, info, bool(has_their_id), bool(is_answered))
                found.setdefault(head_id, []).append(event)
        return found, end

    async def snapshots(self, after: int) -> tuple[list[int], int | None]:
        """Heads with something of them in their snapshot, likewise."""
        rows = await self._pool.fetch(SNAPSHOTS, after, SNAPSHOTS_AT_ONCE, self._needles.json)
        return [head_id for head_id, is_found in rows if is_found], rows[-1][0]

    async def entity(self, head_id: int) -> str | None:
        """Its name."""
        rows = await self._pool.fetch(ENTITY, head_id)
        return rows[0][0] if rows else None

    async def take(self, transaction: Transaction, head_id: int) -> tuple[str, int] | None:
        """From here to the end of the transaction it is ours alone: its name, and up to where it is trimmed. None where
        it is gone, or being erased."""
        rows = await transaction.fetch(TAKE, head_id, random_epoch(), FENCE_MAX)
        return (rows[0][0], rows[0][1]) if rows else None

    async def write(self, transaction: Transaction, head_id: int, events: Sequence[Anew]) -> None:
        """In the place of those events."""
        if events:
            columns: list[list[Any]] = [list(column) for column in zip(*events, strict=True)]
            await transaction.fetch(WRITE, head_id, *columns, self._needles.json)

    async def body(self, transaction: Transaction, head_id: int) -> bytes | None:
        """Of its snapshot."""
        rows = await transaction.fetch(BODY, head_id)
        return rows[0][0] if rows else None

    async def save(self, transaction: Transaction, head_id: int, body: bytes | None) -> None:
        """Another state in the snapshot's place; None: there is to be none, and events have it all."""
        if body is None:
            await transaction.fetch(NO_SNAPSHOT, head_id)
        else:
            await transaction.fetch(SAVE, head_id, body)

    async def remove(self, table: str) -> None:
        """What is theirs in a table whose rows are not worth writing anew."""
        rows = ROWS_AT_ONCE
        sql = REMOVE.format(table=table, which=THEIRS[table])
        while rows == ROWS_AT_ONCE:
            ((rows,),) = await self._pool.fetch(sql, *self._needles, ROWS_AT_ONCE, self._erasure_id)

    async def left(self) -> dict[str, int]:
        """Rows that still have their id, by table; those that have none are left out."""
        found: dict[str, int] = {}
        for table, which in LEFT.items():
            ((rows,),) = await self._pool.fetch(f"SELECT count(*) FROM {table} WHERE {which}", self._needles.json)
            if rows:
                found[table] = int(rows)
        return found
