"""A post and the parts of its reactions, whatever is said and in whatever order it comes: the counts are a recount."""

from collections import Counter, deque
from typing import Any, ClassVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from greenroom import Message
from greenroom.actors.social.post.actor import Post
from greenroom.actors.social.post.messages import React, Recount, Unreact
from greenroom.actors.social.post.reactions import Reactions
from greenroom.actors.social.post.shards import SHARDS, Count, ShardCounts, shard_entity
from greenroom.testing import Kit
from tests.actors.social.post.posting import ID, published

users = st.sampled_from([f"u{number}" for number in range(7)])


class TinyPost(Post):
    """Knows three reactors by itself."""

    reactors_max: ClassVar[int] = 3


class ReactionsMachine(RuleBasedStateMachine):
    """Messages of each pair come in order, and those of different pairs in any."""

    @initialize()
    def begin(self) -> None:
        self.post, follows = published(TinyPost, text="x")
        follows.all_barred = []
        self.post.ask(React(), user="bob")
        self.post.ask(Unreact(), user="bob")
        self.parts: dict[str, Kit[Reactions]] = {}
        self.lanes: dict[tuple[str, str], deque[Message]] = {}
        self.heard: dict[str, int] = {}
        self.model: dict[str, str] = {}
        for shard in SHARDS:
            self.post.when_asked(shard_entity(ID, shard), lambda _: ShardCounts({}))
        self.collect(self.post)

    def collect(self, kit: Kit[Any]) -> None:
        """What it has told since, on its way to the post or a part of it."""
        for one in kit.told[self.heard.get(kit.entity, 0) :]:
            if one.entity.startswith(("post:", "reactions:")):
                self.lanes.setdefault((kit.entity, one.entity), deque()).append(one.message)
        self.heard[kit.entity] = len(kit.told)

    def deliver(self, sender: str, receiver: str) -> None:
        message = self.lanes[sender, receiver].popleft()
        kit: Kit[Any]
        if receiver == self.post.entity:
            kit = self.post
        else:
            kit = self.parts.get(receiver) or Kit(Reactions, key=receiver.partition(":")[2], now=self.post.now)
            if receiver not in self.parts:
                self.parts[receiver] = kit
                self.post.when_asked(receiver, lambda _: ShardCounts(kit.ask(Count()).counts))
        kit.tell(message)
        self.collect(kit)

    @rule(user=users, reaction=st.sampled_from(["like", "love"]))
    def react(self, user: str, reaction: Any) -> None:
        assert self.post.ask(React(reaction=reaction), user=user).mine == reaction
        self.model[user] = reaction
        self.collect(self.post)

    @rule(user=users)
    def unreact(self, user: str) -> None:
        assert self.post.ask(Unreact(), user=user).mine == ""
        self.model.pop(user, None)
        self.collect(self.post)

    @rule(number=st.integers(0, 20))
    def something_comes(self, number: int) -> None:
        waiting = [pair for pair, lane in self.lanes.items() if lane]
        if waiting:
            self.deliver(*waiting[number % len(waiting)])

    @rule(seconds=st.sampled_from([0.05, 0.5, 2.0]))
    def time_passes(self, seconds: float) -> None:
        for kit in (self.post, *self.parts.values()):
            kit.advance(seconds)
            self.collect(kit)

    @rule(number=st.integers(0, 7), from_snapshot=st.booleans())
    def somebody_is_restarted(self, number: int, from_snapshot: bool) -> None:
        kits: list[Kit[Any]] = [self.post, *self.parts.values()]
        kits[number % len(kits)].restart(from_snapshot=from_snapshot)

    @invariant()
    def each_counts_what_it_knows(self) -> None:
        state = self.post.state
        known = Counter(state.reactors.values())
        for counts in state.shards.values():
            known.update(counts)
        assert state.reactions == known
        assert all(kit.state.counts == Counter(kit.state.reactors.values()) for kit in self.parts.values())
        assert not any(set(kit.state.reactors) & set(state.reactors) for kit in self.parts.values())

    def teardown(self) -> None:
        """When all has come, the post counts what everybody has said last."""
        for _ in range(2):
            while any(self.lanes.values()):
                self.something_comes(0)
            self.time_passes(2.0)
        while any(self.lanes.values()):
            self.something_comes(0)
        assert self.post.state.reactions == Counter(self.model.values())
        assert self.post.ask(Recount()).drift == 0


TestReactions = ReactionsMachine.TestCase
TestReactions.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
