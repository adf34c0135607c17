"""The client protocol, command by command: section 5 to 9 and 19 of the reference, without a socket."""

import itertools
import json
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.errors import HandlerFailed, Overloaded, Refused, Unavailable, UnknownCommand
from actors.lifecycle import Inspected
from config.limits import ClientConfig, HubConfig
from tests.transports.world import STARTED, Client, World, token, world
from transports.client_messages import SLOW

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
A = "note:a"


def code_of(reply: Any) -> int:
    code = reply["error"]["code"]
    assert isinstance(code, int)
    return code


def offsets(messages: list[Any], channel: str = A) -> list[int]:
    return [
        one["push"]["pub"]["offset"]
        for one in messages
        if one.get("push", {}).get("channel") == channel and "pub" in one["push"]
    ]


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
        info = {"user": "anonymous", "client": name}
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
        {"connect": {"data": {"user": "a" * 129}}, "id": 1},
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
    made = World(session_kind="session")
    client = made.client()
    client.send({"connect": {"data": {"user": "ann"}}, "id": 1}, {"connect": {}, "id": 2})
    assert client.ended == (3501, "bad request")
    made.answer_all()
    assert client.carrier.messages == []
    assert made.hub.watching("session:ann") == []


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


async def test_who_brings_no_token_where_one_is_needed_is_unauthorized() -> None:
    client = World(anonymous=False).client()
    (reply,) = client.ask({"connect": {}, "id": 1}, {"subscribe": {"channel": A}, "id": 2})
    assert code_of(reply) == 101
    assert client.ask({"subscribe": {"channel": A}, "id": 3}) == [], "a failed connect is the end of it"


@pytest.mark.parametrize(
    ("bad", "ended"),
    [
        ("rubbish", (3500, "invalid token")),
        (token(b"another secret that is long enough...", sub="ann"), (3500, "invalid token")),
        (token(sub="ann", channel=A), (3500, "invalid token")),
        (token(sub=5), (3500, "invalid token")),
        (token(), (3507, "permission denied")),
    ],
)
async def test_a_token_that_does_not_count_ends_the_connection(bad: str, ended: tuple[int, str]) -> None:
    client = World(anonymous=False).client()
    client.send({"connect": {"token": bad}, "id": 1})
    assert client.ended == ended


async def test_a_token_where_none_can_be_checked_is_invalid() -> None:
    client = World(with_tokens=False).client()
    client.send({"connect": {"token": token(sub="ann")}, "id": 1})
    assert client.ended == (3500, "invalid token")


@pytest.mark.parametrize("claims", [{"exp": STARTED - 1}, {"nbf": STARTED + 100}])
async def test_an_expired_token_is_error_109_and_the_client_is_let_go(claims: Any, autojump_clock: MockClock) -> None:
    client = World().client()
    (reply,) = client.ask({"connect": {"token": token(sub="ann", **claims)}, "id": 1})
    assert reply == {"id": 1, "error": {"code": 109, "message": "token expired"}}
    assert client.ended is None
    client.session.tick(trio.current_time() + 4.9)
    assert client.ended is None
    client.session.tick(trio.current_time() + 5.1)
    assert client.ended == (3502, "stale")


async def test_a_client_that_never_connects_is_stale(autojump_clock: MockClock) -> None:
    client = World().client()
    client.session.tick(trio.current_time() + 9.9)
    assert client.ended is None
    client.session.tick(trio.current_time() + 10.1)
    assert client.ended == (3502, "stale")


async def test_names_of_the_anonymous_and_data_that_is_not_ours() -> None:
    made = World()
    for data, user in (({"user": "ann"}, "ann"), ({"hello": 1}, "anonymous"), ([1], "anonymous"), ("x", "anonymous")):
        client = made.client()
        client.connect(data=data)
        assert client.session.principal.user == user


async def test_conn_info_of_the_token_goes_with_what_the_client_says() -> None:
    client = World().client()
    client.connect(token=token(sub="ann", info={"name": "Ann"}))
    client.ask({"subscribe": {"channel": A}, "id": 2})
    push = client.ask({"publish": {"channel": A, "data": {"text": "x"}}, "id": 3})[1]["push"]["pub"]
    assert push["info"]["conn_info"] == {"name": "Ann"}
    assert push["info"]["user"] == "ann"


async def test_commands_sent_with_the_connect_wait_for_it_in_order() -> None:
    made = World(session_kind="session")
    client = made.client()
    client.send(
        {"connect": {"data": {"user": "ann"}}, "id": 1},
        {"subscribe": {"channel": A}, "id": 2},
        {"unsubscribe": {"channel": A}, "id": 3},
    )
    assert client.carrier.take() == []
    made.answer_all()
    assert [one["id"] for one in client.carrier.take() if "id" in one] == [1, 2, 3]
    assert client.session.watching.subscriptions.keys() == {"session:ann"}
    assert made.hub.watching(A) == []


