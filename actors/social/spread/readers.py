"""Who reads, and how much: what a page of followers is sorted by before a post is written to it."""

from msgspec import Struct

from greenroom.actors.social.feed.events import Followed, Returned, Unfollowed
from greenroom.actors.social.feed.state import FeedState
from greenroom.actors.social.spread.events import PageWritten
from greenroom.actors.social.spread.state import SpreadState
from greenroom.actors.views.columns import Key
from greenroom.actors.views.page import Page
from greenroom.actors.views.view import Origin, View


class Readers(View, version=1):
    """A row for each user whose feed there is."""

    of = (Returned, Followed, Unfollowed, PageWritten)

    class Row(Struct):
        """What is known of a reader."""

        user: Key[str]
        at_ms: int = 0  # Unix: the day on which they were last there; 0: never
        follows: int = 0
        shed: int = 0  # posts that were not written to them, because they follow so many

    watch = Page(by="user", limit=1)

    def fold(self, event: Returned | Followed | Unfollowed | PageWritten, of: Origin) -> None:
        match event:
            case Returned():
                row = self.row(user=of.key)
                row.at_ms = max(row.at_ms, of.at_ms)
            case Followed():
                self.row(user=of.key).follows += 1
            case Unfollowed():
                self.row(user=of.key).follows -= 1
            case PageWritten():
                for user in event.shed:
                    self.row(user=user).shed += 1

    def seed(self, state: FeedState | SpreadState, of: Origin) -> None:
        if isinstance(state, FeedState):
            row = self.row(user=of.key)
            row.at_ms, row.follows = max(row.at_ms, state.returned_ms), row.follows + len(state.follows)
        else:
            for user in state.shed:
                self.row(user=user).shed += 1
