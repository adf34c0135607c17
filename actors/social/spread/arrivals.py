"""What has been written into feeds: the durable timeline of everybody whose authors are below the threshold.

A row is a name, and says nothing of the post: what is shown, and whether it may be, is decided where it is read. So
rows of what was deleted, or of who was unfollowed or has blocked one since, do no harm; they go when newer ones come.
"""

from msgspec import Struct

from greenroom.actors.social.feed.events import CaughtUp, Trimmed
from greenroom.actors.social.feed.state import FeedState
from greenroom.actors.social.spread.events import PageWritten
from greenroom.actors.social.spread.state import SpreadState
from greenroom.actors.views.columns import Index, Key
from greenroom.actors.views.page import Page
from greenroom.actors.views.view import Origin, View


class Arrivals(View, version=1):
    """By user, the newest first."""

    of = (PageWritten, CaughtUp, Trimmed)

    class Row(Struct):
        """A post in somebody's feed."""

        user: Key[str]
        id: Key[str]  # of the post
        author: str = ""
        at_ms: int = 0  # Unix
        is_story: Index[bool] = False

    watch = Page(by="user", order="-id", limit=100)

    def fold(self, event: PageWritten | CaughtUp | Trimmed, of: Origin) -> None:
        """A post's page, and a feed that has caught up, write the same row, in whichever order they come.

        What is trimmed was read from here. A table that is made anew may have it again, until it is trimmed again.
        """
        match event:
            case PageWritten():
                for user in event.kept:
                    self._write(user, of.key, event.author, event.at_ms, is_story=event.is_story)
            case CaughtUp():
                for entry in event.entries:
                    self._write(of.key, entry.post, entry.author, entry.at_ms, is_story=entry.is_story)
            case Trimmed():
                for post in event.posts:
                    row = self.find(user=of.key, id=post)
                    if row is not None:
                        del self[row]

    def seed(self, state: SpreadState | FeedState, of: Origin) -> None:
        """Who had a post that is older than what is kept of its spread is not known: a table that is made anew is
        without it, and nobody reads so far back."""

    def _write(self, user: str, post: str, author: str, at_ms: int, *, is_story: bool) -> None:
        row = self.row(user=user, id=post)
        row.author, row.at_ms = author, at_ms
        row.is_story = row.is_story or is_story  # a feed of a release before this may not have known
