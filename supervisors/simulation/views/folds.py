"""What the journals of a world make of one table, kept from one look to the next.

Only what is new is folded; where something that was folded is there no more, as after a failover, all is folded anew.
"""

from collections.abc import Mapping

from greenroom.actors.model.kinds import Kinds
from greenroom.actors.views.folding import BatchRows
from greenroom.actors.views.installed import Installed
from greenroom.actors.views.view import Origin, View
from greenroom.store.journal.records import StoredEvent
from greenroom.store.views.memory.folding import stored
from greenroom.store.views.shape import Shape
from greenroom.store.views.store import Key, Values


class _Nothing(dict[Key, Values | None]):
    """Rows of a table that is empty."""

    def __missing__(self, key: Key) -> None:
        return None


class Fold:
    """Of one table; shares no code with those that fill it, but for the view's own and its rows."""

    def __init__(self, kinds: Kinds, installed: Installed, shape: Shape) -> None:
        self._kinds = kinds
        self._installed = installed
        self._shape = shape
        self._begin()

    def _begin(self) -> None:
        self._rows = BatchRows(self._installed, _Nothing())
        self._view = self._installed.view(self._rows)
        self._folded: dict[str, tuple[int, StoredEvent | None]] = {}  # by entity: how many events, and the last
        self.values: dict[Key, Values] = {}  # as stored

    def follow(self, journals: Mapping[str, list[StoredEvent]], folded: Mapping[str, int]) -> dict[Key, Values]:
        """The rows that so many events of each entity come to."""
        if not self._goes_on(journals, folded):
            self._begin()
        changed: set[Key] = set()
        for entity, offset in sorted(folded.items()):
            events = journals.get(entity, [])[:offset]
            before, _ = self._folded.get(entity, (0, None))
            if len(events) > before:
                changed |= self._fold(self._view, entity, events[before:])
                self._folded[entity] = len(events), events[-1]
        for key in changed:
            row = self._rows.touched[key]
            if row is None:
                self.values.pop(key, None)
            else:
                self.values[key] = stored(self._shape, self._installed.to_values(row))
        return self.values

    def _goes_on(self, journals: Mapping[str, list[StoredEvent]], folded: Mapping[str, int]) -> bool:
        """Is all of it that was folded, to be folded still?"""
        for entity, (count, last) in self._folded.items():
            events = journals.get(entity, [])
            if folded.get(entity, 0) < count or len(events) < count or events[count - 1] is not last:
                return False
        return True

    def _fold(self, view: View, entity: str, events: list[StoredEvent]) -> set[Key]:
        """The keys of the rows that these have had."""
        kind = self._kinds[entity.partition(":")[0]]
        changed: set[Key] = set()
        for event in events:
            origin = Origin(entity, event.offset, event.at_ms, event.info)
            for present in kind.decode_events(event.payload):
                if type(present) in self._installed.events:
                    self._rows.begin_event()
                    view.fold(present, origin)
                    self._rows.end_event()
                    changed.update(self._rows.event_keys)
        return changed
