"""The runner of one table: folds what its backlog holds, a batch a transaction.

A batch locks how far its entities are folded, takes of each what follows directly, folds, and writes rows and progress
together. What does not follow (a hole, another activation's events, another history of the database) is read from the
journal in its turn. So it matters to nobody how often, or by how many nodes, an event is brought here.

An entity whose next event can't be folded is parked: the row of its progress says why, and nothing of it is folded
until somebody has that tried again. A store that is away makes a view late, and nothing else.
"""

import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from math import inf

import structlog
import trio
from msgspec.structs import replace

from greenroom.actors.life.turn import Turn
from greenroom.actors.views.changes import Change, Changes
from greenroom.actors.views.folding import Folded, Folding, Unplaceable, cut
from greenroom.actors.views.installed import Installed
from greenroom.actors.views.stretch import FROM_JOURNAL, Stretch
from greenroom.config.telemetry.instruments import Instruments
from greenroom.config.telemetry.shown import shown
from greenroom.store.errors import DataRefused, OutcomeLost, StoreUnavailable, TookTooLong
from greenroom.store.views.store import (
    FoldTransaction,
    ParkedEntity,
    Raced,
    Standing,
    Unfolded,
    Version,
    ViewStore,
    Writing,
    Written,
)
from greenroom.supervisors.supervision.backoff import NewBackoff
from greenroom.supervisors.views.backlog import Backlog
from greenroom.supervisors.views.batch_size import EVENTS_MAX, BatchSize
from greenroom.supervisors.views.stopwatch import STOPWATCH, Stopwatch

log = structlog.get_logger("greenroom.views")

HEADS_AT_ONCE = 500  # whose events one statement reads
RACES_MAX = 20  # in a row; then it waits, as when the store is away
FILL_SHARE = 0.5  # of the time, that reading the journal into a table may take while there is other work
BATCH_S = 0.025  # between two batches of what is heard, as long as they are small
BATCHES_APART = 6  # times as long as one took, where that is longer: what is slow, others wait for too
BATCH_MAX_S = 0.25
CALM_S = 1.0  # after the last commit of this node there is no other work


class Lost(Exception):
    """An entity's events are gone that the view had not folded."""


