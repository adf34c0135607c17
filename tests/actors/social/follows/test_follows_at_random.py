"""Whom people follow, whatever they do and in whichever order it is heard: what holds once all of it was."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from greenroom import Refused
from greenroom.actors.social.follows.messages import (
    Accept,
    Block,
    Decline,
    Follow,
    Mute,
    Remove,
    SetClose,
    SetPrivate,
    Unblock,
    Unfollow,
    Unmute,
)
from greenroom.actors.social.follows.views import Authors, Followers, Following
from greenroom.testing import fold
from tests.actors.social.follows.people import People

USERS = ("ann", "bob", "cat")
users = st.sampled_from(USERS)
commands = st.one_of(
    st.builds(Follow, user=users),
    st.builds(Follow, user=users),
    st.builds(Unfollow, user=users),
    st.builds(Accept, user=users),
    st.builds(Decline, user=users),
    st.builds(Remove, user=users),
    st.builds(Block, user=users),
    st.builds(Unblock, user=users),
    st.builds(Mute, user=users),
    st.builds(Unmute, user=users),
    st.builds(SetClose, user=users, close=st.booleans()),
    st.builds(SetPrivate, private=st.booleans()),
)


class FollowsMachine(RuleBasedStateMachine):
    """Three people, and all that is under way between them and to their feeds and inboxes."""

    def __init__(self) -> None:
        super().__init__()
        self.people = People(*USERS)

    @rule(user=users, message=commands)
    def say(self, user: str, message: Any) -> None:
        kit = self.people.kits[user]
        before = (kit.offset, len(kit.told))
        try:
            self.people.say(user, message)
        except Refused as error:
            assert 400 <= error.status < 500
            assert before == (kit.offset, len(kit.told))

    @rule(are_far=st.booleans(), are_out=st.booleans())
    def authors_are_far(self, are_far: bool, are_out: bool) -> None:
        self.people.all_are_far, self.people.all_are_out = are_far, are_out

    @rule(number=st.integers(0, 1_000), times=st.integers(1, 4))
    def deliver(self, number: int, times: int) -> None:
        for _ in range(times):
            self.people.deliver(number)

    @rule()
    def all_is_heard(self) -> None:
        self.people.settle()
        self.counts_are_those_of_edges()
        self.requests_wait_at_both_ends()
        self.nobody_follows_past_a_block()
        self.mirrors_are_the_truth()
        self.notices_are_of_what_is()

    def counts_are_those_of_edges(self) -> None:
        kits = self.people.kits
        for user, kit in kits.items():
            assert kit.state.followers == sum(user in other.state.following for other in kits.values())

    def requests_wait_at_both_ends(self) -> None:
        kits = self.people.kits
        for user, kit in kits.items():
            asking = {one: other.state.asked[user] for one, other in kits.items() if user in other.state.asked}
            assert kit.state.pending == asking
            assert kit.state.private or not asking

    def nobody_follows_past_a_block(self) -> None:
        kits = self.people.kits
        for user, kit in kits.items():
            for blocked in kit.state.blocked:
                assert blocked not in kit.state.following
                assert user not in kits[blocked].state.following
                assert blocked not in kit.state.close

    def mirrors_are_the_truth(self) -> None:
        kits = self.people.kits
        for user, kit in kits.items():
            mirror, state = self.people.feeds[user], kit.state
            assert mirror.follows == state.following.keys()
            assert mirror.muted == state.muted
            by_others = {(one, False) for one, other in kits.items() if user in other.state.blocked}
            assert mirror.barred == {(one, True) for one in state.blocked} | by_others
            assert self.people.inboxes[user].muted == state.muted
            assert self.people.inboxes[user].barred == mirror.barred
            assert mirror.close == {one for one, other in kits.items() if user in other.state.close}

    def notices_are_of_what_is(self) -> None:
        kits = self.people.kits
        for user, kit in kits.items():
            notices = self.people.notices[user]
            for one in notices.values():
                if one.kind == "follow":
                    assert user in kits[one.by].state.following
                elif one.kind == "request":
                    assert one.by in kit.state.pending
            for follower in kit.state.pending:
                assert f"request:{follower}" in notices

    def teardown(self) -> None:
        self.all_is_heard()
        kits = self.people.kits
        happened = [(kit.entity, event) for kit in kits.values() for event in kit.events]
        for kit in kits.values():
            kit.restart()
            kit.restart(from_snapshot=True)
        edges = sorted((user, author) for user, kit in kits.items() for author in kit.state.following)
        of_edges = [one for one in happened if type(one[1]) in Following.of]
        assert sorted((row.user, row.author) for row in fold(Following, of_edges)) == edges
        assert sorted((row.follower, row.author) for row in fold(Followers, of_edges)) == edges
        counts = fold(Authors, [one for one in happened if type(one[1]) in Authors.of])
        for row in counts:
            state = kits[row.user].state
            assert row == Authors.Row(row.user, state.followers, len(state.following), state.private)


FollowsMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
TestFollowsMachine = FollowsMachine.TestCase
