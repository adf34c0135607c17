"""What others ask of whom somebody follows, and what is read."""

from contextlib import nullcontext
from typing import Any

import pytest

from greenroom import Refused
from greenroom.actors.model.effects import Nudge
from greenroom.actors.social.follows.actor import Follows
from greenroom.actors.social.follows.askers import KEPT_S
from greenroom.actors.social.follows.messages import (
    ALL_BARRED_MAX,
    Allowed,
    AskToFollow,
    Block,
    Door,
    Edge,
    EdgeAsk,
    Follow,
    List,
    Listed,
    ListName,
    MayAsk,
    Mute,
    Person,
    Relate,
    Relation,
    Remove,
    SetClose,
    SetPrivate,
    Suggest,
    Suggestion,
    Unblock,
    Unfollow,
)
from greenroom.actors.social.follows.reading import LISTS_PER_H
from greenroom.actors.social.follows.suggesting import ASKED_MAX
from greenroom.actors.social.follows.views import Followers, Following
from greenroom.actors.social.post.messages import AudienceChanged
from greenroom.actors.social.profile.views import Profiles
from greenroom.actors.social.thread.messages import LookAgain
from greenroom.actors.views.query import BadQuery
from greenroom.store.views.asked import Asked, Rows
from greenroom.testing import Kit
from tests.actors.social.follows.people import People, following, told

# What posts ask.


@pytest.mark.parametrize("how", ["unfollow", "remove", "block", "block by the follower"])
@pytest.mark.parametrize("private", [False, True])
def test_a_post_hears_at_once_of_who_follows_no_more(how: str, private: bool) -> None:
    people = People("ann", "bob")
    people.say("bob", Follow(user="ann"))
    people.settle()
    if private:
        people.say("ann", SetPrivate(private=True))
    people.settle()
    ann = people.kits["ann"]
    ann.ask(MayAsk(user="bob", post="p1", for_followers=True))
    ann.ask(MayAsk(user="bob", post="p2"))
    match how:
        case "unfollow":
            people.say("bob", Unfollow(user="ann"))
        case "remove":
            people.say("ann", Remove(user="bob"))
        case "block":
            people.say("ann", Block(user="bob"))
        case _:
            people.say("bob", Block(user="ann"))
    people.settle()
    assert ann.state.followers == 0
    posts = {entity: message for entity, message in people.told if entity.startswith("post:")}
    if how == "block":
        assert posts == {"post:p1": AudienceChanged(), "post:p2": AudienceChanged()}
        assert ann.nudged == []
        return
    assert posts == {}  # it wakes nobody for it
    concerned = ["p1", "p2"] if private else ["p1"]
    assert ann.nudged == [
        Nudge([f"post:{post}" for post in concerned], AudienceChanged(user="bob")),
        Nudge([f"thread:{post}" for post in concerned], LookAgain(is_changed=True, user="bob")),
    ]


def test_a_post_asks_who_may_and_hears_when_that_changes() -> None:
    kit = Kit(Follows, key="ann")
    kit.ask(Block(user="bob"), user="ann")
    kit.ask(SetClose(user="cat"), user="ann")
    assert kit.ask(MayAsk(user="bob", post="p1")) == Allowed(
        barred=True, close=False, private=False, all_barred=["bob"]
    )
    assert kit.ask(MayAsk(user="cat", post="p2")) == Allowed(
        barred=False, close=True, private=False, all_barred=["bob"]
    )
    kit.ask(SetPrivate(private=True), user="ann")
    assert told(kit, "post:p1") == told(kit, "post:p2") == [AudienceChanged()]
    kit.ask(Unblock(user="bob"), user="ann")
    assert len(told(kit, "post:p1")) == 1  # it has asked for nothing since
    assert kit.ask(MayAsk(user="bob", post="p1")) == Allowed(barred=False, close=False, private=True, all_barred=[])
    kit.advance(KEPT_S + 1)
    kit.ask(Block(user="bob"), user="ann")
    assert len(told(kit, "post:p1")) == 1  # it keeps no answer for so long