class Runner:
    """A supervised child: `run`. Sync code gives it work through its backlog."""

    def __init__(
        self,
        installed: Installed,
        version: Version,
        store: ViewStore,
        *,
        turn: Turn,
        new_backoff: NewBackoff,
        instruments: Instruments,
        changed: Callable[[Changes], None] | None = None,
        unsure: Callable[[str], None] | None = None,
        now: Callable[[], float] = time.time,  # Unix seconds
        stopwatch: Stopwatch = STOPWATCH,
        batch_events: int = EVENTS_MAX,
    ) -> None:
        """`changed` hears of rows once they are durable, and `unsure` of the view, by name, where nobody knows whether
        some are. Neither waits, nor raises."""
        self.installed = installed
        self.version = self._own(version)  # as it was last read, but for the kinds
        self.is_mixed = False  # are nodes up whose release lacks this version's code?
        self.backlog = Backlog(wanted=installed.beginnings)
        self.backlog.rests = self._may_be_late
        self._store = store
        self._turn = turn
        self._new_backoff = new_backoff
        self._instruments = instruments
        self._commits = instruments.commit_s.count
        self._busy_at = -inf  # when this node had last committed something, by the stopwatch
        self._labels = version.name, str(version.version)
        self._changed = changed
        self._unsure = unsure
        self._doubted: set[int] = set()  # heads of transactions of which nobody knows whether they have landed
        self._now = now
        self._stopwatch = stopwatch
        self._size = BatchSize(events_max=batch_events)
        self._resumed = trio.Event()
        self._began_at = -inf  # the last batch, on the trio clock
        self._apart_s = BATCH_S  # until the next one begins

    def see(self, version: Version) -> None:
        """The table's row says this now."""
        was_paused = self.version.paused
        self.version = self._own(version)
        self._instruments.view_waiting[self._labels] = self.backlog.waiting
        self.backlog.rests = self._may_be_late
        if version.paused and not was_paused:
            self.backlog.forget_all()
        elif was_paused and not version.paused:
            self._resumed.set()

    @property
    def _may_be_late(self) -> bool:
        """By a moment. Not while the table is to be seen to catch up; nor where it is inline: then all that comes here
        is of entities that are out of step, and they are in step again only with what is not late at all."""
        return self.version.state == "live" and not self.installed.view.inline

    def _own(self, version: Version) -> Version:
        """Of the kinds whose events this release folds: those of the row are all that any has."""
        return replace(version, kinds=self.installed.kinds)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Fold until cancelled, which is safe at any time."""
        task_status.started()
        backoff = self._new_backoff()
        while True:
            await self._active()
            try:
                await self._turn_of_both()
            except (StoreUnavailable, OutcomeLost, Raced) as error:
                log.warning("view_postponed", view=self.version.name, version=self.version.version, error=str(error))
                await trio.sleep(backoff.next())
            else:
                backoff = self._new_backoff()

    async def _active(self) -> None:
        while self.version.paused:
            self.backlog.forget_all()
            self._resumed = trio.Event()
            await self._resumed.wait()

    async def _turn_of_both(self) -> None:
        """A batch of what was heard, then one of what is behind: neither keeps the other waiting.

        Raises: StoreUnavailable, OutcomeLost, Raced, with all that was not folded in the backlog again.
        """
        if self._doubted and not self.backlog.behind:  # a pause, or a full backlog, may have forgotten them
            self.backlog.fall_behind(self._doubted)
        await self.backlog.more()
        await self._gather()
        if self.version.paused:
            return
        heard = self.backlog.take(self._size.events)
        if heard:
            await self._fold_all(heard)
            took_s = trio.current_time() - self._began_at
            self._apart_s = min(max(BATCH_S, BATCHES_APART * took_s), BATCH_MAX_S)
        head_ids = self.backlog.take_behind(HEADS_AT_ONCE)
        if head_ids:
            began = self._stopwatch.elapsed()
            await self._catch_up(head_ids)
            if self._others_work():
                await trio.sleep((self._stopwatch.elapsed() - began) * (1 / FILL_SHARE - 1))

    async def _gather(self) -> None:
        """Until some time after the last batch began, unless there is enough for one already: a transaction costs much
        the same whatever it holds, and where everything waits they are fewer. What comes after a pause is folded at
        once."""
        at = self._began_at + self._apart_s
        is_small = not self.backlog.behind and self.backlog.waiting < self._size.events
        if is_small and self._may_be_late and at > trio.current_time():
            await trio.sleep_until(at)
        self._began_at = trio.current_time()

    def _others_work(self) -> bool:
        """Has this node committed anything lately?"""
        before, self._commits = self._commits, self._instruments.commit_s.count
        if self._commits > before:
            self._busy_at = self._stopwatch.elapsed()
        return self._stopwatch.elapsed() - self._busy_at < CALM_S

    async def _catch_up(self, head_ids: Sequence[int]) -> None:
        """Fold the next events of these entities, as the journal has them."""
        limit = self._size.events if self._others_work() else self._size.most
        try:
            unfolded = await self._store.unfolded(self.version, head_ids, limit=limit)
        except StoreUnavailable as error:
            if isinstance(error, TookTooLong):
                self._size.failed(limit)
            self.backlog.fall_behind(head_ids)
            raise
        found = {one.head_id for one in unfolded}
        stretches: list[Stretch] = []
        lost: list[Unfolded] = []
        if not found:  # a failover has taken their heads as well: there is nothing to come back for
            self._beyond_doubt(head_ids)
            return
        done = {one.head_id for one in unfolded if not self._has_to_fold(one)}
        self._beyond_doubt(done)
        for one in unfolded:
            standing = one.standing
            if one.head_id in done:
                continue
            if standing.trimmed > standing.offset or not one.events:
                lost.append(one)
                continue
            kind = self.installed.kinds_by_name[one.entity.partition(":")[0]]
            stretches.append(Stretch(kind, one.entity, one.head_id, standing.offset, one.events, lineage=one.lineage))
        try:
            if stretches:
                await self._fold_all(stretches)
            for one in lost:
                await self._begin_or_park(one)
        except (StoreUnavailable, OutcomeLost, Raced):
            self.backlog.fall_behind(one.head_id for one in lost)
            raise
        finally:
            # Those that had no room, and those of whom there is more.
            self.backlog.fall_behind(head_id for head_id in head_ids if head_id not in found)
            ends = {one.head_id: one.standing.head_offset for one in unfolded}
            self.backlog.fall_behind(one.head_id for one in stretches if one.stored and one.through < ends[one.head_id])

    def _has_to_fold(self, one: Unfolded) -> bool:
        """Else it is folded, or parked; or a failover has lost a head, and its id is an entity's of a kind that is none
        of the view's by now."""
        standing = one.standing
        is_done = standing.parked or standing.offset >= standing.head_offset
        return not is_done and one.entity.partition(":")[0] in self.installed.kinds_by_name

    async def _begin_or_park(self, one: Unfolded) -> None:
        """Its first events are gone: begin from its snapshot, if the view can, and nothing of it is folded yet."""
        standing = one.standing
        if standing.trimmed <= standing.offset:
            await self._park(one.head_id, one.entity, Lost(f"its journal has no event {standing.offset + 1}"))
            return
        if self.installed.seeds and not standing.offset:
            snapshot = await self._store.snapshot(one.head_id)
            if snapshot is not None and snapshot.offset >= standing.trimmed:
                kind = self.installed.kinds_by_name[one.entity.partition(":")[0]]
                state = (snapshot.body, snapshot.saved_ms)
                await self._fold_all(
                    [Stretch(kind, one.entity, one.head_id, snapshot.offset, [], lineage=one.lineage, state=state)]
                )
                self.backlog.fall_behind((one.head_id,))
                return
        why = Lost(
            f"retention has taken its events up to {standing.trimmed}, and it is folded up to {standing.offset}: "
            "only another version, or a rebuild, of a view with a `seed` can begin from its state"
        )
        await self._park(one.head_id, one.entity, why)

    async def _fold_all(self, stretches: Sequence[Stretch]) -> None:
        """Fold them, in as many transactions as it takes. Raises: see `_turn_of_both`."""
        groups = deque([list(stretches)])
        races = 0
        while groups:
            group = groups.popleft()
            try:
                left = await self._fold_or_park(group, groups)
            except Raced:
                races += 1
                groups.appendleft(group)
                if races < RACES_MAX:
                    continue
                self._give_back(groups)
                raise
            except BaseException as error:
                if isinstance(error, (StoreUnavailable, OutcomeLost)):
                    self._size.failed(sum(len(one.stored) for one in group))
                groups.appendleft(group)
                self._give_back(groups)
                raise
            races = 0
            if left:
                groups.appendleft(left)

    async def _fold_or_park(self, group: list[Stretch], groups: deque[list[Stretch]]) -> list[Stretch]:
        """What is left of the group, which is nothing where its halves are to come before the others."""
        try:
            return await self._fold(group)
        except (DataRefused, Unplaceable) as error:
            # Whose row it is that can't be stored is not said: by halves, until one event is alone.
            first, second = cut(group)
            if not second:
                await self._park(group[0].head_id, group[0].entity, error, only=group[0])
                return []
            groups.extendleft((second, first))
            return []

    def _give_back(self, groups: deque[list[Stretch]]) -> None:
        self.backlog.fall_behind(dict.fromkeys(one.head_id for group in groups for one in group))

    async def _fold(self, stretches: list[Stretch]) -> list[Stretch]:
        """One transaction. Those that it left. Raises: StoreUnavailable, OutcomeLost, Raced, Unplaceable."""
        folding = Folding(self.installed, stretches, self._turn)
        # Before anything is locked: most often it names all rows that it needs.
        folded, stretch_s = self._timed(folding)
        head_ids = list(dict.fromkeys(one.head_id for one in stretches))
        with self._transacting(head_ids):
            async with self._store.transaction(self.version) as transaction:
                standings = await transaction.lock(head_ids)
                usable, behind = follow(stretches, standings)
                if usable != stretches:
                    folding = Folding(self.installed, usable, self._turn)
                    folded, took_s = self._timed(folding)
                    stretch_s = max(stretch_s, took_s)
                while folded is None:
                    await trio.lowlevel.checkpoint()
                    folding.load(await transaction.load(folding.missing))
                    folded, took_s = self._timed(folding)
                    stretch_s = max(stretch_s, took_s)
                await trio.lowlevel.checkpoint()
                written = await self._write(transaction, folded, standings) if usable else Written([], [], [])
        self.backlog.fall_behind(behind)
        self._count(folded, usable)
        await trio.lowlevel.cancel_shielded_checkpoint()  # it has landed: whoever watches is told in any case
        began = self._stopwatch.cpu()
        self._tell(folded, written)
        stretch_s = max(stretch_s, self._stopwatch.cpu() - began)
        self._size.took(sum(len(one.stored) for one in usable), stretch_s, waiting=self.backlog.waiting)
        return folded.left

    def _timed(self, folding: Folding) -> tuple[Folded | None, float]:
        """A pass of it, and the seconds of CPU for which it held the event loop."""
        began = self._stopwatch.cpu()
        folded = folding.run()
        return folded, self._stopwatch.cpu() - began

    @contextmanager
    def _transacting(self, head_ids: Collection[int]) -> Iterator[None]:
        """Around a transaction that locks these. One that is cut off may have landed all the same, or land later: who
        has locked the same after it knows that it has come to its end."""
        try:
            yield
        except (StoreUnavailable, Raced, Unplaceable):
            raise  # nothing has landed
        except BaseException:
            self._doubted.update(head_ids)
            raise
        self._beyond_doubt(head_ids)

    def _beyond_doubt(self, head_ids: Iterable[int]) -> None:
        """Nothing of these is under way any more: once that is so of all, whoever was not told may look."""
        if self._doubted:
            self._doubted.difference_update(head_ids)
            if not self._doubted and self._unsure is not None and self.version.state == "live":
                self._unsure(self.version.name)

    async def _write(self, transaction: FoldTransaction, folded: Folded, standings: dict[int, Standing]) -> Written:
        at_ms = int(self._now() * 1000)
        parked = {
            head_id: ParkedEntity(offset=one.offset, error=one.error, traceback=one.traceback, at_ms=at_ms)
            for head_id, one in folded.parked.items()
            if head_id in folded.through
        }
        progress = {
            head_id: offset
            for head_id, offset in folded.through.items()
            if head_id in parked or offset != standings[head_id].offset
        }
        return await transaction.write(
            Writing(
                folded.inserted,
                folded.updated,
                folded.removed,
                {head_id: offset for head_id, offset in progress.items() if standings[head_id].has_row},
                {head_id: offset for head_id, offset in progress.items() if not standings[head_id].has_row},
                parked,
            )
        )

    async def _park(self, head_id: int, entity: str, error: Exception, only: Stretch | None = None) -> None:
        """Nothing of this entity is folded until somebody has that tried again. `only`: its next event, which can't be
        stored; None: whatever comes next. Raises: StoreUnavailable, OutcomeLost, Raced."""
        async with self._store.transaction(self.version) as transaction:
            standing = (await transaction.lock([head_id])).get(head_id)
            if standing is None or standing.parked or (only is not None and standing.offset >= max(only.through, 1)):
                return
            parked = Folding(self.installed, [only], self._turn).park_only(error).parked[head_id] if only else None
            offset = parked.offset if parked is not None else standing.offset + 1
            why = ParkedEntity(
                offset=offset,
                error=shown(error),
                traceback=parked.traceback if parked is not None else "",
                at_ms=int(self._now() * 1000),
            )
            progress = {head_id: standing.offset}
            moved, begun = (progress, {}) if standing.has_row else ({}, progress)
            await transaction.write(Writing([], [], [], moved, begun, {head_id: why}))
        self._note_parked(entity, why.offset, why.error)

    def _count(self, folded: Folded, usable: Sequence[Stretch]) -> None:
        left = {id(one) for one in folded.left}
        done = [one for one in usable if id(one) not in left]
        events = sum(max(min(folded.through[one.head_id], one.through) - one.after, 0) for one in done)
        self._raise(self._instruments.view_events, events)
        rows = len(folded.inserted) + len(folded.updated) + len(folded.removed)
        self._raise(self._instruments.view_rows, rows)
        # Of what says nothing to the view nobody waits for the row.
        oldest_ms = min(
            (one.stored[0].at_ms for one in done if one.stored and self.backlog.is_wanted(one)), default=None
        )
        if oldest_ms is not None:
            self._instruments.view_lag_s[self._labels] = max(self._now() - oldest_ms / 1000, 0.0)
        entities = {one.head_id: one.entity for one in usable}
        for head_id, parked in folded.parked.items():
            if head_id in folded.through:
                self._note_parked(entities[head_id], parked.offset, parked.error)

    def _raise(self, counts: dict[tuple[str, str], int], by: int) -> None:
        counts[self._labels] = counts.get(self._labels, 0) + by

    def _note_parked(self, entity: str, offset: int, error: str) -> None:
        self._raise(self._instruments.view_parks, 1)
        version = self.version
        log.error("view_parked", view=version.name, version=version.version, entity=entity, offset=offset, error=error)

    def _tell(self, folded: Folded, written: Written) -> None:
        if self._changed is None or self.version.state != "live":
            return
        rows = [
            Change(self.installed.key_of_values(values), values, revision)
            for values, revision in (
                *zip(folded.inserted, written.inserted, strict=True),
                *zip(folded.updated, written.updated, strict=True),
            )
        ]
        rows += [Change(key, None, revision) for key, revision in zip(folded.removed, written.removed, strict=True)]
        if rows:
            self._changed(Changes(self.version.name, self.version.id, rows))


