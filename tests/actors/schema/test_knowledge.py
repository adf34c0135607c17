"""What one release lacks of another's."""

from typing import Any

import msgspec
import pytest

from greenroom import Actor, Ask, Done, Event
from greenroom.actors.model.kinds import Kind
from greenroom.actors.model.upcasters import Upcaster
from greenroom.actors.schema.description import BadSchema
from greenroom.actors.schema.knowledge import digest_of, fields_of, from_json, knowledge_of, lacks, to_json
from tests.actors.schema.making import struct_class

Fields = list[tuple[Any, ...]]


def shop(
    *,
    sold: Fields,
    buy: Fields | None = None,
    more: tuple[type[Event], ...] = (),
    upcasters: dict[str, Upcaster] | None = None,
    name: str = "shop",
) -> Kind:
    bought: Any = struct_class(Ask, "Buy", buy or [], tag=f"{name}.buy")
    bought.__orig_bases__ = (Ask[Done],)

    class Shop(Actor[msgspec.Struct]):
        kind = name

        def handle(self, message: Any) -> Any:
            raise NotImplementedError

        def apply(self, event: Event) -> None:
            pass

        def view(self) -> Any:
            return {}

    Shop.commands = (bought,)
    Shop.events = (struct_class(Event, "Sold", sold, tag=f"{name}.sold"), *more)
    Shop.upcasters = upcasters or {}
    return Kind(Shop)


def told(reader: Kind, *writers: Kind) -> list[tuple[str, str, str, list[str], bool]]:
    found = lacks(knowledge_of([reader]), knowledge_of(writers))
    return [(one.kind, one.section, one.tag, [r.path for r in one.refused], one.is_read) for one in found]


def test_releases_that_know_the_same_lack_nothing_and_have_one_digest() -> None:
    one, other = shop(sold=[("what", str)]), shop(sold=[("what", str)])
    assert told(one, other) == []
    digests = {digest_of(to_json(knowledge_of([kind]))) for kind in (one, other)}
    assert len(digests) == 1 and len(digests.pop()) == 16


def test_a_kind_a_message_and_an_event_may_be_lacking() -> None:
    older = shop(sold=[])
    refund = struct_class(Event, "Refunded", [], tag="shop.refunded")
    newer = shop(sold=[], more=(refund,))
    assert told(older, newer, shop(sold=[], name="bank")) == [
        ("bank", "kind", "", [], False),
        ("shop", "event", "shop.refunded", [], False),
    ]
    assert told(newer, older) == []


def test_a_field_more_is_read_without_it_and_a_wider_one_is_not_read() -> None:
    older = shop(sold=[("what", str)], buy=[("what", str)])
    newer = shop(sold=[("what", str), ("price", int, 0)], buy=[("what", str), ("gift", bool, False)])
    assert told(older, newer) == [
        ("shop", "command", "shop.buy", ["gift"], True),
        ("shop", "event", "shop.sold", ["price"], True),
    ]
    writer = knowledge_of([newer])
    assert fields_of(lacks(knowledge_of([older]), writer), writer) == {"shop.buy": {"gift": False}}
    assert told(newer, older) == [], "a default stands for what the older one leaves out"
    wider = shop(sold=[("what", str | int)], buy=[("what", str)])
    assert told(older, wider) == [("shop", "event", "shop.sold", ["what"], False)]


def test_what_an_upcaster_reads_is_not_lacking() -> None:
    def upcast(stored: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    older = shop(sold=[("what", str)])
    changed = shop(sold=[("item", str)], upcasters={"shop.sold": upcast})
    assert told(changed, older) == []
    assert told(older, changed) != []
    assert told(shop(sold=[("item", str)]), older) != []


def test_it_is_kept_as_text() -> None:
    knowledge = knowledge_of([shop(sold=[("what", str)], upcasters={"shop.sold": lambda stored: stored})])
    assert from_json(to_json(knowledge)) == knowledge
    for text in ("", "{}", '{"schema":{"kinds":3}}'):
        with pytest.raises(BadSchema):
            from_json(text)
