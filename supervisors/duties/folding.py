"""Folding: an entity's snapshot, made from its journal while it sleeps.

Retention may take only events that a snapshot covers, and who has few events sleeps without one. Waking everybody for
it would raise their fences and take them from whoever owns them; so the state is built as waking builds it, from what
is stored, and saved under the fence that was read with the events. Whoever claims the entity meanwhile wins, and this
comes again at the next lap.
"""

from greenroom.actors.life.life import Life
from greenroom.actors.life.turn import Turn
from greenroom.actors.life.world import World
from greenroom.actors.model.entity import split_entity
from greenroom.actors.model.kinds import Kinds
from greenroom.config.telemetry.shown import shown
from greenroom.store.errors import StoreUnavailable
from greenroom.store.journal.journal import Journal
from greenroom.store.journal.records import Claimed
from greenroom.store.journal.retention import CannotFold

EVENTS_AT_ONCE = 250  # read and applied in one stretch: a millisecond or two


class Folding:
    """Makes snapshots of entities that are asleep; of those awake too, from what is durable of them."""

    def __init__(self, *, kinds: Kinds, journal: Journal, world: World, turn: Turn) -> None:
        """`turn`: by which the watchdog sees an `apply` that never returns."""
        self._kinds = kinds
        self._journal = journal
        self._world = world
        self._turn = turn

    async def fold(self, entity: str) -> None:
        """Have a snapshot cover all events of the entity, unless somebody claims it meanwhile.

        Raises: StoreUnavailable; CannotFold, whatever its `apply` raises.
        """
        stored = await self._journal.stored(entity)
        if stored is None:
            return
        try:
            await self._fold(entity, stored)
        except StoreUnavailable:
            raise
        except Exception as error:  # the entity's own types may raise anything
            raise CannotFold(f"no snapshot can be made of it: {shown(error)}") from error

    async def _fold(self, entity: str, stored: Claimed) -> None:
        kind = self._kinds[split_entity(entity)[0]]
        if kind.is_behind:
            raise CannotFold("a newer release has recorded what this one does not read")
        head = stored.head
        life = Life(kind, entity, self._world, self._turn, head)
        life.wake(stored)
        while life.actor.offset < head.offset:
            now, events = await self._journal.read(entity, after=life.actor.offset, limit=EVENTS_AT_ONCE)
            if now is None or (now.id, now.fence) != (head.id, head.fence):
                return  # claimed: the snapshot may be of another history than these events
            if not events:
                raise CannotFold(f"its journal ends with event {life.actor.offset}, its head says {head.offset}")
            life.wake(Claimed(head, None, life.actor.offset, events))  # goes on from the state that it has
        body = kind.encode_state(life.actor.state)
        await self._journal.save_folded(head.id, fence=head.fence, offset=life.actor.offset, body=body)