async def test_what_waits_for_the_connect_is_bounded_in_number_and_bytes() -> None:
    for wide, number in (("", 257), ("x" * 60_000, 5)):
        client = World(session_kind="session").client()
        client.send({"connect": {"data": {"user": "ann"}}, "id": 1})
        for at in range(number - 1):
            client.send({"rpc": {"method": f"{A}/say", "data": {"text": wide}}, "id": at + 2})
            assert client.ended is None or wide
        client.send({"rpc": {"method": f"{A}/say", "data": {"text": wide}}, "id": 999})
        assert client.ended == (3501, "bad request")


async def test_server_side_channels_are_recovered_with_the_connect_and_pushed_only_behind_it() -> None:
    async with world(session_kind="session") as made:
        for _ in range(3):
            made.publish("note:b")
        client = made.client()
        subs = {"note:b": {"recover": True, "offset": 1, "epoch": "epoch1", "flag": 2, "join_leave": True}}
        client.send({"connect": {"token": token(sub="ann", channels=["note:b", A]), "subs": subs}, "id": 1})
        made.answer_one()  # session:ann
        made.answer_one()  # note:b, whose missed ones have to be read
        await wait_all_tasks_blocked()
        made.publish("note:b")
        made.hub.flush()
        made.hub.publish_ephemeral("note:b", b'{"type":"x"}', "")
        assert client.carrier.take() == [], "nothing comes before the answer to the connect"
        made.answer_all()
        connected, push = client.carrier.take()
        results = connected["connect"]["subs"]
        assert list(results) == ["session:ann", "note:b", A]
        assert [one["offset"] for one in results["note:b"]["publications"]] == [2, 3]
        assert offsets([push], "note:b") == [4]
        made.publish("note:b")
        made.publish(A)
        made.hub.flush()
        assert len(client.carrier.take()) == 2


async def test_a_server_side_channel_that_may_not_be_watched_refuses_the_connect_and_leaves_nothing_behind() -> None:
    made = World(session_kind="session")
    made.entity(A).refuses = Refused("note.private")
    client = made.client()
    (reply,) = client.ask({"connect": {"token": token(sub="ann", channels=[A])}, "id": 1})
    assert code_of(reply) == 103
    assert client.ended == (3507, "permission denied")
    assert made.hub.watching("session:ann") == []
    assert made.instruments.subscriptions == 0


async def test_too_many_pushes_before_the_connect_is_answered_are_slow() -> None:
    made = World(session_kind="session", client=ClientConfig(queue_bytes_max=2000))
    client = made.client()
    client.send({"connect": {"token": token(sub="ann", channels=[A])}, "id": 1})
    made.answer_one()
    for _ in range(5):
        made.publish("session:ann", "x" * 500)
        made.hub.flush()
    assert client.ended == (3008, "slow")
    made.answer_all()
    assert made.hub.watching(A) == []


async def test_more_server_side_channels_than_a_connection_may_have() -> None:
    client = World(client=ClientConfig(subscriptions_max=2)).client()
    client.send({"connect": {"token": token(sub="ann", channels=[A, "note:b", "note:c"])}, "id": 1})
    assert client.ended == (3505, "channel limit")


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


# 6.3 and 7.3: tokens that run out.


async def test_a_connection_expires_unless_it_is_refreshed(autojump_clock: MockClock) -> None:
    made = World(client=ClientConfig(ping_s=3600, pong_timeout_s=8))
    client = made.client()
    expires = STARTED + trio.current_time() + 300
    result = client.connect(token=token(sub="ann", exp=expires))
    assert (result["expires"], result["ttl"]) == (True, 300)
    await trio.sleep(324)
    client.session.tick(trio.current_time())
    assert client.ended is None
    (reply,) = client.ask({"refresh": {"token": token(sub="ann", exp=expires + 300)}, "id": 9})
    name = client.session.client
    assert reply == {"id": 9, "refresh": {"client": name, "version": "0", "expires": True, "ttl": 276}}
    await trio.sleep(300)
    client.session.tick(trio.current_time())
    assert client.ended is None
    await trio.sleep(2)
    client.session.tick(trio.current_time())
    assert client.ended == (3005, "connection expired")


async def test_a_refresh_without_expiry_needs_no_timer() -> None:
    client = World().client()
    client.connect(token=token(sub="ann", exp=STARTED + trio.current_time() + 300))
    (reply,) = client.ask({"refresh": {"token": token(sub="ann", roles=["admin"])}, "id": 9})
    assert reply["refresh"].keys() == {"client", "version"}
    assert client.session.principal.roles == {"admin"}


