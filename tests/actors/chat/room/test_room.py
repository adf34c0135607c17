"""A room alone, in the kit: each command's rule, then all of them at random."""

import json

import msgspec
import pytest

from greenroom import SYSTEM, InvalidCommand, Message, Principal, Refused
from greenroom.actors.chat.room import Room
from greenroom.actors.chat.room.actor import INVITATIONS_PER_H, ROOMS_PER_H
from greenroom.actors.chat.room.messages import (
    Ban,
    Comment,
    Delete,
    Edit,
    Gift,
    Invite,
    Join,
    Leave,
    React,
    Read,
    SendMessage,
    Set,
    SetRole,
    Typing,
    Unreact,
)
from greenroom.actors.chat.room.state import AUTHORS, GIVERS_MAX, WINDOW
from greenroom.testing import Kit, Notice
from greenroom.transports.errors import wrong_fields
from tests.actors.chat.room.small_room import refused, say

# Membership.


def test_whoever_sends_is_joined_and_the_first_to_join_owns_the_room() -> None:
    room = Kit(Room, key="lobby")
    sent = room.ask(SendMessage(text="hi", client_id="c1"), user="ann")
    say(room, "ho", user="bob")
    assert room.publications == [
        {"type": "room.joined", "user": "ann", "role": "owner"},
        {"type": "room.message", "author": "ann", "text": "hi", "client_id": "c1"},
        {"type": "room.joined", "user": "bob", "role": "member"},
        {"type": "room.message", "author": "bob", "text": "ho"},
    ]
    assert (sent.offset, sent.at_ms) == (2, int(room.now * 1000))


def test_joining_twice_is_one_event(room: Kit[Room]) -> None:
    room.ask(Join(), user="bob")
    assert room.offset == 2


@pytest.mark.parametrize("command", [SendMessage(text="hi"), Join(), Typing(), Gift(item="rose"), Read(offset=1)])
def test_nobody_acts_without_a_user(room: Kit[Room], command: Message) -> None:
    refused(room, command, "", "unauthenticated", 401)


def test_the_room_of_an_owner_who_leaves_passes_to_a_moderator_before_members() -> None:
    room = Kit(Room)
    for user in ("ann", "bob", "cat"):
        room.ask(Join(), user=user)
    room.ask(SetRole(user="cat", role="moderator"), user="ann")
    room.ask(Leave(), user="ann")
    assert room.publications[-1] == {"type": "room.role", "user": "cat", "role": "owner"}
    room.ask(Leave(), user="cat")
    room.ask(Leave(), user="bob")
    room.ask(Join(), user="dan")
    assert room.publications[-1] == {"type": "room.joined", "user": "dan", "role": "owner"}


def test_only_members_leave(room: Kit[Room]) -> None:
    refused(room, Leave(), "zoe", "room.not_member")


def test_a_full_room_takes_nobody(room: Kit[Room]) -> None:
    room.ask(Set(max_members=2), user="ann")
    refused(room, Join(), "cat", "room.full", 409)
    refused(room, SendMessage(text="hi"), "cat", "room.full", 409)
    room.ask(Leave(), user="bob")
    room.ask(Join(), user="cat")


def test_a_closed_room_takes_and_shows_itself_to_the_invited_only(room: Kit[Room]) -> None:
    room.ask(Set(open=False), user="ann")
    refused(room, Join(), "cat", "room.closed")
    refused(room, SendMessage(text="hi"), "cat", "room.closed")
    refused(room, Comment(text="hi"), "cat", "room.closed")
    refused(room, Typing(), "cat", "room.closed")
    with pytest.raises(Refused, match=r"room\.closed"):
        room.watch(user="cat")
    refused(room, Invite(user="cat"), "bob", "room.not_allowed")
    room.ask(Invite(user="cat"), user="ann")
    room.ask(Invite(user="cat"), user="ann")
    assert room.publications[-1] == {"type": "room.invited", "user": "cat", "by": "ann"}
    assert len(room.publications) == 4
    room.watch(user="cat")
    room.ask(Join(), user="cat")
    room.ask(Leave(), user="cat")
    refused(room, Join(), "cat", "room.closed")  # an invitation is good once


