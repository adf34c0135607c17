"""A post, whatever becomes of it: what always holds, and that its rows are what its state says."""

from collections import Counter
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from greenroom import Ask, Event, Refused
from greenroom.actors.inbox.messages import Notify
from greenroom.actors.social.moderation.messages import Verdict
from greenroom.actors.social.post.messages import (
    AudienceChanged,
    CommentsChanged,
    Delete,
    Edit,
    Hide,
    Publish,
    React,
    SharesChanged,
    Unreact,
)
from greenroom.actors.social.post.views import Posts, SaidInPosts, Tagged, Wall
from greenroom.actors.social.spread.jobs import SpreadPlan
from greenroom.actors.views.view import View
from greenroom.testing import fold
from tests.actors.social.post.posting import ID, OTHER, USERS, deliver_own, told, told_twice, unpublished
from tests.actors.social.post.test_views import seeded

VIEWS: tuple[type[View], ...] = (Posts, Wall, Tagged, SaidInPosts)
users = st.sampled_from(USERS)
texts = st.sampled_from(["#a @bob", "#b @bob @cat", "#a #b", "nothing", "@ann @dan #c"])


class PostMachine(RuleBasedStateMachine):
    """Random commands of random users, and what others tell it."""

    @initialize(
        early=st.booleans(),
        is_pending=st.booleans(),
        is_shadowed=st.sampled_from([False, False, False, True]),
        is_story=st.booleans(),
        text=texts,
    )
    def publish(self, early: bool, text: str, **marks: Any) -> None:
        self.kit, self.follows = unpublished()
        self.kit.when_asked("rules:all", lambda _: self.verdict)
        self.verdict = Verdict(verdict="fine")
        if early:
            self.kit.ask(Delete(), user="eve")
        self.kit.tell(Publish(author="ann", text=text, share_of=OTHER, **marks))

    def command(self, user: str, message: Ask[Any]) -> None:
        offset = self.kit.offset
        try:
            self.kit.ask(message, user=user)
        except Refused:
            assert self.kit.offset == offset

    @rule(user=users, message=st.sampled_from([React(), React(reaction="sad"), Unreact()]))
    def react(self, user: str, message: Ask[Any]) -> None:
        self.command(user, message)

    @rule(text=texts)
    def edit(self, text: str) -> None:
        self.command("ann", Edit(text=text))

    @rule(hidden=st.booleans())
    def moderate(self, hidden: bool) -> None:
        self.kit.tell(Hide(hidden=hidden))

    @rule(comments=st.integers(0, 3), by=st.sampled_from([1, -1]), user=users)
    def others_speak_of_it(self, comments: int, by: int, user: str) -> None:
        self.kit.tell(CommentsChanged(count=comments))
        self.kit.tell(SharesChanged(by=by, user=user, post=OTHER))

    @rule(verdict=st.sampled_from(["fine", "hide", "shadow", "refuse"]))
    def rules_change(self, verdict: Any) -> None:
        self.verdict = Verdict(verdict=verdict)

    @rule(pair=st.tuples(st.sampled_from(["ann", "cat"]), st.sampled_from(["bob", "ann"])))
    def block(self, pair: tuple[str, str]) -> None:
        self.follows.barred ^= {pair}
        self.kit.tell(AudienceChanged())

    @rule()
    def what_it_tells_itself_comes(self) -> None:
        deliver_own(self.kit)

    @rule(seconds=st.sampled_from([1.0, 30.0, 10_000.0]))
    def time_passes(self, seconds: float) -> None:
        self.kit.advance(seconds)

    @rule(seldom=st.integers(0, 3))
    def delete(self, seldom: int) -> None:
        self.command("bob", Delete())
        if not seldom:
            self.command("ann", Delete())

    @rule(from_snapshot=st.booleans())
    def restart(self, from_snapshot: bool) -> None:
        self.kit.restart(from_snapshot=from_snapshot)

    @invariant()
    def reactions_are_of_who_reacts(self) -> None:
        state = self.kit.state
        assert state.reactions == Counter(state.reactors.values())

    @invariant()
    def nobody_is_told_twice(self) -> None:
        mentions = {entity for entity, said in told(self.kit, Notify) if said.kind == "mention"}
        assert not told_twice(self.kit, "mention") and "inbox:ann" not in mentions
        assert sum(isinstance(one.job, SpreadPlan) for one in self.kit.started) <= 1

    @invariant()
    def what_it_shares_counts_it_while_it_can_be_seen(self) -> None:
        assert sum(said.by for _, said in told(self.kit, SharesChanged)) == self.kit.state.is_seen

    def teardown(self) -> None:
        happened: list[tuple[str, Event]] = [(f"post:{ID}", event) for event in self.kit.events]
        for view in VIEWS:
            made = sorted(seeded(view, self.kit.state), key=lambda row: getattr(row, "tag", ""))
            assert fold(view, happened) == made


TestPost = PostMachine.TestCase
TestPost.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
