import pytest

from greenroom.actors.chat.room import Room
from greenroom.actors.chat.room.messages import Join
from greenroom.testing import Kit


@pytest.fixture
def room() -> Kit[Room]:
    """Ann owns it, Bob is a member."""
    room = Kit(Room, key="lobby")
    room.ask(Join(), user="ann")
    room.ask(Join(), user="bob")
    return room
