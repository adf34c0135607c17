"""The view of all entities."""

from greenroom.actors.chat.room import Room
from greenroom.actors.chat.room.events import Joined, Left
from greenroom.actors.identity.session import ReadUpTo, Session
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.views.entities import EntityRow, entities_of
from greenroom.actors.views.installed import Views
from greenroom.actors.views.view import Origin
from greenroom.testing import fold
from tests.actors.chat.views.chats import seeded


def test_each_entity_is_a_row_with_its_newest_event() -> None:
    kinds = Kinds([Room, Session])
    view = entities_of(kinds)
    assert Views(kinds, [view])["entities"].kinds == {"room", "session"}
    rows = fold(
        view,
        [
            ("room:lobby", Joined(user="ann", role="owner")),
            ("session:ann", ReadUpTo(channel="room:lobby", offset=1)),
            ("room:lobby", Left(user="ann")),
        ],
    )
    assert [(row.kind, row.key, row.offset) for row in rows] == [("room", "lobby", 2), ("session", "ann", 1)]
    assert seeded(view, None, Origin("room:lobby", 7, 1_000)) == [
        EntityRow(kind="room", key="lobby", offset=7, at_ms=1_000)
    ]
