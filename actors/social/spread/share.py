"""Who of a page of followers is written to. Decisions only.

Whoever has not been back for AWAY_S is not: nobody may ever read it, and their feed is rebuilt from walls when they
return. Whoever follows more than FOLLOWS_FULL gets a share of it all, as many as one who follows so many would get:
nobody reads a thousand posts a day. Which ones is the same for whoever works it out, and however often.
"""

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Protocol

from msgspec import Struct

AWAY_S = 14 * 86_400.0
FOLLOWS_FULL = 2_000  # whom one may follow and still get everything
FOLLOWERS_WRITTEN_MAX = 10_000  # of an author whose posts are written to feeds, unless they post much
POSTS_A_DAY = 10  # of an author for whom that holds


class Reader(Protocol):
    """What is known of who reads: a row of the view `readers`."""

    @property
    def at_ms(self) -> int: ...  # Unix: when they were last there; 0: never
    @property
    def follows(self) -> int: ...


class Shares(Struct, frozen=True):
    """A page of followers, in their order."""

    kept: list[str]
    shed: list[str]  # who follow too many to have this one
    away: list[str]


def kept_share(follows: int) -> float:
    """Of what those write whom one follows."""
    return min(1.0, FOLLOWS_FULL / follows) if follows else 1.0


def is_kept(user: str, post: str, follows: int) -> bool:
    share = kept_share(follows)
    if share >= 1.0:
        return True
    drawn = int.from_bytes(blake2b(f"{post}:{user}".encode(), digest_size=7).digest()) / (1 << 56)
    return drawn < share


def shares(post: str, followers: Iterable[str], readers: Mapping[str, Reader], now_ms: int) -> Shares:
    kept: list[str] = []
    shed: list[str] = []
    away: list[str] = []
    for user in followers:
        reader = readers.get(user)
        if reader is None or reader.at_ms < now_ms - AWAY_S * 1000:
            away.append(user)
        elif is_kept(user, post, reader.follows):
            kept.append(user)
        else:
            shed.append(user)
    return Shares(kept, shed, away)


def is_to_be_written(followers: int, posts_a_day: int, *, most: int = FOLLOWERS_WRITTEN_MAX) -> bool:
    """Are an author's posts written to feeds, or looked up by whoever reads?

    What writing costs is followers times posts: an author who posts ten times as much as POSTS_A_DAY is looked up from
    a tenth of the followers on.
    """
    return followers * max(posts_a_day, POSTS_A_DAY) <= most * POSTS_A_DAY
