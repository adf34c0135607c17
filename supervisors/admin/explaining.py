"""Explaining: all that is known of one entity, of the rows alone or with what its node has in memory, for one to read.

The same for the terminal and for the page. What names people's content (errors, the names of timers) is left out for
whoever may only look at the machinery.
"""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from greenroom.actors.life.outgoing import decode_body
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.saga.actor import Saga
from greenroom.store.overview.cluster import NodeRow
from greenroom.store.overview.entity import COUNTED_MAX, OutboxBody, StoredEntity
from greenroom.supervisors.admin.told import NO_STATE, EntityTold
from greenroom.supervisors.admin.why import why_here

MESSAGES_SHOWN = 20  # of the outbox


class Placed(Struct, frozen=True, kw_only=True):
    """Where it is."""

    shard: int | None
    shards: int
    node: str | None = None
    url: str | None = None
    state: str | None = None
    lease_left_s: float | None = None
    term: int | None = None
    since_ms: int | None = None
    cause: str = ""
    why: str


class Snapshot(Struct, frozen=True):
    """Its newest."""

    offset: int
    bytes: int | None
    at_ms: int | None


class Stored(Struct, frozen=True, kw_only=True):
    """What the journal has."""

    epoch: str
    offset: int
    term: int  # under which it was claimed last
    activation: int  # how often it was claimed under that term
    claimed_by: str
    trimmed: int
    last_at_ms: int | None
    snapshot: Snapshot | None
    timers: int
    outbox: int
    marks: int
    kept_ids: int


class Timer(Struct, frozen=True):
    """A durable one."""

    name: str | None
    due_ms: int


class Sending(Struct, frozen=True):
    """A message in the outbox, that its receiver has not handled yet."""

    to: str
    type: str | None


class Letter(Struct, frozen=True):
    """A dead letter of it."""

    id: int
    at_ms: int
    type: str
    strikes: int
    wished: bool
    error: str | None


class Folding(Struct, frozen=True, kw_only=True):
    """A table of a view that is made of its events, or a sink that they are delivered to."""

    name: str
    kind: str
    version: int
    build: int
    state: str
    paused: bool
    offset: int  # up to here
    behind: int  # events that are kept and not folded yet
    parked: int | None  # it waits at this event
    error: str | None


class Explanation(Struct, frozen=True, kw_only=True):
    """The whole."""

    entity: str
    kind: str
    installed: bool  # is that kind known here?
    durable: bool | None
    saga: bool = False
    place: Placed
    stored: Stored | None
    timers: list[Timer]
    outbox: list[Sending]
    letters: list[Letter]
    letters_count: int
    views: list[Folding] = []
    counted_max: int = COUNTED_MAX
    told: EntityTold | None  # by its node
    told_why: str = ""  # there is nothing of it
    watchers: dict[str, int] = {}


def explanation(
    entity: str,
    kinds: Kinds,
    stored: StoredEntity,
    nodes: Sequence[NodeRow],
    told: EntityTold | None,
    told_why: str = "",
    *,
    full: bool,
) -> Explanation:
    """`full`: for whoever may see content. `told_why`: why its node has told nothing."""
    kind = entity.partition(":")[0]
    place, head, counts = stored.place, stored.head, stored.counts
    if told is not None and not full:
        failures = [msgspec.structs.replace(one, error="") for one in told.failures]
        told = msgspec.structs.replace(told, state=NO_STATE, state_is_long=False, failures=failures)
    return Explanation(
        entity=entity,
        kind=kind,
        installed=kind in kinds,
        durable=kinds[kind].actor.durable if kind in kinds else None,
        saga=kind in kinds and issubclass(kinds[kind].actor, Saga),
        place=Placed(
            shard=place.shard if place is not None else None,
            shards=stored.shards,
            node=f"{place.owner:016x}" if place is not None and place.owner is not None else None,
            url=place.url if place is not None else None,
            state=place.state if place is not None else None,
            lease_left_s=_rounded(place.lease_left_s) if place is not None else None,
            term=place.term if place is not None else None,
            since_ms=place.since_ms if place is not None else None,
            cause=place.cause if place is not None else "",
            why=why_here(place, stored.shards, nodes),
        ),
        stored=None
        if head is None
        else Stored(
            epoch=head.epoch,
            offset=head.offset,
            term=head.fence >> 32,
            activation=head.fence & 0xFFFFFFFF,
            claimed_by=f"{head.incarnation & (2**64 - 1):016x}",
            trimmed=head.trimmed,
            last_at_ms=head.last_at_ms,
            snapshot=Snapshot(head.snapshot_offset, head.snapshot_bytes, head.snapshot_at_ms)
            if head.snapshot_offset
            else None,
            timers=counts.timers,
            outbox=counts.outbox,
            marks=counts.marks,
            kept_ids=counts.kept_ids,
        ),
        timers=[Timer(one.name if full else None, one.due_ms) for one in stored.timers],
        outbox=_sending(stored.outbox),
        letters=[
            Letter(one.id, one.at_ms, one.message_type, one.strikes, one.wished, one.error if full else None)
            for one in stored.letters
        ],
        letters_count=counts.letters,
        views=_folding(stored, full=full),
        told=told,
        told_why=told_why,
        watchers=told.watchers if told is not None else {},
    )


def _folding(stored: StoredEntity, *, full: bool) -> list[Folding]:
    head = stored.head
    if head is None:
        return []
    return [
        Folding(
            name=one.name,
            kind=one.kind,
            version=one.version,
            build=one.build,
            state=one.state,
            paused=one.paused,
            offset=one.offset,
            behind=max(head.offset - max(one.offset, head.trimmed), 0),
            parked=one.parked,
            error=one.error if full else None,
        )
        for one in stored.views
    ]


def _sending(rows: Sequence[OutboxBody]) -> list[Sending]:
    found: list[Sending] = []
    for row in rows:
        if row.body is None:
            found.append(Sending("(a row too long to be shown)", None))
            continue
        try:
            messages = decode_body(row.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            found.append(Sending("(a row that can't be read)", None))
            continue
        found += [Sending(one.entity, _type_of(one.message)) for one in messages]
    return found[:MESSAGES_SHOWN]


class _Tagged(Struct):
    type: str = ""


_decode_tag = msgspec.json.Decoder(_Tagged).decode


def _type_of(message: msgspec.Raw) -> str | None:
    try:
        return _decode_tag(message).type
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
