"""Who may act on a post."""

from typing import Any

import pytest

from greenroom import Refused
from greenroom.actors.model.errors import Forgotten, Unavailable
from greenroom.actors.social.feed.messages import Visibility
from greenroom.actors.social.follows.messages import MayAsk
from greenroom.actors.social.post.audience import KNOWN_S
from greenroom.actors.social.post.messages import (
    AudienceChanged,
    Counted,
    Hide,
    MayAct,
    Publish,
    React,
    TellMentioned,
    Unreact,
    Watch,
)
from greenroom.actors.social.thread.messages import LookAgain as LookAtThread
from tests.actors.social.post.posting import FINE, ID, deliver_own, published, unpublished


def test_who_is_barred_hears_that_there_is_no_such_post() -> None:
    kit, follows = published(text="x")
    follows.barred = {("ann", "eve")}
    for _ in range(2):
        with pytest.raises(Refused, match=r"post\.not_found"):
            kit.ask(React(), user="eve")
    with pytest.raises(Refused, match=r"post\.not_found"):
        kit.watch(user="eve")
    assert follows.asked == 1, "what was found is known for a while"
    assert kit.state.reactions == {}


@pytest.mark.parametrize("visibility", ["public", "followers", "close"])
def test_who_is_near_is_not_asked_but_glanced_at(visibility: Visibility) -> None:
    kit, follows = published(text="x", visibility=visibility)
    follows.are_near = True
    follows.following, follows.close = {("bob", "ann")}, {"bob"}
    kit.ask(React(), user="bob")
    acts: tuple[Any, ...] = (React(), Watch())
    for message in acts:
        if visibility != "public":
            with pytest.raises(Refused, match=r"post\.not_found"):
                kit.ask(message, user="eve")
    assert kit.state.reactors == {"bob": "like"}
    assert kit.asked == [] and follows.asked > 0


def test_whose_own_follows_is_far_is_asked() -> None:
    kit, follows = published(text="x", visibility="followers")
    follows.following = {("bob", "ann")}
    kit.when_glanced("follows:ann", lambda _: FINE)
    kit.ask(React(), user="bob")
    assert [one.entity for one in kit.asked] == ["follows:ann", "follows:bob"]


def test_a_block_holds_as_soon_as_the_post_hears_of_it() -> None:
    kit, follows = published(text="x")
    kit.ask(React(), user="bob")
    kit.ask(React(reaction="love"), user="bob")
    assert follows.asked == 1
    follows.barred = {("ann", "bob")}
    kit.tell(AudienceChanged())
    acts: tuple[Any, ...] = (React(), Watch())
    for message in acts:
        with pytest.raises(Refused, match=r"post\.not_found"):
            kit.ask(message, user="bob")


@pytest.mark.parametrize("visibility", ["public", "followers", "close"])
def test_nobody_watches_or_takes_back_without_having_been_let_in(visibility: Visibility) -> None:
    """The account may be private, and its author may have blocked who asks."""
    kit, follows = published(text="x", visibility=visibility)
    follows.private = True
    for user in ("", "bob"):
        with pytest.raises(Refused, match=r"post\.not_found"):
            kit.watch(user=user)
    with pytest.raises(Refused, match="unauthenticated"):
        kit.ask(Watch(), user="")
    acts: tuple[Any, ...] = (Watch(), Unreact())
    for message in acts:
        with pytest.raises(Refused, match=r"post\.not_found"):
            kit.ask(message, user="bob")
    kit.advance(KNOWN_S + 1)
    with pytest.raises(Refused, match=r"post\.not_found"):
        kit.watch(user="bob")
    follows.following, follows.close = {("bob", "ann")}, {"bob"}
    assert kit.ask(Watch(), user="bob") == Counted(reactions={}, comments=0, shares=0)
    kit.watch(user="bob")
    kit.watch(user="ann")
    kit.watch(user="root", roles=("admin",))


def test_who_was_blocked_ceases_to_watch_at_once() -> None:
    kit, follows = published(text="x")
    for user in ("ann", "bob", "eve"):
        kit.ask(Watch(), user=user)
        kit.watch(user=user)
    kit.watch(user="root", roles=("service",))
    follows.barred = {("ann", "eve")}
    kit.tell(AudienceChanged())
    assert [(one.code, one.user) for one in kit.kicked] == [(2100, "eve")]
    assert [(one.entities, one.message) for one in kit.nudged] == [([f"thread:{ID}"], LookAtThread(is_changed=True))]
    follows.private = True
    kit.tell(AudienceChanged())
    assert [one.user for one in kit.kicked][1:] == ["bob", "eve"]


