"""Whom somebody follows: one command, one refusal, one crossing at a time. All at once: test_follows_at_random.py."""

import msgspec
import pytest

from greenroom import Refused
from greenroom.actors.chat.room.messages import BarredChanged
from greenroom.actors.inbox import messages as inbox
from greenroom.actors.inbox.messages import Withdraw
from greenroom.actors.model.errors import UnknownCommand
from greenroom.actors.social.feed.messages import CloseChanged, FollowsChanged, MutedChanged
from greenroom.actors.social.follows.actor import Follows
from greenroom.actors.social.follows.edges import CHANGES_PER_H
from greenroom.actors.social.follows.messages import (
    BLOCKED_MAX,
    CLOSE_MAX,
    FOLLOWING_MAX,
    MUTED_MAX,
    PENDING_MAX,
    Accept,
    Admitted,
    AskToFollow,
    Block,
    Came,
    Cut,
    Decline,
    Declined,
    Door,
    DoorAsk,
    EdgeAsk,
    Follow,
    FollowShown,
    LeftYou,
    MayAsk,
    Mute,
    Relate,
    Remove,
    SetClose,
    SetPrivate,
    Suggest,
    Unblock,
    Unfollow,
    Unmute,
)
from greenroom.actors.social.follows.state import Followed
from greenroom.testing import Kit
from tests.actors.social.follows.people import People, following, meeting, told

# Following.


def test_to_follow_twice_is_to_follow_once() -> None:
    people = People("ann", "bob")
    for _ in range(3):
        people.say("ann", Follow(user="bob"))
    people.settle()
    assert people.kits["bob"].state.followers == 1


def test_two_who_follow_each_other_at_once() -> None:
    people = People("ann", "bob")
    people.say("ann", Follow(user="bob"))
    people.say("bob", Follow(user="ann"))
    people.settle()
    assert [kit.state.followers for kit in people.kits.values()] == [1, 1]


def test_who_leaves_is_counted_no_more_and_not_shown() -> None:
    people = People("ann", "bob")
    people.say("ann", Follow(user="bob"))
    people.settle()
    people.say("ann", Unfollow(user="bob"))
    people.say("ann", Unfollow(user="bob"))
    people.settle()
    assert people.kits["bob"].state.followers == 0
    assert people.feeds["ann"].follows == set()
    assert people.notices["bob"] == {}
    assert people.kits["bob"].publications == []


def test_nobody_follows_blocks_or_mutes_themself() -> None:
    kit = Kit(Follows, key="ann")
    for command in (Follow, Block, Mute, Remove, SetClose, Relate):
        with pytest.raises(Refused, match=r"follows\.oneself"):
            kit.tell(command(user="ann"), user="ann")
    assert kit.events == [] and kit.told == []


def test_one_follows_so_many_and_those_asked_count() -> None:
    kit = meeting("bob", "cat", door=Door(open=False))
    kit.state.following = {f"user-{number}": Followed(number, 0) for number in range(FOLLOWING_MAX - 1)}
    kit.ask(Follow(user="bob"), user="ann")
    with pytest.raises(Refused, match=r"follows\.too_many: "):
        kit.ask(Follow(user="cat"), user="ann")
    assert kit.ask(Follow(user="bob"), user="ann") == FollowShown("asked")


def test_a_user_changes_so_much_an_hour() -> None:
    kit = meeting("bob")
    kit.ask(Follow(user="bob"), user="ann")
    kit.ask(Unfollow(user="bob"), user="ann")  # which is free
    for _ in range(CHANGES_PER_H - 1):
        kit.ask(Remove(user="bob"), user="ann")
    with pytest.raises(Refused, match=r"follows\.too_often"):
        kit.ask(Follow(user="bob"), user="ann")


