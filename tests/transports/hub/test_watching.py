"""Asking entities for leave to watch them, and what ends it: before the watcher is attached, and after."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from greenroom.actors.chat.room.actor import Room
from greenroom.actors.chat.room.messages import Ban, Invite, Join, Leave, SendMessage, Set
from greenroom.actors.identity.session import Session, SignOut
from greenroom.actors.model.effects import Kick
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.message import Ask
from greenroom.actors.model.principal import Principal
from greenroom.config.limits import HubConfig
from tests.transports.small_node import Peer, SmallNode, head, small_node
from tests.transports.world import Client, World, code_of, offsets, token, world

A = "note:a"
ROOM = "room:lobby"
BANNED = Refused("note.banned", "go away")


async def test_a_mistake_of_ours_in_a_watch_ends_that_client_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    made = World()
    client = made.client()
    client.connect()
    client.send({"subscribe": {"channel": A}, "id": 2}, {"subscribe": {"channel": "note:b"}, "id": 3})
    monkeypatch.setattr(made.hub, "attach", lambda topic, subscriber: 1 / 0)
    made.answer_all()
    assert client.ended == (3004, "internal server error")


# A resume that reads the journal: what happens at the entity meanwhile.


@asynccontextmanager
async def resuming(offset: int = 0, **more: Any) -> AsyncIterator[tuple[World, Client]]:
    """A client that was admitted, and for which the journal is being read."""
    async with world(hub=HubConfig(tail_events=2)) as made:
        for _ in range(5):
            made.publish(A)
        client = made.client()
        client.connect("ann")
        made.journal.hold()
        client.send(
            {"subscribe": {"channel": A, "recover": True, "epoch": "epoch1", "offset": offset, **more}, "id": 2}
        )
        made.answer_all()
        await wait_all_tasks_blocked()
        yield made, client
        assert all(topic.held == 0 for topic in made.hub._topics.values())


async def read_on(made: World) -> None:
    made.journal.release()
    await wait_all_tasks_blocked()
    made.answer_all()
    made.hub.flush()


@pytest.mark.parametrize("whom", [{"user": "ann"}, {}])
async def test_who_is_kicked_while_it_resumes_is_asked_about_again(whom: dict[str, str]) -> None:
    async with resuming() as (made, client):
        made.entity(A).refuses = BANNED
        made.kick(A, 2100, "banned", **whom)
        await read_on(made)
        (reply,) = client.carrier.take()
        assert code_of(reply) == 103
        assert not made.hub.watching(A)
        made.publish(A)
        made.hub.flush()
        assert client.carrier.take() == []


async def test_who_may_no_longer_watch_by_what_happened_meanwhile_is_not_attached() -> None:
    """Such as a room that was closed: nobody was kicked, since nobody watched."""
    async with resuming() as (made, client):
        made.publish(A)
        made.entity(A).refuses = BANNED
        await read_on(made)
        assert code_of(client.carrier.take()[0]) == 103
        assert not made.hub.watching(A)


async def test_who_still_may_gets_what_was_found_and_what_has_come_since_each_once() -> None:
    async with resuming(offset=1) as (made, client):
        made.publish(A)
        made.kick(A, 2100, "out", user="bob")
        made.journal.release()
        await wait_all_tasks_blocked()
        made.publish(A)
        made.answer_all()
        made.publish(A)
        made.hub.flush()
        reply, *pushes = client.carrier.take()
        assert reply["subscribe"]["recovered"]
        assert [one["offset"] for one in reply["subscribe"]["publications"]] == [2, 3, 4, 5, 6, 7]
        assert offsets(pushes) == [8]


async def test_a_busy_entity_is_asked_twice_and_never_for_ever() -> None:
    """More has come between the two answers than the tail keeps: the client starts over with the view."""
    async with resuming() as (made, client):
        made.publish(A)
        made.journal.release()
        await wait_all_tasks_blocked()
        reads = made.journal.reads
        for _ in range(10):
            made.publish(A)
        made.answer_all()
        (reply,) = client.carrier.take()
        assert ("recovered" in reply["subscribe"], reply["subscribe"]["offset"]) == (False, 16)
        assert (len(made.hub.watching(A)), made.journal.reads) == (1, reads)


async def test_where_nothing_has_happened_the_entity_is_asked_once() -> None:
    async with resuming() as (made, client):
        made.journal.release()
        await wait_all_tasks_blocked()
        assert not made.waiting
        assert [one["offset"] for one in client.carrier.take()[0]["subscribe"]["publications"]] == [1, 2, 3, 4, 5]


# Signing out: every connection of the user ends, whatever it waits for or watches.

SIGNED_OUT = (4501, "signed out")


def sign_out(made: World, user: str = "ann") -> None:
    made.kick(f"session:{user}", *SIGNED_OUT, user=user, everywhere=True)


async def test_a_sign_out_ends_a_connection_that_resumes_its_session() -> None:
    async with world(with_sessions=True, hub=HubConfig(tail_events=0)) as made:
        for _ in range(3):
            made.publish("session:ann")
        client, bob = made.client(), made.client()
        bob.connect("bob")
        made.journal.hold()
        where = {"session:ann": {"recover": True, "epoch": "epoch1", "offset": 1}}
        client.send({"connect": {"data": {"user": "ann"}, "subs": where}, "id": 1})
        made.answer_all()
        await wait_all_tasks_blocked()
        sign_out(made)
        assert client.ended == SIGNED_OUT
        await read_on(made)
        assert not made.hub.watching("session:ann")
        assert client.carrier.take() == []
        assert bob.ended is None


@pytest.mark.parametrize("data", [{}, {"as": "view"}])
@pytest.mark.parametrize("position", [{}, {"recover": True, "epoch": "other", "offset": 1}])
async def test_a_sign_out_ends_a_watch_that_waits_for_its_entity(data: Any, position: Any) -> None:
    made = World(with_sessions=True)
    client = made.client()
    client.connect("ann")
    client.ask({"unsubscribe": {"channel": "session:ann"}, "id": 2})
    client.send({"subscribe": {"channel": A, "data": data, **position}, "id": 3})
    sign_out(made)
    assert client.ended == SIGNED_OUT
    made.answer_all()
    assert not made.hub.watching(A)


async def test_commands_of_who_has_signed_out_are_not_handled_whatever_the_connection_watches() -> None:
    made = World(with_sessions=True)
    client = made.client()
    client.connect(token=token(sub="ann"))
    client.ask({"unsubscribe": {"channel": "session:ann"}, "id": 2})
    sign_out(made)
    client.send({"rpc": {"method": f"{A}/say", "data": {"text": "x"}}, "id": 3})
    assert not made.waiting
    assert client.ended == SIGNED_OUT
    assert made.hub.connections._of == {}


# Over sockets.


async def stream(node: SmallNode, query: str, **headers: str) -> Peer:
    peer = await node.connect()
    await peer.send(head("GET", f"/events?{query}", None, **headers))
    return peer


class HeldReads:
    """The node's journal, whose reads wait."""

    def __init__(self, node: SmallNode, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go_on = trio.Event()
        read = node.journal.read

        async def waiting(*args: Any, **named: Any) -> Any:
            await self.go_on.wait()
            return await read(*args, **named)

        monkeypatch.setattr(node.journal, "read", waiting)


@pytest.mark.parametrize("shown_as", ["events", "view"])
async def test_a_sign_out_refuses_an_event_stream_that_has_yet_to_begin(shown_as: str) -> None:
    async with small_node() as node:
        busy = await node.connect()
        await busy.send(head("POST", "/api/stalled/a/wait", b"{}"))
        await wait_all_tasks_blocked()
        peer = await stream(node, f"channel=stalled:a&as={shown_as}", X_Greenroom_User="ann")
        await wait_all_tasks_blocked()
        node.hub.kick("session:ann", Kick(*SIGNED_OUT, user="ann", everywhere=True))
        with trio.fail_after(5):
            answer = await peer.response()
        assert (answer.status, answer.error["name"]) == (403, "kicked")
        assert await peer.ended()


async def test_a_sign_out_refuses_an_event_stream_that_resumes(monkeypatch: pytest.MonkeyPatch) -> None:
    async with small_node(kinds=(Room, Session), hub=HubConfig(tail_events=0)) as node:
        await ask(node, "ann", SendMessage(text="1"), SendMessage(text="2"))
        first = await stream(node, f"channel={ROOM}", X_Greenroom_User="ann")
        await first.until(b"\r\n\r\n")
        epoch = (await first.event())["id"].split(":")[0]
        held = HeldReads(node, monkeypatch)
        peer = await stream(node, f"channel={ROOM}", X_Greenroom_User="ann", Last_Event_ID=f"{epoch}:1")
        await wait_all_tasks_blocked()
        await node.kernel.router.ask("session:ann", SignOut(), principal=Principal(user="ann", issued_at=2e9))
        with trio.fail_after(5):
            assert await first.rest() == b""
            assert (await peer.response()).status == 403
        held.go_on.set()
        await wait_all_tasks_blocked()
        assert not node.hub.watching(ROOM)


async def ask(node: SmallNode, user: str, *messages: Ask[Any], roles: frozenset[str] = frozenset()) -> None:
    for message in messages:
        await node.kernel.router.ask(ROOM, message, principal=Principal(user=user, roles=roles))


async def test_whoever_leaves_a_closed_room_hears_no_more_of_it() -> None:
    async with small_node(kinds=(Room, Session)) as node:
        await ask(node, "ann", Join(), Set(open=False), Invite(user="bob"))
        await ask(node, "bob", Join())
        streams = {user: await stream(node, f"channel={ROOM}", X_Greenroom_User=user) for user in ("ann", "bob")}
        for peer in streams.values():
            await peer.until(b"\r\n\r\n")
            await peer.event()
        clients = {user: await node.websocket(user, ROOM) for user in ("ann", "bob")}
        await ask(node, "bob", Leave())
        with trio.fail_after(5):
            assert b"room.left" in await streams["bob"].rest()
        left = [(await clients["bob"].message())["push"] for _ in range(2)]
        assert left[0]["pub"]["data"] == {"type": "room.left", "user": "bob"}
        assert left[1]["unsubscribe"] == {"code": 2100, "reason": "left a closed room"}
        await ask(node, "ann", SendMessage(text="alone"))
        assert (await clients["ann"].message())["push"]["pub"]["data"]["type"] == "room.left"
        assert (await clients["ann"].message())["push"]["pub"]["data"]["text"] == "alone"
        assert {who.user for who in node.hub.watching(ROOM)} == {"ann"}


async def test_who_is_banned_while_an_event_stream_resumes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async with small_node(kinds=(Room, Session), hub=HubConfig(tail_events=0)) as node:
        await ask(node, "ann", *[SendMessage(text="x") for _ in range(3)])
        epoch = (await (await node.connect()).request("GET", "/api/room/lobby")).json["epoch"]
        held = HeldReads(node, monkeypatch)
        peer = await stream(node, f"channel={ROOM}", X_Greenroom_User="bob", Last_Event_ID=f"{epoch}:1")
        await wait_all_tasks_blocked()
        await ask(node, "ann", Ban(user="bob"))
        held.go_on.set()
        with trio.fail_after(5):
            answer = await peer.response()
        assert (answer.status, answer.error["name"]) == (403, "room.banned")
        assert not node.hub.watching(ROOM)
