"""The directory: which rooms are listed, where, and what is said of them."""

import pytest

from greenroom import Principal, Refused
from greenroom.actors.chat.room import Room
from greenroom.actors.chat.room.messages import Ban, Join, Leave, SendMessage, Set
from greenroom.actors.chat.views import Rooms
from greenroom.testing import Kit, fold
from tests.actors.chat.views.chats import events_of


def only_row(room: Kit[Room]) -> Rooms.Row:
    rows: list[Rooms.Row] = fold(Rooms, events_of(room))
    (row,) = rows
    return row


def test_a_room_is_listed_with_its_members_and_nothing_of_what_is_said() -> None:
    room = Kit(Room, key="lobby")
    room.ask(Join(), user="ann")
    room.ask(Set(title="The lobby"), user="ann")
    begun_at_ms = only_row(room).at_ms
    room.ask(SendMessage(text="a secret of those who may watch"), user="bob")
    row = only_row(room)
    assert (row.listed, row.room, row.title, row.members) == ("open", "lobby", "The lobby", 2)
    assert row.at_ms > begun_at_ms
    assert "secret" not in str(row) and "bob" not in str(row)


def test_members_come_and_go() -> None:
    room = Kit(Room, key="lobby")
    for user in ("ann", "bob", "cat"):
        room.ask(Join(), user=user)
    room.ask(Leave(), user="bob")
    room.ask(Ban(user="cat"), user="ann")
    room.ask(Ban(user="eve"), user="ann")  # never was one
    assert only_row(room).members == 1


def test_a_closed_room_is_on_another_page_and_comes_back() -> None:
    room = Kit(Room, key="lobby")
    room.ask(Join(), user="ann")
    room.ask(SendMessage(text="hi"), user="ann")
    room.ask(Set(open=False, title="Den"), user="ann")
    row = only_row(room)
    assert (row.listed, row.title, row.members) == ("closed", "Den", 1)
    said_at_ms = row.at_ms
    room.ask(SendMessage(text="again"), user="ann")
    room.ask(Set(open=True), user="ann")
    row = only_row(room)
    assert (row.listed, row.title, row.members) == ("open", "Den", 1)
    assert row.at_ms > said_at_ms


def test_direct_conversations_are_not_listed() -> None:
    room = Kit(Room, key="@ann+bob")
    room.ask(SendMessage(text="hi"), user="ann")
    assert fold(Rooms, events_of(room)) == []


def test_open_rooms_are_everybody_s_to_see_and_closed_ones_nobody_s() -> None:
    for who in (Principal(user="ann"), Principal(user="")):
        Rooms.may_watch(who, "open")
        for key in ("closed", "all"):
            with pytest.raises(Refused):
                Rooms.may_watch(who, key)
