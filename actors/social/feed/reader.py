"""Whoever reads: a feed's state, and what it has in memory besides, all of which may be lost."""

from collections.abc import Iterable

from msgspec import Struct

from greenroom.actors.model.actor import Actor, Runtime
from greenroom.actors.model.message import Event
from greenroom.actors.social.feed.cursor import Placed, Snapshot
from greenroom.actors.social.feed.events import Entry
from greenroom.actors.social.feed.messages import Arrived, SayMade
from greenroom.actors.social.feed.state import FeedState
from greenroom.actors.social.known.made_of import MadeOf
from greenroom.actors.social.known.names import WHOLE_S, Names
from greenroom.actors.social.known.on_node import known_on
from greenroom.actors.social.ranking.messages import FeaturesShown

SERVED_MAX = 500
NUDGED_MAX = 100  # posts that have come since its user read: of more, the oldest are a number
LOUD_S = 10.0  # that it is remembered who has to be looked up
SUGGESTED_S = 600.0
OWN_S = 60.0
RANKED_S = 10.0  # that an order is good for at least
HELD_S = 120.0  # and at most, looked at every WHOLE_S: what its reader does elsewhere counts as late
FEATURES_S = 30.0  # that what is known of its user is taken for what it was
RECENT_S = 60.0  # that a nudge counts as much as a row: by then there is one
CAUGHT_UP_S = 60.0  # likewise of what it has caught up with
CAUGHT_UP_MAX = 1_000  # of that


class Served(Struct, frozen=True):
    """How a post was shown."""

    author: str
    place: Placed
    ranking: str
    experiment: str


class Order(Struct):
    """The last that was ranked."""

    snapshot: Snapshot
    of: MadeOf
    made_s: float
    offset: int  # of the feed, as of which
    until_s: float  # it is good without a look
    may_hold: bool  # with one


class Kept:
    """Something that was found, for a while."""

    __slots__ = ("_for_s", "_names", "_until_s")

    def __init__(self, for_s: float) -> None:
        self._for_s = for_s
        self._until_s = float("-inf")
        self._names: list[str] = []

    def get(self, now_s: float) -> list[str] | None:
        """Not where the clock was set back since: nobody knows how old it is then."""
        return self._names if self._until_s - self._for_s <= now_s < self._until_s else None

    def put(self, names: list[str], now_s: float) -> list[str]:
        self._names, self._until_s = names, now_s + self._for_s
        return names

    def drop(self) -> None:
        self._until_s = float("-inf")


class FeaturesKnown:
    """What `features` has said of a feed's user and authors."""

    __slots__ = ("_authors", "_said", "_until_s")

    def __init__(self) -> None:
        self._until_s = float("-inf")
        self._authors: frozenset[str] = frozenset()
        self._said = FeaturesShown({}, {})

    def get(self, authors: set[str], now_s: float) -> FeaturesShown | None:
        """Where it was asked about all of these."""
        is_young = self._until_s - FEATURES_S <= now_s < self._until_s
        return self._said if is_young and authors <= self._authors else None

    def put(self, authors: Iterable[str], said: FeaturesShown, now_s: float) -> FeaturesShown:
        self._authors, self._said, self._until_s = frozenset(authors), said, now_s + FEATURES_S
        return said


