"""What has happened in `follows:USER`. Tags are names in the journal: never renamed, fields only added, with defaults.

An edge is told by its follower alone: FollowBegan and FollowEnded. What its author records of it counts.
"""

from greenroom.actors.model.message import Event
from greenroom.actors.personal.fields import Subject

# Of whom its user follows.


class FollowAsked(Event, tag="follows.asked"):
    author: Subject
    seq: int  # the number of this edge, greater than of any before


class FollowDropped(Event, tag="follows.dropped"):
    """It was asked for, and has not begun: declined, or taken back."""

    author: Subject


class FollowBegan(Event, tag="follows.began"):
    author: Subject
    seq: int


class FollowEnded(Event, tag="follows.ended"):
    author: Subject


# Of who follows its user.


class FollowRequested(Event, tag="follows.requested"):
    """Its user is to say whether they may."""

    follower: Subject
    seq: int


class RequestDropped(Event, tag="follows.request_dropped"):
    """Declined, or taken back."""

    follower: Subject


class FollowerGained(Event, tag="follows.gained"):
    follower: Subject


class FollowerLost(Event, tag="follows.lost"):
    follower: Subject


# What its user wants of others.


class Muted(Event, tag="follows.muted"):
    user: Subject


class Unmuted(Event, tag="follows.unmuted"):
    user: Subject


class Blocked(Event, tag="follows.blocked"):
    user: Subject


class Unblocked(Event, tag="follows.unblocked"):
    user: Subject


class CloseSet(Event, tag="follows.close_set"):
    user: Subject
    close: bool


class PrivateSet(Event, tag="follows.private_set"):
    private: bool


FollowsEvent = (
    FollowAsked
    | FollowDropped
    | FollowBegan
    | FollowEnded
    | FollowRequested
    | RequestDropped
    | FollowerGained
    | FollowerLost
    | Muted
    | Unmuted
    | Blocked
    | Unblocked
    | CloseSet
    | PrivateSet
)
