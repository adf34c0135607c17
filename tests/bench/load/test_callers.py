"""What a client that never gives up sends again, when, and what it counts. Nothing is connected here."""

import json
from typing import Any

import pytest

from bench.load.callers import AGAIN_NS, Callers
from bench.load.clients import LIVE, Client
from bench.load.frames import ServerClosed

PERIOD_NS = 1_000_000
WHERE = [("127.0.0.1", 1), ("127.0.0.1", 2)]


class Recorded(Callers):
    def __init__(self) -> None:
        super().__init__(WHERE, ["room:a"], PERIOD_NS)
        self.sent: list[dict[str, Any]] = []
        (self.one,) = self.clients
        self.live_again()

    def live_again(self) -> None:
        self.one.stage = LIVE
        self.one.replies = {2: {"subscribe": {"epoch": "e", "recovered": True}}}
        self.on_live(self.one)

    def send(self, client: Client, frame: bytes) -> None:
        mask = frame[2:6] if frame[1] & 0x7F < 126 else frame[4:8]
        body = frame[6:] if frame[1] & 0x7F < 126 else frame[8:]
        self.sent.append(json.loads(bytes(byte ^ mask[at % 4] for at, byte in enumerate(body))))

    def answer(self, now_ns: int, **reply: Any) -> None:
        line = json.dumps({"id": self.sent[-1]["id"], **reply}, separators=(",", ":"))
        self.on_payload(self.one, line.encode(), now_ns)


@pytest.fixture
def callers() -> Recorded:
    made = Recorded()
    made.start(10)
    return made


def test_one_at_a_time_and_what_falls_due_meanwhile_is_left_out(callers: Recorded) -> None:
    callers.ask_due(9)
    assert not callers.sent
    callers.ask_due(10)
    callers.ask_due(10 + 3 * PERIOD_NS)
    assert len(callers.sent) == 1
    callers.answer(10 + 3 * PERIOD_NS + 5, rpc={"data": {"offset": 2}})
    caller = callers.one.state
    assert list(caller.waits) == [10, 10 + 3 * PERIOD_NS + 5]
    assert caller.acked == {1: 2}
    assert caller.next_ns == 10 + 4 * PERIOD_NS


def test_what_is_refused_is_sent_again_under_its_key_and_waits_since_it_was_due(callers: Recorded) -> None:
    callers.ask_due(10)
    callers.answer(500, error={"code": 100, "message": "away", "temporary": True})
    callers.ask_due(500 + AGAIN_NS - 1)
    assert len(callers.sent) == 1
    callers.ask_due(500 + AGAIN_NS)
    first, second = (one["rpc"]["data"]["idempotency_key"] for one in callers.sent)
    assert first == second
    callers.answer(900 + AGAIN_NS, rpc={"data": {"offset": 2}})
    assert list(callers.one.state.waits) == [10, 900 + AGAIN_NS]
    assert callers.refusals == {"100 away": 1} and not callers.errors


def test_a_refusal_for_good_is_an_error(callers: Recorded) -> None:
    callers.ask_due(10)
    callers.answer(500, error={"code": 403, "message": "no"})
    assert callers.errors == {"403 no": 1}


def test_a_client_goes_on_to_the_next_node_and_sends_what_it_waits_for(callers: Recorded) -> None:
    callers.ask_due(10)
    assert callers.address_of(callers.one) == WHERE[0]
    callers.on_down(callers.one, ServerClosed(3001, "shutdown"))
    assert callers.address_of(callers.one) == WHERE[1]
    callers.one.attempts = 1
    assert callers.address_of(callers.one) == WHERE[0], "and to the one after that, if it does not answer"
    callers.live_again()
    assert len(callers.sent) == 2 and callers.waiting == 1


def test_who_has_yet_to_hear_what_it_was_told_of_waits(callers: Recorded) -> None:
    callers.ask_due(10)
    callers.answer(500, rpc={"data": {"offset": 1}})
    assert callers.waiting == 1
    callers.on_payload(callers.one, b'{"push":{"channel":"room:a","pub":{"data":{"text":"~1~"},"offset":1}}}', 600)
    assert callers.waiting == 0
