"""Which rooms there are: `GET /api/rooms/open`, and the channel `rooms:open`.

A room's row is on the page `open` or on the page `closed`, and moves when the room is closed or opened: who may see
which is then a matter of the page. Direct conversations are on neither.

Nothing of what is said is in a row: the page is everybody's, and so theirs, too, who are banned from a room on it.
"""

from typing import Any

from msgspec import Struct, structs

from greenroom.actors.chat.room.events import (
    Banned,
    Changed,
    Gifted,
    Invited,
    Joined,
    Left,
    MessageSent,
    RoomEvent,
)
from greenroom.actors.chat.room.state import RoomState
from greenroom.actors.chat.views.texts import kept
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.principal import Principal
from greenroom.actors.views.columns import Key, Text
from greenroom.actors.views.page import Page
from greenroom.actors.views.view import Origin, View

OPEN, CLOSED = "open", "closed"


class Rooms(View, version=2):
    """The directory: a row for each room that there is, those with the newest messages first. Open ones are
    everybody's to see, closed ones only staff's, and direct conversations are not in it."""

    of = (Joined, Left, Banned, Invited, Gifted, Changed, MessageSent)

    class Row(Struct):
        """A room."""

        listed: Key[str]  # open or closed
        room: Key[Text]  # its key
        title: Text = ""
        members: int = 0
        at_ms: int = 0  # Unix: of the newest message, before the first one of the room's beginning

    entity_key = "room"
    watch = Page(by="listed", order="-at_ms", limit=100, per_s=2)

    def fold(self, event: RoomEvent, of: Origin) -> None:
        if of.key.startswith("@"):
            return
        row = self._row_of(of)
        match event:
            case MessageSent():
                row.at_ms = of.at_ms
            case Joined():
                row.members += 1
            case Left() | Banned(member=True):
                row.members -= 1
            case Changed():
                if event.title is not None:
                    row.title = kept(event.title)
                if event.open is not None:
                    self._list(row, OPEN if event.open else CLOSED)

    def seed(self, state: RoomState, of: Origin) -> None:
        if of.key.startswith("@"):
            return
        row = self.row(listed=OPEN if state.open else CLOSED, room=of.key)
        row.title, row.members, row.at_ms = kept(state.title), len(state.members), of.at_ms
        if state.window:
            row.at_ms = next(reversed(state.window.values())).at_ms

    @classmethod
    def may_watch(cls, principal: Principal, key: str) -> None:
        """Open rooms are everybody's to see. Raises: Refused for all others."""
        if key != OPEN:
            raise Refused("rooms.closed", "only open rooms are listed for everybody")

    def _row_of(self, of: Origin) -> Any:
        closed = self.find(listed=CLOSED, room=of.key)
        if closed is not None:
            return closed
        row = self.row(listed=OPEN, room=of.key)
        row.at_ms = row.at_ms or of.at_ms
        return row

    def _list(self, row: Any, listed: str) -> None:
        """Move it to that page."""
        if row.listed == listed:
            return
        moved = self.row(listed=listed, room=row.room)
        for name, value in structs.asdict(row).items():
            if name not in ("listed", "room"):
                setattr(moved, name, value)
        del self[row]
