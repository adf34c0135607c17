"""Section 9 of the protocol: who comes back gets what it missed, once and in order, or is told that it cannot."""

from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.actors.model.errors import Refused
from greenroom.config.limits import ClientConfig, HubConfig
from greenroom.transports.client.codes import SLOW
from tests.transports.world import Client, World, offsets, token, world

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
A = "note:a"

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
@pytest.mark.bound("publications in one recovery")
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
    async with world(with_sessions=True) as made:
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
            made = World(hub=HubConfig(tail_events=tail, linger_s=0), client=ClientConfig(recovery_max=8))
            await nursery.start(made.services.reads.run)
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
                assert reader.client.session._subscribing is None
                assert reader.subscribed == (A in reader.client.session.by_channel)
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
        assert not made.hub.watching(A) and not made.hub.watching("note:b")
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
        assert not made.hub.watching(A) and made.audience == []
