"""Whose conversations there are: what is unread, who is mentioned, and crowds."""

from typing import Any

import msgspec
import pytest

from greenroom import Principal, Refused
from greenroom.actors.chat.room import Room
from greenroom.actors.chat.room.events import Banned
from greenroom.actors.chat.room.messages import Ban, BarredChanged, Delete, Edit, Join, Leave, Read, SendMessage, Set
from greenroom.actors.chat.views import Conversations
from greenroom.actors.chat.views.conversations import COUNTED_MAX, RECENT_MAX
from greenroom.actors.views.view import Origin
from greenroom.testing import Kit, fold
from tests.actors.chat.views.chats import events_of, seeded, without


def say(room: Kit[Room], text: str = "hi", user: str = "ann") -> int:
    return room.ask(SendMessage(text=text), user=user).offset


def rows_of(room: Kit[Room]) -> dict[str, Any]:
    return {row.user: row for row in without(fold(Conversations, events_of(room)), user="")}


@pytest.fixture
def room() -> Kit[Room]:
    room = Kit(Room, key="lobby")
    for user in ("ann", "bob", "cat"):
        room.ask(Join(), user=user)
    return room


def test_messages_of_others_are_unread_until_they_are_read(room: Kit[Room]) -> None:
    first, second = say(room), say(room)
    rows = rows_of(room)
    assert (rows["ann"].unread, rows["bob"].unread) == (0, 2)
    room.ask(Read(offset=first), user="bob")
    assert rows_of(room)["bob"].unread == 1
    room.ask(Read(offset=second), user="bob")
    say(room, user="bob")
    rows = rows_of(room)
    assert (rows["ann"].unread, rows["bob"].unread, rows["cat"].unread) == (1, 0, 3)


def test_who_is_banned_has_no_conversation_whatever_the_event_says_of_membership(room: Kit[Room]) -> None:
    """Those that were recorded before it said so are read as of one who was no member."""
    room.ask(Ban(user="bob"), roles=("admin",))
    events = [
        (entity, msgspec.structs.replace(event, member=False) if isinstance(event, Banned) else event)
        for entity, event in events_of(room)
    ]
    assert {row.user for row in without(fold(Conversations, events), user="")} == {"ann", "cat"}


def test_as_many_are_counted_as_are_recent(room: Kit[Room]) -> None:
    offsets = [say(room, user=user) for _ in range(RECENT_MAX) for user in ("ann", "bob")]
    assert [row.unread for row in rows_of(room).values()] == [RECENT_MAX // 2, RECENT_MAX // 2, RECENT_MAX]
    room.ask(Read(offset=offsets[-11]), user="cat")
    assert rows_of(room)["cat"].unread == 10


def test_a_message_that_was_deleted_is_unread_no_more(room: Kit[Room]) -> None:
    say(room, "hello @bob")
    gone = say(room, "hello @bob, again")
    room.ask(Delete(offset=gone), user="ann")
    row = rows_of(room)["bob"]
    assert (row.unread, row.mentions, row.last_offset, row.last_text) == (1, 1, gone, "")


def test_who_is_mentioned_is_what_the_text_says_now(room: Kit[Room]) -> None:
    offset = say(room, "(@bob) look, and @ann @nobody")
    rows = rows_of(room)
    assert (rows["ann"].mentions, rows["bob"].mentions, rows["cat"].mentions) == (0, 1, 0)
    room.ask(Edit(offset=offset, text="@cat look"), user="ann")
    rows = rows_of(room)
    assert (rows["bob"].mentions, rows["cat"].mentions, rows["cat"].last_text) == (0, 1, "@cat look")
    room.ask(Read(offset=offset), user="cat")
    assert rows_of(room)["cat"].mentions == 0


def test_who_leaves_or_is_put_out_has_no_row(room: Kit[Room]) -> None:
    say(room)
    room.ask(Leave(), user="bob")
    room.ask(Ban(user="cat"), user="ann")
    room.ask(Ban(user="eve"), user="ann")  # no member
    assert list(rows_of(room)) == ["ann"]
    room.ask(Join(), user="bob")
    row = rows_of(room)["bob"]
    assert (row.unread, row.last_text) == (1, "hi")


def test_a_direct_conversation_is_both_users() -> None:
    room = Kit(Room, key="@ann+bob")
    say(room)
    rows = rows_of(room)
    assert {user: row.unread for user, row in rows.items()} == {"ann": 0, "bob": 1}


def test_one_that_began_with_a_block_is_nobodys_until_something_is_said() -> None:
    room = Kit(Room, key="@ann+bob")
    for barred in (True, False):
        room.tell(BarredChanged(by="ann", barred=barred))
        assert rows_of(room) == {}
        assert seeded(Conversations, room.state, Origin(room.entity, room.offset, 0)) == []
    say(room)
    assert set(rows_of(room)) == {"ann", "bob"}
    made = without(seeded(Conversations, room.state, Origin(room.entity, room.offset, 0)), user="")
    assert {row.user for row in made} == {"ann", "bob"}


def test_a_crowd_is_not_counted(room: Kit[Room]) -> None:
    room.ask(Set(title="Lobby"), user="ann")
    users = ["ann", "bob", "cat", *(f"u{number:03}" for number in range(COUNTED_MAX - 3))]
    for user in users[3:]:
        room.ask(Join(), user=user)
    say(room, "@bob")
    assert rows_of(room)["u001"].unread == 1
    room.ask(Join(), user="one more")
    rows = rows_of(room)
    assert len(rows) == COUNTED_MAX + 1
    assert {(row.unread, row.title, row.last_text) for row in rows.values()} == {(None, "", "")}
    offset = say(room, "@bob and @one")
    rows = rows_of(room)
    assert (rows["bob"].mentions, rows["cat"].mentions) == (2, 0)
    room.ask(Read(offset=offset), user="bob")
    room.ask(Leave(), user="cat")
    rows = rows_of(room)
    assert rows["bob"].mentions == 0
    assert "cat" not in rows
    room.ask(Leave(), user="one more")  # and stays one
    say(room)
    rows = rows_of(room)
    assert rows["bob"].unread is None
    made = without(seeded(Conversations, room.state, Origin(room.entity, room.offset, 0)), user="")
    assert {row.user for row in made} == {*rows}


def test_they_are_the_user_s_own() -> None:
    Conversations.may_watch(Principal(user="ann"), "ann")
    for who in (Principal(user="bob"), Principal(user="")):
        with pytest.raises(Refused) as caught:
            Conversations.may_watch(who, "ann")
        assert caught.value.name == "conversations.not_yours"
