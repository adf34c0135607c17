"""Order in a room: who may quiet, shut out and appoint whom, and how it ends."""

import pytest

from greenroom import Message, Principal, Refused
from greenroom.actors.chat.room import Room
from greenroom.actors.chat.room.messages import (
    Ban,
    Comment,
    Delete,
    Edit,
    Gift,
    Invite,
    Join,
    Leave,
    Mute,
    React,
    Read,
    SendMessage,
    Set,
    SetRole,
    Typing,
    Unban,
    Unmute,
)
from greenroom.actors.chat.room.state import WINDOW
from greenroom.testing import Kit
from tests.actors.chat.room.small_room import refused, say


def test_the_muted_read_and_do_not_speak(room: Kit[Room]) -> None:
    offset = say(room, user="bob")
    room.ask(Mute(user="bob"), user="ann")
    assert room.publications[-1] == {"type": "room.muted", "user": "bob", "by": "ann"}
    for command in (SendMessage(text="x"), Typing(), Comment(text="x"), Edit(offset=offset, text="x")):
        refused(room, command, "bob", "room.muted")
    refused(room, React(offset=offset, emoji="x"), "bob", "room.muted")
    assert room.watch(user="bob")["muted"] == ["bob"]
    room.ask(Read(offset=offset), user="bob")
    room.ask(Unmute(user="bob"), user="ann")
    say(room, user="bob")
    assert room.publications[-2] == {"type": "room.unmuted", "user": "bob", "by": "ann"}


def test_a_short_mute_ends_by_itself(room: Kit[Room]) -> None:
    room.ask(Mute(user="bob", seconds=60), user="ann")
    assert room.publications[-1]["until_ms"] == int((room.now + 60) * 1000)
    room.advance(59.9)
    refused(room, SendMessage(text="x"), "bob", "room.muted")
    room.advance(0.2)
    assert room.publications[-1] == {"type": "room.unmuted", "user": "bob"}
    room.restart()


def test_a_longer_mute_in_its_place_is_not_ended_by_the_first(room: Kit[Room]) -> None:
    room.ask(Mute(user="bob", seconds=60), user="ann")
    room.ask(Mute(user="bob", seconds=3_600), user="ann")
    room.advance(61)
    refused(room, SendMessage(text="x"), "bob", "room.muted")


@pytest.mark.parametrize("seconds", [60, 86_400])
def test_a_mute_ends_over_a_restart(room: Kit[Room], seconds: float) -> None:
    room.ask(Mute(user="bob", seconds=seconds), user="ann")
    room.miss(seconds / 2)
    room.advance(seconds / 2 + 0.1)
    assert room.publications[-1] == {"type": "room.unmuted", "user": "bob"}
    assert room.view()["muted"] == []


def test_a_mute_that_ended_while_nobody_ran_is_lifted_when_somebody_does(room: Kit[Room]) -> None:
    room.ask(Mute(user="bob", seconds=60), user="ann")
    room.miss(3_600)
    assert room.view()["muted"] == []
    room.advance(0)
    assert room.publications[-1] == {"type": "room.unmuted", "user": "bob"}


def test_a_mute_without_end_is_not_ended_by_the_one_before(room: Kit[Room]) -> None:
    room.ask(Mute(user="bob", seconds=60), user="ann")
    room.ask(Mute(user="bob"), user="ann")
    room.advance(61)
    refused(room, SendMessage(text="x"), "bob", "room.muted")


def test_a_ban_for_a_while_ends_by_itself(room: Kit[Room]) -> None:
    room.ask(Ban(user="bob", seconds=60), user="ann")
    room.advance(59.9)
    refused(room, SendMessage(text="x"), "bob", "room.banned")
    room.advance(0.2)
    assert room.publications[-1] == {"type": "room.unbanned", "user": "bob"}
    assert room.actor.timers == {}


def test_the_banned_are_out_until_it_is_over(room: Kit[Room]) -> None:
    offset = say(room, user="bob")
    room.ask(Ban(user="bob", seconds=100), user="ann")
    for command in (SendMessage(text="x"), Join(), Gift(item="rose"), Typing(), Edit(offset=offset, text="x")):
        refused(room, command, "bob", "room.banned")
    refused(room, Delete(offset=offset), "bob", "room.not_member")
    refused(room, Invite(user="bob"), "ann", "room.banned")
    with pytest.raises(Refused, match=r"room\.banned"):
        room.watch(user="bob")
    view = room.view()
    assert (view["member_count"], view["banned"]) == (1, 1)
    room.advance(100.1)
    room.watch(user="bob")
    say(room, user="bob")
    assert [one["type"] for one in room.publications[-3:]] == ["room.unbanned", "room.joined", "room.message"]


def test_a_ban_takes_the_invitation_back(room: Kit[Room]) -> None:
    room.ask(Set(open=False), user="ann")
    room.ask(Invite(user="cat"), user="ann")
    room.ask(Ban(user="cat"), user="ann")
    room.ask(Unban(user="cat"), user="ann")
    refused(room, Join(), "cat", "room.closed")


def test_unban_lets_in_again(room: Kit[Room]) -> None:
    room.ask(Ban(user="zoe"), user="ann")  # before she ever came
    refused(room, Unban(user="zoe"), "bob", "room.not_allowed")
    room.ask(Unban(user="zoe"), user="ann")
    room.ask(Unban(user="zoe"), user="ann")
    assert room.publications[-1] == {"type": "room.unbanned", "user": "zoe", "by": "ann"}
    room.ask(Join(), user="zoe")


