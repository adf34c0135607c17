"""Who reads: counted from their feeds, and what they have not got from the pages that left them out."""

from greenroom.actors.social.feed.events import Followed, Returned, Unfollowed
from greenroom.actors.social.spread.events import PageWritten
from greenroom.actors.social.spread.readers import Readers
from greenroom.testing import fold


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