def test_who_takes_nothing_back_is_shown_no_counts_of_what_they_may_not_see() -> None:
    kit, follows = published(visibility="followers")
    follows.following.add(("bob", "ann"))
    assert kit.ask(React(), user="bob").reactions == {"like": 1}
    with pytest.raises(Refused, match=r"post\.not_found"):
        kit.ask(Unreact(), user="cat")
    kit.ask(React(), user="ann")
    follows.following.clear()
    kit.advance(61)
    assert kit.ask(Unreact(), user="bob").reactions == {}, "what they have said they may always take back"
    assert kit.state.reactions == {"like": 1}


def test_what_was_found_is_asked_again_after_a_minute() -> None:
    kit, follows = published(text="x")
    kit.ask(React(), user="bob")
    follows.barred = {("ann", "bob")}
    kit.advance(KNOWN_S + 1)
    with pytest.raises(Refused, match=r"post\.not_found"):
        kit.ask(React(reaction="sad"), user="bob")


def test_posts_for_followers_and_for_friends() -> None:
    kit, follows = published(text="x", visibility="followers")
    follows.following, follows.close = {("bob", "ann")}, {"cat"}
    kit.ask(React(), user="bob")
    assert kit.watch(user="bob")["reactions"] == {"like": 1}
    with pytest.raises(Refused, match=r"post\.not_found"):
        kit.ask(React(), user="cat")
    kit, follows = published(text="x", visibility="close")
    follows.following, follows.close = {("bob", "ann")}, {"cat"}
    kit.ask(React(), user="cat")
    with pytest.raises(Refused, match=r"post\.not_found"):
        kit.ask(React(), user="bob")


def test_posts_of_a_private_account_are_for_followers() -> None:
    kit, follows = published(text="x")
    follows.private, follows.following, follows.all_barred = True, {("bob", "ann")}, []
    kit.ask(React(), user="bob")
    with pytest.raises(Refused, match=r"post\.not_found"):
        kit.ask(React(), user="cat")


def test_an_author_who_bars_few_is_asked_once_for_all() -> None:
    kit, follows = published(text="x")
    follows.barred, follows.all_barred = {("ann", "eve")}, ["eve"]
    for user in ("bob", *(f"u{number}" for number in range(20))):
        kit.ask(React(), user=user)
    assert follows.asked == 1 and kit.state.reactions == {"like": 21}
    with pytest.raises(Refused, match=r"post\.not_found"):
        kit.ask(React(), user="eve")


def test_its_thread_hears_what_a_user_would() -> None:
    kit, follows = published(text="x")
    follows.barred = {("ann", "eve")}
    kit.ask(MayAct(user="bob"))
    kit.ask(MayAct(user="ann"))
    with pytest.raises(Refused, match=r"post\.not_found"):
        kit.ask(MayAct(user="eve"))
    kit.tell(Hide(hidden=True))
    with pytest.raises(Refused, match=r"post\.not_found"):
        kit.ask(MayAct(user="bob"))


def test_staff_may_and_nobody_is_asked() -> None:
    kit, follows = published(text="x", visibility="close")
    kit.ask(React(), user="root", roles=("admin",))
    assert follows.asked == 0


def test_who_can_t_be_asked_about_now_is_told_later_and_who_is_forgotten_never() -> None:
    kit, _ = unpublished()
    away = True

    def answer(message: object) -> object:
        raise Unavailable("away") if away else Forgotten("for good")

    kit.when_asked("follows:gone", answer)
    kit.tell(Publish(author="ann", text="@gone @bob"))
    with pytest.raises(Unavailable):
        deliver_own(kit)
    assert kit.state.mentioned == set()
    away = False
    kit.tell(TellMentioned())
    assert kit.state.mentioned == {"gone", "bob"}
    assert [one.entity for one in kit.told if one.entity.startswith("inbox:")] == ["inbox:bob"]


@pytest.mark.parametrize("visibility", ["public", "followers", "close"])
def test_of_a_narrow_post_whoever_asks_for_who_is_named_hears_when_followers_change(visibility: Visibility) -> None:
    """As where somebody acts on it: `follows` remembers which posts are to hear of whoever follows no more."""
    kit, follows = unpublished()
    follows.following, follows.close = {("bob", "ann")}, {"bob"}
    kit.tell(Publish(author="ann", text="@bob", visibility=visibility))
    deliver_own(kit)
    assert kit.state.mentioned == {"bob"}
    asked = [one.message for one in kit.asked if isinstance(one.message, MayAsk)]
    assert asked == [MayAsk(user="bob", post=ID, for_followers=visibility != "public")]