@pytest.mark.parametrize(
    ("fresh", "ended"),
    [
        (token(sub="ann", exp=STARTED - 10), (3005, "connection expired")),
        ("rubbish", (3500, "invalid token")),
        (token(sub="bob"), (3500, "invalid token")),
        (token(sub="ann", channels=["note:b"]), (3010, "insufficient state")),
        ("", (3501, "bad request")),
    ],
)
async def test_a_refresh_that_does_not_count(fresh: str, ended: tuple[int, str]) -> None:
    client = World().client()
    client.connect(token=token(sub="ann", exp=STARTED + 10**9, channels=[A]) if "." not in fresh else token(sub="ann"))
    client.send({"refresh": {"token": fresh}, "id": 9})
    assert client.ended == ended


async def test_the_longest_ttl_is_a_year() -> None:
    result = World().client().connect(token=token(sub="ann", exp=STARTED + 10**10))
    assert result["ttl"] == 365 * 86_400


async def test_a_subscription_token_opens_what_the_entity_refuses_and_expires(autojump_clock: MockClock) -> None:
    made = World(client=ClientConfig(ping_s=3600, pong_timeout_s=8))
    made.entity(A).refuses = Refused("note.private")
    client = made.client()
    client.connect(token=token(sub="ann"))
    assert code_of(client.ask({"subscribe": {"channel": A}, "id": 2})[0]) == 103
    now = STARTED + trio.current_time()
    pass_ = token(sub="ann", channel=A, exp=now + 60)
    (reply,) = client.ask({"subscribe": {"channel": A, "token": pass_}, "id": 3})
    assert (reply["subscribe"]["expires"], reply["subscribe"]["ttl"]) == (True, 60)
    (reply,) = client.ask({"sub_refresh": {"channel": A, "token": token(sub="ann", channel=A, exp=now + 120)}, "id": 4})
    assert reply == {"id": 4, "sub_refresh": {"expires": True, "ttl": 120}}
    await trio.sleep(144)
    client.session.tick(trio.current_time())
    assert client.carrier.take() == []
    await trio.sleep(2)
    client.session.tick(trio.current_time())
    assert client.carrier.take() == [
        {"push": {"channel": A, "unsubscribe": {"code": 2501, "reason": "subscription expired"}}}
    ]
    assert made.hub.watching(A) == []
    assert client.ended is None


async def test_python_forgets_the_channel_of_a_sub_refresh() -> None:
    client = World().client()
    client.connect(token=token(sub="ann"))
    exp = STARTED + 10**6
    client.ask({"subscribe": {"channel": A, "token": token(sub="ann", channel=A, exp=exp)}, "id": 3})
    (reply,) = client.ask({"sub_refresh": {"token": token(sub="ann", channel=A, exp=exp + 60)}, "id": 4})
    assert reply["sub_refresh"]["expires"] is True


@pytest.mark.parametrize(
    ("pass_", "code", "ended"),
    [
        (token(sub="ann", channel=A, exp=STARTED - 1), 109, None),
        (token(b"another secret that is long enough...", sub="ann", channel=A), 103, None),
        (token(sub="ann"), 103, None),
        (token(sub="ann", channel="note:b"), None, 3500),
        (token(sub="bob", channel=A), None, 3500),
        (token(sub="ann", channel=A, client="somebody"), None, 3500),
    ],
)
async def test_a_subscription_token_that_does_not_count(pass_: str, code: int | None, ended: int | None) -> None:
    client = World().client()
    client.connect(token=token(sub="ann"))
    replies = client.ask({"subscribe": {"channel": A, "token": pass_}, "id": 3})
    assert (client.ended[0] if client.ended else None) == ended
    assert [code_of(one) for one in replies] == ([code] if code else [])


@pytest.mark.parametrize(
    ("fresh", "code", "ended"),
    [
        (token(sub="ann", channel=A, exp=STARTED - 1), 110, None),
        ("rubbish", None, 3500),
        (token(sub="ann", channel="note:b"), None, 3500),
        (token(sub="bob", channel=A), None, 3500),
        ("", 107, None),
    ],
)
async def test_a_sub_refresh_that_does_not_count(fresh: str, code: int | None, ended: int | None) -> None:
    client = World().client()
    client.connect(token=token(sub="ann"))
    client.ask({"subscribe": {"channel": A, "token": token(sub="ann", channel=A, exp=STARTED + 10**6)}, "id": 3})
    replies = client.ask({"sub_refresh": {"channel": A, "token": fresh}, "id": 4})
    assert (client.ended[0] if client.ended else None) == ended
    assert [code_of(one) for one in replies] == ([code] if code else [])


async def test_a_sub_refresh_of_a_subscription_without_token_ends_with_3501() -> None:
    client = World().client()
    client.connect(token=token(sub="ann"))
    client.ask({"subscribe": {"channel": A}, "id": 3})
    client.send({"sub_refresh": {"channel": A, "token": token(sub="ann", channel=A)}, "id": 4})
    assert client.ended == (3501, "bad request")


