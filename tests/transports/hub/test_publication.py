import json
from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec
import pytest
import structlog

from greenroom.actors.life.turn import Turn
from greenroom.actors.model.actor import Actor
from greenroom.actors.model.errors import HandlerStuck
from greenroom.actors.model.kinds import Kind
from greenroom.actors.model.lifecycle import NOTED
from greenroom.actors.model.upcasters import Upcaster
from greenroom.store.journal.records import StoredEvent
from greenroom.transports.hub.publication import (
    Publication,
    first_that_fit,
    one_line,
    publications,
    push_prefix,
    visible,
)
from tests.transports.hub.auction import Auction, Ledger
from tests.transports.world import Note


def read(actor: type[Actor[Any]], *payloads: bytes) -> list[Publication]:
    """As from a journal that begins with these events."""
    events = [StoredEvent(at + 1, 5, payload, b'{"user":"ann"}') for at, payload in enumerate(payloads)]
    return publications(events, "ab", Kind(actor).showing, f"{actor.kind}:a", Turn())


def test_the_first_of_a_stream_carries_the_epoch_and_info_is_that_of_a_client() -> None:
    first = json.loads(Publication(StoredEvent(1, 5, b'{"a":1}'), "ab").json)
    assert first == {"data": {"a": 1}, "offset": 1, "epoch": "ab", "time": 5}
    second = json.loads(Publication(StoredEvent(2, 6, b"{}", b'{"user":"ann","client":"c"}'), "ab").json)
    assert second == {"data": {}, "info": {"user": "ann", "client": "c"}, "offset": 2, "time": 6}


@pytest.mark.parametrize("raw", [b'{\n"a": 1}', b'{"a":1\r\n}', b"[1,\r2]", b'{"text":"a\\nb"}', b'{"a":1}'])
def test_line_ends_outside_of_strings_go_and_the_value_stays(raw: bytes) -> None:
    clean = one_line(raw)
    assert not set(clean) & set(b"\r\n")
    assert json.loads(clean) == json.loads(raw)
    assert b"\n" not in Publication(StoredEvent(2, 6, raw), "ab").json


def test_a_channel_may_hold_quotes() -> None:
    whole = push_prefix('note:"a"\\') + b"{}}}"
    assert msgspec.json.decode(whole) == {"push": {"channel": 'note:"a"\\', "pub": {}}}


def test_stored_events_become_publications_in_their_order() -> None:
    events = [StoredEvent(3, 5, b"{}"), StoredEvent(2, 5, b"{}")]
    found = publications(events, "ab", Kind(Note).showing, "note:a", Turn())
    assert [(one.offset, json.loads(one.json)["offset"]) for one in found] == [(3, 3), (2, 2)]


def test_the_first_publications_that_fit_and_at_least_one() -> None:
    events = [StoredEvent(offset, 7, b"{}") for offset in (1, 2, 3)]
    found = publications(events, "e", Kind(Note).showing, "note:a", Turn())
    size = sum(len(one.json) for one in found)
    assert len(first_that_fit(found, bytes_max=size)) == 3
    assert len(first_that_fit(found, bytes_max=size - 1)) == 2
    assert len(first_that_fit(found, bytes_max=0)) == 1
    assert first_that_fit([], bytes_max=0) == []


def test_what_a_kind_hides_keeps_its_offset_and_nothing_else() -> None:
    found = read(
        Auction,
        b'{"type":"auction.reserved","price":90}',
        b'{"type":"auction.was_bid","amount":7,"bidder":"bob"}',
        NOTED,
    )
    assert [(one.offset, bool(one.json)) for one in found] == [(1, False), (2, True), (3, False)]
    (shown,) = visible(found)
    assert json.loads(shown.json) == {"data": {"type": "auction.was_bid", "amount": 7}, "offset": 2, "time": 5}


def test_the_runtimes_own_event_is_hidden_of_every_kind() -> None:
    for actor in (Note, Ledger, Auction):
        assert [one.json for one in read(actor, NOTED)] == [b""]


def test_old_events_are_shown_in_their_present_shape_several_of_one_offset_as_one() -> None:
    found = read(
        Ledger,
        b'{"type":"ledger.numbered","n":1}',
        b'{"type":"ledger.numbered","all":[2,3]}',
        b'{"type":"ledger.numbered","all":[]}',
        b'{"type":"ledger.numbered","number":4,"unit":"USD"}',
    )
    one, two, three = ({"type": "ledger.numbered", "number": number, "unit": "EUR"} for number in (1, 2, 3))
    assert [(json.loads(each.json)["offset"], json.loads(each.json)["data"]) for each in visible(found)] == [
        (1, one),
        (2, {"type": "actor.several", "events": [two, three]}),
        (4, {"type": "ledger.numbered", "number": 4, "unit": "USD"}),
    ]
    assert len(found) == 4


def test_what_can_not_be_shown_as_its_kind_wants_is_hidden_and_said() -> None:
    class Leaky(Auction):
        @classmethod
        def publication(cls, event: Any) -> Any:
            raise ZeroDivisionError("boom")

    with structlog.testing.capture_logs() as logs:
        found = read(Leaky, b'{"type":"auction.was_bid","amount":7,"bidder":"bob"}', b'{"type":"auction.unknown"}')
    assert [one.json for one in found] == [b"", b""]
    assert [(line["event"], line["offset"]) for line in logs] == [
        ("event_not_shown", 1),
        ("event_not_shown", 2),
    ]


@pytest.mark.parametrize("stuck", [False, True])
def test_what_a_kind_makes_of_events_is_a_turn_of_its_own_each(stuck: bool) -> None:
    """In history and recovery: the watchdog sees it, and what it interrupts is hidden."""
    turn = Turn()
    seen = []

    def old(stored: dict[str, Any]) -> dict[str, Any]:
        seen.append((turn.serial, getattr(turn.owner, "entity", None), turn.item))
        if stuck:
            raise HandlerStuck("as the watchdog raises it")
        return stored

    class Slow(Ledger):
        upcasters: ClassVar[Mapping[str, Upcaster]] = {"ledger.numbered": old}

    events = [StoredEvent(at, 5, b'{"type":"ledger.numbered","number":4,"unit":"EUR"}') for at in (1, 2)]
    found = publications(events, "ab", Kind(Slow).showing, "ledger:a", turn)
    assert seen == [(1, "ledger:a", events[0]), (2, "ledger:a", events[1])]
    assert turn.item is None
    assert [bool(one.json) for one in found] == [not stuck] * 2
