"""Which entities there are, of every kind: `GET /api/entities/order`, for staff.

It is told of every event, whatever its kind, and its rows change with each. So it costs all kinds what a view costs,
and is installed on request.
"""

from msgspec import Struct

from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.message import Event
from greenroom.actors.views.columns import Key
from greenroom.actors.views.page import Page
from greenroom.actors.views.view import Origin, View


class EntityRow(Struct):
    """One entity."""

    kind: Key[str]
    key: Key[str]
    offset: int = 0  # of its newest event
    at_ms: int = 0  # Unix: when that was recorded


def entities_of(kinds: Kinds) -> type[View]:
    """The view `entities` of what these record; `kinds` are all that are to be installed."""

    class Entities(View, version=1):
        """Every durable entity that has recorded something, by kind, the last active ones first. For staff."""

        of = tuple(dict.fromkeys(event for kind in kinds if kind.actor.durable for event in kind.actor.events))
        Row = EntityRow
        watch = Page(by="kind", order="-at_ms", limit=100, per_s=2)

        def fold(self, event: Event, of: Origin) -> None:
            self._be(of)

        def seed(self, state: object, of: Origin) -> None:
            self._be(of)

        def _be(self, of: Origin) -> None:
            row = self.row(kind=of.kind, key=of.key)
            row.offset, row.at_ms = of.offset, of.at_ms

    return Entities
