"""Waking: an entity's next life, from a fresh claim, and what the journal says of the flights of the one before."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import structlog

from greenroom.actors.life.flights import Flight, Sorted, command_ids_of, sort_flights
from greenroom.actors.life.life import Life
from greenroom.actors.model.kinds import Kind
from greenroom.store.errors import OutcomeLost, StoreUnavailable
from greenroom.store.journal.consequences.outbox import OutboxRow
from greenroom.store.journal.epoch import lineage_of
from greenroom.store.journal.journal import Journal
from greenroom.store.journal.records import Claimed, Outcome, Remembered, StoredEvent
from greenroom.supervisors.kernel.host import Host, OwnRows

log = structlog.get_logger("greenroom.cell")

PAGE = 1_000  # events read at once


@dataclass(frozen=True, slots=True)
class Waking:
    """A life that can begin."""

    life: Life
    sorted: Sorted | None  # None where nothing was in flight
    outbox: list[OutboxRow]
    own_rows: OwnRows | None = None  # None where no view of its kind is inline


async def wake(
    host: Host,
    kind: Kind,
    entity: str,
    former: Life | None,
    flights: Sequence[Flight],
    failure: Exception | Outcome | None,
) -> Waking:
    """Claim the entity, build its state, and sort `flights` of the `former` life, which ended by `failure`.

    Raises the fence, and tells whoever asks for them of a new lineage and of lost events; it may be tried again.
    Raises: StoreUnavailable, also where the database has become another meanwhile, since then what was claimed may be
    ahead of it; NotOwner, whatever the entity's own `apply` raises.
    """
    lineage_before = host.lineage()
    known = former.head if former is not None else None
    claimed = await host.claims.claim(
        entity, term=host.ownership.term(entity), above=0 if known is None else known.fence
    )
    head = claimed.head
    lineage = lineage_of(head.epoch)
    if host.lineage() != lineage_before and host.lineage() != lineage:
        raise StoreUnavailable(f"{entity} was claimed in a history that has ended")  # by a primary that is slow to die
    host.heard_lineage(lineage)
    life = await _life_of(host, kind, entity, claimed)
    if kind.begins:
        await life.actor.begin()
    offset = life.actor.offset
    assert offset == head.offset, f"{entity}: journal ends at {offset}, head at {head.offset}"
    if known is not None and head.offset < known.offset:
        log.error("journal_lost_tail", entity=entity, first=head.offset + 1, last=known.offset)
    found: Sorted | None = None
    if flights:
        stored: dict[int, StoredEvent] = {}
        replies: dict[str, Remembered] = {}
        ours = [event.offset for flight in flights for event in flight.events]
        if ours:
            events = await read_between(host.journal, entity, ours[0], ours[-1])
            stored = {event.offset: event for event in events}
        if failure is Outcome.REPEATED:
            replies = await host.journal.replies(head.id, command_ids_of(flights))
            for command_id, reply in replies.items():
                life.once.remember(command_id, reply)
        found = sort_flights(flights, stored, replies, suspected=failure is Outcome.DAMAGED)
    own_rows: OwnRows | None = None
    if host.inline is not None:
        own_rows = await host.inline.own_rows(kind, entity, head, in_doubt=isinstance(failure, OutcomeLost))
    if host.lineage() != lineage:
        raise StoreUnavailable(f"{entity} was built from a history that has ended")
    return Waking(life, found, claimed.outbox, own_rows)


async def _life_of(host: Host, kind: Kind, entity: str, claimed: Claimed) -> Life:
    life = Life(kind, entity, host.world, host.turn, claimed.head)
    try:
        life.wake(claimed)
    except msgspec.DecodeError as error:
        if claimed.snapshot is None or claimed.head.trimmed:
            raise
        log.warning("snapshot_unreadable", entity=entity, error=str(error))
        claimed.snapshot, claimed.snapshot_offset = None, 0
        claimed.events = await read_between(host.journal, entity, 1, claimed.head.offset)
        life = Life(kind, entity, host.world, host.turn, claimed.head)
        life.wake(claimed)
    return life


async def read_between(journal: Journal, entity: str, first: int, last: int) -> list[StoredEvent]:
    """Events with first <= offset <= last, as far as they exist. Raises: StoreUnavailable."""
    events: list[StoredEvent] = []
    after = first - 1
    while after < last:
        _, page = await journal.read(entity, after=after, before=last + 1, limit=PAGE)
        if not page:
            break
        events.extend(page)
        after = page[-1].offset
    return events
