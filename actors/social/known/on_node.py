"""What one node knows: of posts, walls and people, each for as many seconds as it may be old.

How old is a trade: counts move a post by little in ten seconds, followers in a minute likewise, names change rarely.
What is shown of a post, and whether it may be, is never taken from here.
"""

from weakref import WeakKeyDictionary

from msgspec import Struct

from greenroom.actors.model.actor import Actor, Runtime
from greenroom.actors.social.feed.cursor import Shelf
from greenroom.actors.social.feed.events import Entry
from greenroom.actors.social.feed.messages import Visibility
from greenroom.actors.social.follows.views import Authors
from greenroom.actors.social.known.seen import Seen
from greenroom.actors.social.known.shared import Shared
from greenroom.actors.social.profile.views import Profiles
from greenroom.actors.social.ranking.candidates import Candidate, Reason
from greenroom.actors.social.spread.unwritten import Unwritten

POSTS_S, AUTHORS_S, NAMES_S, WALLS_S, UNWRITTEN_S = 10.0, 60.0, 5.0, 3.0, 10.0
POSTS_MAX, AUTHORS_MAX, NAMES_MAX, WALLS_MAX = 50_000, 50_000, 20_000, 5_000  # and of UNWRITTEN, AUTHORS_MAX
WALL_MAX = 20  # posts of each
CAUGHT_UP_EACH = 10  # posts of each, and as many stories, for who has come to follow them, or is back
WALLS_AT_ONCE = 200  # of one look, whose rows are bounded


class Fact(Struct, frozen=True):
    """A post, as it is ranked: see privacy.Posted."""

    id: str
    author: str
    visibility: Visibility
    is_story: bool
    ends_ms: int
    is_pending: bool
    is_shadowed: bool
    is_private: bool  # its author lets only followers see anything
    share_of: str
    done: float  # what readers have done with it, as it counts for the light score
    as_candidate: dict[tuple[Reason, bool], Candidate]  # made once for all readers, by why it is there and `seen`


class OnNode:
    """Of one node."""

    def __init__(self) -> None:
        self.posts = Shared[Fact](for_s=POSTS_S, most=POSTS_MAX)
        self.authors = Shared[Authors.Row](for_s=AUTHORS_S, most=AUTHORS_MAX)
        self.names = Shared[Profiles.Row](for_s=NAMES_S, most=NAMES_MAX)
        self.unwritten = Shared[Unwritten.Row](for_s=UNWRITTEN_S, most=AUTHORS_MAX)
        self.seen = Seen()
        self.lists = Shelf()
        self.newest = Shared[list[Entry]](for_s=WALLS_S, most=WALLS_MAX, at_once=WALLS_AT_ONCE)
        self.walls = Shared[list[str]](for_s=WALLS_S, most=WALLS_MAX, at_once=WALLS_AT_ONCE)


_nodes: WeakKeyDictionary[Runtime, OnNode] = WeakKeyDictionary()


def known_on(reader: Actor[object]) -> OnNode:
    """Of the node on which it is awake."""
    found = _nodes.get(reader.runtime)
    if found is None:
        found = _nodes[reader.runtime] = OnNode()
    return found
