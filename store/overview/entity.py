"""What the database says of one entity: on which shard it is, whose that is and since when, and what is stored of it.

Each statement looks at rows of this one entity, and at no more of them than are shown: whoever looks costs the same
however much there is.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from msgspec import Struct

from greenroom.store.journal.names import decode_name
from greenroom.store.ownership.sharding import shard_of

SHOWN_MAX = 20  # timers, rows of the outbox and dead letters that are shown
VIEWS_MAX = 100  # tables of views and sinks that are shown
COUNTED_MAX = 10_000  # rows that are counted; with more it says so many
BODY_BYTES_MAX = 65_536  # of a row of the outbox that is read

Fetch = Callable[..., Awaitable[Sequence[Any]]]  # Connection.fetch

SHARDING = "SELECT count, cluster FROM sharding"
PLACE = """
SELECT s.shard, s.owner, s.term, s.cause, (extract(epoch FROM s.since) * 1000)::bigint AS since_ms,
    n.url, n.state, n.why, extract(epoch FROM n.lease_until - clock_timestamp())::float8 AS lease_left_s
FROM shards s LEFT JOIN nodes n ON n.incarnation = s.owner
WHERE s.shard = $1
"""
HEAD = """
SELECT h.id, h.fence, h.incarnation, h."offset", h.epoch || h.lineage AS epoch, h.trimmed, h.snapshot_offset,
    octet_length(s.body) AS snapshot_bytes, (extract(epoch FROM s.at) * 1000)::bigint AS snapshot_at_ms,
    (SELECT j.at_ms FROM journal j WHERE j.id = h.id ORDER BY j."offset" DESC LIMIT 1) AS last_at_ms
FROM heads h LEFT JOIN snapshots s ON s.id = h.id AND s."offset" > 0
WHERE h.entity = $1
"""
TIMERS = "SELECT name, due_ms, body FROM timers WHERE id = $1 ORDER BY due_ms, name LIMIT $2"
OUTBOX = """
SELECT "offset", CASE WHEN octet_length(body) <= $3 THEN body END AS body
FROM outbox WHERE id = $1 ORDER BY "offset" LIMIT $2
"""
COUNTS = """
SELECT (SELECT count(*) FROM (SELECT FROM timers WHERE id = $1 LIMIT $2) few) AS timers,
    (SELECT count(*) FROM (SELECT FROM outbox WHERE id = $1 LIMIT $2) few) AS outbox,
    (SELECT count(*) FROM (SELECT FROM received WHERE id = $1 LIMIT $2) few) AS marks,
    (SELECT count(*) FROM (SELECT FROM kept_ids WHERE id = $1 LIMIT $2) few) AS kept_ids
"""
LETTERS = """
SELECT id, (extract(epoch FROM at) * 1000)::bigint AS at_ms, message_type, strikes, wished, left(error, 500) AS error,
    (SELECT count(*) FROM (SELECT FROM dead_letters WHERE entity = $1 LIMIT $3) few) AS count
FROM dead_letters WHERE entity = $1 ORDER BY id DESC LIMIT $2
"""
# Of one entity, by the keys of both.
FOLDED = """
SELECT v.name, v.kind, v.version, v.build, v.state, v.paused, coalesce(p."offset", 0) AS "offset",
    (p.parked ->> 'offset')::bigint AS parked, left(p.parked ->> 'error', 500) AS error
FROM view_versions v LEFT JOIN view_progress p ON p.view_id = v.id AND p.id = $1
WHERE $2 = ANY (v.kinds) ORDER BY v.name, v.version, v.build LIMIT $3
"""
SNAPSHOT = """
SELECT s."offset", s.body FROM heads h JOIN snapshots s ON s.id = h.id AND s."offset" > 0
WHERE h.entity = $1 AND octet_length(s.body) <= $2
"""


class Place(Struct, frozen=True):
    """The row of the entity's shard, and of the node that owns it."""

    shard: int
    owner: int | None  # incarnation
    term: int
    cause: str  # of the shard's last change of owner
    since_ms: int  # when that was, Unix ms by the database's clock
    url: str | None  # None where the owner's row is gone
    state: str | None
    why: str | None  # it ended
    lease_left_s: float | None


