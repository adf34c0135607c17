"""Two servers on one database and one Redis: whoever speaks to either speaks to all rooms, wherever these live."""

import asyncio
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from centrifuge import CentrifugeError, Client, JoinContext, LeaveContext

from tests.e2e.sdk import Connection, Watch, connected, run, until, watching
from tests.e2e.server import Server, wait_until

ROOMS = [f"room:{number}" for number in range(16)]
SENDS = 30  # of each client, into each room


@pytest.fixture
def new_server(database_url: str, redis_url: str) -> Iterator[Callable[[], Server]]:
    """On one database and one Redis, each with a data folder of its own."""
    with ExitStack() as made:

        def new() -> Server:
            server = Server(GREENROOM_DATABASE_URL=database_url, GREENROOM_REDIS_URL=redis_url, GREENROOM_NODES="0")
            made.callback(server.remove)
            return server

        yield new


def counted(server: Server, metric: str) -> float:
    lines = server.request("GET", "/metrics").body.decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(metric))


def both(new_server: Callable[[], Server]) -> tuple[Server, Server]:
    """Two servers, each of which owns some of the rooms."""
    first, second = new_server(), new_server()
    first.start()
    for room in ROOMS:
        first.command(room, "join", user="owner")
    second.start()

    def shared() -> bool:
        for room in ROOMS:
            second.command(room, "join", user="ann")
        return counted(second, "greenroom_awake") > 1 and counted(first, "greenroom_awake") > 1

    wait_until(shared, "both to own rooms", within_s=60)
    return first, second


async def send(client: Client, room: str, text: str, errors: list[CentrifugeError] | None = None) -> int:
    """Its offset, once it is acknowledged; sent again under its key until then."""
    key = str(uuid.uuid4())
    while True:
        try:
            answer = await client.rpc(f"{room}/send", {"text": text, "idempotency_key": key})
        except CentrifugeError as error:
            if errors is not None:
                errors.append(error)
            await asyncio.sleep(0.05)
        else:
            return int(answer.data["offset"])


def test_clients_at_both_nodes_chat_in_rooms_at_both(new_server: Callable[[], Server]) -> None:
    first, second = both(new_server)
    acknowledged: dict[str, dict[int, str]] = {room: {} for room in ROOMS}
    watches: list[tuple[str, Watch]] = []

    async def speak(client: Client, room: str, name: str) -> None:
        for number in range(SENDS):
            text = f"{name} {number}"
            acknowledged[room][await send(client, room, text)] = text

    async def scenario() -> None:
        async with connected(first, "ann") as ann, connected(second, "bob") as bob:
            for client in (ann, bob):
                for room in ROOMS:
                    await client.rpc(f"{room}/join", {})
                    watches.append((room, (await watching(client, room))[1]))
            async with asyncio.TaskGroup() as group:
                for room in ROOMS:
                    group.create_task(speak(ann, room, "ann"))
                    group.create_task(speak(bob, room, "bob"))
            await until(lambda: all(len(watch.texts) >= 2 * SENDS for _, watch in watches), "all to be seen")
            for events in (ann.events, bob.events):
                assert isinstance(events, Connection)
                assert len(events.connected) == 1, "nobody had to come again"
            await kicked_everywhere(first, second)

    run(scenario)
    for room, watch in watches:
        said = [text for _, text in sorted(acknowledged[room].items())]
        assert watch.texts == said, room
        assert watch.offsets == list(range(watch.offsets[0], watch.offsets[0] + len(watch.offsets))), "without a gap"
        assert len(watch.subscribed) == 1
        for name in ("ann", "bob"):
            assert [text for text in said if text.startswith(name)] == [f"{name} {n}" for n in range(SENDS)]
    assert counted(first, "greenroom_remote_messages_total") > SENDS
    assert counted(second, "greenroom_remote_messages_total") > SENDS


def test_a_refusal_reads_the_same_at_every_node(new_server: Callable[[], Server]) -> None:
    servers = both(new_server)
    for room in ROOMS:
        for name, fields in (
            ("send", {"text": ""}),
            ("ban", {"user": "owner"}),
            ("nothing", {}),
            ("send", {"text": 3}),
        ):
            path = f"/api/{room.replace(':', '/')}/{name}"
            here, there = (server.request("POST", path, fields, user="stranger") for server in servers)
            assert here.status >= 400
            assert (here.status, here.body) == (there.status, there.body)