# Section 7: subscriptions.


async def test_a_second_subscribe_is_105_also_while_the_first_is_in_flight() -> None:
    client = World().client()
    client.connect()
    replies = client.ask({"subscribe": {"channel": A}, "id": 2}, {"subscribe": {"channel": A}, "id": 3})
    assert [one["id"] for one in replies] == [3, 2]
    assert code_of(replies[0]) == 105
    assert code_of(client.ask({"subscribe": {"channel": A}, "id": 4})[0]) == 105


async def test_unsubscribe_of_what_is_not_subscribed_is_a_success() -> None:
    client = World().client()
    client.connect()
    assert client.ask({"unsubscribe": {"channel": A}, "id": 2}) == [{"id": 2, "unsubscribe": {}}]


async def test_subscribe_and_unsubscribe_of_a_channel_keep_their_order_however_many_are_in_flight() -> None:
    made = World()
    client = made.client()
    client.connect()
    commands = [{("subscribe", "unsubscribe")[at % 2]: {"channel": A}, "id": 2 + at} for at in range(5)]
    client.send(*commands)
    assert client.carrier.take() == [], "all wait for the first subscribe"
    made.answer_all()
    assert [(one["id"], "error" in one) for one in client.carrier.take()] == [(at, False) for at in range(2, 7)]
    assert len(made.hub.watching(A)) == 1
    made.publish(A)
    made.hub.flush()
    assert offsets(client.carrier.take()) == [1]
    client.ask({"unsubscribe": {"channel": A}, "id": 9})
    assert made.hub.watching(A) == []


async def test_what_waits_behind_a_subscribe_is_bounded() -> None:
    client = World().client()
    client.connect()
    client.send({"subscribe": {"channel": A}, "id": 2})
    client.send(*({"unsubscribe": {"channel": A}, "id": 3 + at} for at in range(16)))
    assert client.carrier.take() == []
    client.send({"unsubscribe": {"channel": A}, "id": 99})
    assert code_of(client.carrier.take()[0]) == 111


async def test_an_unsubscribe_during_the_subscribe_leaves_no_subscriber_behind() -> None:
    made = World()
    client = made.client()
    client.connect()
    client.ask({"subscribe": {"channel": A}, "id": 2}, {"unsubscribe": {"channel": A}, "id": 3})
    assert made.hub.watching(A) == []
    made.publish(A)
    made.hub.flush()
    assert client.carrier.take() == []
    assert made.audience == [(A, "anonymous", True), (A, "anonymous", False)]


async def test_more_channels_than_the_limit_are_106() -> None:
    client = World(client=ClientConfig(subscriptions_max=2)).client()
    client.connect()
    replies = client.ask(*({"subscribe": {"channel": f"note:{at}"}, "id": at + 2} for at in range(3)))
    assert [code_of(one) for one in replies if "error" in one] == [106]
    client.ask({"unsubscribe": {"channel": "note:0"}, "id": 7})
    assert "subscribe" in client.ask({"subscribe": {"channel": "note:2"}, "id": 8})[0]


async def test_the_publisher_gets_its_own_publication_and_the_backends_has_no_info() -> None:
    made = World()
    client = made.client()
    client.connect("ann")
    client.ask({"subscribe": {"channel": A}, "id": 2})
    _, push = client.ask({"publish": {"channel": A, "data": {"text": "x"}}, "id": 3})
    assert push["push"]["pub"]["info"]["user"] == "ann"
    made.publish(A)
    made.hub.flush()
    assert "info" not in client.carrier.take()[0]["push"]["pub"]


async def test_joins_and_leaves_reach_those_who_asked_in_order() -> None:
    made = World()
    ann, bob = made.client(), made.client()
    ann.connect("ann")
    bob.connect("bob")
    assert "join" in ann.ask({"subscribe": {"channel": A, "join_leave": True}, "id": 2})[1]["push"]
    assert len(bob.ask({"subscribe": {"channel": A}, "id": 2})) == 1
    bob.session.ended()
    pushes = [one["push"] for one in ann.carrier.take()]
    assert [(next(key for key in one if key != "channel")) for one in pushes] == ["join", "leave"]
    assert {one.get("join", one.get("leave"))["info"]["user"] for one in pushes} == {"bob"}


async def test_presence_shows_each_client_once_and_counts_users() -> None:
    made = World()
    clients = [made.client() for _ in range(3)]
    for one, user in zip(clients, ("ann", "ann", "bob"), strict=True):
        one.connect(user)
        one.ask({"subscribe": {"channel": A}, "id": 2})
    (stats,) = clients[0].ask({"presence_stats": {"channel": A}, "id": 3})
    assert stats["presence_stats"] == {"num_clients": 3, "num_users": 2}
    (presence,) = clients[0].ask({"presence": {"channel": A}, "id": 4})
    assert presence["presence"]["presence"].keys() == {one.session.client for one in clients}