def test_only_its_user_and_staff_may() -> None:
    kit = meeting("cat", door=Door(open=False))
    for command in (Follow(user="cat"), Block(user="cat"), SetPrivate(private=True), Relate(user="cat"), Suggest()):
        with pytest.raises(Refused, match=r"follows\.not_yours"):
            kit.tell(command, user="bob")
        with pytest.raises(Refused, match="unauthenticated"):
            kit.tell(command, user="")
    with pytest.raises(Refused, match=r"follows\.not_yours"):
        kit.watch(user="bob")
    with pytest.raises(UnknownCommand):
        kit.tell(Admitted(author="cat", seq=1), user="ann")
    kit.ask(Follow(user="cat"), user="bob", roles=("service",))
    kit.watch(user="ann")
    assert kit.state.asked == {"cat": 1}


# A private account.


def test_a_private_account_is_asked() -> None:
    people = People("ann", "bob")
    people.say("bob", SetPrivate(private=True))
    people.say("ann", Follow(user="bob"))
    people.settle()
    assert people.kits["bob"].view()["pending"] == ["ann"]
    assert list(people.notices["bob"]) == ["request:ann"]
    assert people.kits["bob"].publications[-1]["follower"] == "ann"
    people.say("bob", Accept(user="ann"))
    people.settle()
    assert "bob" in people.kits["ann"].state.following
    assert people.notices["bob"] == {}
    assert list(people.notices["ann"]) == ["accepted:bob"]


def test_who_is_declined_may_ask_again() -> None:
    people = People("ann", "bob")
    people.say("bob", SetPrivate(private=True))
    for _ in range(2):
        assert people.say("ann", Follow(user="bob")) == FollowShown("asked")
        people.settle()
        people.say("bob", Decline(user="ann"))
        people.settle()
        assert people.notices["ann"] == {} and people.kits["ann"].state.asked == {}
    assert people.kits["bob"].state.followers == 0


def test_a_request_that_is_taken_back_is_gone() -> None:
    people = People("ann", "bob")
    people.say("bob", SetPrivate(private=True))
    people.say("ann", Follow(user="bob"))
    people.settle()
    people.say("ann", Unfollow(user="bob"))
    people.settle()
    assert people.kits["bob"].state.pending == {} and people.notices["bob"] == {}
    with pytest.raises(Refused, match=r"follows\.no_request"):
        people.say("bob", Accept(user="ann"))
    with pytest.raises(Refused, match=r"follows\.no_request"):
        people.say("bob", Decline(user="ann"))


def test_what_is_taken_back_while_it_is_accepted_is_not_counted() -> None:
    people = People("ann", "bob")
    people.say("bob", SetPrivate(private=True))
    people.say("ann", Follow(user="bob"))
    people.settle()
    people.say("ann", Unfollow(user="bob"))
    people.say("bob", Accept(user="ann"))
    people.settle()
    assert people.kits["bob"].state.followers == 0
    assert people.kits["ann"].state.following == {}


def test_an_account_that_opens_lets_in_all_who_wait_but_nobody_twice() -> None:
    people = People("ann", "bob", "cat", "dan")
    people.say("dan", SetPrivate(private=True))
    for user in ("ann", "bob", "cat"):
        people.say(user, Follow(user="dan"))
    people.settle()
    people.say("dan", Decline(user="cat"))
    people.say("dan", SetPrivate(private=False))
    people.say("dan", SetPrivate(private=True))
    people.settle()
    assert people.kits["dan"].state.followers == 2
    assert people.notices["dan"] == {} and "accepted:dan" in people.notices["ann"]
    withdrawn = [one for one in told(people.kits["dan"], "inbox:dan") if isinstance(one, Withdraw)]
    by_id = [Withdraw(id=f"request:{user}") for user in ("cat", "ann", "bob")]
    assert withdrawn == [by_id[0], Withdraw(group="request"), *by_id[1:]], "those put away by id, the rest however old"
    assert [user for user, kit in people.kits.items() if "dan" in kit.state.following] == ["ann", "bob"]


