"""Who reads: counted from their feeds, and what they have not got from the pages that left them out."""

from greenroom.actors.social.feed.events import Followed, Returned, Unfollowed
from greenroom.actors.social.feed.state import FeedState
from greenroom.actors.social.spread.arrivals import Arrivals
from greenroom.actors.social.spread.events import PageWritten
from greenroom.actors.social.spread.readers import Readers
from greenroom.actors.social.spread.state import SpreadState
from greenroom.actors.views.view import Origin
from greenroom.testing import fold
from tests.actors.chat.views.chats import seeded


def test_a_reader_is_what_happened_in_whichever_order() -> None:
    def page(shed: list[str]) -> PageWritten:
        return PageWritten(page="1", author="bob", at_ms=7, kept=["dan"], shed=shed, is_story=False)

    first, *_ = rows = fold(
        Readers,
        [
            ("feed:ann", Followed(author="bob")),
            ("feed:ann", Followed(author="cyd")),
            ("feed:ann", Returned(after_long=False)),
            ("feed:ann", Unfollowed(author="bob")),
            ("feed:ann", Returned(after_long=True)),
            ("spread:1", page(["ann"])),
            ("spread:2", page(["ann", "eve"])),
        ],
    )
    assert (first.user, first.follows, first.shed) == ("ann", 1, 2)
    assert first.at_ms == 1_750_000_004_000, "the newest"
    assert [(row.user, row.shed, row.at_ms) for row in rows[1:]] == [("eve", 1, 0)]


def test_they_are_made_of_states_where_events_have_gone() -> None:
    of = Origin("feed:ann", 9, 1)
    feed = FeedState(follows={"bob": 1, "cyd": 2}, returned_ms=7)
    assert seeded(Readers, feed, of) == [Readers.Row("ann", at_ms=7, follows=2)]
    assert seeded(Readers, SpreadState(shed={"ann": True}), of) == [Readers.Row("ann", shed=1)]
    assert seeded(Arrivals, feed, of) == seeded(Arrivals, SpreadState(), of) == []
