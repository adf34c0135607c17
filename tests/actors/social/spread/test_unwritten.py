"""Authors whom one has to look up: by what was done with their posts."""

from greenroom.actors.social.spread.events import Begun
from greenroom.actors.social.spread.state import SpreadState
from greenroom.actors.social.spread.unwritten import Unwritten
from greenroom.actors.views.view import Origin
from greenroom.testing import fold
from tests.actors.chat.views.chats import seeded


def test_an_author_is_there_for_posts_that_were_not_written() -> None:
    def begun(*, is_written: bool = False, is_story: bool = False) -> Begun:
        return Begun(author="eve", at_ms=7, is_story=is_story, is_written=is_written)

    happened = [
        ("spread:1", begun(is_written=True)),
        ("spread:3", begun()),
        ("spread:2", begun()),
        ("spread:4", begun(is_story=True)),
        ("spread:5", begun(is_written=True)),
    ]
    assert fold(Unwritten, happened) == [Unwritten.Row(author="eve", last="3", story="4")]
    assert fold(Unwritten, happened[:1]) == []


def test_it_is_made_of_states_where_events_have_gone() -> None:
    of = Origin("spread:3", 9, 1)
    assert seeded(Unwritten, SpreadState(author="eve", is_written=False), of) == [Unwritten.Row("eve", last="3")]
    assert seeded(Unwritten, SpreadState(author="eve", is_written=True), of) == []
    assert seeded(Unwritten, SpreadState(), of) == []