def test_all_who_are_barred_are_told_of_where_they_are_few() -> None:
    kit = Kit(Follows, key="ann")
    kit.state.blocked.update(f"u{number}" for number in range(ALL_BARRED_MAX))
    allowed = kit.ask(MayAsk(user="cat", post="p1"))
    assert allowed.all_barred == sorted(kit.state.blocked)
    kit.state.blocked.add("one more")
    assert kit.ask(MayAsk(user="cat", post="p1")).all_barred is None


def test_whoever_wants_to_act_is_asked_how_they_stand() -> None:
    kit = following("bob")
    kit.ask(Block(user="cat"), user="ann")
    assert kit.ask(EdgeAsk(author="bob")) == Edge(following=True, barred=False)
    assert kit.ask(EdgeAsk(author="cat")) == Edge(following=False, barred=True)


# What is read.


def followers_of_ann(*users: str) -> object:
    def find(key: str, asked: Asked) -> Rows[Followers.Row]:
        assert key == "ann"
        if asked.after not in (None, "next"):
            raise BadQuery("after", "is no cursor")
        wanted = asked.where.get("follower")
        rows = [Followers.Row("ann", user) for user in users if wanted in (None, user)]
        return Rows(rows[: asked.limit], next="next" if len(rows) > (asked.limit or 0) else None)

    return find


def test_how_one_stands() -> None:
    kit = following("bob")
    kit.when_queried(Followers.Row, followers_of_ann("cat"))  # type: ignore[arg-type]
    kit.ask(Mute(user="bob"), user="ann")
    bob = Relation(standing="following", follows_back=False, muted=True, blocked=False, close=False)
    assert kit.ask(Relate(user="bob"), user="ann") == bob
    cat = Relation(standing="none", follows_back=True, muted=False, blocked=False, close=False)
    assert kit.ask(Relate(user="cat"), user="ann") == cat


def test_suggested_is_whom_those_follow_who_are_followed() -> None:
    kit = following("bob", "cat", "dan")
    kit.ask(Block(user="eve"), user="ann")
    asked: list[str] = []
    follow = {"bob": ["eve", "fay", "gus", "ann"], "cat": ["fay", "gus", "bob"], "dan": ["fay"]}

    def find(key: str, _: Asked) -> Rows[Following.Row]:
        asked.append(key)
        return Rows([Following.Row(key, author) for author in follow[key]])

    kit.when_queried(Following.Row, find)
    wanted = [Suggestion("fay", 3, ["bob", "cat", "dan"]), Suggestion("gus", 2, ["bob", "cat"])]
    assert kit.ask(Suggest(), user="ann").users == wanted
    assert kit.ask(Suggest(limit=1), user="ann").users == wanted[:1]
    kit.when_asked("follows:fay", lambda _: Door(open=False))
    kit.ask(Follow(user="fay"), user="ann")
    assert kit.ask(Suggest(), user="ann").users == wanted[1:]
    assert asked == ["bob", "cat", "dan"]  # once a minute
    kit.advance(61)
    kit.ask(Suggest(), user="ann")
    assert len(asked) == 6


def test_few_are_asked_for_suggestions_and_who_follows_nobody_has_none() -> None:
    assert Kit(Follows, key="ann").ask(Suggest(), user="ann").users == []
    kit = following(*(f"user-{number}" for number in range(ASKED_MAX + 5)))
    asked: list[str] = []

    def find(key: str, _: Asked) -> Rows[Following.Row]:
        asked.append(key)
        return Rows([])

    kit.when_queried(Following.Row, find)
    assert kit.ask(Suggest(), user="ann").users == []
    assert asked == [f"user-{number}" for number in range(5, ASKED_MAX + 5)]


def test_lists_of_an_open_account_are_everybodys_but_those_who_are_blocked() -> None:
    kit = following("bob", "cat")
    kit.when_queried(Followers.Row, followers_of_ann("dan", "eve"))  # type: ignore[arg-type]
    kit.ask(Block(user="mal"), user="ann")
    assert kit.ask(List(which="following"), user="zoe") == Listed(["cat", "bob"])
    assert kit.ask(List(which="followers", limit=1), user="zoe") == Listed(["dan"], "next")
    for which in ("following", "followers"):
        with pytest.raises(Refused, match=r"follows\.closed"):
            kit.ask(List(which=which), user="mal")
        with pytest.raises(Refused, match="unauthenticated"):
            kit.ask(List(which=which), user="")
    own: tuple[ListName, ...] = ("muted", "blocked", "close", "pending", "asked")
    for which in own:
        with pytest.raises(Refused, match=r"follows\.closed"):
            kit.ask(List(which=which), user="zoe")
    assert kit.ask(List(which="blocked"), user="ann") == Listed(["mal"])


