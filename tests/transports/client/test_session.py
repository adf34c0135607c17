"""The client protocol on one connection, without a socket: dispatching, liveness, the recorded sessions."""

import itertools
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.config.limits import ClientConfig
from tests.transports.world import World, code_of, offsets, world

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
A = "note:a"


# Section 19: the recorded sessions, in meaning.


async def test_the_recorded_session_of_the_js_sdk(autojump_clock: MockClock) -> None:
    async with world() as made:
        client = made.client()
        connect = {"data": {"hello": 1}, "name": "js", "version": "1.2.3", "headers": {"X-Trace": "abc"}}
        subscribe = {"channel": A, "recoverable": True, "join_leave": True, "flag": 1}
        connected, subscribed, joined = client.ask({"connect": connect, "id": 1}, {"subscribe": subscribe, "id": 2})
        name = connected["connect"].pop("client")
        assert connected == {"id": 1, "connect": {"version": "0", "ping": 25, "pong": True}}
        assert subscribed == {
            "id": 2,
            "subscribe": {"recoverable": True, "positioned": True, "epoch": "epoch1", "data": {"top": 0}},
        }, "offset 0 is left out"
        info = {"user": "", "client": name}
        assert joined == {"push": {"channel": A, "join": {"info": info}}}

        reply, push = client.ask({"publish": {"channel": A, "data": {"text": "héllo\nworld"}}, "id": 3})
        assert reply == {"id": 3, "publish": {}}
        assert push["push"]["channel"] == A
        pub = push["push"]["pub"]
        assert pub == {
            "data": {"type": "note.said", "text": "héllo\nworld"},
            "info": info,
            "offset": 1,
            "epoch": "epoch1",
            "time": 1001,
        }
        client.send({"history": {"channel": A, "limit": 10, "reverse": True}, "id": 4})
        made.answer_all()
        await wait_all_tasks_blocked()
        (history,) = client.carrier.take()
        assert history == {"id": 4, "history": {"publications": [pub], "epoch": "epoch1", "offset": 1}}
        (presence,) = client.ask({"presence": {"channel": A}, "id": 5})
        assert presence == {"id": 5, "presence": {"presence": {name: info}}}
        (stats,) = client.ask({"presence_stats": {"channel": A}, "id": 6})
        assert stats == {"id": 6, "presence_stats": {"num_clients": 1, "num_users": 1}}
        rpcs = [{"rpc": {"method": f"{A}/say", "data": {"text": t}}, "id": i} for i, t in ((9, "x"), (10, "y"))]
        first, second, *_ = client.ask(*rpcs)
        assert first == {"id": 9, "rpc": {"data": {"offset": 2}}}
        assert second == {"id": 10, "rpc": {"data": {"offset": 3}}}
        (gone,) = client.ask({"unsubscribe": {"channel": A}, "id": 11})
        assert gone == {"id": 11, "unsubscribe": {}}
        made.publish(A)
        made.hub.flush()
        assert client.carrier.take() == []
        assert client.ended is None


async def test_what_was_missed_comes_in_the_reply_of_a_resume() -> None:
    async with world() as made:
        for _ in range(3):
            made.publish(A)
        client = made.client()
        client.connect()
        client.send({"subscribe": {"channel": A, "recover": True, "offset": 1, "epoch": "epoch1"}, "id": 13})
        made.answer_all()
        await wait_all_tasks_blocked()
        (reply,) = client.carrier.take()
        result = reply["subscribe"]
        assert [one["offset"] for one in result.pop("publications")] == [2, 3]
        assert result == {
            "recoverable": True,
            "positioned": True,
            "epoch": "epoch1",
            "was_recovering": True,
            "recovered": True,
            "offset": 1,
            "data": {"top": 3},
        }
        made.publish(A)
        made.hub.flush()
        assert offsets(client.carrier.take()) == [4]


# Section 5: dispatching.


