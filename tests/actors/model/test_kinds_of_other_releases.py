"""What another release knows is refused for the time being; what nobody knows, for good."""

import pytest

from greenroom.actors.chat.room import Room
from greenroom.actors.model.errors import MalformedCommand, NotInRelease, UnknownCommand, UnknownKind
from greenroom.actors.model.kinds import Kinds
from greenroom.transports.client.errors import error_code
from greenroom.transports.errors import error_headers, http_error_body


def test_a_kind_and_a_command_that_others_know_are_temporarily_refused() -> None:
    kinds = Kinds([Room])
    with pytest.raises(UnknownKind):
        kinds["poll"]
    assert kinds.others.learn(["poll", "room.pin"], fields={}, behind_in=())
    with pytest.raises(NotInRelease):
        kinds["poll"]
    with pytest.raises(NotInRelease):
        kinds.of("poll:a")
    with pytest.raises(UnknownKind):
        kinds["pool"]
    with pytest.raises(NotInRelease):
        kinds["room"].command("pin")
    with pytest.raises(UnknownCommand):
        kinds["room"].command("pan")
    assert not kinds.others.learn(["room.pin", "poll"], fields={}, behind_in=()), "that is nothing new"
    assert kinds.others.learn([], fields={}, behind_in=())
    with pytest.raises(UnknownKind):
        kinds["poll"]


def test_clients_are_told_so_by_name_and_come_again() -> None:
    error = NotInRelease("no entity kind 'poll' in this node's release")
    assert (error.status, error.temporary) == (503, True)
    assert http_error_body(error) == (
        b'{"error":{"code":503,"name":"not_in_release","message":"not_in_release","temporary":true}}'
    )
    assert error_headers(error) == ((b"Retry-After", b"1"),)
    code = error_code(error)
    assert (code.code, code.message, code.temporary) == (503, "not_in_release", True)


def test_a_kind_is_behind_where_another_release_stores_more_of_it() -> None:
    kinds = Kinds([Room])
    assert not kinds["room"].is_behind
    kinds.others.learn([], fields={}, behind_in=["room"])
    assert kinds["room"].is_behind


def test_a_message_that_says_what_only_others_read_is_refused() -> None:
    kinds = Kinds([Room])
    kinds.others.learn([], fields={"room.send": {"mood": None}}, behind_in=())
    send = kinds["room"].command("send")
    assert (
        send.decode(b'{"text":"x"}') == send.decode(b'{"text":"x","mood":null}') == send.decode(b'{"text":"x","m":1}')
    )
    with pytest.raises(NotInRelease, match="no field 'mood'"):
        send.decode(b'{"text":"x","mood":"glad"}')
    whole = b'{"type":"room.send","text":"x","mood":%b}'
    assert kinds["room"].decode_message(whole % b"null") == send.decode(b'{"text":"x"}')
    with pytest.raises(NotInRelease):
        kinds["room"].decode_message(whole % b'"glad"')
    assert kinds["room"].command("join").decode(b'{"mood":1}')


def test_what_this_release_passes_over_must_be_json_too() -> None:
    kinds = Kinds([Room])
    assert kinds.others.learn([], fields={"room.send": {"colour": None}}, behind_in=())
    send = kinds["room"].command("send")
    with pytest.raises(NotInRelease):
        send.decode(b'{"text": "hi", "colour": "red"}')
    with pytest.raises(MalformedCommand):
        send.decode(b'{"text": "hi", "colour": "\xff"}')
