"""What was said where."""

from greenroom.actors.chat.room import Room
from greenroom.actors.chat.room.messages import Delete, Edit, SendMessage
from greenroom.actors.chat.views import Messages
from greenroom.testing import Kit, fold
from tests.actors.chat.views.chats import events_of


def test_messages_are_as_they_are_now() -> None:
    room = Kit(Room, key="lobby")
    first, second, third = [room.ask(SendMessage(text=text), user="ann").offset for text in ("one", "two", "th\0ree")]
    room.ask(Edit(offset=first, text="o\0ne"), user="ann")
    room.ask(Delete(offset=second), user="ann")
    rows = fold(Messages, events_of(room))
    assert [(row.room, row.offset, row.author, row.text) for row in rows] == [
        ("lobby", first, "ann", "one"),
        ("lobby", third, "ann", "three"),
    ]
    assert rows[0].at_ms < rows[1].at_ms
