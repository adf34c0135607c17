"""Whom a message mentions, and what their inboxes hear."""

import pytest

from greenroom.actors.chat.room import Room
from greenroom.actors.chat.room.mentions import MENTIONS_MAX, mentioned
from greenroom.actors.chat.room.messages import Delete, Edit, Join, Leave, Mute, SendMessage
from greenroom.actors.inbox.actor import Inbox
from greenroom.actors.inbox.messages import Notify, Withdraw
from greenroom.testing import Kit


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("nobody", []),
        ("@ann", ["ann"]),
        ("hi @ann, @bob: (@cat) “@dan” @eve's", ["ann", "bob", "cat", "dan", "eve's"]),
        ("@ann @ann", ["ann"]),
        ("mail ann@example.org", []),
        ("@ @. @@ann", []),
        ("@j.r.r.tolkien.", ["j.r.r.tolkien"]),
        ("@" + "x" * 65, []),
        ("@zoë @日本", ["zoë", "日本"]),
        ("@a\0nn", ["ann"]),
    ],
)
def test_mentioned(text: str, names: list[str]) -> None:
    assert mentioned(text) == names


@pytest.mark.bound("users whom one message of a room mentions")
def test_the_first_few_mentions_count() -> None:
    assert len(mentioned(" ".join(f"@user{number}" for number in range(100)))) == MENTIONS_MAX


def lobby(key: str = "lobby", *, inboxes: bool = True) -> Kit[Room]:
    room = Kit(Room, key=key, others=[Inbox] if inboxes else [])
    if not key.startswith("@"):
        for user in ("ann", "bob", "cat"):
            room.ask(Join(), user=user)
    return room


def told(room: Kit[Room]) -> list[tuple[str, str]]:
    return [
        (one.entity, "" if isinstance(one.message, Withdraw) else one.message.text)
        for one in room.told
        if isinstance(one.message, Notify | Withdraw)
    ]


def test_members_who_are_mentioned_are_told_and_others_are_not() -> None:
    room = lobby()
    room.ask(Leave(), user="cat")
    offset = room.ask(SendMessage(text="hi @bob, @cat, @dan and @ann"), user="ann").offset
    assert told(room) == [("inbox:bob", "hi @bob, @cat, @dan and @ann")]
    notify = room.told[0].message
    assert isinstance(notify, Notify) and (notify.kind, notify.by, notify.about) == ("mention", "ann", "room:lobby")
    assert notify.id == f"mention:room:lobby:{offset}"


def test_a_mention_that_an_edit_adds_is_told_once() -> None:
    room = lobby()
    offset = room.ask(SendMessage(text="hi @bob"), user="ann").offset
    room.ask(Edit(offset=offset, text="hi @bob and @cat"), user="ann")
    room.ask(Edit(offset=offset, text="hey @bob and @cat"), user="ann")
    assert [entity for entity, _ in told(room)] == ["inbox:bob", "inbox:cat"]


def test_a_message_that_is_deleted_takes_its_mentions_along() -> None:
    room = lobby()
    offset = room.ask(SendMessage(text="hi @bob"), user="ann").offset
    room.ask(Delete(offset=offset), user="ann")
    first, second = (one.message for one in room.told)
    assert isinstance(first, Notify) and isinstance(second, Withdraw) and first.id == second.id


def test_who_is_muted_in_the_room_is_told_nothing_meanwhile() -> None:
    room = lobby()
    room.ask(Mute(user="bob", seconds=60), user="ann")
    room.ask(SendMessage(text="@bob"), user="ann")
    assert told(room) == []
    room.advance(60)
    room.ask(SendMessage(text="@bob"), user="ann")
    assert told(room) == [("inbox:bob", "@bob")]


def test_the_other_of_a_direct_conversation_is_told() -> None:
    room = lobby("@ann+bob")
    room.ask(SendMessage(text="@bob " + "x" * 300), user="ann")
    assert told(room) == [("inbox:bob", ("@bob " + "x" * 300)[:200])]


def test_where_there_are_no_inboxes_nobody_is_told() -> None:
    room = lobby(inboxes=False)
    offset = room.ask(SendMessage(text="hi @bob"), user="ann").offset
    room.ask(Delete(offset=offset), user="ann")
    assert room.told == []
