"""Inline views of a node: rows that are written with the append of the events they come of.

An optimisation of the runners, and never a second truth. An activation loads what the table has of its entity, and
folds what it records itself while that is up to date; the append writes the row where it still is. Whatever is not
written so the runners find, by a hint as of any append, or by their sweep.
"""

from collections.abc import Callable, Iterable, Sequence

import structlog
import trio

from greenroom.actors.life.turn import Turn
from greenroom.actors.model.kinds import Kind
from greenroom.actors.views.changes import Change, Changes
from greenroom.actors.views.installed import Installed, Views
from greenroom.config.telemetry.instruments import Instruments
from greenroom.store.errors import StoreUnavailable
from greenroom.store.journal.consequences.inline import SET
from greenroom.store.journal.records import Append, Head
from greenroom.store.views.inline import Own, inline_table
from greenroom.store.views.store import Version
from greenroom.store.views.stores import InlineRows
from greenroom.supervisors.views.own_loads import OwnLoads
from greenroom.supervisors.views.own_rows import Live, OwnRow, OwnRows, its_own

log = structlog.get_logger("greenroom.views")

LOAD_S = 1.0  # what an activation waits for its rows; then it goes without
AGAIN_S = 1.0  # between two looks at rows that were not in step
AGAIN_MAX = 1_000  # entities whose rows one look reads
CONNECT_S = 5.0  # beside a statement's own time, after which an append of which nobody knows has landed, or never will
BEHIND_MAX = 50_000  # entities remembered for such a look; others say so again with their next event