async def test_presence_and_history_need_the_permission_to_watch() -> None:
    made = World()
    made.entity(A).refuses = Refused("note.private", status=401)
    client = made.client()
    client.connect()
    for request in ("presence", "presence_stats", "history"):
        assert code_of(client.ask({request: {"channel": A}, "id": 2})[0]) == 103


async def test_a_kick_ends_the_subscription_or_the_connection() -> None:
    made = World()
    ann, bob = made.client(), made.client()
    for client, user in ((ann, "ann"), (bob, "bob")):
        client.connect(user)
        client.ask({"subscribe": {"channel": A}, "id": 2})
    made.kick(A, 2100, "go", user="ann")
    assert ann.carrier.take() == [{"push": {"channel": A, "unsubscribe": {"code": 2100, "reason": "go"}}}]
    assert bob.carrier.take() == []
    made.kick(A, 4501, "signed out")
    assert bob.ended == (4501, "signed out")
    assert ann.ended is None


# Section 8: history.


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({}, []),
        ({"limit": 0}, []),
        ({"limit": 2}, [1, 2]),
        ({"limit": -1}, [1, 2, 3, 4, 5]),
        ({"limit": 99}, [1, 2, 3, 4, 5]),
        ({"limit": 2, "reverse": True}, [5, 4]),
        ({"limit": -1, "since": {"offset": 3, "epoch": "epoch1"}}, [4, 5]),
        ({"limit": -1, "since": {"offset": 3}}, [4, 5]),
        ({"limit": 2, "since": {"offset": 3}, "reverse": True}, [2, 1]),
        ({"limit": -1, "since": {"offset": 9}}, []),
    ],
)
async def test_history(request_: Any, expected: list[int]) -> None:
    async with world() as made:
        for _ in range(5):
            made.publish(A)
        client = made.client()
        client.connect()
        client.send({"history": {"channel": A, **request_}, "id": 2})
        made.answer_all()
        await wait_all_tasks_blocked()
        (reply,) = client.carrier.take()
        assert [one["offset"] for one in reply["history"]["publications"]] == expected
        assert (reply["history"]["epoch"], reply["history"]["offset"]) == ("epoch1", 5)


async def test_history_is_bounded_in_number_and_bytes_and_leaves_out_what_came_after_the_question() -> None:
    async with world(client=ClientConfig(history_max=3, queue_bytes_max=1000)) as made:
        for _ in range(5):
            made.publish(A)
        client = made.client()
        client.connect()
        made.journal.hold()
        client.send({"history": {"channel": A, "limit": -1, "since": {"offset": 3}}, "id": 2})
        client.send({"history": {"channel": A, "limit": -1}, "id": 3})
        made.answer_all()
        await wait_all_tasks_blocked()
        made.publish(A)
        made.journal.release()
        await wait_all_tasks_blocked()
        found = {one["id"]: one["history"]["publications"] for one in client.carrier.take()}
        assert [one["offset"] for one in found[2]] == [4, 5]
        assert len(found[3]) == 3
        for _ in range(3):
            made.publish("note:b", "x" * 200)
        client.send({"history": {"channel": "note:b", "limit": -1}, "id": 4})
        made.answer_all()
        await wait_all_tasks_blocked()
        assert len(client.carrier.take()[0]["history"]["publications"]) == 1


async def test_reads_count_against_what_a_client_may_have_in_work() -> None:
    async with world(client=ClientConfig(commands_in_flight_max=2, subscriptions_max=1)) as made:
        made.publish(A)
        client = made.client()
        client.connect()
        made.journal.hold()
        for at in range(5):
            client.send({"history": {"channel": A, "limit": 1}, "id": 2 + at})
            made.answer_all()
        await wait_all_tasks_blocked()
        assert made.journal.reads == 3
        assert [code_of(one) for one in client.carrier.take()] == [111, 111]
        made.journal.release()
        await wait_all_tasks_blocked()
        assert len(client.carrier.take()) == 3
        assert client.session.in_flight == 0


# Section 9: recovery.


