"""Reactions: one of a user, counted exactly.

Those of the first `reactors_max` users are the post's own. Then it is *sharded*, for good: who is not among these is
known to one of 256 `reactions:ID.NN`, is handed on there, and never comes back, so nobody can be counted twice.
"""

from collections import Counter
from collections.abc import Coroutine
from typing import Any, ClassVar

import trio

from greenroom.actors.inbox.messages import Withdraw
from greenroom.actors.model.actor import Runtime
from greenroom.actors.model.errors import Refused
from greenroom.actors.social.feed.messages import Reaction
from greenroom.actors.social.notices import notice, notice_id
from greenroom.actors.social.post.admitting import AdmittingPost
from greenroom.actors.social.post.events import CountsShown, ReactionChanged, ShardCounted, Sharded
from greenroom.actors.social.post.messages import Counted, Mine, Reacted, Recounted, ShardChanged, ShowCounts
from greenroom.actors.social.post.shards import (
    SHARD_MAX,
    SHARDS,
    Count,
    Drop,
    ReactionOf,
    SetReaction,
    shard_entity,
    shard_for,
)
from greenroom.actors.social.post.state import differences
from greenroom.actors.social.ranking.messages import Engaged

NOTIFIED_MAX = 1_000  # users whose reactions its author is told of one by one
ENGAGED_PER_S = 100  # reactions that features hear of: these are no facts, but a taste
COUNTED_AT_ONCE = 32  # parts, where all are counted anew
COUNTS_S = 0.1  # between two times that watchers are shown counts
REACTIONS_PER_H = 3_000  # of a user, over all posts


class ReactingPost(AdmittingPost):
    """A post that people react to."""

    reactors_max: ClassVar[int] = 20_000

    def __init__(self, entity: str, runtime: Runtime) -> None:
        super().__init__(entity, runtime)
        self._counts_s = 0.0  # when watchers were shown counts
        self._counts_due = False
        self._engaged = (0, 0)  # a second, and how many reactions features heard of in it

    def _react(self, user: str, reaction: Reaction | None) -> Reacted:
        state = self.state
        before = state.reactors.get(user, "")
        now = reaction or ""
        if state.is_sharded and not before:
            self._hand_on(user, reaction)
        elif before != now:
            self.limit_user("post.too_many_reactions", REACTIONS_PER_H)
            is_told = self._is_told_of(user)
            self.record(ReactionChanged(user=user, reaction=now, before=before, notified=is_told))
            if len(state.reactors) >= self.reactors_max and not state.is_sharded:
                self.record(Sharded())
            if not before and user != state.author:
                self._tell_features(user)
            if is_told and not before:
                self.tell(f"inbox:{state.author}", notice("like", self.key, user, at_ms=self.at_ms))
            elif is_told and not now:
                self.tell(f"inbox:{state.author}", Withdraw(id=notice_id("like", self.key, user)))
            self._show_counts()
        return Reacted(state.reactions, now)

    def _take_back(self, user: str) -> Reacted | Coroutine[Any, Any, Reacted]:
        """One's own, also where one may see the post no more; then nothing is told of it."""
        may = self._look(user)
        if may is None and not (self.state.gone or self.state.is_veiled):
            may = self._glance_at(user)
        if may is not None:
            return self._taken_back(user, may)

        async def take_back() -> Reacted:
            try:
                await self._admit(user)
            except Refused:
                return self._taken_back(user, False)
            return self._taken_back(user, True)

        return take_back()

    def _taken_back(self, user: str, may: bool) -> Reacted:
        if may:
            return self._react(user, None)
        if user not in self.state.reactors and not self.state.is_sharded:
            raise self._not_found
        self._react(user, None)
        return Reacted({}, "")

    def _is_told_of(self, user: str) -> bool:
        """Does its author hear of what that user says?"""
        state = self.state
        if user == state.author or state.is_veiled:
            return False
        return user in state.notified or len(state.notified) < NOTIFIED_MAX

    def _hand_on(self, user: str, reaction: Reaction | None) -> None:
        """What it tells takes effect once and in order: the answer is as good as a fact."""
        shard = shard_for(user)
        if reaction and sum(self.state.shards.get(shard, {}).values()) >= SHARD_MAX:
            raise Refused("post.full", "as many have reacted as can be counted", status=409)
        self.limit_user("post.too_many_reactions", REACTIONS_PER_H)
        self.tell(shard_entity(self.key, shard), SetReaction(user=user, reaction=reaction))
        if reaction and user != self.state.author:
            self._tell_features(user)

    def _count_shard(self, changed: ShardChanged) -> None:
        state = self.state
        if state.gone:
            self.tell(shard_entity(self.key, changed.shard), Drop())  # it was handed a reaction just before
            return
        by = differences(state.shards.get(changed.shard, {}), changed.counts)
        if by and state.is_sharded:
            self.record(ShardCounted(shard=changed.shard, counts=changed.counts, by=by))
            self._show_counts()

    def _mine(self, user: str) -> Mine | Coroutine[Any, Any, Mine]:
        found = self.state.reactors.get(user, "")
        if found or not self.state.is_sharded:
            return Mine(found)
        return self.ask(shard_entity(self.key, shard_for(user)), ReactionOf(user=user))

    def _recount(self) -> Recounted | Coroutine[Any, Any, Recounted]:
        if not self._is_staff and not self.principal.system:
            raise Refused("post.not_yours", "only staff has it counted anew")
        return self._count_anew() if self.state.is_sharded else self._recounted(Counter())

    async def _count_anew(self) -> Recounted:
        """Of all parts: one that has counted somebody just now may have told nothing yet."""
        found: Counter[str] = Counter()

        async def count(shard: str) -> None:
            found.update((await self.ask(shard_entity(self.key, shard), Count())).counts)

        for begin in range(0, len(SHARDS), COUNTED_AT_ONCE):
            async with trio.open_nursery() as nursery:
                for shard in SHARDS[begin : begin + COUNTED_AT_ONCE]:
                    nursery.start_soon(count, shard)
        return self._recounted(found)

    def _recounted(self, in_shards: Counter[str]) -> Recounted:
        shown = self.state.reactions
        counted = Counter(self.state.reactors.values()) + in_shards
        return Recounted(shown, counted, sum(map(abs, differences(shown, counted).values())))

    # Who hears of it.

    @property
    def _counted(self) -> Counted:
        state = self.state
        return Counted(state.reactions, state.comments, state.shares)

    @property
    def _counts(self) -> CountsShown:
        state = self.state
        return CountsShown(state.reactions, state.comments, state.shares)

    def _show_counts(self) -> None:
        """Now, or once enough time has passed since the last time."""
        left_s = self._counts_s + COUNTS_S - self.now
        if not 0 < left_s <= COUNTS_S:
            self._counts_s = self.now
            self.publish(self._counts, key="counts")
        elif not self._counts_due:
            self._counts_due = True
            self.after(left_s, ShowCounts())

    def _tell_features(self, user: str) -> None:
        """That they like it, if their features are awake."""
        second = int(self.now)
        told = self._engaged[1] if self._engaged[0] == second else 0
        if told < ENGAGED_PER_S:
            self._engaged = second, told + 1
            self.nudge((f"features:{user}",), Engaged(author=self.state.author, post=self.key, did="like"))
