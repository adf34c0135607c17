"""The system: which entities are awake on this node. Owner of their tasks."""

from collections.abc import Callable, Collection, Iterator
from itertools import chain
from operator import itemgetter

import structlog
import trio

from greenroom.actors.model.entity import split_entity
from greenroom.actors.model.errors import ActorError, NotHere, Overloaded, Unavailable
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.lifecycle import BeginAnew, Forget, HandOver, Reclaim, Stop
from greenroom.actors.model.mailbox import Item, Mailbox
from greenroom.config.limits import PassivationConfig
from greenroom.store.journal.epoch import lineage_of
from greenroom.supervisors.kernel.cells.cell import Cell
from greenroom.supervisors.kernel.cells.ending import Ending
from greenroom.supervisors.kernel.cells.lives import run
from greenroom.supervisors.kernel.departing import Departing
from greenroom.supervisors.kernel.host import Host
from greenroom.supervisors.kernel.router import Awake, Draining

log = structlog.get_logger("greenroom.system")

DAMAGED_S = 30.0  # how long an entity stays down whose journal is damaged; then it may have been mended
FORGET_LOOK_S = 0.02  # between two looks whether one that is erased has ended
STEPS = 1_000  # cells looked at between two chances for others
PREPARED_MAX = 64  # snapshots that are written before a batch of shards departs
QUARANTINED_MAX = 10_000  # failed entities that are kept down at once; beyond, the one that failed first may wake


