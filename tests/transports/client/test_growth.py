"""Clients that break the rules, again and again: what they leave behind must not grow, nor hold their connections."""

import gc
import tracemalloc
import weakref
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

import greenroom
from greenroom.config.limits import ClientConfig
from tests.transports.world import World, token, world

# What lines of ours have allocated. Of the log up to 8 KiB lie in the buffer of whoever captures it, in hundreds of
# small strings that take 20 KB, more or fewer at each look: by how much was said before, in this worker of several.
OURS = [
    tracemalloc.Filter(True, f"{Path(greenroom.__file__).parent / folder}/*")
    for folder in ("actors", "config", "store", "transports", "tests")
]
BAD = {
    "a method that does not exist": {"rpc": {"method": "nope", "data": {}}, "id": 2},
    "a kind that does not exist": {"subscribe": {"channel": "nope:a"}, "id": 2},
    "a field of the wrong type": {"rpc": {"method": "note:a/say", "data": {"text": 5}}, "id": 2},
    "a subscription that is there": {"subscribe": {"channel": "note:a"}, "id": 2},
    "a token of somebody else": {"subscribe": {"channel": "note:b", "token": "x.y.z"}, "id": 2},
    "a command that we don't have": {"ping": {}, "id": 2},
    "a history from nowhere": {"history": {"channel": "note:a", "since": {"offset": 0}, "reverse": True}, "id": 2},
}
ENDS: dict[str, dict[str, Any]] = {
    "something before the connect": {"rpc": {"method": "note:a/say", "data": {}}, "id": 1},
    "a token that does not count": {"connect": {"token": token(b"another secret, long enough to be one")}, "id": 1},
    "what is no command": {"connect": 5},
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
async def test_bad_commands_of_one_connection_leave_nothing(bad: dict[str, Any], autojump_clock: MockClock) -> None:
    async def ask(times: int) -> int:
        for _ in range(times):
            client.send(bad)
            (answer,) = client.carrier.messages[-1:]
            assert "error" in answer
            client.carrier.messages.clear()
        await trio.sleep(client.session.services.client.command_deadline_s + 1)  # then deadlines let go
        gc.collect()
        return sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces(OURS).traces)

    async with world(client=ClientConfig(ping_s=3600)) as made:
        client = made.client()
        client.connect("ann")
        client.ask({"subscribe": {"channel": "note:a"}, "id": 1})
        tracemalloc.start()
        try:
            before = await ask(200)
            after = await ask(1000)
        finally:
            tracemalloc.stop()
    assert after - before < 20_000, "bytes; 20 a command"


@pytest.mark.parametrize("bad", ENDS.values(), ids=ENDS)
async def test_a_connection_that_was_ended_is_forgotten(bad: dict[str, Any]) -> None:
    world = World(anonymous=False)
    carriers = []
    for _ in range(20):
        client = world.client()
        client.send(bad)
        assert client.ended is not None
        client.session.ended()
        carriers.append(weakref.ref(client.carrier))
        del client
    gc.collect()
    assert not [one for one in carriers if one() is not None]


async def test_what_is_answered_is_forgotten_before_its_deadline() -> None:
    async with world() as made:
        client = made.client()
        client.connect("ann")
        client.ask({"subscribe": {"channel": "note:a"}, "id": 1})
        client.ask({"rpc": {"method": "note:a/say", "data": {"text": "x"}}, "id": 2})
        client.ask({"publish": {"channel": "note:a", "data": {"text": "x"}}, "id": 3})
        client.ask({"presence": {"channel": "note:a"}, "id": 4})
        assert len(made.services.deadlines) == 0


@pytest.mark.bound("deadlines, with what waits for them")
async def test_deadlines_are_as_many_as_may_be_in_work() -> None:
    made = World(client=ClientConfig(commands_in_flight_max=3, subscriptions_max=2))
    client = made.client()
    client.connect("ann")
    for number in range(2, 50):
        client.send({"rpc": {"method": f"note:{number}/say", "data": {"text": "x"}}, "id": 10 * number})
        client.send({"presence": {"channel": f"note:{number}"}, "id": 10 * number + 1})
        client.send({"subscribe": {"channel": f"note:{number}"}, "id": 10 * number + 2})
        assert len(made.services.deadlines) <= 5
    assert len(made.services.deadlines) == 5
    made.answer_all()
    assert len(made.services.deadlines) == 0
