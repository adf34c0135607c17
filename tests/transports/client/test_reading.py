"""Presence and history, over the session that they are asked in."""

from typing import Any

import pytest
from trio.testing import wait_all_tasks_blocked

from greenroom.actors.model.errors import Refused
from greenroom.config.limits import ClientConfig
from greenroom.transports.client import reading
from tests.transports.world import World, code_of, token, world

A = "note:a"


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


@pytest.mark.bound("publications in one answer to `history`")
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


@pytest.mark.bound("clients named in one `presence`")
async def test_a_presence_too_large_to_be_named_is_counted_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PRESENCE_MAX", 2)
    world = World()
    clients = [world.client() for _ in range(3)]
    for client in clients:
        client.connect("ann")
        client.ask({"subscribe": {"channel": A}, "id": 2})
    (refused,) = clients[0].ask({"presence": {"channel": A}, "id": 3})
    assert code_of(refused) == 106 and "presence_stats" in refused["error"]["message"]
    (stats,) = clients[0].ask({"presence_stats": {"channel": A}, "id": 4})
    assert stats["presence_stats"]["num_clients"] == 3
    assert clients[0].session.in_flight == 0


@pytest.mark.bound("bytes of one `presence`")
async def test_a_presence_is_bounded_in_bytes_too() -> None:
    world = World(client=ClientConfig(queue_bytes_max=2000))
    client = world.client()
    client.connect(token=token(sub="ann", info={"name": "x" * 1500}))
    client.ask({"subscribe": {"channel": A}, "id": 2})
    (refused,) = client.ask({"presence": {"channel": A}, "id": 3})
    assert code_of(refused) == 106


def rpc(method: str, data: Any = None) -> dict[str, Any]:
    return {"rpc": {"method": method, "data": data} if data is not None else {"method": method}, "id": 3}


async def test_an_rpc_reads_what_the_protocols_requests_do_and_says_how_sure_it_is_to_be() -> None:
    async with world() as made:
        for _ in range(3):
            made.publish(A)
        client = made.client()
        client.connect("ann")
        client.ask({"subscribe": {"channel": A}, "id": 2})
        asked = [
            rpc(f"{A}/view"),
            rpc(f"{A}/view", {"read": "fast"}),
            rpc(f"{A}/presence_stats", {"read": "leased"}),
            rpc(f"{A}/presence", {"read": "fast"}),
            rpc(f"{A}/history", {"limit": 2, "reverse": True}),
            rpc(f"{A}/history", {"since": {"offset": 2}}),
        ]
        for one in asked:
            client.send(one)
        inspects: list[Any] = [envelope.message for _, envelope in made.waiting]
        assert [one.fast for one in inspects] == [False, True, False, True, False, False]
        made.answer_all()
        await wait_all_tasks_blocked()
        view, again, stats, presence, *histories = [reply["rpc"]["data"] for reply in client.carrier.take()]
        last, since = sorted(histories, key=lambda history: -len(history["publications"]))  # read side by side
        assert view == again == {"view": {"top": 3}, "epoch": "epoch1", "offset": 3}
        assert stats == {"num_clients": 1, "num_users": 1}
        assert presence["presence"].keys() == {client.session.client}
        assert [one["offset"] for one in last["publications"]] == [3, 2]
        assert [one["offset"] for one in since["publications"]] == [3] and since["epoch"] == "epoch1"


@pytest.mark.parametrize(
    ("method", "data", "code"),
    [
        (f"{A}/view", {"read": "surely"}, 107),
        (f"{A}/view", {"limit": 3}, 107),
        (f"{A}/view", [], 107),
        (f"{A}/history", {"limit": "3"}, 107),
        (f"{A}/nothing", {}, 104),
        ("none:a/view", {}, 102),
    ],
)
async def test_an_rpc_that_reads_nothing_is_told_why(method: str, data: Any, code: int) -> None:
    client = World().client()
    client.connect("ann")
    assert code_of(client.ask(rpc(method, data))[0]) == code


async def test_who_may_not_watch_reads_nothing_by_an_rpc() -> None:
    made = World()
    made.entity(A).refuses = Refused("note.private", status=403)
    client = made.client()
    client.connect("bob")
    for what in ("view", "history", "presence", "presence_stats"):
        assert code_of(client.ask(rpc(f"{A}/{what}"))[0]) == 103
