"""A room alone, in the kit: each command's rule, then all of them at random."""

import json
from collections import Counter

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

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
    Mute,
    React,
    Read,
    SendMessage,
    Set,
    SetRole,
    Typing,
    Unban,
    Unmute,
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


# Order.


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


# Everything at random.

users = st.sampled_from(["ann", "bob", "cat", "dan", "eve"])
offsets = st.integers(1, 60)
emoji = st.sampled_from(["👍", "🎉"])
seconds = st.sampled_from([None, 5, 1_000])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
commands = st.one_of(
    st.builds(
        SendMessage,
        text=st.text(min_size=1, max_size=20),
        reply_to=st.none() | offsets,
        data=json_values,
        client_id=st.none() | st.text(max_size=5),
    ),
    st.builds(SendMessage, text=st.just("again")),
    st.just(Join()),
    st.just(Leave()),
    st.just(Typing()),
    st.builds(Comment, text=st.text(min_size=1, max_size=5)),
    st.builds(Edit, offset=offsets, text=st.text(min_size=1, max_size=5)),
    st.builds(Delete, offset=offsets),
    st.builds(React, offset=offsets, emoji=emoji),
    st.builds(Unreact, offset=offsets, emoji=emoji),
    st.builds(Read, offset=offsets),
    st.builds(Gift, item=st.sampled_from(["rose", "car"]), count=st.integers(1, 10**6)),
    st.builds(Mute, user=users, seconds=seconds),
    st.builds(Unmute, user=users),
    st.builds(Ban, user=users, seconds=seconds),
    st.builds(Unban, user=users),
    st.builds(
        Set,
        title=st.none() | st.text(max_size=5),
        open=st.none() | st.booleans(),
        slow_mode_s=st.none() | st.sampled_from([0, 3]),
        max_members=st.none() | st.integers(2, 5),
        pinned=st.none() | st.just(0) | offsets,
    ),
    st.builds(Invite, user=users),
    st.builds(SetRole, user=users, role=st.sampled_from(["owner", "moderator", "member"])),
)


class RoomMachine(RuleBasedStateMachine):
    """Random commands of random users. The model is what the publications say."""

    @initialize(key=st.sampled_from(["lobby", "lobby", "@ann+bob"]))
    def begin(self, key: str) -> None:
        self.room = Kit(Room, key=key)

    @rule(message=commands, user=users)
    def command(self, message: Message, user: str) -> None:
        room = self.room
        before = (len(room.events), len(room.ephemerals), room.kind.encode_state(room.state))
        try:
            room.tell(message, user=user)
        except Refused as error:
            assert 400 <= error.status < 500
            assert before == (len(room.events), len(room.ephemerals), room.kind.encode_state(room.state))

    @rule(message=commands)
    def admin_command(self, message: Message) -> None:
        self.command(message, "ann")

    @rule(seconds=st.sampled_from([0.5, 4.0, 2_000.0]))
    def time_passes(self, seconds: float) -> None:
        self.room.advance(seconds)

    @rule(from_snapshot=st.booleans())
    def restart(self, from_snapshot: bool) -> None:
        self.room.restart(from_snapshot=from_snapshot)

    @rule(user=users)
    def watch(self, user: str) -> None:
        room = self.room
        try:
            room.watch(user=user)
        except Refused:
            assert room.state.banned or not room.state.open or room.entity.startswith("room:@")

    @invariant()
    def gifts_are_exact(self) -> None:
        if not hasattr(self, "room"):
            return
        given: Counter[str] = Counter()
        givers: Counter[str] = Counter()
        for one in self.room.publications:
            if one["type"] == "room.gift":
                given[one["item"]] += one["count"]
                givers[one["user"]] += one["count"]
                assert one["total"] == given[one["item"]]
        assert self.room.state.gifts == given
        assert self.room.state.givers == givers

    @invariant()
    def members_are_who_came_and_did_not_go(self) -> None:
        if not hasattr(self, "room") or self.room.entity.startswith("room:@"):
            return
        roles: dict[str, str] = {}
        for one in self.room.publications:
            match one["type"]:
                case "room.joined":
                    assert one["user"] not in roles
                    roles[one["user"]] = one["role"]
                case "room.left":
                    del roles[one["user"]]
                case "room.banned":
                    roles.pop(one["user"], None)
                case "room.role":
                    roles[one["user"]] = one["role"]
        view = self.room.view()
        assert {one["user"]: one["role"] for one in view["members"]} == roles
        assert view["member_count"] == view["counters"]["members"] == len(roles)
        owners = [user for user, role in roles.items() if role == "owner"]
        assert owners == ([self.room.state.owner] if roles else [])

    @invariant()
    def the_view_shows_what_was_published(self) -> None:
        if not hasattr(self, "room"):
            return
        texts: dict[int, str] = {}
        for offset, one in enumerate(self.room.publications, 1):
            match one["type"]:
                case "room.message":
                    texts[offset] = one["text"]
                case "room.edited":
                    texts[one["message"]] = one["text"]
                case "room.deleted":
                    texts[one["message"]] = ""
        shown = {one["offset"]: one["text"] for one in self.room.view()["messages"]}
        assert shown == dict(list(texts.items())[-WINDOW:])

    def teardown(self) -> None:
        if hasattr(self, "room"):
            self.room.restart()
            self.room.restart(from_snapshot=True)


TestRoomMachine = RoomMachine.TestCase
TestRoomMachine.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)


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
