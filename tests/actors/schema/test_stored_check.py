"""What of the stored can't be read is counted by type, with where and why; a slow start is not a lost entity."""

from typing import Any

import msgspec
from msgspec import Struct

from greenroom import Actor, Event, Tell
from greenroom.actors.life.outgoing import Outgoing, encode_body
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.schedule import DurableTimer
from greenroom.actors.schema.stored_check import EXAMPLES_MAX, StoredCheck

encode = msgspec.json.encode


class Ring(Tell, tag="bell.ring"):
    times: int = 1


class Rung(Event, tag="bell.rung"):
    times: int


class BellState(Struct):
    times: int = 0


class Bell(Actor[BellState]):
    kind = "bell"
    internal = (Ring,)
    events = (Rung,)
    upcasters = {"bell.struck": lambda stored: {"type": "bell.rung", "times": stored["n"]}}  # noqa: RUF012

    def handle(self, message: Any) -> Any:
        raise NotImplementedError

    def apply(self, event: Any) -> None:
        pass


def counts(check: StoredCheck) -> dict[tuple[str, str], tuple[int, int, int]]:
    return {(one.what, one.tag): (one.read, one.upcast, one.unreadable) for one in check.types}


def test_events_are_counted_by_what_could_be_read() -> None:
    check = StoredCheck(Kinds([Bell]))
    check.event("bell:a", 1, encode({"type": "bell.rung", "times": 1}))
    check.event("bell:a", 2, encode({"type": "bell.struck", "n": 1}))
    check.event("bell:a", 3, b'{"type":"actor.noted"}')
    assert counts(check) == {
        ("event", "actor.noted"): (1, 0, 0),
        ("event", "bell.rung"): (1, 0, 0),
        ("event", "bell.struck"): (1, 1, 0),
    }
    assert not check.failed
    for offset in range(4, 10):
        check.event("bell:a", offset, encode({"type": "bell.rung", "times": "x"}))
    assert counts(check)["event", "bell.rung"] == (1, 0, 6)
    rung = next(one for one in check.types if one.tag == "bell.rung")
    assert [one.offset for one in rung.examples] == [4, 5, 6] and len(rung.examples) == EXAMPLES_MAX
    assert "$.times" in rung.examples[0].reason
    assert check.failed


def test_whatever_else_may_be_stored_is_unreadable_and_no_error() -> None:
    check = StoredCheck(Kinds([Bell]))
    for payload in (b"", b"[]", b"\xff", b'{"type": ["bell.rung"]}', b"[" * 10_000):
        check.event("bell:a", 1, payload)
    check.event("gone:a", 1, encode({"type": "gone.by"}))
    assert counts(check) == {("event", ""): (0, 0, 5), ("event", "gone.by"): (0, 0, 1)}
    assert "gone" in check.types[-1].examples[0].reason


def test_a_snapshot_that_cannot_be_read_matters_once_its_events_are_gone() -> None:
    for trimmed in (0, 3):
        check = StoredCheck(Kinds([Bell]))
        check.snapshot("bell:a", 5, encode({"times": 2}), trimmed=trimmed)
        assert not check.failed
        check.snapshot("bell:b", 5, encode({"times": "x"}), trimmed=trimmed)
        assert check.failed == (trimmed > 0)


def test_messages_that_wait_are_read_by_whom_they_are_for() -> None:
    check = StoredCheck(Kinds([Bell]))

    def waiting(message: Any) -> None:
        raw = msgspec.Raw(encode(message))
        check.timer("bell:a", encode(DurableTimer(raw)))
        check.outbox("room:a", 7, encode_body([Outgoing(1, "bell:a", raw)]))

    waiting(Ring())
    assert counts(check) == {("outbox", "bell.ring"): (1, 0, 0), ("timer", "bell.ring"): (1, 0, 0)}
    assert not check.failed
    waiting({"type": "bell.toll"})
    check.timer("bell:a", b"{}")
    check.outbox("bell:a", 1, b"{}")
    assert [one.unreadable for one in check.types] == [1, 0, 1, 1, 0, 1] and check.failed
