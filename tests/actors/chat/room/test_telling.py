"""What inboxes hear of a message that names their users."""

import pytest

from greenroom.actors.chat.room import Room
from greenroom.actors.chat.room.events import Joined, MessageSent
from greenroom.actors.chat.room.messages import Delete, Edit, Join, Leave, Mute, SendMessage
from greenroom.actors.chat.room.state import AUTHORS, WINDOW, RoomState
from greenroom.actors.inbox.actor import Inbox
from greenroom.actors.inbox.messages import Notify, Withdraw
from greenroom.testing import Kit


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


def test_a_mention_that_an_edit_takes_out_is_taken_back_with_the_text_that_it_had() -> None:
    room = lobby()
    offset = room.ask(SendMessage(text="@bob @cat it is hunter2"), user="ann").offset
    room.ask(Edit(offset=offset, text="@cat oops"), user="ann")
    assert told(room)[2:] == [("inbox:bob", "")]
    room.ask(Edit(offset=offset, text="oops"), user="ann")
    assert told(room)[3:] == [("inbox:cat", "")]
    room.ask(Delete(offset=offset), user="ann")
    assert len(told(room)) == 4, "nobody is left who was told"
    room.restart()


def test_who_has_left_since_is_told_that_it_is_taken_back() -> None:
    room = lobby()
    first = room.ask(SendMessage(text="@bob one"), user="ann").offset
    second = room.ask(SendMessage(text="@bob two"), user="ann").offset
    room.ask(Leave(), user="bob")
    room.ask(Edit(offset=first, text="@bob one, and a half"), user="ann")
    assert len(told(room)) == 2, "who is no member any more is told nothing new"
    room.ask(Delete(offset=first), user="ann")
    room.ask(Edit(offset=second, text="two"), user="ann")
    assert told(room)[2:] == [("inbox:bob", ""), ("inbox:bob", "")]


def test_what_the_room_has_no_text_of_any_more_is_taken_back_too() -> None:
    room = lobby()
    offset = room.ask(SendMessage(text="@bob"), user="ann").offset
    for _ in range(WINDOW):
        room.ask(SendMessage(text="and then"), user="ann")
    assert offset not in room.state.window
    room.ask(Delete(offset=offset), user="ann")
    assert told(room)[1:] == [("inbox:bob", "")]
    assert room.state.named == {}


@pytest.mark.bound("messages of which a room knows whom they mention")
def test_of_messages_that_can_t_be_changed_any_more_it_knows_it_no_more() -> None:
    state = RoomState()
    state.change(Joined(user="bob", role="owner"), 1, 0)
    for offset in range(2, AUTHORS + 4):
        state.change(MessageSent(author="ann", text="@bob"), offset, 0)
    assert len(state.named) == AUTHORS and state.named.keys() == state.authors.keys()


def test_who_may_not_speak_in_the_room_still_hears_of_it() -> None:
    room = lobby()
    room.ask(Mute(user="bob", seconds=60), user="ann")
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
