"""Authors whose posts were not written into feeds: whom their followers have to look up.

A row follows from what was done with a post, and not from how many followers there are by now: an author who comes to
be above the threshold, or below, loses nothing of what was posted before, and what is found both ways is one post.
"""

from msgspec import Struct

from greenroom.actors.social.spread.events import Begun
from greenroom.actors.social.spread.state import SpreadState
from greenroom.actors.views.columns import Key
from greenroom.actors.views.page import Page
from greenroom.actors.views.view import Origin, View


class Unwritten(View, version=1):
    """A row for each author of such a post."""

    of = (Begun,)

    class Row(Struct):
        """One author."""

        author: Key[str]
        last: str = ""  # the newest such post
        story: str = ""  # the newest such story

    watch = Page(by="author", limit=1)

    def fold(self, event: Begun, of: Origin) -> None:
        if not event.is_written:
            self._note(event.author, of.key, is_story=event.is_story)

    def seed(self, state: SpreadState, of: Origin) -> None:
        if state.is_written is False:
            self._note(state.author, of.key, is_story=state.is_story)

    def _note(self, author: str, post: str, *, is_story: bool) -> None:
        row = self.row(author=author)
        if is_story:
            row.story = max(row.story, post)
        else:
            row.last = max(row.last, post)
