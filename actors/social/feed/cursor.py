"""Cursors: where somebody is in what their feed has found for them.

Of the home feed, which is put in order anew at each read, what was found is kept for CURSOR_S, as a list of ids: its
next page goes on in the same list, so nothing comes twice and nothing is passed over, whatever has come meanwhile. What
may not be seen any more when the page is read is left out then. Other lists go on by the cursor of their view.

A cursor is a name that was drawn for a place, and the place stays in the memory of the feed's node: it may say how much
was left out, and which rows were read last, and those may be of posts that whoever reads is not to know of. Before the
name stands whose it is, and of which list, so that another user's is told from one that has expired.
"""

from array import array
from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b
from secrets import token_hex
from typing import Protocol

from msgspec import Struct

from greenroom.actors.model.errors import Refused
from greenroom.actors.social.ranking.candidates import Reason

CURSOR_S = 600.0
SNAPSHOTS_MAX = 20  # of one feed, the newest
PLACES_MAX = 50  # likewise
LISTS_MAX = 2_000  # feeds of one node of which these are kept: those that woke last
CHECK_CHARS = 12
REASONS: tuple[Reason, ...] = ("following", "own", "suggested", "trending", "tag")
_ID_BYTES = 16


class Placed(Struct, frozen=True):
    """A post in its place."""

    post: str
    reason: Reason = "following"
    score: float = 0.0
    values: bytes = b""  # that it was scored by


class InPlace(Protocol):
    """Likewise, by whoever has put it there."""

    @property
    def post(self) -> str: ...
    @property
    def reason(self) -> Reason: ...
    @property
    def score(self) -> float: ...
    @property
    def values(self) -> bytes: ...


class Snapshot:
    """What a read has found, in order."""

    __slots__ = ("_ids", "_reasons", "_scores", "_values", "experiment", "made_s", "name", "ranking")

    def __init__(self, places: Sequence[InPlace], *, made_s: float, ranking: str = "", experiment: str = "") -> None:
        self.made_s = made_s  # or looked at, and found to hold
        self.name = ""  # by which it is kept
        self.ranking = ranking
        self.experiment = experiment
        self._ids = bytes.fromhex("".join([one.post for one in places]))
        self._reasons = bytes([REASONS.index(one.reason) for one in places])
        self._scores = array("f", [one.score for one in places])
        self._values = [one.values for one in places if one.values]  # only of the first ones: see ranking/order.py
        if any(not one.values for one in places[: len(self._values)]):
            self._values = []

    def __len__(self) -> int:
        return len(self._reasons)

    def __contains__(self, post: str) -> bool:
        wanted = bytes.fromhex(post)
        at = self._ids.find(wanted)
        while at % _ID_BYTES and at >= 0:  # the end of one and the beginning of the next may look like it
            at = self._ids.find(wanted, at + 1)
        return at >= 0

    def __getitem__(self, at: int) -> Placed:
        post = self._ids[at * _ID_BYTES : (at + 1) * _ID_BYTES].hex()
        values = self._values[at] if at < len(self._values) else b""
        return Placed(post, REASONS[self._reasons[at]], self._scores[at], values)

    def part(self, at: int, most: int) -> list[Placed]:
        return [self[number] for number in range(at, min(at + most, len(self)))]


class Place(Struct, frozen=True):
    """Where a page has ended."""

    what: str  # which list
    since_s: float  # when it was found
    after: str | None = None  # a cursor of a view; in a snapshot: none
    found: tuple[str, ...] = ()  # posts that were read before that, and have not been looked at
    snapshot: str = ""  # its name
    at: int = 0  # how many of it are behind


class Places:
    """Those of one feed, by the cursors that name them."""

    def __init__(self, user: str) -> None:
        self._user = user
        self._kept: dict[str, Place] = {}

    def keep(self, place: Place) -> str:
        """Its cursor."""
        name = token_hex(16)
        self._kept[name] = place
        while len(self._kept) > PLACES_MAX:
            del self._kept[next(iter(self._kept))]
        return _check(self._user, place.what, name) + name

    def find(self, what: str, cursor: str, now_s: float) -> Place:
        """Raises: Refused `feed.bad_cursor`, `feed.cursor_expired`."""
        check, name = cursor[:CHECK_CHARS], cursor[CHECK_CHARS:]
        if not name or not name.isascii() or check != _check(self._user, what, name):
            raise Refused("feed.bad_cursor", "it is none, or another user's, or of another list", status=400)
        self._kept = {one: place for one, place in self._kept.items() if place.since_s + CURSOR_S >= now_s}
        place = self._kept.get(name)
        if place is None:
            raise _expired()
        return place


class Snapshots:
    """Those of one feed, by name."""

    def __init__(self) -> None:
        self._kept: dict[str, Snapshot] = {}

    def keep(self, snapshot: Snapshot) -> str:
        """Its name. One that is shown again is kept once: it is to push out no other."""
        name = snapshot.name or token_hex(8)
        self._kept.pop(name, None)
        self._kept[name] = snapshot
        snapshot.name = name
        while len(self._kept) > SNAPSHOTS_MAX:
            del self._kept[next(iter(self._kept))]
        return name

    def find(self, name: str, now_s: float) -> Snapshot:
        """Raises: Refused `feed.cursor_expired`."""
        self._kept = {one: kept for one, kept in self._kept.items() if kept.made_s + CURSOR_S >= now_s}
        snapshot = self._kept.get(name)
        if snapshot is None:
            raise _expired()
        return snapshot


class Lists:
    """What one feed has found, and where pages of it have ended."""

    __slots__ = ("places", "snapshots")

    def __init__(self, user: str) -> None:
        self.snapshots = Snapshots()
        self.places = Places(user)


class Shelf:
    """Those of a node's feeds, also of such as sleep: a cursor is good for longer than most feeds are awake."""

    def __init__(self, most: int = LISTS_MAX) -> None:
        self._most = most
        self._lists: OrderedDict[str, Lists] = OrderedDict()

    def of(self, user: str) -> Lists:
        """As of a feed that has just woken."""
        lists = self._lists.get(user)
        if lists is None:
            lists = self._lists[user] = Lists(user)
        self._lists.move_to_end(user)
        if len(self._lists) > self._most:
            self._lists.popitem(last=False)
        return lists


def _expired() -> Refused:
    return Refused("feed.cursor_expired", "what was found is kept for ten minutes: read anew", status=410)


def _check(user: str, what: str, name: str) -> str:
    return blake2b(f"{what}\0{user}\0{name}".encode(), digest_size=CHECK_CHARS // 2).hexdigest()