def test_so_many_wait_to_be_let_in_and_the_next_is_declined() -> None:
    kit = Kit(Follows, key="ann")
    kit.ask(SetPrivate(private=True), user="ann")
    kit.state.pending = {f"user-{number}": number for number in range(PENDING_MAX)}
    kit.tell(AskToFollow(follower="bob", seq=1))
    assert len(kit.state.pending) == PENDING_MAX
    assert told(kit, "follows:bob") == [Declined(author="ann", seq=1)]
    kit.tell(AskToFollow(follower="user-1", seq=5_000))
    assert kit.state.pending["user-1"] == 5_000
    kit.ask(SetPrivate(private=False), user="ann")
    assert kit.state.followers == PENDING_MAX and not kit.state.pending


# Removing and blocking.


def test_a_follower_is_removed_and_may_come_back() -> None:
    people = People("ann", "bob")
    people.say("ann", Follow(user="bob"))
    people.settle()
    people.say("bob", Remove(user="ann"))
    people.settle()
    assert people.kits["bob"].state.followers == 0 and people.feeds["ann"].follows == set()
    people.say("ann", Follow(user="bob"))
    people.settle()
    assert people.kits["bob"].state.followers == 1


def test_to_remove_who_has_asked_is_to_decline() -> None:
    people = People("ann", "bob")
    people.say("bob", SetPrivate(private=True))
    people.say("ann", Follow(user="bob"))
    people.settle()
    people.say("bob", Remove(user="ann"))
    people.settle()
    assert people.kits["bob"].state.pending == {} == people.kits["ann"].state.asked


def test_a_block_ends_both_edges_and_no_new_one_begins() -> None:
    people = People("ann", "bob")
    people.say("ann", Follow(user="bob"))
    people.say("bob", Follow(user="ann"))
    people.say("bob", SetClose(user="ann"))
    people.settle()
    people.say("bob", Block(user="ann"))
    people.say("bob", Block(user="ann"))
    people.settle()
    assert [kit.state.followers for kit in people.kits.values()] == [0, 0]
    assert people.feeds["ann"].barred == {("bob", False)} and people.feeds["bob"].barred == {("ann", True)}
    assert people.feeds["ann"].close == set()
    people.say("ann", Follow(user="bob"))
    people.settle()
    assert people.kits["ann"].state.asked == {} and people.kits["bob"].state.followers == 0
    for command in (Follow(user="ann"), SetClose(user="ann")):
        with pytest.raises(Refused, match=r"follows\.blocked"):
            people.say("bob", command)
    people.say("bob", Unblock(user="ann"))
    people.say("bob", Unblock(user="ann"))
    people.say("ann", Follow(user="bob"))
    people.settle()
    assert people.feeds["ann"].barred == people.feeds["bob"].barred == set()
    assert people.kits["bob"].state.followers == 1


def test_a_block_is_told_to_the_conversation_of_the_two() -> None:
    kit = Kit(Follows, key="bob")
    for command in (Block(user="ann"), Block(user="ann"), Unblock(user="ann"), Unblock(user="ann")):
        kit.ask(command, user="bob")
    assert told(kit, "room:@ann+bob") == [BarredChanged(by="bob", barred=True), BarredChanged(by="bob", barred=False)]


def test_who_can_have_no_conversation_is_blocked_all_the_same() -> None:
    user = "b" * 200
    kit = Kit(Follows, key=user)
    kit.ask(Block(user="a" * 200), user=user)
    assert kit.state.blocked == {"a" * 200}
    assert not [one for one in kit.told if one.entity.startswith("room:")]


def test_who_is_blocked_while_they_ask_does_not_come_in() -> None:
    people = People("ann", "bob")
    people.all_are_out = True
    people.say("ann", Follow(user="bob"))
    people.say("bob", Block(user="ann"))
    people.settle()
    assert people.kits["bob"].state.followers == 0
    assert people.kits["ann"].state.asked == {} == people.kits["ann"].state.following
    assert people.notices["bob"] == {}