@pytest.mark.parametrize(
    ("position", "recovered"),
    [
        ({"offset": 5, "epoch": "epoch1"}, []),
        ({"offset": 3, "epoch": "epoch1"}, [4, 5]),
        ({"offset": 0, "epoch": "epoch1"}, [1, 2, 3, 4, 5]),
        ({"offset": 0, "epoch": ""}, [1, 2, 3, 4, 5]),
        ({}, [1, 2, 3, 4, 5]),
        ({"offset": 3}, [4, 5]),
        ({"offset": 6, "epoch": "epoch1"}, None),
        ({"offset": 5, "epoch": "other"}, None),
        ({"offset": 0, "epoch": "_"}, None),
    ],
)
@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("flag", [0, 1, 2, 3])
async def test_the_decisions_of_a_recovery(position: Any, recovered: list[int] | None, warm: bool, flag: int) -> None:
    async with world() as made:
        watcher = made.client()
        watcher.connect()
        if warm:  # the topic's tail has all, else the journal is asked
            watcher.ask({"subscribe": {"channel": A}, "id": 2})
        for _ in range(5):
            made.publish(A)
        client = made.client()
        client.connect()
        client.send({"subscribe": {"channel": A, "recover": True, "flag": flag, **position}, "id": 3})
        made.answer_all()
        await wait_all_tasks_blocked()
        made.answer_all()
        (reply,) = client.carrier.take()
        if recovered is None and flag & 2:
            assert reply == {"id": 3, "error": {"code": 112, "message": "unrecoverable position"}}
            assert len(made.hub.watching(A)) == warm
            return
        result = reply["subscribe"]
        assert result["was_recovering"] is True
        assert (result["recoverable"], result["positioned"], result["epoch"]) == (True, True, "epoch1")
        if recovered is None:
            assert "recovered" not in result
            assert "publications" not in result
            assert result["offset"] == 5
        else:
            assert result["recovered"] is True
            assert [one["offset"] for one in result.get("publications", [])] == recovered
            assert result.get("offset", 0) == position.get("offset", 0), "the client advances by the publications"
        made.publish(A)
        made.hub.flush()
        assert offsets(client.carrier.take()) == [6]


async def test_a_position_that_retention_has_passed_is_not_recovered() -> None:
    async with world() as made:
        for _ in range(5):
            made.publish(A)
        del made.entity(A).events[:3]
        client = made.client()
        client.connect()
        for at, (offset, recovered) in enumerate(((2, False), (3, True))):
            client.send({"subscribe": {"channel": A, "recover": True, "offset": offset, "epoch": "epoch1"}, "id": 2})
            made.answer_all()
            await wait_all_tasks_blocked()
            made.answer_all()
            (reply,) = client.carrier.take()
            assert reply["subscribe"].get("recovered", False) is recovered, at
            client.ask({"unsubscribe": {"channel": A}, "id": 3})


@pytest.mark.parametrize(
    "limits",
    [ClientConfig(recovery_max=3), ClientConfig(queue_bytes_max=600)],
)
async def test_more_than_a_recovery_may_bring_starts_over(limits: ClientConfig) -> None:
    async with world(client=limits, hub=HubConfig(tail_events=0)) as made:
        for _ in range(5):
            made.publish(A, "x" * 50)
        client = made.client()
        client.connect()
        client.send({"subscribe": {"channel": A, "recover": True, "offset": 1, "epoch": "epoch1"}, "id": 2})
        made.answer_all()
        await wait_all_tasks_blocked()
        made.answer_all()
        (reply,) = client.carrier.take()
        assert "recovered" not in reply["subscribe"]
        assert reply["subscribe"]["offset"] == 5


async def test_the_view_of_a_failed_recovery_is_of_the_moment_of_its_offset() -> None:
    async with world() as made:
        for _ in range(5):
            made.publish(A)
        del made.entity(A).events[:3]
        client = made.client()
        client.connect()
        made.journal.hold()
        client.send({"subscribe": {"channel": A, "recover": True, "offset": 1, "epoch": "epoch1"}, "id": 2})
        made.answer_all()
        await wait_all_tasks_blocked()
        made.publish(A)
        made.journal.release()
        await wait_all_tasks_blocked()
        made.publish(A)
        made.answer_all()
        made.publish(A)
        made.hub.flush()
        reply, push = client.carrier.take()
        assert (reply["subscribe"]["offset"], reply["subscribe"]["data"]) == (7, {"top": 7})
        assert offsets([push]) == [8]


async def test_a_failed_recovery_keeps_the_grant_of_its_token() -> None:
    async with world() as made:
        made.publish(A)
        made.entity(A).refuses = Refused("note.private")
        made.entity(A).events.clear()
        client = made.client()
        client.connect(token=token(sub="ann"))
        pass_ = token(sub="ann", channel=A)
        client.send({"subscribe": {"channel": A, "token": pass_, "recover": True, "epoch": "epoch1"}, "id": 2})
        made.answer_all()
        await wait_all_tasks_blocked()
        made.answer_all()
        assert "subscribe" in client.carrier.take()[0]


async def test_a_topic_forgotten_during_a_recovery_is_not_the_one_attached_to(autojump_clock: MockClock) -> None:
    async with world(hub=HubConfig(linger_s=0)) as made:
        made.publish(A)
        made.publish(A)
        made.entity(A).events.clear()
        client = made.client()
        client.connect()
        client.send({"subscribe": {"channel": A, "recover": True, "epoch": "epoch1"}, "id": 2})
        made.answer_all()
        await wait_all_tasks_blocked()
        made.hub.sweep(1.0)
        made.hub.sweep(2.0)
        made.answer_all()
        assert "subscribe" in client.carrier.take()[0]
        made.publish(A)
        made.hub.flush()
        assert offsets(client.carrier.take()) == [3]