def follow(stretches: Sequence[Stretch], standings: dict[int, Standing]) -> tuple[list[Stretch], list[int]]:
    """Of each entity what follows directly on what is folded, and is what the journal holds; and the heads of those
    whose next events are to be read from the journal instead.

    Of what was heard of the journal holds all while the head has that fence, and that event: an append after it would
    have the same fence, and one before a failover that was lost would be missing in the head. What was read is what it
    holds while the history is the one in which it was read.
    """
    usable: list[Stretch] = []
    behind: dict[int, None] = {}
    at: dict[int, int] = {}
    for stretch in stretches:
        head_id = stretch.head_id
        standing = standings.get(head_id)
        if standing is None or standing.parked or head_id in behind:
            continue
        offset = at.get(head_id, standing.offset)
        if stretch.state is not None:
            if offset == 0 and stretch.lineage == standing.lineage:
                usable.append(stretch)
                at[head_id] = stretch.through
            continue
        if stretch.through <= offset:
            continue
        is_held = (
            stretch.lineage == standing.lineage
            if stretch.fence == FROM_JOURNAL
            else stretch.fence == standing.fence and stretch.through <= standing.head_offset
        )
        if stretch.after > offset or not is_held:
            behind[head_id] = None
            continue
        usable.append(stretch.part(offset, stretch.through))
        at[head_id] = stretch.through
    return usable, list(behind)
