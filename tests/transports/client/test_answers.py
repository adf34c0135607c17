"""Answers to commands: called by entities, which must not end by a mistake of ours."""

import json
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.model.errors import HandlerFailed, Overloaded, Refused, Unavailable, UnknownCommand
from greenroom.actors.model.lifecycle import Inspected
from greenroom.config.limits import ClientConfig
from tests.transports.world import World, code_of, world

A = "note:a"


async def test_a_reply_that_is_no_json_is_an_internal_error_and_the_entity_lives() -> None:
    made = World()
    client = made.client()
    client.connect()
    client.send({"rpc": {"method": f"{A}/say", "data": {"text": "x"}}, "id": 2})
    _, envelope = made.waiting.popleft()
    assert envelope.slot is not None
    envelope.slot.resolve(object(), None)
    assert code_of(client.carrier.take()[0]) == 100
    assert made.instruments.commands["note", "say", "internal"] == 1


async def test_replies_come_once_and_nothing_comes_behind_the_end() -> None:
    made = World()
    client = made.client()
    client.connect()
    client.send({"rpc": {"method": f"{A}/say", "data": {"text": "x"}}, "id": 2})
    _, envelope = made.waiting.popleft()
    assert envelope.slot is not None
    envelope.slot.reject(Unavailable("gone"))
    envelope.slot.resolve({}, None)
    assert [code_of(one) for one in client.carrier.take()] == [100]
    assert client.session.in_flight == 0
    client.send({"rpc": {"method": f"{A}/say", "data": {"text": "x"}}, "id": 3})
    client.session.ended()
    made.answer_all()
    assert client.carrier.take() == []
    assert client.session.in_flight == 0


async def test_a_command_without_an_answer_is_given_up_at_its_deadline(autojump_clock: MockClock) -> None:
    async with world() as made:
        client = made.client()
        client.connect()
        client.send({"rpc": {"method": f"{A}/say", "data": {"text": "x"}}, "id": 2})
        client.send({"subscribe": {"channel": A}, "id": 3})
        await trio.sleep(4.9)
        assert client.carrier.take() == []
        await trio.sleep(0.4)
        replies = client.carrier.take()
        assert [(one["id"], code_of(one), one["error"]["temporary"]) for one in replies] == [
            (2, 504, True),
            (3, 504, True),
        ]
        assert "subscribe" in client.ask({"subscribe": {"channel": A}, "id": 4})[0], "the channel is free again"


@pytest.mark.bound("commands in work, for a connection")
async def test_more_commands_than_may_be_in_work_are_111_and_free_no_channel_for_ever() -> None:
    made = World(client=ClientConfig(commands_in_flight_max=2, subscriptions_max=3))
    client = made.client()
    client.connect()
    say = {"rpc": {"method": f"{A}/say", "data": {"text": "x"}}}
    client.send(*({**say, "id": at} for at in range(2, 5)))
    assert [code_of(one) for one in client.carrier.take()] == [111]
    client.send(*({"presence": {"channel": A}, "id": at} for at in range(5, 8)))
    client.send({"subscribe": {"channel": A}, "id": 8})
    assert [(one["id"], code_of(one)) for one in client.carrier.take()] == [(8, 111)]
    made.answer_all()
    client.carrier.take()
    assert "subscribe" in client.ask({"subscribe": {"channel": A}, "id": 9})[0]


@pytest.mark.parametrize(
    ("error", "code", "temporary"),
    [
        (Overloaded("x"), 111, True),
        (Unavailable("x"), 100, True),
        (HandlerFailed("boom"), 100, True),
        (UnknownCommand("x"), 104, False),
        (Refused("room.muted", "you are muted"), 403, False),
        (Refused("room.slow", status=429), 429, True),
    ],
)
async def test_errors_of_entities_by_their_codes(error: Any, code: int, temporary: bool) -> None:
    made = World()
    client = made.client()
    client.connect()
    client.send({"rpc": {"method": f"{A}/say", "data": {"text": "x"}}, "id": 2})
    _, envelope = made.waiting.popleft()
    assert envelope.slot is not None
    envelope.slot.reject(error)
    (reply,) = client.carrier.take()
    assert (code_of(reply), reply["error"].get("temporary", False)) == (code, temporary)
    assert "boom" not in json.dumps(reply)


async def test_a_reply_or_view_with_line_ends_stays_on_its_line() -> None:
    made = World()
    client = made.client()
    client.connect()
    client.send({"rpc": {"method": f"{A}/say", "data": {"text": "x"}}, "id": 2}, {"subscribe": {"channel": A}, "id": 3})
    _, first = made.waiting.popleft()
    _, second = made.waiting.popleft()
    assert first.slot is not None and second.slot is not None
    first.slot.resolve(None, b'{\n "a": 1}')
    second.slot.resolve(Inspected(b'{"a":\r\n[ 1 ]}', "epoch1", 0), None)
    replies = client.carrier.take()
    assert (replies[0]["rpc"]["data"], replies[1]["subscribe"]["data"]) == ({"a": 1}, {"a": [1]})