def test_the_anonymous_see_what_everybody_does_and_services_see_more(room: Kit[Room]) -> None:
    room.watch(user="")
    for message in (Join(), SendMessage(text="hi"), Typing(), Set(title="Ours")):
        with pytest.raises(Refused, match="unauthenticated") as caught:
            room.tell(message, user="")
        assert caught.value.status == 401
    room.ask(Set(open=False), user="ann")
    assert shut_out(room, "", "ann") == [""]
    with pytest.raises(Refused, match="unauthenticated"):
        room.watch(user="")
    with pytest.raises(Refused, match="unauthenticated"):
        Kit(Room, key="@ann+bob").watch(user="")
    room.watch(user="root", roles=("admin",))
    room.watch(principal=SYSTEM)


# Messages.


def test_a_message_carries_data_and_what_it_answers(room: Kit[Room]) -> None:
    first = say(room)
    say(room, "ho", reply_to=first, data={"mood": ["good"]})
    assert room.publications[-1] == {
        "type": "room.message",
        "author": "ann",
        "text": "ho",
        "reply_to": first,
        "data": {"mood": ["good"]},
    }
    refused(room, SendMessage(text="x", reply_to=99), "ann", "room.no_such_message", 404)
    refused(room, SendMessage(text="x", reply_to=1), "ann", "room.no_such_message", 404)  # a join


@pytest.mark.parametrize("text", ["", "x" * 4_001])
def test_the_length_of_a_text_is_checked_as_it_is_decoded(room: Kit[Room], text: str) -> None:
    with pytest.raises(InvalidCommand, match=r"\$\.text"):
        room.ask(SendMessage(text=text), user="ann")


def test_data_is_bounded_in_bytes_and_in_depth(room: Kit[Room]) -> None:
    say(room, data="x" * 4_094)
    refused(room, SendMessage(text="x", data="x" * 4_095), "ann", "room.too_long", 413)
    refused(room, SendMessage(text="x", data=json.loads("[" * 50 + "]" * 50)), "ann", "room.too_long", 413)


def test_authors_edit_and_delete_their_own_and_moderators_delete_any(room: Kit[Room]) -> None:
    anns, bobs = say(room), say(room, user="bob")
    room.ask(React(offset=bobs, emoji="x"), user="ann")
    room.ask(Edit(offset=anns, text="hello"), user="ann")
    assert room.publications[-1] == {"type": "room.edited", "message": anns, "text": "hello", "by": "ann"}
    refused(room, Edit(offset=bobs, text="x"), "ann", "room.not_yours")
    refused(room, Edit(offset=anns, text="x"), "zoe", "room.not_member")
    refused(room, Delete(offset=anns), "bob", "room.not_yours")
    room.ask(Delete(offset=bobs), user="ann")
    assert room.publications[-1] == {"type": "room.deleted", "message": bobs, "by": "ann"}
    refused(room, Delete(offset=bobs), "ann", "room.no_such_message", 404)
    refused(room, Edit(offset=bobs, text="x"), "bob", "room.no_such_message", 404)
    at_ms = int(room.now * 1000)
    assert room.view()["messages"] == [
        {"offset": anns, "author": "ann", "text": "hello", "at_ms": at_ms, "edited": True},
        {"offset": bobs, "author": "bob", "text": "", "at_ms": at_ms, "deleted": True},
    ]


def test_reactions_count_once_a_user_and_can_be_taken_back(room: Kit[Room]) -> None:
    offset = say(room)
    room.ask(React(offset=offset, emoji="👍"), user="bob")
    room.ask(React(offset=offset, emoji="👍"), user="bob")
    room.ask(React(offset=offset, emoji="👍"), user="ann")
    assert room.view()["messages"][0]["reactions"] == {"👍": ["bob", "ann"]}
    room.ask(Unreact(offset=offset, emoji="👍"), user="bob")
    room.ask(Unreact(offset=offset, emoji="👍"), user="bob")
    assert [one["type"] for one in room.publications[3:]] == ["room.reacted", "room.reacted", "room.unreacted"]
    refused(room, React(offset=offset, emoji="👍"), "zoe", "room.not_member")
    refused(room, React(offset=99, emoji="👍"), "ann", "room.no_such_message", 404)
    room.restart()


