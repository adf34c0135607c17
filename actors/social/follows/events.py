"""What has happened in `follows:USER`. Tags are names in the journal: never renamed, fields only added, with defaults.

An edge is told by its follower alone: FollowBegan and FollowEnded. What its author records of it counts.
"""

from greenroom.actors.model.message import Event
from greenroom.actors.personal.fields import Subject

# Of whom its user follows.


class FollowAsked(Event, tag="follows.asked"):
    """Its user wants to follow the author."""

    author: Subject
    seq: int  # the number of this edge, greater than of any before


class FollowDropped(Event, tag="follows.dropped"):
    """It was asked for, and has not begun: declined, or taken back."""

    author: Subject


class FollowBegan(Event, tag="follows.began"):
    """The author has let them: there is an edge."""

    author: Subject
    seq: int


class FollowEnded(Event, tag="follows.ended"):
    """There is no edge any more, by whichever of the two."""

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
    """Somebody follows its user: one more."""

    follower: Subject


class FollowerLost(Event, tag="follows.lost"):
    """Somebody does no more: one less."""

    follower: Subject


# What its user wants of others.


class Muted(Event, tag="follows.muted"):
    """Its user is shown nothing of theirs, unless they ask for it."""

    user: Subject


class Unmuted(Event, tag="follows.unmuted"):
    """They are shown again."""

    user: Subject


class Blocked(Event, tag="follows.blocked"):
    """Neither follows, nor sees, the other."""

    user: Subject


class Unblocked(Event, tag="follows.unblocked"):
    """They may again."""

    user: Subject


class CloseSet(Event, tag="follows.close_set"):
    """Somebody is among the close friends, or no more."""

    user: Subject
    close: bool


class PrivateSet(Event, tag="follows.private_set"):
    """Its user says from now on who may follow, or everybody may again."""

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
