"""The durable timeline: the same rows in whichever order they are written."""

from greenroom.actors.social.feed.events import CaughtUp, Entry, Trimmed
from greenroom.actors.social.spread.arrivals import Arrivals
from greenroom.actors.social.spread.events import PageWritten
from greenroom.testing import fold


def page(kept: list[str], *, is_story: bool = False) -> PageWritten:
    return PageWritten(page="1", author="bob", at_ms=7, kept=kept, shed=["zoe"], is_story=is_story)


def test_a_page_of_followers_has_the_post() -> None:
    assert fold(Arrivals, [("spread:1", page(["ann", "cyd"])), ("spread:2", page(["ann"], is_story=True))]) == [
        Arrivals.Row(user="ann", id="1", author="bob", at_ms=7),
        Arrivals.Row(user="ann", id="2", author="bob", at_ms=7, is_story=True),
        Arrivals.Row(user="cyd", id="1", author="bob", at_ms=7),
    ]


def test_a_post_that_is_written_and_caught_up_with_is_one_row() -> None:
    caught_up = CaughtUp(followed_ms=1, entries=[Entry("1", "bob", 7)])
    assert fold(Arrivals, [("spread:1", page(["ann"])), ("feed:ann", caught_up)]) == [
        Arrivals.Row(user="ann", id="1", author="bob", at_ms=7)
    ]


def test_a_story_is_one_whoever_has_written_it_last() -> None:
    """A feed that caught up before there was a row of the post did not know."""
    caught_up = CaughtUp(followed_ms=1, entries=[Entry("1", "bob", 7)])
    happened = [("spread:1", page(["ann"], is_story=True)), ("feed:ann", caught_up)]
    assert [row.is_story for row in fold(Arrivals, happened)] == [True]


def test_what_is_trimmed_goes_and_what_is_not_there_is_no_harm() -> None:
    happened = [
        ("spread:1", page(["ann", "cyd"])),
        ("feed:ann", Trimmed(posts=["1", "nothing"])),
    ]
    assert [row.user for row in fold(Arrivals, happened, any_order=False)] == ["cyd"]
