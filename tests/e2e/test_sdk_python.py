"""The official Python SDK, unmodified, against a server that runs."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from centrifuge import Client, ClientState, ReplyError, StreamPosition, SubscriptionState

from tests.e2e.sdk import Connection, Watch, connected, new_client, reconnected, run, until, watching
from tests.e2e.server import Server


def test_a_named_user_connects_and_disconnects(server: Server, room: str) -> None:
    async def scenario() -> None:
        async with connected(server, "ann") as client:
            first = client.events.connected[0]
            assert first.client and first.version
            await client.rpc(f"{room}/send", {"text": "hi"})
        assert client.events.disconnected[0].code == 0

    run(scenario)
    assert server.history(room)[-1]["data"]["author"] == "ann"


def test_a_token_of_the_command_line_is_accepted(server: Server, room: str) -> None:
    token = server.greenroom("token", "tom", "--role", "admin").strip()

    async def scenario() -> None:
        async with connected(server, token=token) as client:
            await client.rpc(f"{room}/send", {"text": "hi"})

    run(scenario)
    assert server.history(room)[-1]["data"]["author"] == "tom"


@pytest.mark.parametrize("token", ["nonsense", "of another"])
def test_a_token_that_is_not_ours_stops_the_client(server: Server, token: str) -> None:
    if token == "of another":
        head, payload, signature = server.token("ann").split(".")
        token = f"{head}.{payload}.{signature[::-1]}"

    async def scenario() -> None:
        client = new_client(server, token=token)
        await client.connect()
        await until(lambda: bool(client.events.disconnected), "the client to be stopped")
        assert client.events.disconnected[0].code == 3500
        assert client.state is ClientState.DISCONNECTED

    run(scenario)


def test_an_expired_token_is_replaced_by_another(server: Server) -> None:
    expired = server.token("ann", exp=int(time.time()) - 60)
    asked = 0

    async def get_token() -> str:
        nonlocal asked
        asked += 1
        return server.token("ann")

    async def scenario() -> None:
        async with connected(server, token=expired, get_token=get_token):
            assert asked == 1

    run(scenario)


def test_a_token_about_to_expire_is_refreshed_without_reconnecting(server: Server) -> None:
    given = 0

    async def get_token() -> str:
        nonlocal given
        given += 1
        return server.token("ann", exp=int(time.time()) + (2 if given == 1 else 3600))

    async def scenario() -> None:
        async with connected(server, get_token=get_token) as client:
            await until(lambda: given == 2, "the token to be refreshed")
            await client.rpc("room:any/typing", {})  # the connection goes on
            assert len(client.events.connected) == 1

    run(scenario)


def test_a_subscription_begins_with_the_view_and_its_offset(server: Server, room: str) -> None:
    server.command(room, "send", {"text": "before"})

    async def scenario() -> None:
        async with connected(server, "bob") as client:
            _, watch = await watching(client, room)
            begun = watch.subscribed[0]
            assert begun.data["messages"][-1]["text"] == "before"
            assert begun.recoverable and begun.positioned and not begun.was_recovering
            assert begun.stream_position.offset == server.history(room)[-1]["offset"]
            assert begun.stream_position.epoch

    run(scenario)


def test_publish_is_the_send_command_and_comes_back_in_order(server: Server, room: str) -> None:
    async def scenario() -> None:
        async with connected(server, "ann") as ann, connected(server, "bob") as bob:
            own, watch_own = await watching(ann, room)
            _, watch = await watching(bob, room)
            texts = [f"message {n}" for n in range(50)]
            await asyncio.gather(*(own.publish({"text": text}) for text in texts))
            for seen in (watch, watch_own):

                def complete(seen: Watch = seen) -> bool:
                    return len(seen.texts) == 50

                await until(complete, "all messages")
                assert seen.texts == texts
                assert seen.offsets == list(range(1, 52))  # the first is that ann joined
            assert watch.publications[1].data["author"] == "ann"

    run(scenario)


def test_rpc_answers_and_names_what_is_wrong(server: Server, room: str) -> None:
    async def scenario() -> None:
        async with connected(server, "ann") as ann, connected(server, "bob") as bob:
            sent = (await ann.rpc(f"{room}/send", {"text": "hi"})).data
            assert sent["offset"] == 2 and abs(sent["at_ms"] / 1000 - time.time()) < 60

            wrong_type = await refused(ann.rpc(f"{room}/send", {"text": 5}))
            assert "text" in wrong_type.message and not wrong_type.temporary
            assert wrong_type.code == 107
            assert "offset" in (await refused(ann.rpc(f"{room}/react", {"emoji": "👍"}))).message
            assert (await refused(ann.rpc(f"{room}/fly", {}))).code == 104
            assert (await refused(ann.rpc("no-method", {}))).code == 104
            assert (await refused(ann.rpc("nokind:x/send", {}))).code == 102

            await bob.rpc(f"{room}/join", {})
            await ann.rpc(f"{room}/mute", {"user": "bob"})
            muted = await refused(bob.rpc(f"{room}/send", {"text": "but"}))
            assert muted.message.startswith("room.muted") and muted.code == 403
            assert (await refused(bob.publish(room, {"text": "but"}))).message.startswith("room.muted")

    run(scenario)


def test_a_repeated_idempotency_key_returns_the_first_answer(server: Server, room: str) -> None:
    async def scenario() -> None:
        async with connected(server, "ann") as client:
            command = {"text": "once", "idempotency_key": "k1"}
            first = await client.rpc(f"{room}/send", command)
            again = await asyncio.gather(*(client.rpc(f"{room}/send", command) for _ in range(5)))
            assert all(one.data == first.data for one in again)

    run(scenario)
    assert [one["data"]["type"] for one in server.history(room)] == ["room.joined", "room.message"]


def test_history_by_limit_since_and_reverse(server: Server, room: str) -> None:
    for n in range(1, 8):
        server.command(room, "send", {"text": f"m{n}"})  # offsets 2 to 8, after the join

    async def scenario() -> None:
        async with connected(server, "ann") as client:
            nothing = await client.history(room)
            assert nothing.publications == [] and nothing.offset == 8 and nothing.epoch

            def offsets(found: Any) -> list[int]:
                return [pub.offset for pub in found.publications]

            assert offsets(await client.history(room, limit=3)) == [1, 2, 3]
            assert offsets(await client.history(room, limit=-1)) == list(range(1, 9))
            assert offsets(await client.history(room, limit=3, reverse=True)) == [8, 7, 6]
            since = StreamPosition(offset=4, epoch=nothing.epoch)
            assert offsets(await client.history(room, limit=10, since=since)) == [5, 6, 7, 8]
            assert offsets(await client.history(room, limit=2, since=since, reverse=True)) == [3, 2]
            other = StreamPosition(offset=4, epoch="another")
            assert (await refused(client.history(room, limit=10, since=other))).code == 112

    run(scenario)


def test_presence_and_its_numbers(server: Server, room: str) -> None:
    async def scenario() -> None:
        async with connected(server, "ann") as ann, connected(server, "ann") as again, connected(server, "bob") as bob:
            for client in (ann, again, bob):
                await watching(client, room)
            found = (await ann.presence(room)).clients
            clients = {ann.events.connected[0].client: "ann"}
            clients |= {again.events.connected[0].client: "ann", bob.events.connected[0].client: "bob"}
            assert {name: info.user for name, info in found.items()} == clients
            stats = await bob.presence_stats(room)
            assert (stats.num_clients, stats.num_users) == (3, 2)
            await bob.get_subscription(room).unsubscribe()

            async def bob_has_gone() -> bool:
                return bool((await ann.presence_stats(room)).num_clients == 2)

            await until_async(bob_has_gone)

    run(scenario)


def test_joins_and_leaves_are_told_to_those_who_ask(server: Server, room: str) -> None:
    async def scenario() -> None:
        async with connected(server, "ann") as ann, connected(server, "bob", token="") as bob:
            _, watch = await watching(ann, room, join_leave=True)
            subscription, silent = await watching(bob, room)
            await until(lambda: any(one.info.user == "bob" for one in watch.joined), "bob's join")
            await subscription.unsubscribe()
            await until(lambda: any(one.info.user == "bob" for one in watch.left), "bob's leave")
            assert watch.left[0].info.client == bob.events.connected[0].client
            assert not silent.joined and not silent.left

    run(scenario)


def test_unsubscribed_is_quiet_and_a_resubscription_recovers(server: Server, room: str) -> None:
    async def scenario() -> None:
        async with connected(server, "bob") as client:
            subscription, watch = await watching(client, room, recoverable=True)
            await asyncio.to_thread(server.command, room, "send", {"text": "one"})
            await until(lambda: watch.texts == ["one"], "the first message")
            await subscription.unsubscribe()
            await until(lambda: bool(watch.unsubscribed), "the unsubscribe")
            for text in ("two", "three"):
                await asyncio.to_thread(server.command, room, "send", {"text": text})
            assert watch.texts == ["one"]
            await subscription.subscribe()
            await until(lambda: len(watch.texts) == 3, "what was missed")
            await asyncio.to_thread(server.command, room, "send", {"text": "four"})
            await until(lambda: len(watch.texts) == 4, "what came after")
            assert watch.texts == ["one", "two", "three", "four"]
            assert watch.offsets == [1, 2, 3, 4, 5]
            assert watch.subscribed[1].was_recovering and watch.subscribed[1].recovered

    run(scenario)


def test_a_position_of_another_epoch_is_not_recovered_and_says_so(server: Server, room: str) -> None:
    server.command(room, "send", {"text": "one"})

    async def scenario() -> None:
        async with connected(server, "bob") as client:
            asked = 0

            async def get_state(_: str) -> StreamPosition:
                nonlocal asked
                asked += 1
                epoch = (
                    "another" if asked == 1 else server.request("GET", f"/api/{room.replace(':', '/')}").body["epoch"]
                )
                return StreamPosition(offset=1, epoch=epoch)

            _, watch = await watching(client, room, recoverable=True, get_state=get_state)
            await until(lambda: watch.texts == ["one"], "the message after the position")
            assert asked == 2  # told 112, the SDK loads its state again
            assert watch.subscribed[0].recovered

    run(scenario)


def test_a_subscription_that_is_refused(server: Server, room: str) -> None:
    server.command(room, "join", user="ann")
    server.command(room, "set", {"open": False}, user="ann")

    async def scenario() -> None:
        async with connected(server, "eve") as client:
            for channel, code in ((room, 103), ("room:@ann+bob", 103), ("nokind:x", 102)):
                _, watch = await watching(client, channel)
                assert watch.unsubscribed and watch.unsubscribed[0].code == code, channel

    run(scenario)


def test_typing_is_seen_without_an_offset(server: Server, room: str) -> None:
    async def scenario() -> None:
        async with connected(server, "ann") as ann, connected(server, "bob") as bob:
            _, watch = await watching(bob, room)
            await ann.rpc(f"{room}/typing", {})
            await until(lambda: bool(watch.publications), "the typing")
            assert watch.publications[0].data == {"type": "room.typing", "user": "ann"}
            assert not watch.publications[0].offset

    run(scenario)


def test_pings_keep_the_connection_over_several_intervals(server: Server) -> None:
    class PingedClient(Client):  # counts, and changes nothing
        pings = 0

        async def _handle_ping(self) -> None:
            self.pings += 1
            await super()._handle_ping()

    async def scenario() -> None:
        client = PingedClient(
            server.websocket_url, events=Connection(), data={"user": "ann"}, proxy=None, max_server_ping_delay=2.0
        )
        await client.connect()
        await until(lambda: client.pings >= 3, "three pings")
        assert len(client.events.connected) == 1 and client.state is ClientState.CONNECTED
        await client.disconnect()

    run(scenario)


def test_every_device_of_a_user_is_subscribed_to_the_session(server: Server) -> None:
    def pushes(events: Connection) -> list[Any]:
        data = [one.pub.data for one in events.server_publications]
        return [one for one in data if one["type"] == "session.pushed"]

    async def scenario() -> None:
        # A name of its own: signing out everywhere would reach the connections of other tests.
        token = server.token("sam")
        async with connected(server, token=token) as phone, connected(server, token=token) as laptop:
            for device in (phone, laptop):
                events: Connection = device.events

                def subscribed(events: Connection = events) -> bool:
                    return bool(events.server_subscribed)

                await until(subscribed, "the session subscription")
                assert events.server_subscribed[0].channel == "session:sam"
            await phone.rpc("session:sam/push", {"data": {"note": 1}})
            for device in (phone, laptop):
                events = device.events

                def has_push(events: Connection = events) -> bool:
                    return bool(pushes(events))

                await until(has_push, "the push on every device")
                assert pushes(events)[0]["data"] == {"note": 1}
            await phone.rpc("session:sam/sign_out", {})  # answered, though the caller's connection ends too
            for device in (phone, laptop):

                def signed_out(events: Connection = device.events) -> bool:
                    return bool(events.disconnected)

                await until(signed_out, "every device to be signed out")
                assert device.events.disconnected[0].code == 4501

    run(scenario)


@pytest.mark.parametrize("kill", [False, True], ids=["SIGTERM", "SIGKILL"])
def test_after_a_restart_clients_come_back_and_recover_exactly(mortal_server: Server, room: str, kill: bool) -> None:
    server = mortal_server

    async def scenario() -> None:
        async with connected(server, "ann") as ann, connected(server, "bob") as bob:
            own, _ = await watching(ann, room)
            _, watch = await watching(bob, room, recoverable=True)
            await own.publish({"text": "before"})
            await until(lambda: watch.texts == ["before"], "the first message")
            await asyncio.to_thread(server.restart, kill=kill)
            await asyncio.to_thread(server.command, room, "send", {"text": "meanwhile"})
            await reconnected(bob)
            await reconnected(ann)
            await until(lambda: len(watch.subscribed) == 2, "the subscription to come back")
            await own.publish({"text": "after"})
            await until(lambda: len(watch.texts) == 3, "all messages")
            assert watch.texts == ["before", "meanwhile", "after"]
            assert watch.offsets == [1, 2, 3, 4]
            assert watch.subscribed[1].was_recovering and watch.subscribed[1].recovered
            assert watch.subscribed[1].stream_position.epoch == watch.subscribed[0].stream_position.epoch
            assert bob.get_subscription(room).state is SubscriptionState.SUBSCRIBED
            if not kill:
                assert bob.events.connecting[1].code == 3001

    run(scenario)


async def refused(call: Awaitable[Any]) -> ReplyError:
    with pytest.raises(ReplyError) as caught:
        await call
    return caught.value


async def until_async(done: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(15.0):
        while not await done():  # noqa: ASYNC110 - the other side is a server
            await asyncio.sleep(0.01)
