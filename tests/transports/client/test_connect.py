"""Who may connect and for how long, and the channels that the server subscribes a client to."""

import gc
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.actors.model.errors import Refused
from greenroom.config.limits import ClientConfig, HubConfig
from tests.transports.world import STARTED, World, code_of, offsets, token, world

A = "note:a"


# Section 6: the connection.


FORGED = "malformed, or not signed by a key of ours"


async def test_who_brings_no_token_where_one_is_needed_is_unauthorized() -> None:
    client = World(anonymous=False).client()
    (reply,) = client.ask({"connect": {}, "id": 1}, {"subscribe": {"channel": A}, "id": 2})
    assert code_of(reply) == 101
    assert client.ask({"subscribe": {"channel": A}, "id": 3}) == [], "a failed connect is the end of it"


@pytest.mark.parametrize(
    ("bad", "ended"),
    [
        ("rubbish", (3500, f"invalid token: {FORGED}")),
        (token(b"another secret that is long enough...", sub="ann"), (3500, f"invalid token: {FORGED}")),
        (
            token(sub="ann", channel=A),
            (3500, "invalid token: a subscription token where a connection token belongs"),
        ),
        (token(sub=5), (3500, "invalid token: claims: Expected `str`, got `int` - at `$.sub`")),
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


async def test_names_of_the_anonymous_and_data_that_is_not_ours() -> None:
    made = World()
    for data, user in (({"user": "ann"}, "ann"), ({"hello": 1}, ""), ([1], ""), ("x", "")):
        client = made.client()
        client.connect(data=data)
        assert client.session.principal.user == user


@pytest.mark.parametrize("said", [{}, {"data": {"user": "ann"}}, {"token": token()}])
async def test_where_the_anonymous_may_watch_they_connect_and_send_nothing(said: dict[str, Any]) -> None:
    made = World(anonymous=False, anonymous_watch=True)
    client = made.client()
    client.connect(**said)
    assert client.session.principal.user == ""
    (reply,) = client.ask({"subscribe": {"channel": A}, "id": 2})
    assert "subscribe" in reply
    data = {"text": "x"}
    for request in ({"publish": {"channel": A, "data": data}}, {"rpc": {"method": f"{A}/say", "data": data}}):
        (reply,) = client.ask({**request, "id": 3})
        assert code_of(reply) == 401, reply


async def test_conn_info_of_the_token_goes_with_what_the_client_says() -> None:
    client = World().client()
    client.connect(token=token(sub="ann", info={"name": "Ann"}))
    client.ask({"subscribe": {"channel": A}, "id": 2})
    push = client.ask({"publish": {"channel": A, "data": {"text": "x"}}, "id": 3})[1]["push"]["pub"]
    assert push["info"]["conn_info"] == {"name": "Ann"}
    assert push["info"]["user"] == "ann"


async def test_server_side_channels_are_recovered_with_the_connect_and_pushed_only_behind_it() -> None:
    async with world(with_sessions=True) as made:
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
        for number in (b"1", b"2"):
            made.hub.publish_ephemeral("note:b", b'{"type":"x","n":%b}' % number, "")
        made.hub.publish_ephemeral("session:ann", b'{"type":"session.presence"}', "")
        made.hub.flush()
        assert client.carrier.take() == [], "nothing comes before the answer to the connect"
        made.answer_all()
        connected, push, *ephemeral = client.carrier.take()
        results = connected["connect"]["subs"]
        assert list(results) == ["session:ann", "note:b", A]
        assert [one["offset"] for one in results["note:b"]["publications"]] == [2, 3]
        assert offsets([push], "note:b") == [4]
        assert [(one["push"]["channel"], one["push"]["pub"]["data"]) for one in ephemeral] == [
            ("note:b", {"type": "x", "n": 2}),
            ("session:ann", {"type": "session.presence"}),
        ], "the newest of each"
        made.publish("note:b")
        made.publish(A)
        made.hub.flush()
        assert len(client.carrier.take()) == 2


async def test_a_server_side_channel_that_ends_before_the_connect_is_answered_is_not_in_the_answer() -> None:
    made = World(with_sessions=True)
    client = made.client()
    client.send({"connect": {"token": token(sub="ann", channels=[A, "note:b"])}, "id": 1})
    made.answer_one()  # session:ann
    made.answer_one()  # note:a
    made.kick(A, 2000, "out", user="ann")
    assert client.carrier.take() == []
    made.answer_all()
    (connected,) = client.carrier.take()
    assert list(connected["connect"]["subs"]) == ["session:ann", "note:b"]
    made.publish(A)
    made.hub.flush()
    assert client.carrier.take() == []
    made.kick("note:b", 2000, "out", user="ann")
    (pushed,) = client.carrier.take()
    assert pushed["push"] == {"channel": "note:b", "unsubscribe": {"code": 2000, "reason": "out"}}


@pytest.mark.bound("ephemeral pushes before the connect is answered")
async def test_ephemeral_pushes_before_the_connect_is_answered_are_bounded() -> None:
    made = World(with_sessions=True, hub=HubConfig(ephemeral_ring=2))
    client = made.client()
    client.send({"connect": {"token": token(sub="ann", channels=[A])}, "id": 1})
    made.answer_one()
    for number in range(5):
        made.hub.publish_ephemeral("session:ann", b"%d" % number, str(number))
    made.hub.flush()
    made.answer_all()
    _, *pushes = client.carrier.take()
    assert [one["push"]["pub"]["data"] for one in pushes] == [3, 4]


async def test_a_server_side_channel_that_may_not_be_watched_refuses_the_connect_and_leaves_nothing_behind() -> None:
    made = World(with_sessions=True)
    made.entity(A).refuses = Refused("note.private")
    client = made.client()
    (reply,) = client.ask({"connect": {"token": token(sub="ann", channels=[A])}, "id": 1})
    assert code_of(reply) == 103
    assert client.ended == (3507, "permission denied")
    assert not made.hub.watching("session:ann")
    assert made.instruments.subscriptions == 0


@pytest.mark.bound("pushes before the connect is answered")
async def test_too_many_pushes_before_the_connect_is_answered_are_slow() -> None:
    made = World(with_sessions=True, client=ClientConfig(queue_bytes_max=2000))
    client = made.client()
    client.send({"connect": {"token": token(sub="ann", channels=[A])}, "id": 1})
    made.answer_one()
    for _ in range(5):
        made.publish("session:ann", "x" * 500)
        made.hub.flush()
    assert client.ended == (3008, "slow")
    made.answer_all()
    assert not made.hub.watching(A)


async def test_a_connect_leaves_nothing_that_only_the_collector_finds() -> None:
    """Its runs are rare, and every connection would hold that until then."""
    client = World(with_sessions=True).client()
    gc.disable()
    try:
        before = {id(one) for one in gc.get_objects()}  # what tests before this one have left is not meant
        client.connect("ann")
        await wait_all_tasks_blocked()
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        left = [
            one
            for one in gc.garbage
            if id(one) not in before and str(getattr(one, "__module__", "")).startswith("greenroom.transports")
        ]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert left == []


async def test_more_server_side_channels_than_a_connection_may_have() -> None:
    client = World(client=ClientConfig(subscriptions_max=2)).client()
    client.send({"connect": {"token": token(sub="ann", channels=[A, "note:b", "note:c"])}, "id": 1})
    assert client.ended == (3505, "channel limit")


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


async def test_a_refresh_that_takes_a_role_away_sends_the_client_to_ask_again_what_it_may_watch() -> None:
    made = World()
    client = made.client()
    client.connect(token=token(sub="ann", roles=["admin", "editor"]))
    client.ask({"subscribe": {"channel": A}, "id": 2})
    for roles in (["admin", "editor"], ["editor", "admin", "service"]):
        client.ask({"refresh": {"token": token(sub="ann", roles=roles)}, "id": 9})
        assert client.ended is None and made.hub.watching(A)
    client.send({"refresh": {"token": token(sub="ann", roles=["editor", "service"])}, "id": 10})
    assert client.ended == (3010, "insufficient state")
    assert not made.hub.watching(A)


@pytest.mark.parametrize(
    ("fresh", "ended"),
    [
        (token(sub="ann", exp=STARTED - 10), (3005, "connection expired")),
        ("rubbish", (3500, f"invalid token: {FORGED}")),
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
    assert client.world.instruments.disconnects == {(str(ended[0]),): 1}


async def test_the_longest_ttl_is_a_year() -> None:
    result = World().client().connect(token=token(sub="ann", exp=STARTED + 10**10))
    assert result["ttl"] == 365 * 86_400


async def test_no_part_of_a_token_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    good = token(sub="ann", channel=A)
    client = World().client()
    client.send({"connect": {"token": good}, "id": 1})
    other = World().client()
    other.connect(token=token(sub="ann"))
    other.send({"subscribe": {"channel": A, "token": good[:-3] + "xyz"}, "id": 2}, f'{{"connect":{{"token":"{good}"')
    captured = capsys.readouterr()
    assert not any(part in captured.out + captured.err for part in good.split(".")[1:])
