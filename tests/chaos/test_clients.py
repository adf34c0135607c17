"""What a client writes down, line by line, without a server: sockets are never opened here."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from bench.load.clients import LIVE, Client
from tests.chaos.clients import Members, Plan, Room, State
from tests.chaos.records import Repeat, mark, mark_of, text_of

ROOM = "room:chaos-0"


class Wire(Members):
    """Keeps what is sent."""

    def __init__(self) -> None:
        super().__init__(Plan([("127.0.0.1", 1)], 0, 1, 1, 1, 1.0, 64, 1.0, 0, [0] * 4))
        self.sent: list[bytes] = []

    def send(self, client: Client, frame: bytes) -> None:
        self.sent.append(frame)


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire()
    wire._rng.random = lambda: 1.0  # type: ignore[method-assign]  # nothing is sent twice unless asked for
    yield wire
    wire._epoll.close()


@pytest.fixture
def client(wire: Wire) -> Client:
    client = Client(0, [], State(Room(ROOM), 0))
    client.stage = LIVE
    live(wire, client, epoch="e1", offset=4)
    return client


def live(wire: Wire, client: Client, **subscribed: Any) -> None:
    client.replies = {2: {"id": 2, "subscribe": subscribed}}
    wire.on_live(client)


def publication(offset: int, number: int) -> dict[str, Any]:
    return {"offset": offset, "data": {"type": "room.message", "text": text_of(0, number, 64)}}


def push(offset: int, number: int) -> bytes:
    return json.dumps({"push": {"channel": ROOM, "pub": publication(offset, number)}}).encode()


def answer(command: int, **fields: Any) -> bytes:
    return json.dumps({"id": command, **fields}).encode()


def done(command: int, offset: int) -> bytes:
    return answer(command, rpc={"data": {"offset": offset, "at_ms": 1000 + offset}})


def test_publications_are_kept_with_what_they_say(wire: Wire, client: Client) -> None:
    wire.on_payload(client, push(5, 0) + b"\n" + push(6, 1), 0)
    (leg,) = client.state.kept.legs
    assert (leg.since, leg.recovered, list(leg.offsets), list(leg.marks)) == (4, False, [5, 6], [0, 1])
    assert client.state.room.top == 6


def test_a_recovery_goes_on_where_the_last_subscription_ended(wire: Wire, client: Client) -> None:
    wire.on_payload(client, push(5, 0), 0)
    live(wire, client, epoch="e1", offset=7, recovered=True, publications=[publication(6, 1), publication(7, 2)])
    leg = client.state.kept.legs[1]
    assert (leg.since, leg.recovered, list(leg.offsets)) == (5, True, [6, 7])


@pytest.mark.parametrize("epoch, recovered", [("e1", False), ("e2", True)])
def test_otherwise_it_starts_over(wire: Wire, client: Client, epoch: str, recovered: bool) -> None:
    live(wire, client, epoch=epoch, offset=9, recovered=recovered)
    leg = client.state.kept.legs[1]
    assert (leg.since, leg.recovered) == (9, False)


def test_the_first_answer_acknowledges_and_further_ones_are_repeats(wire: Wire, client: Client) -> None:
    wire.offer(client)
    wire._send_again(client, client.state.waiting[0])
    wire.on_payload(client, done(3, 5) + b"\n" + done(4, 6), 0)
    (send,) = client.state.kept.sends
    assert (send.floor, send.offset, send.at_ms, send.retried) == (4, 5, 1005, True)
    assert client.state.kept.repeats == [Repeat(0, 6, 1006)]
    assert not client.state.well
    wire.on_payload(client, push(5, 0), 0)
    assert client.state.well


def test_an_error_that_passes_is_tried_again_under_the_same_key(wire: Wire, client: Client) -> None:
    wire.offer(client)
    wire.on_payload(client, answer(3, error={"code": 503, "message": "outcome_unknown", "temporary": True}), 0)
    assert not client.state.well and not client.state.kept.refused
    client.state.waiting[0].again_at = 1.0
    wire._by_fd[99] = client
    wire.look()
    wire.on_payload(client, done(4, 5), 0)
    assert client.state.kept.sends[0].offset == 5 and client.state.kept.sends[0].retried


def test_an_error_that_stays_is_kept(wire: Wire, client: Client) -> None:
    wire.offer(client)
    wire.on_payload(client, answer(3, error={"code": 409, "message": "command_id.reused"}), 0)
    assert client.state.kept.refused == ["409 command_id.reused"]


def test_after_a_reconnect_what_had_no_answer_is_sent_again_and_the_last_that_had_one_is_asked_for(
    wire: Wire, client: Client
) -> None:
    for _ in range(3):
        wire.offer(client)
    wire.on_payload(client, done(3, 5), 0)
    live(wire, client, epoch="e1", offset=5, recovered=True)
    assert list(client.state.asked.values()) == [1, 2, 0]
    assert [send.retried for send in client.state.kept.sends] == [False, True, True]


def test_an_answer_that_nobody_asked_for_is_noticed(wire: Wire, client: Client) -> None:
    wire.on_payload(client, done(77, 5), 0)
    assert client.state.kept.refused


def test_a_member_has_only_so_many_on_the_way(wire: Wire, client: Client) -> None:
    for _ in range(10):
        wire.offer(client)
    assert len(client.state.kept.sends) == 4


def test_marks() -> None:
    assert mark_of({"type": "room.message", "text": text_of(3, 70_000, 64)}) == mark(3, 70_000)
    assert mark_of({"type": "room.joined", "user": "ann"}) == mark_of(None) == -1
