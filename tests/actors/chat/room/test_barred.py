"""A direct conversation of two, one of whom has blocked the other: read as before, and written to by neither."""

from itertools import product

import pytest

from greenroom import Message
from greenroom.actors.chat.room import Room
from greenroom.actors.chat.room.messages import (
    BarredChanged,
    Comment,
    Delete,
    Edit,
    Gift,
    React,
    Read,
    SendMessage,
    Typing,
    Unreact,
)
from greenroom.actors.model.errors import UnknownCommand
from greenroom.testing import Kit
from tests.actors.chat.room.small_room import refused, say

TWO = ("ann", "bob")
WRITING: tuple[Message, ...] = (
    SendMessage(text="x"),
    SendMessage(text="x", reply_to=99),
    Typing(),
    Comment(text="x"),
    Gift(item="rose"),
    React(offset=1, emoji="👍"),
    Edit(offset=1, text="x"),
)


def conversation(*barred_by: str) -> Kit[Room]:
    """With a message of ann's, that bob has reacted to."""
    room = Kit(Room, key="@ann+bob")
    say(room, user="ann")
    room.ask(React(offset=1, emoji="🎉"), user="bob")
    for user in barred_by:
        room.tell(BarredChanged(by=user, barred=True))
    return room


@pytest.mark.parametrize(("message", "user", "by"), list(product(WRITING, TWO, TWO)))
def test_neither_writes_and_both_hear_the_same(message: Message, user: str, by: str) -> None:
    refused(conversation(by), message, user, "room.blocked")


def test_it_is_read_on_and_what_was_said_may_be_taken_back() -> None:
    room = conversation("ann")
    for user in TWO:
        assert room.watch(user=user)["messages"]
    assert room.ask(Read(offset=1), user="bob").offset == 1
    room.ask(Unreact(offset=1, emoji="🎉"), user="bob")
    room.ask(Delete(offset=1), user="ann")
    refused(room, SendMessage(text="x"), "cat", "room.not_member")


def test_nobody_is_shown_who_has_blocked_whom() -> None:
    room, before = conversation("bob"), conversation()
    assert room.publications == before.publications
    assert room.watch(user="ann") == before.watch(user="ann")


@pytest.mark.parametrize(("first", "second"), [TWO, TWO[::-1]])
def test_it_goes_on_once_neither_blocks_the_other(first: str, second: str) -> None:
    room = conversation("ann", "bob")
    room.restart()
    room.restart(from_snapshot=True)
    room.tell(BarredChanged(by=first, barred=False))
    refused(room, SendMessage(text="x"), "ann", "room.blocked")
    room.tell(BarredChanged(by=second, barred=False))
    say(room, user="ann")
    say(room, user="bob")


def test_what_changes_nothing_is_not_recorded() -> None:
    room = conversation("ann")
    recorded = len(room.events)
    room.tell(BarredChanged(by="ann", barred=True))
    room.tell(BarredChanged(by="bob", barred=False))
    room.tell(BarredChanged(by="cat", barred=True))  # none of the two
    assert len(room.events) == recorded


def test_who_is_blocked_before_a_word_was_said_finds_an_empty_conversation() -> None:
    room, before = Kit(Room, key="@ann+bob"), Kit(Room, key="@ann+bob")
    room.tell(BarredChanged(by="ann", barred=True))
    for user in TWO:
        assert room.watch(user=user) == before.watch(user=user)
        refused(room, SendMessage(text="x"), user, "room.blocked")
    room.ask(Read(offset=1), user="bob")
    assert room.publications == [], "nothing is there that can be read, so nobody is told that it was"


@pytest.mark.parametrize("key", ["lobby", "@", "@bob+ann"])
def test_any_other_room_has_nothing_to_do_with_it(key: str) -> None:
    room = Kit(Room, key=key)
    room.tell(BarredChanged(by="ann", barred=True))
    assert not room.events and not room.state.barred_by


def test_clients_can_not_say_it() -> None:
    room = Kit(Room, key="@ann+bob")
    with pytest.raises(UnknownCommand):
        room.kind.command("barred_changed")
