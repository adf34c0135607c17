"""Authors whom one has to look up: by what was done with their posts."""

from greenroom.actors.social.spread.events import Begun
from greenroom.actors.social.spread.unwritten import Unwritten
from greenroom.testing import fold


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
