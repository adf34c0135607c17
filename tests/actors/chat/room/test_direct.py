"""Direct conversations: open to two alone, under one key whoever begins."""

import pytest

from greenroom import Refused
from greenroom.actors.chat.room import Room, direct_key
from greenroom.actors.chat.room.messages import Delete, Invite, Leave, Mute, Read, SendMessage, Set, SetRole
from greenroom.testing import Kit
from tests.actors.chat.room.small_room import refused, say


def test_a_direct_conversation_is_open_to_its_two_alone() -> None:
    room = Kit(Room, key="@ann+bob")
    say(room, user="ann")
    assert room.publications == [{"type": "room.message", "author": "ann", "text": "hi"}]
    room.ask(Read(offset=1), user="bob")
    view = room.watch(user="bob")
    assert view["direct"] and not view["open"]
    assert view["members"] == [
        {"user": "ann", "role": "member", "read": 0},
        {"user": "bob", "role": "member", "read": 1},
    ]
    refused(room, SendMessage(text="x"), "cat", "room.not_member")
    for user, roles in (("cat", ()), ("root", ("admin",))):
        with pytest.raises(Refused, match=r"room\.not_member"):
            room.watch(user=user, roles=roles)
    for command in (Leave(), Mute(user="bob"), Set(title="x"), Invite(user="cat"), SetRole(user="bob", role="owner")):
        refused(room, command, "ann", "room.direct", 409)
    room.restart()
    room.restart(from_snapshot=True)


def test_in_a_direct_conversation_one_deletes_ones_own_only() -> None:
    room = Kit(Room, key="@ann+bob")
    offset = say(room, user="ann")
    refused(room, Delete(offset=offset), "bob", "room.not_yours")
    room.ask(Delete(offset=offset), user="ann")


@pytest.mark.parametrize(
    "key", ["@", "@ann", "@ann+", "@+bob", "@bob+ann", "@ann+ann", "@a+b+c", "@ann+b%6Fb", "@a+%ff"]
)
def test_a_malformed_direct_key_is_no_room(key: str) -> None:
    room = Kit(Room, key=key)
    refused(room, SendMessage(text="x"), "ann", "room.bad_direct", 404)
    with pytest.raises(Refused, match=r"room\.bad_direct"):
        room.watch(user="ann")


def test_users_with_a_plus_in_their_names_converse_too() -> None:
    key = direct_key("bob@example.org", "ann+chat@example.org")
    assert key == "@ann%2Bchat@example.org+bob@example.org"
    say(Kit(Room, key=key), user="ann+chat@example.org")


def test_direct_keys_are_sorted_by_code_points() -> None:
    """As UTF-8 and Python have it; JavaScript's strings sort as UTF-16, where U+1F600 comes before U+FB33."""
    assert direct_key("😀", "\ufb33x") == direct_key("\ufb33x", "😀") == "@\ufb33x+😀"
    for key, well_formed in (
        ("@\ufb33x+😀", True),
        ("@😀+\ufb33x", False),
        ("@100%25+ann", True),
        ("@100%+ann", False),
    ):
        assert (Kit(Room, key=key).actor.pair is not None) is well_formed


def test_nobody_converses_with_who_can_be_no_user() -> None:
    assert Kit(Room, key="@ann+anonymous").actor.pair is None