@pytest.mark.parametrize("fault", ["down", "broken", "overloaded"])
async def test_a_recovery_that_cannot_be_read_is_answered(fault: str) -> None:
    async with world() as made:
        made.publish(A)
        client = made.client()
        client.connect()
        made.journal.down, made.journal.broken = fault == "down", fault == "broken"
        for at, request in enumerate(
            ({"subscribe": {"channel": A, "recover": True}}, {"history": {"channel": A, "limit": 1}})
        ):
            client.send({**request, "id": 2 + at})
            made.overloaded = fault == "overloaded"
            made.answer_all()
            await wait_all_tasks_blocked()
            made.overloaded = False
            if fault == "broken":
                assert client.ended == (3004, "internal server error")
                return
            (reply,) = client.carrier.take()
            assert reply["error"]["temporary"] is True
        made.journal.down = False
        client.send({"subscribe": {"channel": A, "recover": True}, "id": 9})
        made.answer_all()
        await wait_all_tasks_blocked()
        assert client.carrier.take()[0]["subscribe"]["recovered"] is True, "the channel is free again"


async def test_a_gap_is_told_never_skipped() -> None:
    async with world(session_kind="session") as made:
        client, other = made.client(), made.client()
        client.connect("ann")
        client.ask({"subscribe": {"channel": A}, "id": 2})
        made.publish(A)
        made.publish(A, heard=False)
        made.publish(A)
        made.hub.flush()
        pushes = client.carrier.take()
        assert offsets(pushes) == [1]
        assert pushes[-1] == {"push": {"channel": A, "unsubscribe": {"code": 2500, "reason": "insufficient state"}}}
        client.send({"subscribe": {"channel": A, "recover": True, "offset": 1, "epoch": "epoch1"}, "id": 3})
        made.answer_all()
        await wait_all_tasks_blocked()
        (reply,) = client.carrier.take()
        assert [one["offset"] for one in reply["subscribe"]["publications"]] == [2, 3]
        other.connect("bob")
        made.begin_anew("session:bob")
        made.publish("session:bob")
        made.hub.flush()
        assert other.ended == (3010, "insufficient state"), "a server-side subscription can't be made again"


# What must not be lost, doubled or kept.


class Reader:
    """An SDK: keeps its position over reconnects, ignores what it has asked to end, and checks what it is given."""

    def __init__(self, made: World) -> None:
        self.made = made
        self.client: Client | None = None
        self.position: tuple[int, str] | None = None
        self.awaits: int | None = None  # id of the newest subscribe
        self.subscribed = False  # as we see it
        self.attached = False  # as the server has told us
        self.number = 1
        self.wrong: list[str] = []

    def subscribe(self) -> None:
        if self.client is None or self.client.session.closed:
            self.client = self.made.client()
            self.subscribed = self.attached = False
            self.client.send({"connect": {}, "id": 1})
        if self.subscribed or self.awaits is not None:
            return
        request: dict[str, Any] = {"channel": A}
        if self.position is not None:
            request |= {"recover": True, "offset": self.position[0], "epoch": self.position[1]}
        self.number += 1
        self.awaits = self.number
        self.client.send({"subscribe": request, "id": self.number})

    def unsubscribe(self) -> None:
        if self.client is not None and not self.client.session.closed:
            self.subscribed = False
            self.awaits = None
            self.number += 1
            self.client.send({"unsubscribe": {"channel": A}, "id": self.number})

    def drop(self) -> None:
        if self.client is not None:
            self.read()
            self.client.session.ended()
            self.client = self.awaits = None
            self.subscribed = self.attached = False

    def read(self) -> None:
        if self.client is None:
            return
        for message in self.client.carrier.take():
            if "subscribe" in message:
                self.attached = True
                if message["id"] == self.awaits:
                    self.awaits = None
                    self.begin(message["subscribe"])
            elif "unsubscribe" in message:
                self.attached = False
            elif "error" in message:
                self.wrong.append(f"refused: {message}")
            elif "unsubscribe" in message.get("push", {}):
                self.attached = self.subscribed = False
            elif "push" in message:
                if not self.attached:
                    self.wrong.append("pushed without a subscription")
                if self.subscribed:
                    self.advance(message["push"]["pub"]["offset"])

    def begin(self, result: Any) -> None:
        self.subscribed = True
        if result.get("recovered"):
            assert self.position is not None
            if result.get("offset", 0) != self.position[0]:
                self.wrong.append("recovered from somewhere else")
            for publication in result.get("publications", []):
                self.advance(publication["offset"])
        else:
            self.position = (result.get("offset", 0), result["epoch"])

    def advance(self, offset: int) -> None:
        assert self.position is not None
        if offset != self.position[0] + 1:
            self.wrong.append(f"{offset} after {self.position[0]}")
        self.position = (offset, self.position[1])