def test_a_message_takes_so_many_reactions(room: Kit[Room]) -> None:
    offset = say(room)
    for number in range(20):
        room.ask(React(offset=offset, emoji=str(number)), user="ann")
    refused(room, React(offset=offset, emoji="one more"), "bob", "room.too_many_reactions", 409)
    for number in range(236):
        room.ask(Join(), user=f"u{number}")
        room.ask(React(offset=offset, emoji="0"), user=f"u{number}")
    refused(room, React(offset=offset, emoji="0"), "bob", "room.too_many_reactions", 409)


def test_old_messages_leave_the_view_and_later_cannot_be_changed(room: Kit[Room]) -> None:
    offsets = [say(room, str(number)) for number in range(AUTHORS + 1)]
    view = room.view()
    assert [message["offset"] for message in view["messages"]] == offsets[-WINDOW:]
    assert view["counters"]["messages"] == AUTHORS + 1
    refused(room, Edit(offset=offsets[0], text="x"), "ann", "room.too_old", 409)
    refused(room, React(offset=offsets[0], emoji="x"), "ann", "room.too_old", 409)
    refused(room, Set(pinned=offsets[1]), "ann", "room.too_old", 409)
    say(room, reply_to=offsets[0])  # it was a message, as far as is known
    room.ask(Edit(offset=offsets[2], text="x"), user="ann")
    room.restart()
    room.restart(from_snapshot=True)


def test_the_watermark_moves_forward_and_tells_what_is_unread(room: Kit[Room]) -> None:
    offsets = [say(room) for _ in range(3)]
    say(room, user="bob")  # one's own is not unread
    reply = room.ask(Read(offset=offsets[0]), user="bob")
    assert (reply.offset, reply.unread) == (offsets[0], 2)
    assert room.publications[-1] == {"type": "room.read", "user": "bob", "message": offsets[0]}
    reply = room.ask(Read(offset=1), user="bob")
    assert (reply.offset, reply.unread) == (offsets[0], 2)
    assert room.offset == 7
    refused(room, Read(offset=99), "bob", "room.no_such_message", 404)
    refused(room, Read(offset=1), "zoe", "room.not_member")
    assert room.view()["members"][1] == {"user": "bob", "role": "member", "read": offsets[0]}


def test_typing_and_comments_are_seen_and_not_kept(room: Kit[Room]) -> None:
    room.tell(Typing(), user="bob")
    room.tell(Comment(text="wow"), user="a viewer")
    assert room.ephemerals == [
        {"type": "room.typing", "user": "bob"},
        {"type": "room.comment", "user": "a viewer", "text": "wow"},
    ]
    assert room.offset == 2


def test_gifts_are_counted_exactly(room: Kit[Room]) -> None:
    assert room.ask(Gift(item="rose", count=3), user="bob").total == 3
    assert room.ask(Gift(item="rose"), user="cat").total == 4  # joins
    assert room.publications[-1] == {"type": "room.gift", "user": "cat", "item": "rose", "count": 1, "total": 4}
    for number in range(255):
        room.ask(Gift(item=str(number)), user="ann")
    refused(room, Gift(item="one more"), "ann", "room.too_many_items", 409)
    view = room.view()
    assert (view["gifts"]["rose"], view["counters"]["gifts"]) == (4, 259)


def test_gifts_stay_exact_when_there_are_too_many_givers_to_tell_apart(room: Kit[Room]) -> None:
    room.state.givers = {f"u{number}": 1 for number in range(GIVERS_MAX)}
    room.ask(Gift(item="rose", count=7), user="bob")
    room.ask(Gift(item="rose", count=2), user="u1")
    state = room.state
    assert (state.gifts, state.givers["u1"], state.gifts_of_others) == ({"rose": 9}, 3, 7)


def shut_out(kit: Kit[Room], *users: str) -> list[str]:
    """Those of `users` whom the last kick means."""
    return [user for user in users if kit.kicked[-1].means(Principal(user=user))]


def test_who_is_banned_or_shut_out_stops_watching() -> None:
    """A subscription that was allowed once does not outlive its permission."""
    kit = Kit(Room, key="lobby")
    kit.ask(SendMessage(text="hi"), user="ann")
    kit.ask(SendMessage(text="hi"), user="bob")
    kit.watch(user="bob")
    kit.watch(user="cleo")
    kit.ask(Ban(user="bob"), user="ann")
    assert [(one.code, one.user) for one in kit.kicked] == [(2100, "bob")]
    kit.ask(Set(open=False), user="ann")
    assert [(one.code, one.user) for one in kit.kicked[1:]] == [(2100, None)], "one for all, however many watch"
    assert shut_out(kit, "bob", "cleo", "ann") == ["bob", "cleo"]
    assert not kit.kicked[1].means(Principal(user="dan", roles=frozenset({"admin"})))


