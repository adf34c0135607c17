"""Refused over the client protocol counts as it does over HTTP: see test_every_refusal_is_counted there."""

from typing import Any

import pytest

from greenroom.config.limits import ClientConfig
from tests.transports.world import World

A = "note:a"


@pytest.mark.parametrize(
    ("asked", "counted"),
    [
        ({"rpc": {"method": f"{A}/say", "data": {"text": 5}}}, ("note", "say", "invalid")),
        ({"rpc": {"method": f"{A}/nope"}}, ("note", "other", "unknown_command")),
        ({"rpc": {"method": "nope:a/say"}}, ("other", "other", "unknown_kind")),
        ({"rpc": {"method": "nothing"}}, ("other", "other", "unknown_command")),
        ({"rpc": {"method": f"{A}/history", "data": {"limit": "x"}}}, ("note", "history", "invalid")),
        ({"publish": {"channel": A, "data": {"text": 5}}}, ("note", "say", "invalid")),
        ({"publish": {"channel": "nope:a", "data": {}}}, ("other", "other", "unknown_kind")),
        ({"publish": {"channel": "mute:a", "data": {}}}, ("mute", "other", "not_available")),
        ({"presence": {"channel": "a" * 1000}}, ("other", "other", "bad_request")),
        ({"history": {"channel": A, "reverse": True, "since": {"offset": 0}}}, ("note", "history", "bad_request")),
        ({"subscribe": {"channel": A, "token": "x"}}, ("note", "subscribe", "permission_denied")),
        ({"subscribe": {"channel": "nope:a"}}, ("other", "subscribe", "unknown_kind")),
        ({"presence": {"channel": "nope:a"}}, ("other", "presence", "unknown_kind")),
    ],
)
async def test_what_is_refused_before_it_is_understood_is_counted(asked: Any, counted: tuple[str, str, str]) -> None:
    made = World()
    client = made.client()
    client.connect()
    (answer,) = client.ask({**asked, "id": 2})
    assert "error" in answer
    assert made.instruments.commands == {counted: 1}


async def test_what_finds_no_place_and_what_nobody_may_is_counted() -> None:
    made = World(client=ClientConfig(commands_in_flight_max=1))
    client = made.client()
    client.connect()
    say = {"rpc": {"method": f"{A}/say", "data": {"text": "x"}}}
    for number in (2, 3):
        client.send({**say, "id": number})
    assert made.instruments.commands == {("note", "say", "overloaded"): 1}
    watching = World(anonymous=False, anonymous_watch=True)
    nobody = watching.client()
    nobody.send({"connect": {}, "id": 1})
    watching.answer_all()
    nobody.carrier.take()
    nobody.send({**say, "id": 2})
    assert watching.instruments.commands == {("note", "say", "unauthenticated"): 1}


async def test_what_asks_for_no_entity_is_not_counted() -> None:
    made = World()
    client = made.client()
    client.connect()
    for asked in ('{"ping":{},"id":2}', '{"sub_refresh":{"channel":"note:a","token":"x"},"id":2}'):
        (answer,) = client.ask(asked)
        assert "error" in answer
    assert made.instruments.commands == {}


async def test_a_subscribe_that_is_refused_before_it_is_tried_is_counted() -> None:
    """While too many reads are under way, by its data, and in its turn behind another of its channel."""
    made = World(client=ClientConfig(commands_in_flight_max=1, subscriptions_max=1))
    client = made.client()
    client.connect()
    (answer,) = client.ask({"subscribe": {"channel": A, "data": {"as": "nothing"}}, "id": 2})
    assert "error" in answer
    assert made.instruments.commands == {("note", "subscribe", "bad_request"): 1}
    client.send({"subscribe": {"channel": A}, "id": 3}, {"unsubscribe": {"channel": A}, "id": 4})
    client.send({"subscribe": {"channel": A, "token": "x"}, "id": 5})
    client.send({"presence": {"channel": "note:b"}, "id": 6})
    made.instruments.commands.clear()
    made.answer_all()
    assert made.instruments.commands[("note", "subscribe", "permission_denied")] == 1
    made.instruments.commands.clear()
    for number in (7, 8):
        client.send({"presence": {"channel": "note:b"}, "id": number})
    client.send({"subscribe": {"channel": A}, "id": 9})
    assert made.instruments.commands == {("note", "subscribe", "overloaded"): 1}