OFTEN = "publish publish flush answer answer subscribe"
SELDOM = "publish subscribe unsubscribe drop hold release read anew gap sweep trim"
STEPS = st.lists(st.sampled_from(f"{OFTEN} {SELDOM}".split(" ")), max_size=60)


@given(STEPS, st.sampled_from([0, 2, 512]))
@settings(unhurried, max_examples=300)
def test_offsets_are_gapless_or_the_client_was_told_in_any_interleaving(steps: list[str], tail: int) -> None:
    async def run() -> None:
        async with trio.open_nursery() as nursery:
            made = World(nursery, hub=HubConfig(tail_events=tail, linger_s=0), client=ClientConfig(recovery_max=8))
            reader = Reader(made)
            now = 1.0
            for step in steps:
                match step:
                    case "publish":
                        made.publish(A)
                    case "flush":
                        made.hub.flush()
                    case "answer" if made.waiting:
                        made.answer_one()
                    case "subscribe":
                        reader.subscribe()
                    case "unsubscribe":
                        reader.unsubscribe()
                    case "drop":
                        reader.drop()
                    case "hold":
                        made.journal.release()
                        made.journal.hold()
                    case "release":
                        made.journal.release()
                    case "read":
                        await wait_all_tasks_blocked()
                    case "anew" if not made.waiting:
                        made.begin_anew(A)
                        made.publish(A)
                    case "gap" if not made.waiting:
                        made.publish(A, heard=False)
                        made.publish(A)
                    case "sweep":
                        now += 1
                        made.hub.sweep(now)
                    case "trim":
                        del made.entity(A).events[:1]
                reader.read()
            made.journal.release()
            for _ in range(20):  # let everything that is under way come to its end
                await wait_all_tasks_blocked()
                made.answer_all()
            made.publish(A)
            made.hub.flush()
            reader.read()
            assert reader.wrong == []
            if reader.client is not None and not reader.client.session.closed:
                assert reader.client.session.in_flight == 0
                assert reader.client.session.watching._subscribing is None
                assert reader.subscribed == (A in reader.client.session.watching.subscriptions)
                if reader.subscribed:
                    top = made.entity(A)
                    assert reader.position == (top.offset, top.epoch), "nothing was lost at the end either"
            assert len(made.hub.watching(A)) == made.instruments.subscriptions == reader.subscribed
            nursery.cancel_scope.cancel()

    trio.run(run)


async def test_a_connection_that_ends_while_its_subscribe_is_under_way_leaves_nothing_behind() -> None:
    async with world() as made:
        made.publish(A)
        client = made.client()
        client.connect()
        made.journal.hold()
        client.send(
            {"subscribe": {"channel": A, "recover": True}, "id": 2}, {"subscribe": {"channel": "note:b"}, "id": 3}
        )
        made.answer_one()
        await wait_all_tasks_blocked()
        client.session.ended()
        made.answer_all()
        made.journal.release()
        await wait_all_tasks_blocked()
        assert (made.hub.watching(A), made.hub.watching("note:b")) == ([], [])
        assert made.instruments.subscriptions == made.instruments.connections == 0
        assert client.session.in_flight == 0
        assert all(topic.held == 0 for topic in made.hub._topics.values())


async def test_an_answer_that_is_the_one_too_many_for_the_client_leaves_nothing_behind() -> None:
    async with world() as made:
        client = made.client()
        client.connect()
        client.send({"subscribe": {"channel": A}, "id": 2})
        client.carrier.send_json = lambda reply: client.session.disconnect(SLOW)  # type: ignore[method-assign]
        made.answer_all()
        assert client.ended == (3008, "slow")
        assert (made.hub.watching(A), made.audience) == ([], [])


# Slots: called by entities, which must not end by a mistake of ours.


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


async def test_a_mistake_of_ours_in_a_watch_ends_that_client_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    made = World()
    client = made.client()
    client.connect()
    client.send({"subscribe": {"channel": A}, "id": 2}, {"subscribe": {"channel": "note:b"}, "id": 3})
    monkeypatch.setattr(made.hub, "attach", lambda topic, subscriber: 1 / 0)
    made.answer_all()
    assert client.ended == (3004, "internal server error")


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


async def test_no_part_of_a_token_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    good = token(sub="ann", channel=A)
    client = World().client()
    client.send({"connect": {"token": good}, "id": 1})
    other = World().client()
    other.connect(token=token(sub="ann"))
    other.send({"subscribe": {"channel": A, "token": good[:-3] + "xyz"}, "id": 2}, f'{{"connect":{{"token":"{good}"')
    captured = capsys.readouterr()
    assert not any(part in captured.out + captured.err for part in good.split(".")[1:])