@pytest.mark.parametrize(
    "command", [Mute(user="ann"), Ban(user="ann"), Set(title="x"), SetRole(user="ann", role="member")]
)
def test_members_keep_no_order(room: Kit[Room], command: Message) -> None:
    refused(room, command, "bob", "room.not_allowed")
    refused(room, command, "a stranger", "room.not_allowed")
    refused(room, command, "", "unauthenticated", 401)


def test_moderators_stand_above_members_only(room: Kit[Room]) -> None:
    room.ask(Join(), user="cat")
    room.ask(SetRole(user="bob", role="moderator"), user="ann")
    room.ask(SetRole(user="cat", role="moderator"), user="ann")
    refused(room, Mute(user="ann"), "bob", "room.not_allowed")
    refused(room, Ban(user="cat"), "bob", "room.not_allowed")
    refused(room, Ban(user="bob"), "bob", "room.not_allowed")
    refused(room, SetRole(user="cat", role="member"), "bob", "room.not_allowed")
    room.ask(SetRole(user="cat", role="member"), user="ann")
    room.ask(Ban(user="cat"), user="bob")


def test_an_owner_hands_the_room_over(room: Kit[Room]) -> None:
    refused(room, SetRole(user="ann", role="member"), "ann", "room.needs_owner", 409)
    refused(room, SetRole(user="zoe", role="moderator"), "ann", "room.not_member")
    room.ask(SetRole(user="bob", role="owner"), user="ann")
    assert [(one["user"], one["role"]) for one in room.publications[-2:]] == [("ann", "moderator"), ("bob", "owner")]
    refused(room, SetRole(user="ann", role="owner"), "ann", "room.not_allowed")


def test_greenroom_and_admins_stand_above_owners(room: Kit[Room]) -> None:
    room.ask(Ban(user="ann"), principal=Principal(user="root", roles=frozenset({"admin"})))
    assert room.publications[-1] == {"type": "room.role", "user": "bob", "role": "owner"}
    room.ask(Set(title="ours"))
    assert room.publications[-1] == {"type": "room.changed", "by": "", "title": "ours"}
    refused(room, SendMessage(text="hi"), None, "unauthenticated", 401)


def test_who_is_outside_a_closed_room_learns_nothing_of_what_is_in_it(room: Kit[Room]) -> None:
    """Not by the reason for which they are refused either, whichever else there might be."""
    offset = say(room, user="cat")
    for number in range(256):
        room.ask(Gift(item=str(number)), user="ann")
    room.ask(Leave(), user="cat")
    room.ask(Set(open=False, slow_mode_s=60), user="ann")
    refused(room, Gift(item="one more"), "cat", "room.closed")
    refused(room, SendMessage(text="x"), "cat", "room.closed")
    refused(room, SendMessage(text="x", reply_to=offset + 1), "cat", "room.closed")
    refused(room, Delete(offset=offset), "cat", "room.not_member")
    refused(room, Delete(offset=10_000), "cat", "room.not_member")


def test_a_moderator_whom_the_owner_has_muted_stays_so(room: Kit[Room]) -> None:
    for user in ("bob", "cat"):
        room.ask(Join(), user=user)
        room.ask(SetRole(user=user, role="moderator"), user="ann")
    room.ask(Mute(user="bob"), user="ann")
    refused(room, Unmute(user="bob"), "bob", "room.not_allowed")
    refused(room, Unmute(user="bob"), "cat", "room.not_allowed")
    room.ask(Unmute(user="bob"), user="ann")
    say(room, user="bob")


def test_slow_mode_holds_members_back_and_not_by_leaving(room: Kit[Room]) -> None:
    room.ask(Set(slow_mode_s=10), user="ann")
    say(room, user="bob")
    refused(room, SendMessage(text="x"), "bob", "room.slow_mode", 429)
    room.ask(Leave(), user="bob")
    refused(room, SendMessage(text="x"), "bob", "room.slow_mode", 429)
    room.ask(Join(), user="bob")
    refused(room, SendMessage(text="x"), "bob", "room.slow_mode", 429)
    room.advance(10)
    say(room, user="bob")
    say(room, user="ann")
    say(room, user="ann")


def test_settings_say_what_changed(room: Kit[Room]) -> None:
    offset = say(room, "the rules")
    room.ask(Set(title="Lobby", open=True, pinned=offset), user="ann")
    assert room.publications[-1] == {"type": "room.changed", "by": "ann", "title": "Lobby", "pinned": offset}
    room.ask(Set(title="Lobby"), user="ann")
    assert room.offset == 4
    room.ask(Edit(offset=offset, text="The rules"), user="ann")
    for _ in range(WINDOW):
        say(room)
    room.ask(Edit(offset=offset, text="THE RULES"), user="ann")
    room.restart(from_snapshot=True)
    assert room.view()["pinned"]["text"] == "THE RULES"
    room.ask(Delete(offset=offset), user="ann")
    assert "pinned" not in room.view()
    refused(room, Set(pinned=offset), "ann", "room.no_such_message", 404)
    newest = say(room)
    room.ask(Set(pinned=newest), user="ann")
    room.ask(Set(pinned=0), user="ann")
    assert "pinned" not in room.view()
    newer = say(room)
    room.ask(Delete(offset=newer), user="ann")
    refused(room, Set(pinned=newer), "ann", "room.no_such_message", 404)
