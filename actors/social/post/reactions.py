"""One of the parts of a hot post's reactions: `reactions:ID.NN`, the owner of what some of its users say of it.

It tells the post what it counts: all of it, not what has changed, so no two of these can add up to something wrong. The
first change is told at once, further ones at most once a second, however many there were.
"""

from typing import ClassVar

from msgspec import Struct, field

from greenroom.actors.model.actor import Actor, KindLimits, Runtime
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.message import Done, Event, Message
from greenroom.actors.personal.fields import Subject
from greenroom.actors.social.post.messages import Mine, ShardChanged
from greenroom.actors.social.post.shards import (
    SHARD_MAX,
    Count,
    Drop,
    ReactionOf,
    SetReaction,
    ShardCounts,
    TellCounts,
)
from greenroom.actors.social.post.state import moved

TELL_S = 1.0  # between two times that the post is told
TELL = "tell"  # the timer


class ShardReactionChanged(Event, omit_defaults=True, tag="reactions.changed"):
    """Somebody says something else than before; "" is nothing."""

    user: Subject
    reaction: str = ""
    before: str = ""


class ReactionsDropped(Event, tag="reactions.dropped"):
    """The post is gone."""


ShardEvent = ShardReactionChanged | ReactionsDropped


class ShardState(Struct):
    """At most SHARD_MAX reactors."""

    reactors: dict[Subject, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    gone: bool = False


class Reactions(Actor[ShardState]):
    """Some of those who have reacted to a post, by their names; the key is `ID.NN`."""

    kind = "reactions"
    internal: ClassVar[tuple[type[Message], ...]] = (SetReaction, ReactionOf, Count, Drop, TellCounts)
    events: ClassVar[tuple[type[Event], ...]] = (ShardReactionChanged, ReactionsDropped)
    publishes_info = False
    limits = KindLimits(snapshot_every=5_000, history_events=20_000, idle_s=30.0, timers_max=10)

    def __init__(self, entity: str, runtime: Runtime) -> None:
        super().__init__(entity, runtime)
        self._told_s = 0.0
        self._post, _, self._shard = self.key.partition(".")

    def handle(self, message: SetReaction | ReactionOf | Count | Drop | TellCounts) -> Mine | ShardCounts | Done:
        match message:
            case SetReaction():
                self._set(message.user, message.reaction or "")
            case ReactionOf():
                self._tell_what_is_put_off()
                return Mine(self.state.reactors.get(message.user, ""))
            case Count():
                self._tell_what_is_put_off()
                return ShardCounts(self.state.counts)
            case Drop() if not self.state.gone:
                self.record(ReactionsDropped())
                self.cancel_timer(TELL)
            case TellCounts() if not self.state.gone and (self.fired is not None or TELL in self.timers):
                self.cancel_timer(TELL)
                self._tell()
        return Done()

    def _set(self, user: str, reaction: str) -> None:
        state = self.state
        before = state.reactors.get(user, "")
        if state.gone or before == reaction or (not before and len(state.reactors) >= SHARD_MAX):
            return
        self.record(ShardReactionChanged(user=user, reaction=reaction, before=before))
        left_s = self._told_s + TELL_S - self.now
        if not 0 < left_s <= TELL_S:
            self._tell()
        elif TELL not in self.timers:
            self.set_timer(TELL, TellCounts(), after=left_s)
            # A timer is due at a time, which a clock that is set back leaves far ahead.
            self.after(left_s, TellCounts())

    def _tell_what_is_put_off(self) -> None:
        """By a clock that was ahead, in a life that ended before the second was over: nobody tells then until that time
        has come."""
        timer = self.timers.get(TELL)
        if timer is not None and timer.due_ms > (self.now + TELL_S) * 1000 + 1:
            self.cancel_timer(TELL)
            self._tell()

    def _tell(self) -> None:
        self._told_s = self.now
        self.tell(f"post:{self._post}", ShardChanged(shard=self._shard, counts=self.state.counts))

    def apply(self, event: ShardEvent) -> None:
        state = self.state
        match event:
            case ShardReactionChanged(user=user):
                if event.reaction:
                    state.reactors[user] = event.reaction
                else:
                    state.reactors.pop(user, None)
                state.counts = moved(state.counts, {event.before: -1, event.reaction: 1})
            case ReactionsDropped():
                state.reactors, state.counts, state.gone = {}, {}, True

    def may_watch(self) -> None:
        """Who has reacted is nobody's to see. Raises: Refused."""
        raise Refused("reactions.closed", "who has reacted is not shown")