@pytest.mark.parametrize(
    "frame",
    [
        {},
        {"id": 1},
        {"subscribe": {"channel": A}, "id": 1},
        {"rpc": {"method": f"{A}/say"}, "id": 1},
        {"send": {"data": 1}},
        {"connect": {}},
        {"connect": {}, "id": 0},
        {"connect": {}, "id": -1},
        {"connect": {}, "id": 2**32},
        {"connect": None, "id": 1},
        {"connect": 5, "id": 1},
        [],
        5,
        "null",
        "",
        "\n",
        " ",
        "{",
        "{}}",
        b"\xff",
        b'{"connect":{"token":"\xff"},"id":1}',
        "[" * 5000,
        '{"connect":{"data":' + '{"a":' * 5000 + "1" + "}" * 5000 + '},"id":1}',
        '{"id":' + "1" * 5000 + ',"connect":{}}',
        {"connect": {"data": {"user": "я" * 200}}, "id": 1},
        {"connect": {"data": {"user": "a\u0085b"}}, "id": 1},
        {"connect": {"data": {"user": "anonymous"}}, "id": 1},
        {"connect": {"data": {"user": "a\u0000b"}}, "id": 1},
        {"connect": {"data": {"user": 5}}, "id": 1},
    ],
)
async def test_a_bad_first_frame_ends_with_3501(frame: Any) -> None:
    made = World()
    client = made.client()
    client.send(frame)
    assert client.ended is not None
    assert client.ended[0] == 3501
    assert client.ended[1].startswith("bad request")
    assert client.carrier.messages == []
    client.send({"connect": {}, "id": 1})
    assert client.carrier.messages == []


@pytest.mark.parametrize(
    "frame",
    [
        {},
        {"id": 7},
        {"rpc": {"method": f"{A}/say"}},
        {"subscribe": {"channel": A}},
        {"presence": {"channel": A}},
        {"presence_stats": {"channel": A}},
        {"history": {"channel": A}},
        {"unsubscribe": {"channel": A}},
        {"publish": {"channel": A}},
        {"refresh": {"token": "x"}},
        {"sub_refresh": {"channel": A, "token": "x"}},
        {"ping": {}},
        {"connect": {}, "id": 7},
        {"subscribe": {}, "id": 7},
        {"unsubscribe": {}, "id": 7},
        {"publish": {"data": 1}, "id": 7},
        {"presence": {}, "id": 7},
        {"presence_stats": {}, "id": 7},
        {"history": {}, "id": 7},
        {"subscribe": {"channel": A, "delta": "other"}, "id": 7},
        {"refresh": {}, "id": 7},
        {"refresh": {"token": "x"}, "id": 7},
        {"subscribe": {"channel": A, "offset": -1}, "id": 7},
        {"history": {"channel": A, "limit": "x"}, "id": 7},
        "{",
        "",
        "\n\n",
    ],
)
async def test_a_connected_client_that_breaks_the_protocol_ends_with_3501(frame: Any) -> None:
    made = World()
    client = made.client()
    client.connect()
    client.send(frame)
    assert client.ended is not None
    assert client.ended[0] == 3501


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ({"ping": {}, "id": 7}, 108),
        ({"publish": {"channel": "mute:a", "data": {}}, "id": 7}, 108),
        ({"publish": {"channel": "nope:a", "data": {}}, "id": 7}, 102),
        ({"publish": {"channel": A, "data": {"text": 5}}, "id": 7}, 107),
        ({"publish": {"channel": A}, "id": 7}, 107),
        ({"rpc": {"method": f"{A}/nope", "data": {}}, "id": 7}, 104),
        ({"rpc": {"method": "nope", "data": {}}, "id": 7}, 104),
        ({"rpc": {}, "id": 7}, 104),
        ({"rpc": {"method": "nope:a/say", "data": {}}, "id": 7}, 102),
        ({"rpc": {"method": "note:/say", "data": {"text": "x"}}, "id": 7}, 107),
        ({"rpc": {"method": f"{A}/say"}, "id": 7}, 107),
        ({"rpc": {"method": f"{A}/fail", "data": {}}, "id": 7}, 409),
        ({"subscribe": {"channel": "nope:a"}, "id": 7}, 102),
        ({"subscribe": {"channel": "note"}, "id": 7}, 107),
        ({"subscribe": {"channel": "note:" + "a" * 251}, "id": 7}, 107),
        ({"unsubscribe": {"channel": "a" * 256}, "id": 7}, 107),
        ({"subscribe": {"channel": A, "type": 1}, "id": 7}, 108),
        ({"subscribe": {"channel": A, "tf": {"key": "k", "cmp": "eq", "val": "v"}}, "id": 7}, 107),
        ({"subscribe": {"channel": A, "token": "x"}, "id": 7}, 103),
        ({"history": {"channel": "nope:a"}, "id": 7}, 102),
        ({"history": {"channel": A, "reverse": True, "since": {"offset": 0}}, "id": 7}, 107),
        ({"history": {"channel": A, "since": {"offset": 1, "epoch": "other"}}, "id": 7}, 112),
        ({"presence": {"channel": "nope:a"}, "id": 7}, 102),
        ({"sub_refresh": {"channel": A, "token": "x"}, "id": 7}, 103),
        ({"sub_refresh": {"channel": A}, "id": 7}, 107),
    ],
)
async def test_one_command_fails_and_the_connection_goes_on(frame: Any, code: int) -> None:
    made = World()
    client = made.client()
    client.connect()
    (reply,) = client.ask(frame)
    assert reply["id"] == 7
    assert code_of(reply) == code
    assert reply["error"]["message"]
    assert client.ended is None
    assert client.ask({"rpc": {"method": f"{A}/say", "data": {"text": "x"}}, "id": 8})[0]["id"] == 8


