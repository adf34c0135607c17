"""What the views cost the database: how often a batch loads, and how many rows it writes."""

import msgspec
import pytest

from greenroom import Event, View
from greenroom.actors.chat.room import Room
from greenroom.actors.chat.room.events import Joined, MessageSent, ReadUpTo
from greenroom.actors.chat.views import Conversations, Messages, Rooms
from greenroom.actors.life.turn import Turn
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.views.folding import Folding
from greenroom.actors.views.installed import Installed
from greenroom.actors.views.stretch import Stretch
from greenroom.store.journal.records import StoredEvent

ROOMS, MEMBERS, MESSAGES = 10, 8, 20
USERS = [f"user{number}" for number in range(MEMBERS)]


def stretches(events: list[Event], after: int) -> list[Stretch]:
    """The same events in each room."""
    kind = Kinds([Room])["room"]
    stored = [
        StoredEvent(number, 1_000 * number, msgspec.json.encode(event))
        for number, event in enumerate(events, after + 1)
    ]
    return [Stretch(kind, f"room:{number}", number, after, stored) for number in range(ROOMS)]


def folded(view: type[View], events: list[Event], table: dict[object, object], after: int) -> tuple[int, int]:
    """How often it loads, and how many rows it writes."""
    installed = Installed(view, Kinds([Room]))
    folding = Folding(installed, stretches(events, after), Turn())
    loads = 0
    while (found := folding.run()) is None:
        loads += 1
        folding.load({key: table.get(key) for key in folding.missing})  # type: ignore[misc]
    assert not found.parked and not found.left
    written = [*found.inserted, *found.updated]
    table.update({installed.key_of_values(values): values for values in written})
    return loads, len(written)


@pytest.mark.parametrize(
    ("view", "loads", "rows"),
    [
        (Rooms, 1, ROOMS),
        (Messages, 1, ROOMS * MESSAGES),
        (Conversations, 2, ROOMS * (MEMBERS + 1)),  # with each room's roster
    ],
)
def test_a_batch_writes_each_row_once(view: type[View], loads: int, rows: int) -> None:
    table: dict[object, object] = {}
    folded(view, [Joined(user=user, role="member") for user in USERS], table, 0)
    said: list[Event] = [MessageSent(author=USERS[number % MEMBERS], text="hi") for number in range(MESSAGES)]
    assert folded(view, said, table, MEMBERS) == (loads, rows)
    assert folded(view, [ReadUpTo(user=USERS[0], message=MEMBERS + 1)], table, MEMBERS + MESSAGES)[1] in (0, ROOMS)
