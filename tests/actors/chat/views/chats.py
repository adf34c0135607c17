"""What happens in rooms, as events of the views' tests."""

from collections.abc import Sequence
from typing import Any

from greenroom import Event, View
from greenroom.actors.chat.room import Room
from greenroom.actors.views.folding import BatchRows
from greenroom.actors.views.installed import Installed
from greenroom.actors.views.view import Origin
from greenroom.testing import Kit

Happened = tuple[str, Event]


def seeded(view: type[View], state: Any, of: Origin) -> list[Any]:
    """The rows that a view makes of an entity's state."""
    installed = Installed(view)
    rows = BatchRows(installed, _Nothing())
    rows.begin_event(rows_max=20_000)
    installed.view(rows).seed(state, of)
    rows.end_event()
    return [installed.to_row(values) for values in rows.changes()[0]]


def events_of(room: Kit[Room]) -> list[Happened]:
    """All that was recorded in it."""
    return [(room.entity, event) for event in room.events]


def without(rows: Sequence[Any], **what: Any) -> list[Any]:
    """Those rows that have not these values."""
    return [row for row in rows if any(getattr(row, name) != value for name, value in what.items())]


class _Nothing(dict[Any, None]):
    def __missing__(self, key: Any) -> None:
        return None