@pytest.mark.parametrize("levels", [500, 700, 900])
async def test_a_command_with_a_key_that_is_nested_too_deeply_is_answered(levels: int) -> None:
    made = World()
    client = made.client()
    client.connect()
    deep = "[" * levels + "]" * levels
    fields = f'{{"text":"x","idempotency_key":"k","data":{deep}}}'
    (reply,) = client.ask(f'{{"id":7,"rpc":{{"method":"{A}/say","data":{fields}}}}}')
    assert (reply["id"], code_of(reply)) == (7, 107)
    assert client.ended is None
    assert client.session.in_flight == 0


async def test_send_is_not_available() -> None:
    client = World().client()
    client.connect()
    client.send({"send": {"data": {"async": True}}})
    assert client.ended == (3508, "not available")


@pytest.mark.parametrize(
    ("both", "answer"),
    [
        ({"subscribe": {"channel": A}, "rpc": {"method": f"{A}/say", "data": {"text": "x"}}}, "subscribe"),
        ({"unsubscribe": {"channel": A}, "publish": {"channel": A, "data": {"text": "x"}}}, "unsubscribe"),
        ({"presence_stats": {"channel": A}, "rpc": {"method": f"{A}/say", "data": {"text": "x"}}}, "presence_stats"),
        ({"rpc": {"method": f"{A}/say", "data": {"text": "x"}}, "refresh": {"token": "x"}}, "rpc"),
    ],
)
async def test_of_several_requests_the_first_of_the_schema_counts(both: Any, answer: str) -> None:
    client = World().client()
    client.connect()
    (reply,) = client.ask(both | {"id": 7})
    assert answer in reply


async def test_a_second_connect_ends_the_connection_also_while_the_first_is_under_way() -> None:
    made = World(with_sessions=True)
    client = made.client()
    client.send({"connect": {"data": {"user": "ann"}}, "id": 1}, {"connect": {}, "id": 2})
    assert client.ended == (3501, "bad request")
    made.answer_all()
    assert client.carrier.messages == []
    assert not made.hub.watching("session:ann")


async def test_unknown_keys_any_order_and_line_ends_are_taken() -> None:
    client = World().client()
    client.send(b'\n{"zzz":[1],"connect":{"name":"x","future":{"a":1}},"id":1,"more":true}\r\n\n')
    (reply,) = client.carrier.take()
    assert reply["id"] == 1


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
@unhurried
def test_any_bytes_lead_to_a_reply_or_to_3501_never_to_an_exception(data: bytes) -> None:
    async def run() -> None:
        for greeted in (False, True):
            made = World()
            client = made.client()
            if greeted:
                client.connect()
            client.send(data)
            made.answer_all()
            if client.ended is not None:
                assert client.ended[0] in (3500, 3501, 3508)
                assert client.ended[1]

    trio.run(run)


REQUESTS = "connect subscribe unsubscribe publish presence presence_stats history ping send rpc refresh sub_refresh"
FIELDS = st.sampled_from(["id", *REQUESTS.split(" ")])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
INNER_NAMES = "channel token recover epoch offset data flag delta tf type method limit since reverse subs name"
INNER = st.sampled_from(INNER_NAMES.split(" "))