class StoredHead(Struct, frozen=True):
    """The row of the entity's head, with its snapshot."""

    id: int
    fence: int
    incarnation: int
    offset: int
    epoch: str
    trimmed: int  # events up to here are kept no more
    snapshot_offset: int
    snapshot_bytes: int | None
    snapshot_at_ms: int | None
    last_at_ms: int | None  # when the newest event was recorded


class StoredTimer(Struct, frozen=True):
    """A durable timer."""

    name: str
    due_ms: int
    body: bytes


class OutboxBody(Struct, frozen=True):
    """A row of the outbox; `body` is None where it is longer than BODY_BYTES_MAX."""

    offset: int
    body: bytes | None


class LetterLine(Struct, frozen=True):
    """A dead letter, in a line."""

    id: int
    at_ms: int
    message_type: str
    strikes: int
    wished: bool
    error: str


class Counts(Struct, frozen=True):
    """Rows of the entity, COUNTED_MAX where there are more."""

    timers: int = 0
    outbox: int = 0
    marks: int = 0  # senders of which it is remembered what was handled
    kept_ids: int = 0  # command ids that outlive their events
    letters: int = 0


class Folded(Struct, frozen=True):
    """How far one table of a view, or a sink, has come with this entity."""

    name: str
    kind: str  # view or sink
    version: int
    build: int
    state: str
    paused: bool
    offset: int  # folded, or delivered, up to here
    parked: int | None  # it waits at this event
    error: str | None  # why


class StoredEntity(Struct, frozen=True):
    """All of it. `place` is None before a first node has set up the shards, `head` where nothing is stored."""

    shards: int
    place: Place | None
    head: StoredHead | None
    counts: Counts
    timers: list[StoredTimer]  # those due first
    outbox: list[OutboxBody]  # the oldest
    letters: list[LetterLine]  # the newest
    views: list[Folded] = []


async def is_stored(fetch: Fetch, entity: str) -> bool:
    """Was that entity ever claimed? Raises: StoreUnavailable."""
    return bool(await fetch("SELECT 1 FROM heads WHERE entity = $1", entity))


async def stored_entity(fetch: Fetch, entity: str) -> StoredEntity:
    """Raises: StoreUnavailable."""
    sharding = await fetch(SHARDING)
    shards = int(sharding[0]["count"]) if sharding else 0
    place = None
    if shards:
        rows = await fetch(PLACE, shard_of(entity, shards))
        place = Place(**dict(rows[0])) if rows else None
    heads = await fetch(HEAD, entity)
    head = StoredHead(**dict(heads[0])) if heads else None
    counted: dict[str, int] = {}
    timers: list[StoredTimer] = []
    outbox: list[OutboxBody] = []
    views: list[Folded] = []
    if head is not None:
        kind = entity.partition(":")[0]
        views = [Folded(**dict(row)) for row in await fetch(FOLDED, head.id, kind, VIEWS_MAX)]
        counted = dict((await fetch(COUNTS, head.id, COUNTED_MAX))[0])
        if counted["timers"]:
            found = await fetch(TIMERS, head.id, SHOWN_MAX)
            timers = [StoredTimer(decode_name(row["name"]), row["due_ms"], row["body"]) for row in found]
        if counted["outbox"]:
            outbox = [OutboxBody(*row) for row in await fetch(OUTBOX, head.id, SHOWN_MAX, BODY_BYTES_MAX)]
    letters = [dict(row) for row in await fetch(LETTERS, entity, SHOWN_MAX, COUNTED_MAX)]
    return StoredEntity(
        shards=shards,
        place=place,
        head=head,
        counts=Counts(**counted, letters=letters[0]["count"] if letters else 0),
        timers=timers,
        outbox=outbox,
        letters=[LetterLine(**{name: row[name] for name in LetterLine.__struct_fields__}) for row in letters],
        views=views,
    )


async def stored_snapshot(fetch: Fetch, entity: str, *, bytes_max: int) -> tuple[int, bytes] | None:
    """Offset and body of the newest snapshot; None where there is none, or one longer than that. Raises:
    StoreUnavailable."""
    rows = await fetch(SNAPSHOT, entity, bytes_max)
    return (rows[0]["offset"], rows[0]["body"]) if rows else None
