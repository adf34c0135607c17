"""What was said where: `GET /api/messages/lobby?search=balloon` for whoever may watch `room:lobby`, and
`GET /api/conversations/ann/messages?search=balloon` over all rooms that ann is in.
"""

from msgspec import Struct

from greenroom.actors.chat.room.events import MessageDeleted, MessageEdited, MessageSent
from greenroom.actors.chat.room.state import RoomState
from greenroom.actors.chat.views.texts import kept
from greenroom.actors.views.columns import Index, Key, Text
from greenroom.actors.views.page import Page
from greenroom.actors.views.view import Origin, View


class Messages(View, version=1):
    """Every message that was not deleted, by room, searched by its words. A room's are read by whoever may watch the
    room, and those of all of a user's conversations by the user. Only staff watch them here: whoever else wants to
    hear of messages watches the room."""

    of = (MessageSent, MessageEdited, MessageDeleted)

    class Row(Struct):
        """A message."""

        room: Key[str]
        offset: Key[int]  # its name in the room
        author: Index[str] = ""
        text: Text = ""
        at_ms: int = 0  # Unix

    entity_key = "room"
    watch = Page(by="room", order="-offset", limit=50)
    guarded_by = "room"
    across = "conversations"

    def fold(self, event: MessageSent | MessageEdited | MessageDeleted, of: Origin) -> None:
        match event:
            case MessageSent():
                row = self.row(room=of.key, offset=of.offset)
                row.author, row.text, row.at_ms = event.author, kept(event.text), of.at_ms
            case MessageEdited():
                row = self.find(room=of.key, offset=event.message)
                if row is not None:
                    row.text = kept(event.text)
            case MessageDeleted():
                row = self.find(room=of.key, offset=event.message)
                if row is not None:
                    del self[row]

    def seed(self, state: RoomState, of: Origin) -> None:
        """Of older messages the room itself knows no text any more."""
        for offset, posted in state.window.items():
            if not posted.deleted:
                row = self.row(room=of.key, offset=offset)
                row.author, row.text, row.at_ms = posted.author, kept(posted.text), posted.at_ms
