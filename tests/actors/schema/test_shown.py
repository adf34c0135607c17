"""What the documents say is published is what is: less of an event, another, some, or nothing."""

from typing import Any

import msgspec

from greenroom.actors.model.kinds import Kind
from greenroom.actors.schema.shown import name_of, published, shown_events
from tests.actors.schema.film import Film, Rated, Untagged
from tests.transports.hub.auction import Auction, Ledger, Reserved, Was, WasBid


def test_what_is_shown_instead_and_what_is_hidden() -> None:
    by_event = {shown.event: shown for shown in shown_events(Kind(Auction))}
    assert (by_event[Was].as_, by_event[Was].hidden) == ((WasBid,), False)
    assert (by_event[Reserved].as_, by_event[Reserved].hidden) == ((), True)
    assert [publication for publication, _ in published(Kind(Auction))] == [WasBid]


def test_some_hidden_and_one_that_nobody_can_tell() -> None:
    rated, seen, moment = shown_events(Kind(Film))
    assert (rated.as_, rated.hidden, rated.in_words) == ((Rated,), True, "Not every one is shown.")
    assert (seen.as_, name_of(Untagged)) == ((Untagged,), "Untagged")
    assert (moment.as_, moment.hidden) == ((), False)
    assert moment.in_words == "What is shown of it is decided for each."


def test_without_a_publication_of_its_own_all_is_shown() -> None:
    kind = Kind(Ledger)
    assert [(shown.as_, shown.hidden) for shown in shown_events(kind)] == [((event,), False) for event in Ledger.events]


def test_what_the_samples_say_is_what_live_watchers_get() -> None:
    """The documents and `Showing` ask the same `publication`."""
    shown: Any = Kind(Auction).actor.publication(Was(amount=1, bidder="ann"))
    assert msgspec.to_builtins(shown) == {"type": "auction.was_bid", "amount": 1}


def test_what_a_kind_lists_as_hidden_is_published_nowhere() -> None:
    class Sealed(Ledger):
        hidden = Ledger.events

    assert [shown.in_words for shown in shown_events(Kind(Sealed))] == ["Hidden: nothing is shown of it."]
    assert published(Kind(Sealed)) == []