class InlineViews:
    """A supervised child: `run`. `landed` is what the committer tells, before it tells the runners."""

    def __init__(
        self,
        views: Views,
        store: InlineRows | None,
        *,
        turn: Turn,
        instruments: Instruments,
        changed: Callable[[Changes], None],
        unsure: Callable[[str], None],
        statement_s: float,
    ) -> None:
        """`store`: see Stores. `changed` and `unsure`: see Runner. `statement_s`: how long a statement may take."""
        self._store = store
        self._loads = OwnLoads(self._own_rows)
        self._turn = turn
        self._instruments = instruments
        self._changed = changed
        self._unsure = unsure
        self._unknown_s = statement_s + CONNECT_S
        self._by_kind: dict[str, list[Installed]] = {}
        for one in views:
            for kind in one.kinds if one.view.inline else ():
                self._by_kind.setdefault(kind, []).append(one)
        self._installed = {one.name: one for found in self._by_kind.values() for one in found}
        self._live: dict[str, Live] = {}
        self._behind: dict[int, OwnRows] = {}  # by head id
        # Views of which rows may yet land that nobody tells of: since when, and since when the last of them.
        self._unknown: dict[str, tuple[float, float]] = {}
        self._untold: set[str] = set()  # views of which rows have changed that nobody could tell
        self._wake = trio.Event()

    def learn(self, versions: Iterable[Version]) -> None:
        """These versions there are, as was just read."""
        live: dict[str, Live] = {}
        for version in versions if self._store is not None else ():
            installed = self._installed.get(version.name)
            if (
                installed is not None
                and version.state == "live"
                and not version.paused
                and (version.version, version.shape.digest) == (installed.version, installed.shape.digest)
            ):
                live[version.name] = Live(installed, version, inline_table(version))
        self._live = live

    def live(self, name: str) -> Live | None:
        """The table of that view into which its rows could be written, as last learnt."""
        return self._live.get(name)

    # An activation.

    async def own_rows(self, kind: Kind, entity: str, head: Head, *, in_doubt: bool) -> OwnRows | None:
        """Those of an entity that was just claimed; None where no view of its kind is inline. `in_doubt`: an append of
        before may have landed of which nobody was told."""
        views = self._by_kind.get(kind.name)
        if views is None:
            return None
        own_rows = OwnRows(
            kind, entity, head.id, head.offset, views, turn=self._turn, live=self.live, behind=self._fall_behind
        )
        for installed in views:
            live = self.live(installed.name)
            if live is None:
                if in_doubt:  # it may have been written while there was one
                    self._note_untold(installed.name)
                continue
            own = Own(0, is_parked=False, rows=[])  # nothing is recorded, so nothing is folded
            if head.offset or in_doubt:
                own = await self._load(live, own_rows)
            own_rows.learn(live, own)
            if in_doubt:
                self._tell_again(live, own)
        return own_rows

    async def _own_rows(self, version: Version, heads: Sequence[tuple[int, str]]) -> dict[int, Own]:
        if self._store is None:
            return {}
        found = await self._store.own_rows(version, heads)
        installed = self._installed[version.name]
        return {head_id: its_own(installed, entity, found[head_id]) for head_id, entity in heads if head_id in found}

    async def _load(self, live: Live, own_rows: OwnRows) -> Own:
        """Without it the entity goes on: what says that it is folded nowhere near fits nothing."""
        try:
            with trio.move_on_after(LOAD_S):
                found = await self._loads.load(live.version, own_rows.head_id, own_rows.entity)
                if found is not None:
                    return found
        except StoreUnavailable as error:
            log.debug("inline_rows_not_read", view=live.version.name, error=str(error))
        return Own(-1, is_parked=False, rows=[])

    def _tell_again(self, live: Live, own: Own) -> None:
        """Whoever watches the row may not have heard of it; of one that is gone nobody knows the revision."""
        installed = live.installed
        if own.rows:
            rows = [Change(installed.key_of_values(values), values, revision) for values, revision in own.rows]
            self._tell(Changes(installed.name, live.table.number, rows))
        else:
            self._note_untold(installed.name)

    def _tell(self, changes: Changes) -> None:
        """Never raises: to the committer, or an activation, what is told comes after what is done."""
        try:
            self._changed(changes)
        except Exception:  # a row of which no JSON can be made is known here first
            log.exception("inline_rows_not_told", view=changes.view)
            self._note_untold(changes.view)

    def _note_untold(self, view: str) -> None:
        """For `run`, which tells each once: that has all its pages read again, and a shard that moves brings many."""
        self._untold.add(view)
        self._wake.set()

    def _fall_behind(self, own_rows: OwnRows) -> None:
        if len(self._behind) < BEHIND_MAX:
            self._behind[own_rows.head_id] = own_rows
            self._wake.set()

    def left_unknown(self, kind: str) -> None:
        """An entity of this kind has ended here, with appends of which nobody knows whether they land."""
        for installed in self._by_kind.get(kind, ()):
            now = trio.current_time()
            since, _ = self._unknown.get(installed.name, (now, now))
            self._unknown[installed.name] = since, now
            self._wake.set()

    # What has landed.

    def landed(self, landed: Sequence[tuple[str, Append]]) -> None:
        """These appends of these entities have. Never waits, and never raises."""
        changes: dict[int, tuple[Installed, list[Change]]] = {}
        for _, append in landed:
            inline = append.consequences.inline if append.consequences is not None else None
            for number, row in inline.items() if inline else ():
                own = row.keeper
                assert isinstance(own, OwnRow)
                if not row.has_landed:
                    own.skipped()
                    self._count(self._instruments.view_skips, own.installed, 1)
                    continue
                self._count(self._instruments.view_events, own.installed, row.through - row.before)
                if row.revision is not None:
                    values = tuple(row.values) if row.what == SET else None
                    _, rows = changes.setdefault(number, (own.installed, []))
                    rows.append(Change((row.key,), values, row.revision))
        for number, (installed, rows) in changes.items():
            self._count(self._instruments.view_rows, installed, len(rows))
            self._tell(Changes(installed.name, number, rows))

    def _count(self, counts: dict[tuple[str, str], int], installed: Installed, by: int) -> None:
        labels = installed.name, str(installed.version)
        counts[labels] = counts.get(labels, 0) + by

    # Those that are not in step.

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Bring rows back into step, which an activation that goes on would lack else, until cancelled."""
        task_status.started()
        while True:
            if not self._behind and not self._unknown and not self._untold:
                self._wake = trio.Event()
                await self._wake.wait()
            await trio.sleep(AGAIN_S)
            self._tell_unsure()
            some = [self._behind.pop(head_id) for head_id in list(self._behind)[:AGAIN_MAX]]
            try:
                for live in list(self._live.values()):
                    await self._look_again(live, [one for one in some if one.lacks(live)])
            except StoreUnavailable as error:
                log.debug("inline_rows_not_read", view="", error=str(error))

    def _tell_unsure(self) -> None:
        """Whoever watches such a view is to look."""
        views, self._untold = self._untold, set()
        before = trio.current_time() - self._unknown_s
        for name, (since, last) in list(self._unknown.items()):
            if since < before:
                views.add(name)
                if last < before:
                    del self._unknown[name]
                else:
                    self._unknown[name] = last, last
        for name in views:
            self._unsure(name)

    async def _look_again(self, live: Live, some: Sequence[OwnRows]) -> None:
        """Raises: StoreUnavailable."""
        if not some:
            return
        found = await self._own_rows(live.version, [(one.head_id, one.entity) for one in some])
        for own_rows in some:
            own = found.get(own_rows.head_id)
            if own is not None:
                own_rows.learn(live, own)
