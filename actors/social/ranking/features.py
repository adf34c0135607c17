"""What is known of a reader, for ranking: `features:USER`, answered from memory.

Only sums are kept, in windows that fade: of all that the reader does, and of what they do with each author. What was
shown is an event, with the features that it was scored by; so what is learnt from is what was scored.

Likes are many, and a taste rather than facts: posts nudge whoever is awake, as those are who read ranked feeds, and
what has come within LIKED_S is recorded together.
"""

from typing import ClassVar, assert_never

from msgspec import Struct, field

from greenroom.actors.model.actor import Actor, KindLimits, Runtime
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.message import Event, Message
from greenroom.actors.model.principal import STAFF_ROLES
from greenroom.actors.personal.fields import Subject
from greenroom.actors.social.ranking import windows
from greenroom.actors.social.ranking.events import EngagedWith, Exposed, Shown
from greenroom.actors.social.ranking.messages import (
    Engaged,
    Exposure,
    FeaturesOf,
    FeaturesShown,
    Observe,
    RecordLiked,
)
from greenroom.actors.social.ranking.values import FEATURES
from greenroom.actors.social.ranking.windows import Tally

AUTHORS_MAX = 2_000  # of one reader; who was not met for longest is forgotten
DWELL_MS_MAX = 300_000  # of one look: who leaves a page open reads no longer
LIKED_S = 10.0  # in which likes are gathered; lost in a crash, and where the shard moves
LIKED_MAX = 100  # that are gathered
WEIGHTS = {"clicked": 1.0, "like": 2.0, "comment": 4.0, "share": 4.0}

FeaturesEvent = Exposed | EngagedWith


class FeaturesState(Struct):
    """Sums of all that the reader does, and of what they do with each author."""

    mine: Tally = field(default_factory=Tally)
    authors: dict[Subject, Tally] = field(default_factory=dict)  # who was met last comes last


class Features(Actor[FeaturesState]):
    """What one reader does; the key is their user id."""

    kind = "features"
    key_is_user = True
    internal: ClassVar[tuple[type[Message], ...]] = (Observe, Engaged, RecordLiked, FeaturesOf)
    events: ClassVar[tuple[type[Event], ...]] = (Exposed, EngagedWith)
    # An event of a page has some 10 KiB. It is awake for as long as the feed whose pages it ranks.
    limits = KindLimits(history_events=200, snapshot_every=50, idle_s=600.0)

    def __init__(self, entity: str, runtime: Runtime) -> None:
        super().__init__(entity, runtime)
        self._liked: list[EngagedWith] = []

    def handle(self, message: Observe | Engaged | RecordLiked | FeaturesOf) -> FeaturesShown | None:
        match message:
            case Observe():
                if message.exposures:
                    self.record(Exposed(items=[_shown(one) for one in message.exposures]))
                return None
            case Engaged():
                if message.did in WEIGHTS and message.author != self.key:  # what one does with one's own says nothing
                    self._engage(EngagedWith(author=message.author, post=message.post, did=message.did))
                return None
            case RecordLiked():
                self._record_liked()
                return None
            case FeaturesOf():
                return self._features(message.authors)
            case _:
                assert_never(message)

    def _engage(self, event: EngagedWith) -> None:
        if event.did != "like":
            self.record(event)
            return
        self._liked.append(event)
        if len(self._liked) == LIKED_MAX:
            self._record_liked()
        elif len(self._liked) == 1:
            self.after(LIKED_S, RecordLiked())

    def _record_liked(self) -> None:
        liked, self._liked = self._liked, []
        for event in liked:
            self.record(event)

    def _features(self, authors: list[str]) -> FeaturesShown:
        now_ms, known = int(self.now * 1000), self.state.authors
        found = {author: windows.now(known[author], now_ms) for author in dict.fromkeys(authors) if author in known}
        return FeaturesShown(windows.now(self.state.mine, now_ms), found)

    def apply(self, event: FeaturesEvent) -> None:
        match event:
            case Exposed():
                for item in event.items:
                    self._count_shown(item)
            case EngagedWith():
                self._count(event.author, "engaged", WEIGHTS.get(event.did, 0.0))
            case _:
                assert_never(event)

    def _count_shown(self, item: Shown) -> None:
        match item.did:
            case "clicked":
                self._count(item.author, "engaged", WEIGHTS["clicked"])
            case "dwelt":
                self._count(item.author, "dwelt", min(item.ms, DWELL_MS_MAX) / 1000)
            case "seen" | "hid":
                self._count(item.author, item.did, 1.0)

    def _count(self, author: str, what: str, amount: float) -> None:
        state = self.state
        windows.count(state.mine, what, amount, self.at_ms)
        tally = state.authors.pop(author, None)
        if tally is None:
            tally = Tally()
            if len(state.authors) >= AUTHORS_MAX:
                del state.authors[next(iter(state.authors))]
        state.authors[author] = tally
        windows.count(tally, what, amount, self.at_ms)

    @classmethod
    def publication(cls, event: FeaturesEvent) -> None:
        """Nobody's to see."""

    def may_watch(self) -> None:
        """Raises: Refused."""
        if not self.principal.system and STAFF_ROLES.isdisjoint(self.principal.roles):
            raise Refused("features.internal", "features are for ranking alone")


def _shown(exposure: Exposure) -> Shown:
    signal = exposure.signal
    known = exposure.features if signal.did == "seen" else {}
    return Shown(
        post=signal.post,
        author=exposure.author,
        did=signal.did,
        ms=signal.ms,
        position=signal.position,
        score=exposure.score,
        model=exposure.model,
        experiment=exposure.experiment,
        features={name: value for name in FEATURES if (value := known.get(name))},
    )
