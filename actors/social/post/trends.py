"""Which tags are used, hour by hour: by how many authors, so that nobody makes one popular alone.

What is published counts in the hour of its post, and stays counted when it is deleted or edited: rows name no post, and
what may be seen is looked up by whoever shows posts under a tag.
"""

from msgspec import Struct

from greenroom.actors.social.names import ms_of
from greenroom.actors.social.post.events import Content, Published
from greenroom.actors.social.post.state import PostState
from greenroom.actors.views.columns import Key
from greenroom.actors.views.page import Page
from greenroom.actors.views.view import Origin, View

HOUR_MS = 3_600_000
TAGS_COUNTED_MAX = 5  # of one post, the first


class Trends(View, version=1):
    """Tags of an hour, those of most authors first."""

    of = (Published,)

    class Row(Struct):
        """A tag in an hour: of all authors, and one row for each of these."""

        hour: Key[str]
        tag: Key[str]
        author: Key[str]  # "": all
        authors: int = 0  # of all

    watch = Page(by="hour", order="-authors", limit=50)

    def fold(self, event: Published, of: Origin) -> None:
        if not (event.is_pending or event.is_shadowed):
            self._count(event.content, of.key)

    def seed(self, state: PostState, of: Origin) -> None:
        if state.author and not (state.gone or state.is_hidden or state.is_pending or state.is_shadowed):
            self._count(state.content, of.key)

    def _count(self, content: Content, post: str) -> None:
        if content.visibility != "public" or content.is_story:
            return
        hour = hour_of(ms_of(post))
        for tag in content.tags[:TAGS_COUNTED_MAX]:
            if self.find(hour=hour, tag=tag, author=content.author) is None:
                self.row(hour=hour, tag=tag, author=content.author)
                self.row(hour=hour, tag=tag, author="").authors += 1


def hour_of(at_ms: int) -> str:
    """The page of that time."""
    return str(at_ms // HOUR_MS)
