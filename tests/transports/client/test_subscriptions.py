"""Subscriptions of one client: sections 7 and 9 of the protocol's reference, and what must not be lost or doubled."""

import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.model.errors import Refused
from greenroom.config.limits import ClientConfig
from tests.transports.world import STARTED, World, code_of, offsets, token

A = "note:a"

# 6.3 and 7.3: tokens that run out.


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
    assert not made.hub.watching(A)
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
    assert not made.hub.watching(A)


@pytest.mark.bound("commands that wait for the subscribe of their channel")
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
    assert not made.hub.watching(A)
    made.publish(A)
    made.hub.flush()
    assert client.carrier.take() == []
    assert made.audience == [(A, "", True), (A, "", False)]


@pytest.mark.bound("subscriptions of a connection")
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
    made.hub.flush()
    pushes = [one["push"] for one in ann.carrier.take()]
    assert [(next(key for key in one if key != "channel")) for one in pushes] == ["join", "leave"]
    assert {one.get("join", one.get("leave"))["info"]["user"] for one in pushes} == {"bob"}


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


async def test_who_is_signed_out_hears_and_says_nothing_more_before_it_is_told() -> None:
    """Each of very many connections is told in its turn, and is silent at once."""
    made = World()
    clients = [made.client() for _ in range(3)]
    for one in clients:
        one.connect("ann")
        one.ask({"subscribe": {"channel": A}, "id": 2})
    made.publish(A, "before")
    rests = []
    for one in clients:
        rests.append(one.session.kicked(4501, "signed out"))
        one.send({"id": 3, "rpc": {"method": f"{A}/say", "data": {"text": "late"}}})
    made.publish(A, "after")
    made.hub.flush_all()
    assert not made.waiting, "nothing that it says is heeded"
    assert [one.carrier.take() for one in clients] == [[]] * 3, "what has not left the hub does not leave"
    assert [one.ended for one in clients] == [None] * 3
    clients[1].session.ended()  # its socket went meanwhile
    assert made.instruments.connections == 3, "not yet"
    for rest in rests:
        rest()
    assert [one.ended for one in clients] == [(4501, "signed out")] * 3
    assert (made.instruments.connections, made.instruments.subscriptions) == (0, 0)
    assert made.hub.connections.of("ann") == []
    assert made.instruments.disconnects == {("4501",): 3}


async def test_a_sign_out_is_told_behind_what_came_before_it() -> None:
    made = World()
    ann = made.client()
    ann.connect("ann")
    ann.ask({"subscribe": {"channel": A}, "id": 2})
    made.publish(A, "before")
    made.kick(A, 4501, "signed out", user="ann", everywhere=True)
    assert offsets(ann.carrier.take()) == [1]
    assert ann.ended == (4501, "signed out")
