"""What `follows:USER` can be told. Tags are wire names: never renamed, fields only ever added, with defaults."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from greenroom.actors.model.message import Ask, Done, Tell
from greenroom.actors.model.principal import UserId
from greenroom.actors.personal.fields import Subject

FOLLOWING_MAX = 7_500
BLOCKED_MAX = MUTED_MAX = 10_000
CLOSE_MAX = 500
PENDING_MAX = 1_000
ALL_BARRED_MAX = 200

PARTED_MAX = 200  # at once
LIST_MAX = 500  # of a list, at once

Standing = Literal["none", "asked", "following"]
ListName = Literal["following", "followers", "pending", "asked", "muted", "blocked", "close"]


class FollowShown(Struct, frozen=True):
    """How one stands to somebody."""

    standing: Standing


class Relation(Struct, frozen=True):
    """How its user stands to another, as far as the user may know: a block by the other is not among it."""

    standing: Standing
    follows_back: bool
    muted: bool
    blocked: bool
    close: bool


# Of its user.


class Follow(Ask[FollowShown], tag="follows.follow"):
    """Follow somebody. Who keeps a private account is asked first. Once more changes nothing."""

    user: UserId


class Unfollow(Ask[Done], tag="follows.unfollow"):
    """Follow them no more, or take the request back."""

    user: UserId


class Accept(Ask[Done], tag="follows.accept"):
    """Let somebody follow who has asked to."""

    user: UserId


class Decline(Ask[Done], tag="follows.decline"):
    """Don't. They are not told."""

    user: UserId


class Remove(Ask[Done], tag="follows.remove"):
    """Have somebody follow its user no more. They may ask again."""

    user: UserId


class Block(Ask[Done], tag="follows.block"):
    """Neither follows the other any more, nor sees what the other posts."""

    user: UserId


class Unblock(Ask[Done], tag="follows.unblock"):
    """Who followed whom before is not restored."""

    user: UserId


class Mute(Ask[Done], tag="follows.mute"):
    """Show nothing of them, and tell of nothing they do. They don't hear of it."""

    user: UserId


class Unmute(Ask[Done], tag="follows.unmute"):
    """Show them again."""

    user: UserId


class SetClose(Ask[Done], tag="follows.set_close"):
    """Count somebody among those who see posts for close friends, or no more."""

    user: UserId
    close: bool = True


class SetPrivate(Ask[Done], tag="follows.set_private"):
    """Ask before anybody follows. When that ends, all who have asked are let in."""

    private: bool


class Relate(Ask[Relation], tag="follows.relate"):
    """How do we stand?"""

    user: UserId


class Suggestion(Struct, frozen=True):
    """Whom to follow, and why."""

    user: str
    followed_by: int  # of those whom its user follows
    some: list[str]  # of these, at most three


class Person(Struct, frozen=True):
    """As a profile has them."""

    user: str
    name: str = ""  # "": their user id is shown
    avatar: str = ""  # a media id


class Suggested(Struct, frozen=True):
    """Whom to follow; those whom most of the followed follow first."""

    users: list[Suggestion]
    people: list[Person] = []  # the same, where that was asked for


class Suggest(Ask[Suggested], tag="follows.suggest"):
    """Whom else to follow: those whom many of the followed follow."""

    limit: Annotated[int, Meta(ge=1, le=50)] = 20
    people: bool = False  # with names and pictures


class Listed(Struct, frozen=True):
    """A page of a list."""

    users: list[str]  # `following`: who was asked last is first; others by their ids
    next: str | None = None  # a cursor, for what comes behind
    people: list[Person] = []  # the same, where that was asked for


class List(Ask[Listed], tag="follows.list"):
    """Who is on a list of its user's. Whom they follow and who follows them is for everybody, unless the account is
    private: then for those who follow it. Not for whom they have blocked, and the other lists are theirs alone."""

    which: ListName
    limit: Annotated[int, Meta(ge=1, le=LIST_MAX)] = 100
    cursor: Annotated[str, Meta(min_length=1, max_length=2_000)] | None = None
    people: bool = False  # with names and pictures


# From one `follows` to another. `seq` numbers the follower's edges: an answer to an earlier one says nothing of a
# later.


class AskToFollow(Tell, tag="follows.ask_to_follow"):
    """The follower wants an edge of that number."""

    follower: Subject
    seq: int


class Door(Struct, frozen=True):
    """How somebody comes in."""

    open: bool  # at once; else they are to ask


class DoorAsk(Ask[Door], tag="follows.door_ask"):
    """By somebody who wants to follow: are they let in at once?"""

    follower: Subject


class Came(Tell, tag="follows.came"):
    """The door was open, and there is an edge of that number: the follower is to be counted."""

    follower: Subject
    seq: int


class LeftYou(Tell, tag="follows.left_you"):
    """The follower is none any more, or has taken the request back."""

    follower: Subject
    seq: int
    was_admitted: bool = True  # the follower has heard so: they were counted, and are to be no more
    has_asked_again: bool = False  # this edge is gone, and a later one is wanted


class Admitted(Tell, tag="follows.admitted"):
    """There is an edge."""

    author: Subject
    seq: int


class Declined(Tell, tag="follows.declined"):
    """There will be none."""

    author: Subject
    seq: int


class Cut(Tell, tag="follows.cut"):
    """The author wants the edge gone, whichever there is."""

    author: Subject


# From others.


class Parted(Struct, frozen=True):
    """What has ended."""

    left: int  # whom its user has followed, or asked to follow
    more: bool  # there are further ones: part again
    followers: int = -1  # how many follow its user still, as it counts them; -1: a node of the release before can't say


class Part(Ask[Parted], tag="follows.part"):
    """By a job: let nobody in any more, leave PARTED_MAX of those whom its user follows or has asked, and cut these."""

    followers: Annotated[list[Subject], Meta(max_length=PARTED_MAX)]


class Allowed(Struct, frozen=True):
    """How somebody stands to an author, as far as the author knows."""

    barred: bool  # by a block of the author's
    close: bool
    private: bool  # the author's account
    all_barred: list[Subject] | None = None  # all whom the author bars, where they are few: one answer is enough then


class MayAsk(Ask[Allowed], tag="follows.may_ask"):
    """Of a post, to its author's: how does `user` stand to them?"""

    user: Subject
    post: str  # told AudienceChanged when a block, the friends or the followers change
    for_followers: bool = False  # the post is not for everybody


class Edge(Struct, frozen=True):
    """How somebody stands to an author, as far as they know."""

    following: bool
    barred: bool  # by a block of theirs


class EdgeAsk(Ask[Edge], tag="follows.edge_ask"):
    """Of a post, to the `follows` of who wants to act on it."""

    author: Subject
