from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
from msgspec import Struct

from greenroom.actors.model.actor import Actor
from greenroom.actors.model.kinds import BadEntityClass, Kind
from greenroom.actors.model.lifecycle import NOTED
from greenroom.actors.model.message import Event
from greenroom.actors.model.upcasters import UnreadableEvent, Upcaster
from greenroom.store.journal.records import StoredEvent
from tests.transports.hub.auction import Auction, Ledger
from tests.transports.world import Note, WasSaid


def stored(payload: bytes) -> StoredEvent:
    return StoredEvent(4, 7, payload, b'{"user":"ann"}')


@pytest.mark.parametrize(
    ("actor", "recorded", "from_journal"), [(Note, False, False), (Ledger, False, True), (Auction, True, True)]
)
def test_who_shows_everything_need_not_be_asked(actor: type[Actor[Any]], recorded: bool, from_journal: bool) -> None:
    showing = Kind(actor).showing
    assert (showing.alters_recorded, showing.alters_stored) == (recorded, from_journal)
    event = stored(b'{"type":"note.said","text":"x"}')
    if not from_journal:
        assert showing.shown(event) is event
    assert showing.shown(stored(NOTED)) is None


def test_the_stored_event_itself_stays_as_it_is() -> None:
    event = stored(b'{"type":"auction.was_bid","amount":7,"bidder":"bob"}')
    shown = Kind(Auction).showing.shown(event)
    assert shown == StoredEvent(4, 7, b'{"type":"auction.was_bid","amount":7}')
    assert (event.info, b"bob" in event.payload) == (b'{"user":"ann"}', True)


def test_only_the_user_may_be_kept() -> None:
    class Secret(Note):
        publishes_info = False

    shown = Kind(Secret).showing.shown(stored(b'{"type":"note.said","text":"x"}'))
    assert shown == StoredEvent(4, 7, b'{"type":"note.said","text":"x"}')


def test_what_can_not_be_read_raises() -> None:
    with pytest.raises(UnreadableEvent):
        Kind(Auction).showing.shown(stored(b'{"type":"auction.unknown"}'))


def test_a_publication_that_needs_an_instance_is_refused_at_the_start() -> None:
    class Forgot(Auction):
        def publication(self, event: Any) -> Struct | None:  # type: ignore[override]
            return None

    with pytest.raises(BadEntityClass, match="put `@classmethod` before `def publication"):
        Kind(Forgot)


class Whispered(Event, tag="note.whispered"):
    text: str


class Whisper(Note):
    events: ClassVar[tuple[type[Event], ...]] = (WasSaid, Whispered)
    hidden = (Whispered,)


def test_what_is_hidden_is_known_unread_and_all_else_is_shown_as_it_is() -> None:
    showing = Kind(Whisper).showing
    assert (showing.alters_recorded, showing.alters_stored) == (True, True)
    assert showing.shown(stored(b'{"type":"note.whispered","text":"x"}')) is None
    for payload in (b'{"type":"note.said","text":"x"}', b'{"type":"note.whispered_about"}', b"unreadable"):
        event = stored(payload)
        assert showing.shown(event) is event


def test_what_was_hidden_under_another_name_is_hidden_now() -> None:
    class Renamed(Whisper):
        upcasters: ClassVar[Mapping[str, Upcaster]] = {
            "note.hushed": lambda old: {"type": "note.whispered", "text": old["text"]}
        }

    assert Kind(Renamed).showing.shown(stored(b'{"type":"note.hushed","text":"x"}')) is None
