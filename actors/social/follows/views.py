"""The rows of `follows`: each edge from either end, and the counts of everybody.

An edge is folded from its follower's events alone, so both ends say the same. Lists of edges are read by code:
`follows.list` says who may, for a view knows of no block.
"""

from typing import assert_never

from msgspec import Struct

from greenroom.actors.model.principal import Principal
from greenroom.actors.social.follows.events import FollowBegan, FollowEnded, FollowerGained, FollowerLost, PrivateSet
from greenroom.actors.social.follows.state import FollowsState
from greenroom.actors.views.columns import Key
from greenroom.actors.views.page import Page
from greenroom.actors.views.view import Origin, View


class Following(View, version=1):
    """Whom a user follows, who was followed last first. Staff alone read it as it is."""

    of = (FollowBegan, FollowEnded)

    class Row(Struct):
        """An edge."""

        user: Key[str]
        author: Key[str]
        since_ms: int = 0  # Unix

    entity_key = "user"
    watch = Page(by="user", order="-since_ms")

    def fold(self, event: FollowBegan | FollowEnded, of: Origin) -> None:
        row = self.row(user=of.key, author=event.author)
        match event:
            case FollowBegan():
                row.since_ms = of.at_ms
            case FollowEnded():
                del self[row]

    def seed(self, state: FollowsState, of: Origin) -> None:
        for author, edge in state.following.items():
            self.row(user=of.key, author=author).since_ms = edge.since_ms


class Followers(View, version=1):
    """Who follows an author, by their ids: a page can be cut anywhere, and stays cut there whoever comes and goes.
    Staff alone read it as it is."""

    of = (FollowBegan, FollowEnded)

    class Row(Struct):
        """An edge."""

        author: Key[str]
        follower: Key[str]
        since_ms: int = 0  # Unix

    entity_key = "follower"
    watch = Page(by="author", order="follower", limit=500)

    def fold(self, event: FollowBegan | FollowEnded, of: Origin) -> None:
        row = self.row(author=event.author, follower=of.key)
        match event:
            case FollowBegan():
                row.since_ms = of.at_ms
            case FollowEnded():
                del self[row]

    def seed(self, state: FollowsState, of: Origin) -> None:
        for author, edge in state.following.items():
            self.row(author=author, follower=of.key).since_ms = edge.since_ms


class Authors(View, version=1, inline=True):
    """How many follow a user, and are followed by them: for everybody."""

    of = (FollowBegan, FollowEnded, FollowerGained, FollowerLost, PrivateSet)

    class Row(Struct):
        """A user."""

        user: Key[str]
        followers: int = 0
        following: int = 0
        private: bool = False

    entity_key = "user"
    watch = Page(by="user")

    def fold(self, event: FollowBegan | FollowEnded | FollowerGained | FollowerLost | PrivateSet, of: Origin) -> None:
        row = self.row(user=of.key)
        match event:
            case FollowBegan():
                row.following += 1
            case FollowEnded():
                row.following -= 1
            case FollowerGained():
                row.followers += 1
            case FollowerLost():
                row.followers -= 1
            case PrivateSet(private=private):
                row.private = private
            case _:
                assert_never(event)

    def seed(self, state: FollowsState, of: Origin) -> None:
        row = self.row(user=of.key)
        row.followers, row.following, row.private = state.followers, len(state.following), state.private

    @classmethod
    def may_watch(cls, principal: Principal, key: str) -> None:
        """Everybody may."""