class Reader(Actor[FeedState]):
    """A feed, as those who gather for it see it."""

    def __init__(self, entity: str, runtime: Runtime) -> None:
        super().__init__(entity, runtime)
        lists = known_on(self).lists.of(self.key)
        self.snapshots, self.places = lists.snapshots, lists.places
        self.nudged: dict[str, Arrived] = {}  # since its user last read, oldest first
        self._counted: frozenset[str] = frozenset()  # of these: posts that were looked up, and may be seen
        self._beyond = 0  # those of these that have made room
        self._recent: dict[str, tuple[float, Arrived]] = {}  # those before, with when it was read
        self._found: Snapshot | None = None  # by the last read
        self._caught_up: list[Entry] = []
        self._caught_up_s = float("-inf")
        self.served: dict[str, Served] = {}
        self.loud = Kept(LOUD_S)  # authors whose walls have to be looked up
        self.suggested = Kept(SUGGESTED_S)
        self.own = Kept(OWN_S)  # its user's posts, as their wall has them
        self._order: Order | None = None
        self.is_makeshift = False  # what is being ranked: something of it could not be asked
        self._passed_by = ""  # the newest row of its feed, when an order was made anew because that was not in it
        self.is_trimmed = False  # has it been looked at, in this life and today?
        self.names = Names()
        self.features = FeaturesKnown()
        self._due: list[Event] = []
        self.to_ask: dict[str, SayMade] = {}  # by author, once that it has caught up with them is recorded

    @property
    def now_ms(self) -> int:
        return int(self.now * 1000)

    def note(self, event: Event) -> None:
        """Record it once the page is there: what is read may fail after this, and is refused then."""
        self._due.append(event)

    def begin_read(self) -> None:
        self._due, self.to_ask = [], {}

    def end_read(self) -> list[Event]:
        """What is to be recorded."""
        due, self._due = self._due, []
        return due

    @property
    def heard(self) -> list[Arrived]:
        """Of which posts it was told lately. Their rows may come later."""
        known = (one for since_s, one in self._recent.values() if self.now - since_s < RECENT_S)
        return [*self.nudged.values(), *known]

    def has_heard_of(self, post: str) -> bool:
        is_found = self._found is not None and post in self._found  # its row was faster
        return is_found or post in self.nudged or post in self._recent

    def hear_of(self, arrived: Arrived) -> None:
        self.nudged[arrived.post] = arrived
        if len(self.nudged) > NUDGED_MAX:
            oldest = next(iter(self.nudged))
            del self.nudged[oldest]
            if oldest in self._counted:
                self._counted -= {oldest}
                self._beyond += 1

    def count(self, posts: Iterable[str]) -> None:
        """These of the nudged may be seen."""
        self._counted = frozenset(posts)

    @property
    def new(self) -> int:
        """Posts since its user last read, as far as they were looked up."""
        return self._beyond + len(self._counted)

    def have_read(self, found: Snapshot) -> None:
        """Its user has what there is: nothing is new."""
        if self._order is not None and self._order.of.lacks_any_of(
            post for post, one in self.nudged.items() if not one.is_story
        ):
            self._order = None  # the newest first were read
        self._found = found
        kept = {post: one for post, one in self._recent.items() if self.now - one[0] < RECENT_S}
        kept |= {post: (self.now, one) for post, one in self.nudged.items()}
        self._recent = dict(list(kept.items())[-NUDGED_MAX:])
        self.nudged, self._counted, self._beyond = {}, frozenset(), 0

    def keep_ranked(self, snapshot: Snapshot, of: MadeOf) -> None:
        """For as long as the names that it was made of: then it is looked at, unless it is makeshift, or nothing, with
        which there is nothing to be looked at. Not so long where somebody is followed whose posts are not written: no
        name says, and nobody is told, that there is a new one."""
        until_s = snapshot.made_s + RANKED_S
        if self.loud.get(self.now) == []:
            until_s = max(until_s, self.names.until_s)
        may_hold = len(snapshot) > 0 and not self.is_makeshift
        self._order = Order(snapshot, of, snapshot.made_s, self.offset + len(self._due), until_s, may_hold)

    def ranked_lately(self) -> Order | None:
        """What was ranked a while ago, where nothing has come or been done since: whoever reads again is shown the
        same order. What may be seen of it is looked up all the same. Where `is_to_be_looked_at`, only if it holds."""
        order = self._order
        if order is None or self.nudged or order.offset != self.offset:
            return None
        until_s = max(order.until_s, order.made_s + HELD_S) if order.may_hold else order.until_s
        return order if order.made_s <= self.now < until_s else None

    def is_to_be_looked_at(self, order: Order) -> bool:
        """Has it been good for so long that something may have come of which its feed was not told?"""
        return self.now >= order.until_s

    def has_newest(self, order: Order, post: str) -> bool:
        """Is it of the order, or was it there, and left out, when that was made? The newest row of its feed. If not,
        it is an order no more."""
        if not order.of.lacks_any_of([post]) or post == self._passed_by:
            return True
        self._passed_by = post
        self._order = None
        return False

    def hold(self, order: Order) -> None:
        """It is as good as a new one, and its cursors are."""
        order.snapshot.made_s = self.now
        order.until_s = min(self.now + WHOLE_S, order.made_s + HELD_S)

    def hold_over(self, order: Order, caught_up: Iterable[str]) -> None:
        """It was good, and all that was recorded since is with what its feed has caught up: that says nothing where the
        order has it."""
        if not order.of.lacks_any_of(caught_up):
            order.offset = self.offset

    def remember_caught_up(self, entries: list[Entry], now_s: float) -> None:
        """They become rows of `arrivals` a moment after they are recorded: until then nobody else has them."""
        before = self.caught_up(now_s)  # which may have no rows yet either
        self._caught_up = list({entry.post: entry for entry in [*before, *entries]}.values())[-CAUGHT_UP_MAX:]
        self._caught_up_s = now_s

    def caught_up(self, now_s: float) -> list[Entry]:
        if now_s >= self._caught_up_s + CAUGHT_UP_S:
            self._caught_up = []
        return self._caught_up

    def remember_served(self, served: Iterable[Served]) -> None:
        for one in served:
            self.served.pop(one.place.post, None)
            self.served[one.place.post] = one
        while len(self.served) > SERVED_MAX:
            del self.served[next(iter(self.served))]