def test_who_waits_to_be_let_in_and_is_blocked_waits_no_more() -> None:
    people = People("ann", "bob")
    people.say("bob", SetPrivate(private=True))
    people.say("ann", Follow(user="bob"))
    people.settle()
    people.say("bob", Block(user="ann"))
    with pytest.raises(Refused, match=r"follows\.no_request"):
        people.say("bob", Accept(user="ann"))
    people.settle()
    assert people.kits["ann"].state.asked == {} and people.notices["bob"] == {}


def test_lists_have_bounds() -> None:
    kit = Kit(Follows, key="ann")
    names = [f"user-{number}" for number in range(BLOCKED_MAX)]
    kit.state.blocked, kit.state.muted, kit.state.close = set(names), set(names[:MUTED_MAX]), set(names[:CLOSE_MAX])
    for command, rule in (
        (Block(user="bob"), "too_many_blocked"),
        (Mute(user="bob"), "too_many_muted"),
        (SetClose(user="bob"), "too_many_close"),
    ):
        with pytest.raises(Refused, match=rf"follows\.{rule}"):
            kit.tell(command, user="ann")


def test_a_feed_is_told_of_what_it_does_not_show() -> None:
    kit = Kit(Follows, key="ann")
    for _ in range(2):
        kit.ask(Mute(user="bob"), user="ann")
    kit.ask(SetClose(user="cat"), user="ann")
    kit.ask(SetClose(user="cat"), user="ann")
    kit.ask(Unmute(user="bob"), user="ann")
    kit.ask(SetClose(user="cat", close=False), user="ann")
    assert told(kit, "feed:ann") == [MutedChanged(user="bob", muted=True), MutedChanged(user="bob", muted=False)]
    assert told(kit, "feed:cat") == [CloseChanged(author="ann", close=True), CloseChanged(author="ann", close=False)]
    assert told(kit, "inbox:ann") == [
        inbox.MutedChanged(user="bob", muted=True),
        inbox.MutedChanged(user="bob", muted=False),
    ]
    assert told(kit, "feed:bob") == [] == told(kit, "follows:bob")  # they don't hear of it


def test_a_cut_of_who_does_not_follow_does_nothing() -> None:
    kit = Kit(Follows, key="ann")
    kit.tell(Cut(author="bob"))
    assert kit.events == [] and kit.told == []


def test_an_author_who_was_forgotten_counts_nobody_below_nothing() -> None:
    kit = Kit(Follows, key="bob")
    kit.tell(LeftYou(follower="ann", seq=3))
    assert kit.state.followers == 0 and kit.events == []


# A million followers.


def test_a_million_followers_are_a_number() -> None:
    """No more is remembered of the millionth follower than of the first, and what is told is told to one."""
    kit = Kit(Follows, key="ann")
    kit.state.followers = 1_000_000
    before = len(msgspec.json.encode(kit.state))
    for number in range(100):
        kit.tell(AskToFollow(follower=f"user-{number}", seq=1))
        kit.tell(Came(follower=f"guest-{number}", seq=1))
    assert len(msgspec.json.encode(kit.state)) == before < 200
    assert len(kit.events) == 200 and len(kit.told) == 300  # who has asked, and the inbox
    assert told(kit, "feed:ann") == []


def test_who_counts_all_the_time_says_all_the_while_who_may_come_in() -> None:
    """As far as their blocks, friends and account are durable: nobody need wait until those who came are."""
    kit = Kit(Follows, key="ann")
    for command in (Block(user="bob"), Unblock(user="bob"), SetClose(user="cat"), SetPrivate(private=True)):
        kit.ask(command, user="ann")
        changed_at = kit.offset
        kit.tell(Came(follower="dan", seq=1))
        for message in (DoorAsk(follower="eve"), MayAsk(user="eve", post="p1")):
            assert kit.actor.answers_by(message) == changed_at
        assert kit.actor.answers_by(EdgeAsk(author="eve")) == kit.offset > changed_at


def test_a_feed_is_told_of_an_edge_once() -> None:
    kit = following("bob")
    kit.tell(Cut(author="bob"))
    assert told(kit, "feed:ann") == [
        FollowsChanged(author="bob", follows=True),
        FollowsChanged(author="bob", follows=False),
    ]
