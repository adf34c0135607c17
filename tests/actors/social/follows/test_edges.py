"""How an edge begins and ends, and what its author counts of it meanwhile."""

import pytest

from greenroom.actors.model.errors import ActorError, CallCycle, NotInRelease, Unavailable
from greenroom.actors.social.feed.messages import FollowsChanged
from greenroom.actors.social.follows.actor import Follows
from greenroom.actors.social.follows.events import FollowAsked, FollowBegan
from greenroom.actors.social.follows.messages import (
    Admitted,
    AskToFollow,
    Block,
    Came,
    Cut,
    Declined,
    Door,
    DoorAsk,
    Follow,
    FollowShown,
    LeftYou,
    SetPrivate,
    Unfollow,
)
from greenroom.actors.social.follows.state import Followed
from greenroom.testing import Kit
from tests.actors.social.follows.people import People, meeting, told


@pytest.mark.parametrize("far", [False, True])
def test_an_edge_begins_at_once_where_the_door_is_open(far: bool) -> None:
    people = People("ann", "bob")
    people.all_are_far = far
    assert people.say("ann", Follow(user="bob")) == FollowShown("following")
    ann = people.kits["ann"]
    assert ann.state.following == {"bob": Followed(1, int(ann.now * 1000))}
    assert ann.events == [FollowAsked(author="bob", seq=1), FollowBegan(author="bob", seq=1)]
    assert told(ann, "follows:bob") == [Came(follower="ann", seq=1)]
    assert [one.message for one in ann.asked] == ([DoorAsk(follower="ann")] if far else [])
    people.settle()
    assert people.say("ann", Follow(user="bob")) == FollowShown("following")
    assert people.kits["bob"].state.followers == 1
    assert people.feeds["ann"].follows == {"bob"}
    assert [one.kind for one in people.notices["bob"].values()] == ["follow"]
    assert ann.view()["following"] == 1
    assert people.kits["bob"].view()["followers"] == 1


def test_who_wants_to_be_asked_or_has_blocked_somebody_has_no_open_door() -> None:
    bob = Kit(Follows, key="bob")
    assert bob.ask(DoorAsk(follower="ann")) == Door(open=True)
    bob.ask(Block(user="ann"), user="bob")
    assert bob.ask(DoorAsk(follower="ann")) == Door(open=False)
    assert bob.ask(DoorAsk(follower="cat")) == Door(open=True)
    bob.ask(SetPrivate(private=True), user="bob")
    assert bob.ask(DoorAsk(follower="cat")) == Door(open=False)


@pytest.mark.parametrize(
    "door",
    [Door(open=False), Unavailable("away"), CallCycle("they ask us"), NotInRelease("of an older one")],
    ids=lambda door: type(door).__name__,
)
def test_who_is_not_let_in_at_once_asks(door: Door | ActorError) -> None:
    kit = meeting("bob", door=door)
    assert kit.ask(Follow(user="bob"), user="ann") == FollowShown("asked")
    assert told(kit, "follows:bob") == [AskToFollow(follower="ann", seq=1)]
    assert told(kit, "feed:ann") == []
    kit.tell(Admitted(author="bob", seq=1))
    assert kit.state.following["bob"].seq == 1
    assert told(kit, "feed:ann") == [FollowsChanged(author="bob", follows=True)]


def test_an_edge_begins_when_its_author_has_counted_it() -> None:
    people = People("ann", "bob")
    people.all_are_out = True
    assert people.say("ann", Follow(user="bob")) == FollowShown("asked")
    people.deliver(0)
    assert people.kits["bob"].state.followers == 1
    people.settle()
    assert people.say("ann", Follow(user="bob")) == FollowShown("following")
    assert people.feeds["ann"].follows == {"bob"}
    assert [one.kind for one in people.notices["bob"].values()] == ["follow"]


def test_an_author_hears_of_who_left_and_came_back_before_the_first_answer() -> None:
    people = People("ann", "bob")
    people.all_are_out = True
    people.say("ann", Follow(user="bob"))
    people.say("ann", Unfollow(user="bob"))
    people.say("ann", Follow(user="bob"))
    for _ in range(3):
        people.deliver(0)
    assert people.kits["bob"].state.followers == 2  # the first is to be taken back by who no longer wants it
    people.settle()
    assert people.kits["bob"].state.followers == 1
    assert people.kits["ann"].state.following["bob"].seq == 2
    assert list(people.notices["bob"]) == ["follow:ann"]  # which taking back the first did not withdraw


def test_who_has_asked_left_and_come_in_is_counted_once() -> None:
    people = People("ann", "bob")
    people.all_are_out = True
    people.say("ann", Follow(user="bob"))
    people.say("ann", Unfollow(user="bob"))
    people.all_are_out = False
    assert people.say("ann", Follow(user="bob")) == FollowShown("following")
    people.settle()
    assert people.kits["bob"].state.followers == 1
    assert people.kits["ann"].state.following["bob"].seq == 2
    assert list(people.notices["bob"]) == ["follow:ann"]


def test_a_block_that_crosses_who_comes_in_ends_the_edge() -> None:
    people = People("ann", "bob")
    people.say("ann", Follow(user="bob"))
    people.say("bob", Block(user="ann"))
    people.settle()
    assert people.kits["bob"].state.followers == 0
    assert people.kits["ann"].state.following == {} == people.notices["bob"]


def test_who_came_in_before_the_account_was_private_stays() -> None:
    people = People("ann", "bob")
    people.say("ann", Follow(user="bob"))
    people.say("bob", SetPrivate(private=True))
    people.settle()
    assert people.kits["bob"].state.followers == 1 and not people.kits["bob"].state.pending
    assert "bob" in people.kits["ann"].state.following


def test_an_admission_that_is_late_is_answered_and_forgotten() -> None:
    kit = Kit(Follows, key="ann")
    kit.tell(Admitted(author="bob", seq=7))
    assert kit.events == []
    assert told(kit, "follows:bob") == [LeftYou(follower="ann", seq=7)]


def test_a_refusal_of_an_edge_before_says_nothing_of_this_one() -> None:
    kit = meeting("bob", door=Door(open=False))
    kit.ask(Follow(user="bob"), user="ann")
    kit.ask(Unfollow(user="bob"), user="ann")
    kit.ask(Follow(user="bob"), user="ann")
    kit.tell(Declined(author="bob", seq=1))
    assert kit.state.asked == {"bob": 2}
    kit.tell(Declined(author="bob", seq=2))
    assert kit.state.asked == {}


def test_who_comes_in_though_they_are_blocked_is_counted_and_cut() -> None:
    """Whom they had asked was no owner any more, and had not heard of it."""
    kit = Kit(Follows, key="bob")
    kit.ask(Block(user="ann"), user="bob")
    before = len(kit.told)
    kit.tell(Came(follower="ann", seq=1))
    assert [one.message for one in kit.told[before:]] == [Cut(author="bob")]
    assert kit.state.followers == 1, "until they have left"
    kit.tell(LeftYou(follower="ann", seq=1))
    assert kit.state.followers == 0