@given(
    st.lists(
        st.dictionaries(
            FIELDS,
            SCALARS
            | st.dictionaries(
                INNER, SCALARS | st.just(A) | st.just("nope:x") | st.just(f"{A}/say") | st.dictionaries(INNER, SCALARS)
            ),
            max_size=4,
        ),
        min_size=1,
        max_size=4,
    )
)
@unhurried
def test_commands_of_any_shape_lead_to_replies_or_to_an_end(commands: list[Any]) -> None:
    async def run() -> None:
        made = World()
        client = made.client()
        client.connect()
        client.ask(*commands)
        assert client.ended is None or client.ended[0] in (3500, 3501, 3508)

    trio.run(run)


# Section 6: the connection.


async def test_a_client_that_never_connects_is_stale(autojump_clock: MockClock) -> None:
    client = World().client()
    client.session.tick(trio.current_time() + 9.9)
    assert client.ended is None
    client.session.tick(trio.current_time() + 10.1)
    assert client.ended == (3502, "stale")


async def test_commands_sent_with_the_connect_wait_for_it_in_order() -> None:
    made = World(with_sessions=True)
    client = made.client()
    client.send(
        {"connect": {"data": {"user": "ann"}}, "id": 1},
        {"subscribe": {"channel": A}, "id": 2},
        {"unsubscribe": {"channel": A}, "id": 3},
    )
    assert client.carrier.take() == []
    made.answer_all()
    assert [one["id"] for one in client.carrier.take() if "id" in one] == [1, 2, 3]
    assert client.session.by_channel.keys() == {"session:ann"}
    assert not made.hub.watching(A)


@pytest.mark.bound("commands before the connect is answered")
async def test_while_a_command_waits_for_the_connect_nothing_more_is_read() -> None:
    for end in ("answered", "gone"):
        made = World(with_sessions=True)
        client = made.client()
        client.send({"connect": {"data": {"user": "ann"}}, "id": 1})
        assert client.carrier.reading
        for at in range(500):  # as many as one read brings
            client.send({"unsubscribe": {"channel": A}, "id": at + 2})
            assert not client.carrier.reading
        if end == "answered":
            made.answer_all()
            assert [one["id"] for one in client.carrier.take()] == list(range(1, 502))
        else:
            client.session.ended()
        assert client.carrier.reading


# 6.2: liveness.


async def test_pings_come_at_a_fixed_interval_under_load_and_want_a_pong(autojump_clock: MockClock) -> None:
    made = World()
    client = made.client()
    client.connect()
    client.ask({"subscribe": {"channel": A}, "id": 2})
    pings = []
    begun = trio.current_time()
    for _ in range(110):
        await trio.sleep(1)
        made.publish(A)
        made.hub.flush()
        client.session.tick(trio.current_time())
        if {} in client.carrier.take():
            pings.append(trio.current_time() - begun)
            client.send({})
    assert client.ended is None
    assert 12.5 <= pings[0] <= 26
    assert [later - earlier for earlier, later in itertools.pairwise(pings)] == [25.0] * (len(pings) - 1)


async def test_a_ping_without_pong_ends_with_3012(autojump_clock: MockClock) -> None:
    client = World().client()
    client.connect()
    now = trio.current_time()
    client.session.tick(now + 25)
    assert client.carrier.take() == [{}]
    client.session.tick(now + 32.9)
    assert client.ended is None
    client.session.tick(now + 33.1)
    assert client.ended == (3012, "no pong")


async def test_a_pong_timeout_longer_than_the_interval_still_notices_the_dead(autojump_clock: MockClock) -> None:
    client = World(client=ClientConfig(ping_s=5.0, pong_timeout_s=8.0)).client()
    client.connect()
    for _ in range(12):
        await trio.sleep(1)
        client.session.tick(trio.current_time())
    assert client.ended == (3012, "no pong")


async def test_a_pong_that_nobody_asked_for_ends_with_3501(autojump_clock: MockClock) -> None:
    client = World().client()
    client.connect()
    client.session.tick(trio.current_time() + 25)
    client.send({})
    assert client.ended is None
    client.send({})
    assert client.ended == (3501, "bad request")