def test_who_leaves_stops_watching_where_the_room_is_closed_and_they_are_no_admin() -> None:
    kit = Kit(Room, key="lobby")
    for user in ("ann", "bob", "cleo", "dan"):
        kit.ask(Join(), user=user)
        kit.watch(user=user, roles=("admin",) if user == "dan" else ())
    kit.ask(Leave(), user="bob")
    assert kit.kicked == [], "an open room is for everybody"
    kit.ask(Set(open=False), user="ann")
    kit.kicked.clear()
    kit.ask(Leave(), user="cleo")
    assert [(one.code, one.user) for one in kit.kicked] == [(2100, "cleo")]
    kit.ask(Leave(), user="dan")
    assert not any(one.means(Principal(user="dan", roles=frozenset({"admin"}))) for one in kit.kicked)


@pytest.mark.parametrize("name", ["mute", "unmute", "ban", "unban", "invite", "role"])
@pytest.mark.parametrize("user", ["a\nb", "a\x85b", "😀" * 100, "anonymous", ""])
def test_a_field_that_becomes_a_key_takes_what_can_be_one(room: Kit[Room], name: str, user: str) -> None:
    """Where the command is decoded, so that nothing is recorded and nothing is sent to a session that can't be."""
    with pytest.raises(InvalidCommand) as caught:
        room.kind.command(name).decode(msgspec.json.encode({"user": user, "role": "member"}))
    fields = wrong_fields(caught.value)
    assert isinstance(fields, dict) and list(fields) == ["user"]
    room.kind.command(name).decode(msgspec.json.encode({"user": "я" * 127, "role": "member"}))


def test_a_ban_stands_above_a_subscription_token(room: Kit[Room]) -> None:
    room.ask(Set(open=False), user="ann")
    zoe, cat = (Principal(user=user, granted=True) for user in ("zoe", "cat"))
    assert room.watch(principal=zoe)["title"] == "" and room.watch(principal=cat)["title"] == ""
    room.ask(Ban(user="zoe"), user="ann")
    with pytest.raises(Refused) as caught:
        room.watch(principal=zoe)
    assert caught.value.name == "room.banned"
    assert room.watch(principal=cat)["title"] == ""


def test_a_clock_that_was_set_back_holds_nobody_longer_than_slow_mode_does(room: Kit[Room]) -> None:
    room.ask(Set(slow_mode_s=2), user="ann")
    say(room, user="bob")
    room._world.now_s -= 3600
    say(room, user="bob")
    refused(room, SendMessage(text="at once"), "bob", "room.slow_mode", 429)
    room.advance(2)
    say(room, user="bob")


def test_the_invited_hear_of_it_in_their_session() -> None:
    kit = Kit(Room, key="lobby")
    kit.ask(SendMessage(text="hi"), user="ann")
    kit.ask(Invite(user="dan"), user="ann")
    assert kit.notified == [Notice("dan", {"type": "room.invitation", "room": "room:lobby", "by": "ann"})]


def test_a_user_makes_so_many_rooms_and_sends_so_many_invitations_an_hour(room: Kit[Room]) -> None:
    """Over all rooms of a node: the kits share its budgets."""
    for number in range(INVITATIONS_PER_H):
        room.ask(Invite(user=f"user{number}"), user="ann")
    refused(room, Invite(user="zoe"), "ann", "room.too_many_invitations", 429)
    room.ask(Invite(user="zoe"), user="root", roles=("admin",))
    room.advance(3600 / INVITATIONS_PER_H)
    room.ask(Invite(user="yan"), user="ann")
    other = Kit(Room, key="other")
    other._world.spend = room._world.spend
    for _ in range(ROOMS_PER_H):
        room._world.spend("room.too_many_rooms", "ann", ROOMS_PER_H)
    for command in (Join(), SendMessage(text="hi"), Gift(item="rose")):
        refused(other, command, "ann", "room.too_many_rooms", 429)
    other.ask(Join(), user="bob")
    say(other)  # to make no room is free
