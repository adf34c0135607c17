"""Who may see what. The one place where that is decided, each time that something is read.

By the feed of whoever reads: it has been told whom its user follows, who has blocked whom, and who counts them among
their friends. So whatever was written before, into rows, snapshots or memory, an end of these holds at the next read.
"""

from collections.abc import Iterable
from typing import Protocol

from greenroom.actors.social.feed.messages import Unwanted, Visibility
from greenroom.actors.social.feed.state import FeedState

ALL_BARRED_MAX = 1_000


class Posted(Protocol):
    """What of a post decides: a row of the view `posts`. Of a deleted, ended or hidden one there is no row."""

    @property
    def id(self) -> str: ...
    @property
    def author(self) -> str: ...
    @property
    def visibility(self) -> Visibility: ...
    @property
    def is_story(self) -> bool: ...
    @property
    def ends_ms(self) -> int: ...
    @property
    def is_pending(self) -> bool: ...
    @property
    def is_shadowed(self) -> bool: ...


def is_barred(state: FeedState, author: str) -> bool:
    """Has one of the two blocked the other? Who is followed has blocked nobody: a block ends that."""
    return author in state.barred or (state.is_barred_by_more and author not in state.follows)


def unwanted_among(state: FeedState, users: Iterable[str]) -> list[str]:
    """Whose words its user does not want to read, or may not."""
    return [user for user in users if user in state.muted or is_barred(state, user)]


def barred(state: FeedState) -> Unwanted:
    """All between whom and its user there is a block, as far as they are few."""
    if state.is_barred_by_more or len(state.barred) > ALL_BARRED_MAX:
        return Unwanted([], and_more=True)
    return Unwanted(list(state.barred))


def may_see(me: str, state: FeedState, post: Posted, now_ms: int, *, is_private: bool = False) -> bool:
    """`is_private`: its author lets only followers see anything."""
    if post.is_story and post.ends_ms <= now_ms:
        return False  # its timer may be late
    if post.author == me:
        return True
    if post.is_pending or post.is_shadowed or is_barred(state, post.author):
        return False
    match post.visibility:
        case "public":
            return not is_private or post.author in state.follows
        case "followers":
            return post.author in state.follows
        case "close":
            return post.author in state.close_to


def is_wanted(state: FeedState, post: Posted) -> bool:
    """May it be shown without having been asked for?"""
    return post.author not in state.muted and post.id not in state.hid
