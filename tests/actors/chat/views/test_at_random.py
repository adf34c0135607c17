"""Rooms, whatever is said to them: their views say what the rooms themselves do."""

import random
from contextlib import suppress
from typing import Any

import pytest

from greenroom import Message, Refused
from greenroom.actors.chat.room import Room
from greenroom.actors.chat.room.messages import (
    Ban,
    Delete,
    Edit,
    Invite,
    Join,
    Leave,
    Mute,
    Read,
    SendMessage,
    Set,
    SetRole,
    Unban,
)
from greenroom.actors.chat.room.view import in_force
from greenroom.actors.chat.views import Conversations, Messages, Rooms
from greenroom.actors.views.view import Origin
from greenroom.testing import Kit, fold
from tests.actors.chat.views.chats import Happened, events_of, seeded, without

USERS = ("ann", "bob", "cat", "dan")
TEXTS = ("hi", "hi @bob, and @ann!", "mail eve@cat", "@cat", "\0 nul \0 @dan")


def something(lots: random.Random) -> Message:
    user, offset, text = lots.choice(USERS), lots.randint(1, 60), lots.choice(TEXTS)
    messages: list[Message] = [
        SendMessage(text=text),
        SendMessage(text=text),
        Join(),
        Leave(),
        Edit(offset=offset, text=text),
        Delete(offset=offset),
        Read(offset=offset),
        Ban(user=user),
        Unban(user=user),
        Mute(user=user, seconds=5),
        Invite(user=user),
        Set(title=lots.choice(["", "Den", "Lobby"])),
        Set(open=lots.random() < 0.7),
        SetRole(user=user, role="moderator"),
    ]
    return lots.choice(messages)


def played(key: str, seed: int) -> Kit[Room]:
    lots = random.Random(seed)
    room = Kit(Room, key=key)
    for _ in range(70):
        with suppress(Refused):
            room.tell(something(lots), user=lots.choice(USERS[:2] if key.startswith("@") else USERS))
        room.advance(1.0)
    return room


@pytest.mark.parametrize("seed", range(12))
def test_views_say_what_rooms_do(seed: int) -> None:
    rooms = [played(key, seed * 3 + number) for number, key in enumerate(("lobby", "den", "@ann+bob"))]
    happened = mixed(rooms, seed)
    conversations = without(fold(Conversations, happened), user="")
    directory = {row.room: row for row in fold(Rooms, happened)}
    messages = fold(Messages, happened)
    for room in rooms:
        state = room.state
        mine = {row.user: row for row in conversations if row.room == room.actor.key}
        assert sorted(mine) == (sorted(state.members) if room.offset else [])
        for user, row in mine.items():
            assert (row.unread, row.read) == (state.unread(user), state.members[user].read)
            assert row.title == state.title
            unread = [o for o, author in state.authors.items() if o > row.read and author != user]
            assert row.mentions == sum(f"@{user}" in state.window[o].text and "mail" not in state.window[o].text
                                       for o in unread)  # fmt: skip
            assert (row.last_offset, row.last_author, row.last_text) == last(room)
        assert [(row.offset, row.author, row.text) for row in messages if row.room == room.actor.key] == [
            (offset, posted.author, posted.text.replace("\0", ""))
            for offset, posted in state.window.items()
            if not posted.deleted
        ]
        if room.actor.key.startswith("@") or not room.offset:
            assert room.actor.key not in directory
            continue
        row = directory[room.actor.key]
        assert (row.title, row.members) == (state.title, len(state.members))
        assert row.listed == ("open" if state.open else "closed")


@pytest.mark.parametrize("key", ["lobby", "@ann+bob"])
@pytest.mark.parametrize("seed", range(6))
def test_rows_made_of_a_room_s_state_are_those_of_its_events(key: str, seed: int) -> None:
    room = played(key, seed)
    of = Origin(room.entity, room.offset, int(room.now * 1000))
    for view in (Rooms, Conversations, Messages):
        folded, made = fold(view, events_of(room)), seeded(view, room.state, of)
        assert [untimed(row) for row in made] == [untimed(row) for row in folded], view


def untimed(row: Any) -> Any:
    """When things happened is the kit's own in a fold, and of a room's beginnings its state says nothing. What the
    room of a roster shows for newcomers, likewise, is made again by the next message."""
    row.at_ms = 0
    if getattr(row, "user", None) == "":
        row.last_offset, row.last_author, row.last_text = 0, "", ""
    return row


def last(room: Kit[Room]) -> tuple[int, str, str]:
    if not room.state.window:
        return 0, "", ""
    offset, posted = next(reversed(room.state.window.items()))
    return offset, posted.author, posted.text.replace("\0", "")


def mixed(rooms: list[Kit[Room]], seed: int) -> list[Happened]:
    """The events of all rooms, each room's in order."""
    lots = random.Random(seed)
    left = [events_of(room) for room in rooms]
    found: list[Happened] = []
    while any(left):
        found.append(lots.choice([one for one in left if one]).pop(0))
    return found


def test_the_play_is_one() -> None:
    """Else what is compared above is little."""
    rooms = [played("lobby", seed) for seed in range(30)]
    states = [room.state for room in rooms]
    assert any(not in_force(until, 0) or until == 0 for state in states for until in state.banned.values())
    assert any(posted.deleted for state in states for posted in state.window.values())
    assert any(posted.edited for state in states for posted in state.window.values())
    assert any(not state.open for state in states)
    assert any(state.unread(user) for state in states for user in state.members)
