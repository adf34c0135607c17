"""The view of a room is bounded, whatever the room holds."""

import msgspec

from greenroom.actors.chat.room import Room
from greenroom.actors.chat.room.messages import Join, React
from greenroom.actors.chat.room.state import WINDOW
from greenroom.actors.chat.room.view import MESSAGES_BYTES_MAX
from greenroom.testing import Kit
from tests.actors.chat.room.small_room import say


def test_the_view_is_bounded_whatever_the_room_holds() -> None:
    room = Kit(Room)
    for number in range(300):
        say(room, "x" * 4_000, user=f"user{number}", data="y" * 4_000)
    view = room.view()
    assert (len(view["members"]), view["member_count"], len(view["messages"])) == (100, 300, WINDOW)
    assert len(msgspec.json.encode(view)) < 500_000


def test_the_view_is_bounded_in_bytes_as_it_is_encoded(room: Kit[Room]) -> None:
    """Controls take six bytes each in JSON, and a user id 255: what anybody may write must not make a view too long."""
    for _ in range(WINDOW):
        last = say(room, "\x01" * 4000, user="bob")
    assert MESSAGES_BYTES_MAX // 2 < len(msgspec.json.encode(room.view())) < 1 << 20
    assert room.view()["messages"][-1]["offset"] == last
    users = [f"{at:03}" + '"' * 252 for at in range(256)]
    for user in users:
        room.ask(Join(), user=user)
    for at in range(3):
        for user in users:
            room.ask(React(offset=last - at, emoji="👍"), user=user)
    view = room.view()
    assert len(msgspec.json.encode(view)) < 1 << 20
    assert view["messages"][-1]["offset"] == last and len(view["messages"][-1]["reactions"]["👍"]) == 256
