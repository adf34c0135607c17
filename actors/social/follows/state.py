"""What `follows:USER` remembers. Whom its user follows is a list with a bound; who follows them is a number."""

from typing import assert_never

from msgspec import Struct, field

from greenroom.actors.personal.fields import Subject
from greenroom.actors.social.follows.events import (
    Blocked,
    CloseSet,
    FollowAsked,
    FollowBegan,
    FollowDropped,
    FollowEnded,
    FollowerGained,
    FollowerLost,
    FollowRequested,
    FollowsEvent,
    Muted,
    PrivateSet,
    RequestDropped,
    Unblocked,
    Unmuted,
)


class Followed(Struct, frozen=True, array_like=True, gc=False):
    """An edge."""

    seq: int
    since_ms: int  # Unix


class FollowsState(Struct):
    """Whom its user follows, and how many follow them."""

    seq: int = 0  # of the edge that was asked for last
    following: dict[Subject, Followed] = field(default_factory=dict)  # who was followed last is last
    asked: dict[Subject, int] = field(default_factory=dict)  # author -> seq, of edges that have not begun
    followers: int = 0
    pending: dict[Subject, int] = field(default_factory=dict)  # who has asked to follow -> seq; oldest first
    muted: set[Subject] = field(default_factory=set)
    blocked: set[Subject] = field(default_factory=set)
    close: set[Subject] = field(default_factory=set)
    private: bool = False

    def change(self, event: FollowsEvent, at_ms: int) -> None:
        match event:
            case FollowAsked(author=author, seq=seq):
                self.seq = self.asked[author] = seq
            case FollowDropped(author=author):
                del self.asked[author]
            case FollowBegan(author=author, seq=seq):
                del self.asked[author]
                self.following[author] = Followed(seq, at_ms)
            case FollowEnded(author=author):
                del self.following[author]
            case FollowRequested(follower=follower, seq=seq):
                self.pending[follower] = seq
            case RequestDropped(follower=follower):
                del self.pending[follower]
            case FollowerGained(follower=follower):
                self.pending.pop(follower, None)
                self.followers += 1
            case FollowerLost():
                self.followers -= 1
            case Muted(user=user):
                self.muted.add(user)
            case Unmuted(user=user):
                self.muted.remove(user)
            case Blocked(user=user):
                self.blocked.add(user)
            case Unblocked(user=user):
                self.blocked.remove(user)
            case CloseSet(user=user, close=close):
                (self.close.add if close else self.close.discard)(user)
            case PrivateSet(private=private):
                self.private = private
            case _:
                assert_never(event)