class System:
    """The directory of cells, by entity, which the router looks into; and the nursery that they live in."""

    def __init__(
        self,
        *,
        kinds: Kinds,
        host: Host,
        cells: dict[str, Cell],
        passivation: PassivationConfig,
        woke: Callable[[Cell], None],
    ) -> None:
        """`woke` hears of each cell that is added to `cells`."""
        self._kinds = kinds
        self._host = host
        self._cells = cells
        self._awake_max = passivation.awake_max
        self._woke = woke
        self._nursery: trio.Nursery | None = None
        self._draining = False
        self._emptied = trio.Event()
        self._quarantine: dict[str, float] = {}  # failed entity -> trio time until which it stays down
        # Entities that ended with events of which nobody knows whether they landed, and that are watched: each with the
        # trio time from which it may be woken, so that its next life tells. Here until a cell of theirs that had a life
        # has ended, since what ends us may end that before it has begun.
        self._untold: dict[str, float] = {}
        self._by_shard: dict[int, dict[str, Cell]] | None = None  # who is awake; None: nobody wants to know
        self.departing = Departing(host.mailbox)
        self.lineage: str | None = None  # the database's lineage, as last heard
        self._on_closed = self._closed  # one for all cells: each bound method made takes 64 bytes

    def activate(self, entity: str) -> Awake:
        """Wake an entity that sleeps; where its shard departs, have what comes for it wait. Raises: BadEntity,
        UnknownKind, Draining, NotHere, Unavailable, Overloaded."""
        kind = self._kinds[split_entity(entity)[0]]
        if self._draining or self._nursery is None:
            raise Draining("this node is stopping")
        if self.departs(entity):  # also where it is ours again already: nothing overtakes what waits
            return self.departing.held(self._host.ownership.shard(entity), entity, kind)
        if not self._host.ownership.owns(entity):
            raise NotHere(f"{entity} lives on another node")
        if self._quarantine:
            self._check_quarantine(entity)
        if len(self._cells) >= self._awake_max:
            raise Overloaded(f"{len(self._cells)} entities are awake")
        cell = Cell(self._host, kind, entity, self._on_closed)
        self._cells[entity] = cell
        if self._by_shard is not None:
            self._note_shard(self._by_shard, cell)
        self._woke(cell)
        self._host.instruments.awake += 1
        self._nursery.start_soon(run, cell, name=entity)
        return cell

    def _check_quarantine(self, entity: str) -> None:
        until = self._quarantine.get(entity)
        if until is not None:
            if trio.current_time() < until:
                raise Unavailable("the entity failed and is kept down for a moment")
            del self._quarantine[entity]

    def _closed(self, cell: Cell, ending: Ending, left: list[Item]) -> None:
        """A cell has ended; what it has `left` is to be handled elsewhere."""
        if self._cells.get(cell.entity) is cell:
            del self._cells[cell.entity]
            self._host.instruments.awake -= 1
            if self._by_shard is not None:
                self._by_shard.get(cell.shard, {}).pop(cell.entity, None)
        down_s = 0.0
        if ending in (Ending.FAILED, Ending.BEHIND, Ending.DAMAGED):
            self._quarantine.pop(cell.entity, None)
            down_s = DAMAGED_S if ending is Ending.DAMAGED else self._host.supervision.backoff_max_s
            self._quarantine[cell.entity] = trio.current_time() + down_s
            if len(self._quarantine) > QUARANTINED_MAX:
                del self._quarantine[next(iter(self._quarantine))]
        if cell.left_unknown or self._untold:
            self._note_untold(cell, ending, down_s)
        if left:  # at once, so that it is before all that comes from now on
            self._host.router.send_on(cell.entity, left)
        if self.departing.waits_for_some:
            self.departing.ended(self._host.ownership.shard(cell.entity), cell.entity)
        if self.is_drained:
            self._emptied.set()

    def _note_untold(self, cell: Cell, ending: Ending, down_s: float) -> None:
        entity = cell.entity
        is_over = ending in (Ending.MOVED, Ending.REFUSED, Ending.ERASED)
        if cell.left_unknown and not is_over and self._host.audiences.is_watched(entity):
            at = self._untold[entity] = trio.current_time() + down_s
            if ending is not Ending.STOPPED and self._nursery is not None:
                self._nursery.start_soon(self._wake_to_tell, entity, at)
        elif cell.head is not None or ending is not Ending.STOPPED:
            self._untold.pop(entity, None)

    async def _wake_to_tell(self, entity: str, at: float) -> None:
        """Whoever watches it hears what has landed, though nobody speaks to it."""
        await trio.sleep_until(at)
        is_watched = self._host.audiences.is_watched(entity)
        if self._untold.get(entity) == at and entity not in self._cells and is_watched:
            self._wake_for_watchers(entity)

    def _wake_for_watchers(self, entity: str) -> None:
        try:
            self.activate(entity)
        except ActorError as error:
            log.warning("watchers_not_told", entity=entity, error=error.name)  # but with the next publication

    def lineage_changed(self, lineage: str) -> None:
        """The database has another history: what was claimed in a former one may be ahead of the journal.

        Such entities are built anew, and so are those that began with what they fetched of it. Those asleep that
        somebody watches are woken, to tell their watchers. Messages on their way are taken from the outbox again: it no
        longer has those whose cause was lost.
        """
        if lineage == self.lineage:
            return
        self.lineage = lineage
        self._host.relay.begin_lineage(lineage)
        for cell in list(self._cells.values()):
            if cell.kind.begins or (cell.head is not None and lineage_of(cell.head.epoch) != lineage):
                cell.mailbox.put_control(Reclaim())
        for entity, epoch in self._host.audiences.watched():
            if entity in self._cells or lineage_of(epoch) == lineage:
                continue
            kind = self._kinds[split_entity(entity)[0]]
            if not kind.actor.durable and not kind.begins:
                continue
            self._wake_for_watchers(entity)

    async def forget(self, entity: str) -> None:
        """It is being erased, and can't be claimed any more. Return once nobody of that name is awake here."""
        while (cell := self._cells.get(entity)) is not None:
            cell.mailbox.put_control(Forget())
            await trio.sleep(FORGET_LOOK_S)

    async def begin_anew(self, entity: str) -> None:
        """Whatever its present life knows is not what the journal holds any more: return once that has ended. One that
        sleeps is woken where somebody watches it."""
        cell = self._cells.get(entity)
        if cell is None:
            if self._host.ownership.owns(entity) and self._host.audiences.is_watched(entity):
                self._wake_for_watchers(entity)
            return
        former = cell.actor
        while self._cells.get(entity) is cell and cell.actor is former:
            cell.mailbox.put_control(BeginAnew())
            await trio.sleep(FORGET_LOOK_S)

    # Departing shards.

    def lives_here(self, entity: str) -> bool:
        """Is whoever looks for it to come to `activate`: is it this node's, or on its way to another?"""
        return self._host.ownership.owns(entity) or self.departs(entity)

    def departs(self, entity: str) -> bool:
        """Is its shard on its way to another node? Then what comes for it waits here."""
        return bool(self.departing) and self._host.ownership.shard(entity) in self.departing

    async def survey(self) -> None:
        """Know who is awake in which shard, until `forget_survey`. To find out takes a while: so before any departs."""
        if self._by_shard is not None:
            return
        by_shard = self._by_shard = {}
        is_whole = False
        try:
            for number, cell in enumerate(list(self._cells.values()), 1):
                if self._cells.get(cell.entity) is cell:
                    self._note_shard(by_shard, cell)
                if not number % STEPS:
                    await trio.lowlevel.checkpoint()
            is_whole = True
        finally:
            if not is_whole:  # or whoever is missing in it would not be told to end
                self._by_shard = None

    def forget_survey(self) -> None:
        """No shard is to depart for now."""
        self._by_shard = None

    def _note_shard(self, by_shard: dict[int, dict[str, Cell]], cell: Cell) -> None:
        if cell.shard < 0:
            cell.shard = self._host.ownership.shard(cell.entity)
        by_shard.setdefault(cell.shard, {})[cell.entity] = cell

    def awake_in(self, shard: int) -> int:
        """How many are, after a survey."""
        return len(self._by_shard.get(shard, ())) if self._by_shard is not None else 0

    async def prepared(self) -> None:
        """Return when the snapshots are written that wait for that now."""
        await self._host.snapshots.caught_up()

    async def prepare(self, shards: Collection[int]) -> int:
        """These are to depart soon: have those awake in them write snapshots before. How many will. After a survey."""
        by_shard = self._by_shard
        assert by_shard is not None
        preparing = looked = 0
        for shard in shards:
            for cell in list(by_shard.get(shard, {}).values()):
                looked += 1
                if cell.prepare():
                    preparing += 1
                    if preparing == PREPARED_MAX:
                        return preparing
                    await trio.lowlevel.checkpoint()
                elif not looked % STEPS:
                    await trio.lowlevel.checkpoint()
        return preparing

    async def depart(self, shards: Collection[int]) -> None:
        """Wake nobody in these any more, and tell all who are awake to finish and to end. After a survey."""
        assert self._by_shard is not None
        self.departing.begin(shards)
        told = 0
        for shard in shards:
            for cell in list(self._by_shard.get(shard, {}).values()):
                self.departing.still_awake(shard, cell.entity)
                cell.mailbox.put_control(HandOver())
                told += 1
            if told >= STEPS:
                told = 0
                await trio.lowlevel.checkpoint()

    async def end_in(self, shards: Collection[int]) -> None:
        """Tell all who are awake in these to end: another has owned them meanwhile, and they know nothing of that."""
        for number, cell in enumerate(list(self._cells.values()), 1):
            if cell.shard < 0:
                cell.shard = self._host.ownership.shard(cell.entity)
            if cell.shard in shards and self._cells.get(cell.entity) is cell:
                cell.mailbox.put_control(HandOver())
            if not number % STEPS:
                await trio.lowlevel.checkpoint()

    def departed(self, shards: Collection[int]) -> None:
        """They are another node's, or ours again: what has waited goes its way."""
        for shard in shards:
            for entity, items in self.departing.end(shard):
                self._host.router.send_on(entity, items)

    # Who is awake.

    def awake(self) -> list[Cell]:
        return list(self._cells.values())

    def _mailboxes(self) -> Iterator[Mailbox]:
        """Those of entities on their way to other nodes, too."""
        return chain((cell.mailbox for cell in self._cells.values()), self.departing.mailboxes())

    def cell(self, entity: str) -> Cell | None:
        """None where it sleeps, or lives elsewhere."""
        return self._cells.get(entity)

    def down_s(self, entity: str) -> float:
        """How long an entity that has failed is still kept down, seconds; 0 for all others."""
        return max(self._quarantine.get(entity, 0.0) - trio.current_time(), 0.0)

    def mailbox_depth(self) -> int:
        """Messages that wait, in all mailboxes."""
        return sum(map(len, self._mailboxes()))

    def mailbox_age_s(self) -> float:
        """How long the longest-waiting message has waited."""
        now = trio.current_time()
        oldest = [at for mailbox in self._mailboxes() if (at := mailbox.oldest_queued_at()) is not None]
        return now - min(oldest) if oldest else 0.0

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep entities alive until cancelled; `drain` first to lose nothing that could still be finished.

        Begins with nobody awake: the cells of a former run ended with it. Those of them that left their watchers in the
        dark are woken, one after another.
        """
        self._host.instruments.awake -= len(self._cells)
        self._cells.clear()
        self._by_shard = None
        async with trio.open_nursery() as nursery:  # owner: this call. Cells handle their crashes themselves
            self._nursery = nursery
            task_status.started()
            try:
                for entity, at in sorted(self._untold.items(), key=itemgetter(1)):
                    await self._wake_to_tell(entity, at)
                await trio.sleep_forever()
            finally:
                self._nursery = None  # wake nobody only to stop it at once

    @property
    def is_drained(self) -> bool:
        """Is nobody awake, and will nobody be?"""
        return self._draining and not self._cells

    async def drain(self) -> None:
        """Wake nothing more, let every entity finish its bursts and its commits, and stop."""
        self._draining = True
        for cell in list(self._cells.values()):
            cell.mailbox.put_control(Stop())
        if self._cells:
            await self._emptied.wait()