def test_one_of_two_is_killed_and_nobody_misses_anything(new_server: Callable[[], Server]) -> None:
    first, second = both(new_server)
    acknowledged: dict[str, dict[int, str]] = {room: {} for room in ROOMS}
    watches: list[tuple[str, Watch]] = []
    said = 0

    async def speak(client: Client, room: str) -> None:
        nonlocal said
        for number in range(SENDS):
            acknowledged[room][await send(client, room, f"ann {number}")] = f"ann {number}"
            said += 1

    async def kill() -> None:
        await until(lambda: said > len(ROOMS) * SENDS // 3, "some to be said", within_s=60)
        await asyncio.to_thread(second.kill)

    async def scenario() -> None:
        async with connected(first, "ann") as ann:
            for room in ROOMS:
                await ann.rpc(f"{room}/join", {})
                watches.append((room, (await watching(ann, room, recoverable=True))[1]))
            async with asyncio.TaskGroup() as group:
                for room in ROOMS:
                    group.create_task(speak(ann, room))
                group.create_task(kill())
            await until(lambda: all(len(watch.texts) >= SENDS for _, watch in watches), "all to be seen", within_s=30)

    run(scenario)
    for room, watch in watches:
        said_there = [text for _, text in sorted(acknowledged[room].items())]
        assert said_there == [f"ann {number}" for number in range(SENDS)], room
        assert watch.texts == said_there, room
        assert watch.offsets == list(range(watch.offsets[0], watch.offsets[0] + len(watch.offsets))), "without a gap"
    stored = {
        room: [one["data"]["text"] for one in first.history(room) if one["data"]["type"] == "room.message"]
        for room in ROOMS
    }
    assert stored == {room: [f"ann {number}" for number in range(SENDS)] for room in ROOMS}


def test_nodes_come_and_go_under_clients_and_these_notice_nothing(new_server: Callable[[], Server]) -> None:
    """Those of a node that stays: its rooms move to a third, then the first hands over all that it has, and stops."""
    first, second = both(new_server)
    third = new_server()
    acknowledged: dict[str, dict[int, str]] = {room: {} for room in ROOMS}
    watches: list[tuple[str, Watch]] = []
    errors: list[CentrifugeError] = []
    ended = asyncio.Event()

    async def speak(client: Client, room: str) -> None:
        number = 0
        while not ended.is_set():
            acknowledged[room][await send(client, room, f"bob {number}", errors)] = f"bob {number}"
            number += 1
            await asyncio.sleep(0.02)

    async def come_and_go() -> None:
        await asyncio.sleep(1)
        await asyncio.to_thread(third.start)
        await until(lambda: counted(third, "greenroom_awake") >= 1, "rooms to move to the third", within_s=30)
        assert await asyncio.to_thread(first.stop) == 0
        await asyncio.sleep(1)
        ended.set()

    async def scenario() -> None:
        async with connected(second, "bob") as bob:
            for room in ROOMS:
                await bob.rpc(f"{room}/join", {})
                watches.append((room, (await watching(bob, room, recoverable=True))[1]))
            async with asyncio.TaskGroup() as group:
                for room in ROOMS:
                    group.create_task(speak(bob, room))
                group.create_task(come_and_go())
            await until(
                lambda: all(len(watch.texts) >= len(acknowledged[room]) for room, watch in watches),
                "all to be seen",
                within_s=30,
            )
            assert isinstance(bob.events, Connection)
            assert len(bob.events.connected) == 1, "it stayed where it was"

    run(scenario)
    for room, watch in watches:
        said = [text for _, text in sorted(acknowledged[room].items())]
        assert said == [f"bob {number}" for number in range(len(said))], room
        assert watch.texts == said, room
        assert watch.offsets == list(range(watch.offsets[0], watch.offsets[0] + len(watch.offsets))), "without a gap"
        assert len(watch.subscribed) == 1, "and none was told to subscribe again"
    assert errors == []


def test_presence_is_that_of_all_nodes_also_after_one_is_killed(new_server: Callable[[], Server]) -> None:
    first, second = both(new_server)

    async def scenario() -> None:
        async with connected(first, "ann") as ann, connected(second, "bob") as bob:
            watches: dict[str, Watch] = {}
            for room in ROOMS:
                watches[room] = (await watching(ann, room, join_leave=True))[1]
                await watching(bob, room)
            ann_s, bob_s = (one.events.connected[0].client for one in (ann, bob))
            await until(lambda: all("bob" in users(watch.joined) for watch in watches.values()), "bob's joins")
            for client in (ann, bob):
                for room in ROOMS:
                    found = (await client.presence(room)).clients
                    assert {name: info.user for name, info in found.items()} == {ann_s: "ann", bob_s: "bob"}
                    stats = await client.presence_stats(room)
                    assert (stats.num_clients, stats.num_users) == (2, 2)
            shown = await asyncio.to_thread(lambda: first.request("GET", "/health").body)
            assert [(one["url"].rstrip("/"), one["state"], one.get("link")) for one in shown["nodes"]] == [
                (first.url, "up", None),
                (second.url, "up", "ok"),
            ]
            assert sum(one["shards"] for one in shown["nodes"]) == shown["shards"]
            assert shown["links"] == "ok"
            assert all(users(watch.left) == [] for watch in watches.values())
            await asyncio.to_thread(second.kill)
            await until(lambda: all(users(watch.left) == ["bob"] for watch in watches.values()), "bob's leaves")
            for room in ROOMS:
                assert (await ann.presence(room)).clients.keys() == {ann_s}
            await asyncio.sleep(3)
            assert all(users(watch.left) == ["bob"] for watch in watches.values()), "nobody else, and once"
            assert all(users(watch.joined).count("ann") <= 1 for watch in watches.values())

    run(scenario)


async def kicked_everywhere(first: Server, second: Server) -> None:
    """One user with a device at each node: put out of each room, and then signed out, wherever the entity lives."""
    token, other = first.token("cid"), second.token("cid")
    async with connected(first, token=token) as phone, connected(second, token=other) as laptop:
        watches = [(await watching(device, room))[1] for device in (phone, laptop) for room in ROOMS]
        for room in ROOMS:
            await asyncio.to_thread(first.command, room, "ban", {"user": "cid"}, user="owner")
        await until(lambda: all(watch.unsubscribed for watch in watches), "all rooms to have put both devices out")
        await phone.rpc("session:cid/sign_out", {})
        for device in (phone, laptop):
            events = device.events
            assert isinstance(events, Connection)

            def signed_out(events: Connection = events) -> bool:
                return bool(events.disconnected)

            await until(signed_out, "every device to be signed out")
            assert events.disconnected[0].code == 4501


def users(told: list[JoinContext] | list[LeaveContext]) -> list[str]:
    return [one.info.user for one in told]
