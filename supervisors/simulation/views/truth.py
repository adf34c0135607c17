"""The truth about views: what the journals of a world, folded from scratch, make of them, held against what there is.

That is looked at all the time, for rows and progress are of one moment: each table holds what comes of the events up to
where it says that it has folded them, and of no others.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from greenroom.actors.model.kinds import Kinds
from greenroom.actors.views.installed import Views
from greenroom.actors.views.layout import Layout
from greenroom.actors.views.page_actor import page_kind
from greenroom.actors.views.view import View
from greenroom.store.errors import StoreUnavailable
from greenroom.store.journal.records import StoredEvent
from greenroom.store.views.memory.reading import MemoryReading
from greenroom.store.views.memory.rows import MemoryViewRows
from greenroom.store.views.paging import Wanted
from greenroom.store.views.store import Key, Values, Version
from greenroom.supervisors.simulation.views.folds import Fold
from greenroom.supervisors.simulation.views.watched import WatchedPage

LOOKS = 2  # since which what was there must be in a table that becomes live
SHOWN = 3  # rows that differ, of a table


class _NoPages:
    """For kinds whose entities nobody wakes."""

    async def load(self, view: str, key: str, *, spare: int) -> Any:
        raise StoreUnavailable("nobody reads here")


class Truth:
    """Of one world's views."""

    def __init__(self, kinds: Kinds, views: Iterable[type[View]], rows: MemoryViewRows) -> None:
        """Their pages are installed among `kinds`."""
        self._kinds = kinds
        self._views = Views(kinds, views)
        self._rows = rows
        self._folds: dict[int, tuple[object, Fold]] = {}  # by the id of the table, and which of that id
        self._live: dict[str, int] = {}  # by view, the id of the table that was live at the last look
        self._lengths: list[dict[str, int]] = []  # of the journals, at the last looks, the oldest first
        for one in self._views:
            if one.view.watch is not None:
                kinds.install(page_kind(one.view, _NoPages()))

    def page(self, channel: str) -> WatchedPage | None:
        """For a client that watches that channel; None where it is no page of a view."""
        installed = self._views.get(channel.partition(":")[0])
        return WatchedPage(installed.key_names) if installed is not None else None

    def wrong(self, journals: Mapping[str, list[StoredEvent]]) -> str | None:
        """What a table holds that is not what its progress says, or lacks; None: nothing."""
        self._folds = {id_: one for id_, one in self._folds.items() if id_ in self._rows.versions}
        for row in self._rows.versions.values():
            version = row.version
            progress = self._rows.progress_of(version.id)
            folded: dict[str, int] = {}
            for head_id, one in progress.items():
                head = self._rows.journal.by_id.get(head_id)
                if head is None:
                    return f"{version.table.rows} has folded {one.offset} events of an entity that is not there"
                entity, offset = head.head.entity, head.head.offset
                if one.offset > offset:
                    return f"{version.table.rows} has folded {one.offset} of {offset} events of {entity}"
                folded[entity] = one.offset
            differs = self._differs(version, self._fold(version, journals, folded))
            if differs:
                return f"{version.table.rows} {differs}"
        return None

    def turned_back(self, journals: Mapping[str, list[StoredEvent]]) -> None:
        """A failover has lost what came last, of tables too: one whose place was taken may be live again, with what it
        had when there was nobody any more to fold it. It has become nothing."""
        self._live = {version.name: version.id for version in self._live_ones()}
        self._lengths = [
            {entity: min(there, len(journals.get(entity, ()))) for entity, there in lengths.items()}
            for lengths in self._lengths
        ]

    def _live_ones(self) -> list[Version]:
        return [row.version for row in self._rows.versions.values() if row.version.state == "live"]

    def too_early(self, journals: Mapping[str, list[StoredEvent]]) -> str | None:
        """Which table has become live since the last look though it lacked what was there two looks ago; None: none."""
        self._lengths = [*self._lengths[-LOOKS:], {entity: len(events) for entity, events in journals.items()}]
        before, self._live = self._live, {version.name: version.id for version in self._live_ones()}
        found: str | None = None
        for version in self._live_ones():
            if before.get(version.name) in (None, version.id) or len(self._lengths) <= LOOKS:
                continue
            progress = self._rows.progress_of(version.id)
            for entity, there in self._lengths[0].items():
                head = self._rows.journal.by_entity.get(entity)
                one = progress.get(head.head.id) if head is not None else None
                if one is not None and one.parked is not None:
                    continue
                folded = one.offset if one is not None else 0
                if there > folded and entity.partition(":")[0] in version.kinds:
                    found = f"{version.table.rows} has become live with {folded} of {there} events of {entity}"
        return found

    def unsettled(self, journals: Mapping[str, list[StoredEvent]], release: int) -> list[str]:
        """What is still to come, once faults have stopped."""
        left: list[str] = []
        for installed in self._views:
            mine = [one.version for one in self._rows.versions.values() if one.version.name == installed.name]
            live = [one for one in mine if one.state == "live"]
            filling = [one for one in mine if one.state == "filling" and one.version == release]
            left += [f"{one.table.rows} is being filled" for one in filling]
            if len(live) != 1 or live[0].version != release:
                left.append(f"{installed.name} has no table of version {release}")
                continue
            progress = self._rows.progress_of(live[0].id)
            for row in self._rows.heads():
                if row.head.entity.partition(":")[0] not in installed.kinds:
                    continue
                one = progress.get(row.head.id)
                if one is not None and one.parked is not None:
                    left.append(f"{live[0].table.rows}: {row.head.entity} is parked: {one.parked.error}")
                elif row.head.offset > (one.offset if one is not None else 0):
                    left.append(f"{live[0].table.rows}: {row.head.entity} is not folded up to {row.head.offset}")
        return left

    def page_differs(self, channel: str, page: WatchedPage) -> str | None:
        """How what a client knows of a page is not what its table holds; None: it is."""
        name, _, key = channel.partition(":")
        installed = self._views[name]
        live = next((version for version in self._live_ones() if version.name == name), None)
        if live is None:
            return "has no table"
        layout = Layout(name, live.id, live.shape, installed.view.watch)
        where = ((layout.page.by, key),) if layout.page.by else ()
        wanted = Wanted(where=where, order=layout.order, limit=layout.page.limit)
        found = MemoryReading(self._rows).found(live.table, wanted)
        held = b'{"rows":[%b]}' % b",".join(layout.json_of(one.values) for one in found)
        return None if page.is_as(held) else f"knows {list(page.rows.values())}, and there is {held.decode()}"

    def _fold(
        self, version: Version, journals: Mapping[str, list[StoredEvent]], folded: Mapping[str, int]
    ) -> dict[Key, Values]:
        identity, fold = self._folds.get(version.id, (None, None))
        if fold is None or identity != version.identity:
            fold = Fold(self._kinds, self._views[version.name], version.shape)
            self._folds[version.id] = version.identity, fold
        return fold.follow(journals, folded)

    def _differs(self, version: Version, truth: Mapping[Key, Values]) -> str:
        held = {key: row.values for key, row in self._rows.tables.get(version.table.rows, {}).items()}
        if held == truth:
            return ""
        wrong = [key for key in sorted(truth.keys() | held.keys()) if truth.get(key) != held.get(key)]
        shown = [f"{key}: {held.get(key)} instead of {truth.get(key)}" for key in wrong[:SHOWN]]
        return f"holds {len(wrong)} rows that are others: {'; '.join(shown)}" if wrong else ""