def test_lists_of_a_private_account_are_for_those_who_follow_it() -> None:
    kit = following("bob")
    kit.when_queried(Followers.Row, followers_of_ann("dan"))  # type: ignore[arg-type]
    kit.ask(SetPrivate(private=True), user="ann")
    assert kit.ask(List(which="following"), user="dan") == Listed(["bob"])
    assert kit.ask(List(which="followers"), user="dan") == Listed(["dan"])
    assert kit.ask(List(which="followers"), user="ann") == Listed(["dan"])
    for which in ("following", "followers"):
        with pytest.raises(Refused, match=r"follows\.closed"):
            kit.ask(List(which=which), user="zoe")


def test_lists_keep_nobody_waiting() -> None:
    kit = Kit(Follows, key="ann")

    def find(key: str, asked: Asked) -> Rows[Followers.Row]:
        kit.tell(AskToFollow(follower="cat", seq=1))
        return Rows([Followers.Row(author="ann", follower="bob")])

    kit.when_queried(Followers.Row, find)
    assert kit.ask(List(which="followers"), user="dan").users == ["bob"]
    kit.ask(Relate(user="bob"), user="ann")
    assert kit.state.followers == 2


def test_who_is_blocked_while_a_list_is_read_does_not_get_it() -> None:
    kit = Kit(Follows, key="ann")

    def find(key: str, asked: Asked) -> Rows[Followers.Row]:
        kit.ask(Block(user="dan"), user="ann")
        return Rows([Followers.Row(author="ann", follower="bob")])

    kit.when_queried(Followers.Row, find)
    with pytest.raises(Refused, match=r"follows\.closed"):
        kit.ask(List(which="followers"), user="dan")


def test_a_cursor_of_another_list_is_refused() -> None:
    kit = following("bob")
    kit.when_queried(Followers.Row, followers_of_ann("dan"))  # type: ignore[arg-type]
    for which in ("following", "followers"):
        with pytest.raises(Refused, match=r"follows\.bad_cursor"):
            kit.ask(List(which=which, cursor="made up"), user="ann")


def test_names_and_pictures_come_with_a_list_where_they_are_asked_for() -> None:
    kit = following("bob", "cat")
    asked: list[str] = []

    def find(key: str, _: Asked) -> Rows[Profiles.Row]:
        asked.append(key)
        return Rows([Profiles.Row(key, "Bob B.", "0a")] if key == "bob" else [])

    kit.when_queried(Profiles.Row, find)
    assert kit.ask(List(which="following"), user="ann").people == [] == asked
    listed = kit.ask(List(which="following", people=True), user="ann")
    assert listed.people == [Person("cat"), Person("bob", "Bob B.", "0a")]
    kit.when_queried(Following.Row, lambda key, _: Rows([Following.Row(key, "dan")]))
    assert kit.ask(Suggest(people=True), user="ann").people == [Person("dan")]


def test_lists_of_others_are_read_so_often_an_hour() -> None:
    kit = following("bob")
    for _ in range(LISTS_PER_H):
        kit.ask(List(which="following"), user="zoe")
    with pytest.raises(Refused, match=r"follows\.too_many_lists"):
        kit.ask(List(which="following"), user="zoe")
    kit.ask(List(which="following"), user="ann")


@pytest.mark.parametrize("user", ["eve", "cat"])
def test_whose_account_becomes_private_while_a_list_is_read_does_not_show_it_to_strangers(user: str) -> None:
    kit = following("bob")
    find: Any = followers_of_ann("cat", "dan")

    def closing(key: str, asked: Asked) -> Rows[Followers.Row]:
        kit.ask(SetPrivate(private=True), user="ann")
        return find(key, asked)  # type: ignore[no-any-return]

    kit.when_queried(Followers.Row, closing)
    with pytest.raises(Refused, match=r"follows\.closed") if user == "eve" else nullcontext():
        assert kit.ask(List(which="followers"), user=user).users == ["cat", "dan"]
