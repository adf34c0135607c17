"""A room, whatever is said to it: what always holds."""

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from greenroom import Message, Refused
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
    Unreact,
)
from greenroom.actors.chat.room.state import WINDOW
from greenroom.testing import Kit

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
