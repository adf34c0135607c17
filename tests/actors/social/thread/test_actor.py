"""What is said below a post."""

import math
from functools import partial
from typing import Any

import pytest

from greenroom import Ask, InvalidCommand, Refused
from greenroom.actors.inbox.messages import Notify, Withdraw
from greenroom.actors.model.errors import Unavailable
from greenroom.actors.social.moderation.messages import Flag, Verdict
from greenroom.actors.social.post.messages import CommentsChanged
from greenroom.actors.social.ranking.messages import Engaged
from greenroom.actors.social.thread import actor
from greenroom.actors.social.thread.actor import CLEARED_AT_ONCE, HISTORY_MAX, Thread
from greenroom.actors.social.thread.events import Cleared, CommentMade
from greenroom.actors.social.thread.messages import (
    Close,
    Comment,
    CommentShown,
    Delete,
    Edit,
    Hide,
    Like,
    Open,
    Read,
    Unlike,
)
from greenroom.testing import Kit
from tests.actors.social.post.posting import ID, deliver_own, told
from tests.actors.social.thread.saying import FINE, opened, say


def counts(kit: Kit[Thread]) -> list[int]:
    return [said.count for _, said in told(kit, CommentsChanged)]


def judged(verdict: Verdict, message: object) -> Verdict:
    return verdict


def shown(kit: Kit[Thread]) -> list[CommentShown]:
    return kit.state.shown(to="")[::-1]


def texts(kit: Kit[Thread]) -> list[str]:
    return [one.text for one in shown(kit)]


def test_there_must_be_a_post() -> None:
    kit = Kit(Thread, key=ID)
    with pytest.raises(Refused, match=r"post\.not_found"):
        say(kit, "bob")
    kit, _ = opened()
    with pytest.raises(Refused, match="unauthenticated"):
        say(kit, "")
    kit.tell(Open(author="eve", visibility="public"))
    assert kit.state.author == "ann"


def test_comments_and_replies_are_counted_exactly() -> None:
    kit, _ = opened()
    first = say(kit, "bob", "one")
    second = say(kit, "ann", "two", reply_to=first)
    assert texts(kit) == ["two", "one"] and shown(kit)[0].reply_to == first
    kit.ask(Delete(offset=first), user="bob")
    with pytest.raises(Refused, match=r"thread\.no_such_comment"):
        kit.ask(Delete(offset=first), user="bob")
    with pytest.raises(Refused, match=r"thread\.no_such_comment"):
        say(kit, "bob", reply_to=first)
    assert counts(kit) == [1, 2, 1] and kit.view()["count"] == 1
    assert kit.publications[-1] == {"type": "thread.deleted", "comment": first}
    assert told(kit, Engaged) == [("features:bob", Engaged(author="ann", post=ID, did="comment"))]
    assert second in kit.state.authors
    kit.restart()
    kit.restart(from_snapshot=True)


def test_what_says_nothing_or_too_much_is_refused() -> None:
    kit, _ = opened()
    with pytest.raises(Refused, match=r"thread\.empty"):
        say(kit, "bob", " \0\n")
    with pytest.raises(InvalidCommand):
        say(kit, "bob", "x" * 1_001)


@pytest.mark.bound("comments of a post")
def test_a_thread_takes_so_many_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    kit, _ = opened()
    monkeypatch.setattr(actor, "COMMENTS_MAX", 1)
    offset = say(kit, "bob")
    with pytest.raises(Refused, match=r"thread\.full"):
        say(kit, "bob")
    kit.ask(Delete(offset=offset), user="bob")
    say(kit, "bob")


def test_who_may_not_see_the_post_says_nothing_below_it() -> None:
    kit, others = opened()
    offset = say(kit, "bob")
    others.unseen = {"eve"}
    messages: tuple[Ask[Any], ...] = (Comment(text="hi"), Like(offset=offset))
    for message in messages:
        with pytest.raises(Refused, match=r"post\.not_found"):
            kit.ask(message, user="eve")
    others.unseen = {"bob"}
    with pytest.raises(Refused, match=r"post\.not_found"):
        kit.ask(Edit(offset=offset, text="again"), user="bob")
    kit.ask(Delete(offset=offset), user="bob")


def test_rules_are_asked_before_something_is_said() -> None:
    kit, _ = opened()
    kit.when_asked("rules:all", lambda _: Verdict(verdict="refuse", rule="links"))
    with pytest.raises(Refused, match=r"thread\.against_the_rules"):
        say(kit, "bob")
    for verdict, veil in ((Verdict(verdict="hide"), "pending"), (Verdict(verdict="shadow"), "shadowed")):
        kit.when_asked("rules:all", partial(judged, verdict))
        offset = say(kit, "bob", verdict.verdict)
        assert kit.state.veils[offset] == veil
        flag = Flag(author="bob", rule="", verdict=verdict.verdict)  # type: ignore[arg-type]
        assert told(kit, Flag)[-1] == (f"case:{ID}.{offset}", flag)
    assert texts(kit) == [] and counts(kit) == [] and kit.ephemerals == [] and not told(kit, Notify)
    kit.when_asked("rules:all", lambda _: FINE)
    pending, shadowed = kit.state.veils
    with pytest.raises(Refused, match=r"thread\.no_such_comment"):
        say(kit, "cat", reply_to=pending)
    kit.tell(Hide(offset=pending, hidden=False))
    assert texts(kit) == ["hide"] and counts(kit) == [1] and len(told(kit, Notify)) == 1
    kit.ask(Delete(offset=shadowed), user="bob")
    assert counts(kit) == [1], "it was never counted"
    kit.restart()


def test_a_moderator_hides_a_comment() -> None:
    kit, _ = opened()
    offset = say(kit, "bob", "rude")
    kit.tell(Hide(offset=offset, hidden=True))
    kit.tell(Hide(offset=offset, hidden=True))
    kit.tell(Hide(offset=999, hidden=True))
    assert counts(kit) == [1, 0] and texts(kit) == []
    assert told(kit, Withdraw) == [("inbox:ann", Withdraw(id=told(kit, Notify)[0][1].id))]
    assert kit.publications[-1] == {"type": "thread.deleted", "comment": offset}


def test_a_moderator_shows_the_comment_that_they_have_seen() -> None:
    kit, _ = opened()
    offset = say(kit, "bob", "one")
    kit.tell(Hide(offset=offset, hidden=True))
    kit.advance(1)
    kit.ask(Edit(offset=offset, text="two"), user="bob")
    kit.tell(Hide(offset=offset, hidden=False, edited_ms=0))
    assert texts(kit) == [] and told(kit, Flag) == [
        (f"case:{ID}.{offset}", Flag(author="bob", rule="", verdict="hide"))
    ]
    kit.restart(from_snapshot=True)
    kit.tell(Hide(offset=offset, hidden=False, edited_ms=int(kit.now * 1000)))
    assert texts(kit) == ["two"] and shown(kit)[0].edited_ms == int(kit.now * 1000)
    kit.ask(Delete(offset=offset), user="bob")
    assert kit.state.edited == {}


def test_one_edits_ones_own() -> None:
    kit, _ = opened()
    offset = say(kit, "bob", "one")
    kit.ask(Edit(offset=offset, text="two"), user="bob")
    assert texts(kit) == ["two"] and counts(kit) == [1]
    with pytest.raises(Refused, match=r"thread\.not_yours"):
        kit.ask(Edit(offset=offset, text="mine"), user="ann")
    with pytest.raises(Refused, match=r"thread\.empty"):
        kit.ask(Edit(offset=offset, text="  "), user="bob")
    kit.when_asked("rules:all", lambda _: Verdict(verdict="hide"))
    kit.ask(Edit(offset=offset, text="bad"), user="bob")
    assert texts(kit) == [] and counts(kit) == [1, 0] and kit.publications[-1]["type"] == "thread.deleted"
    assert told(kit, Flag) == [(f"case:{ID}.{offset}", Flag(author="bob", rule="", verdict="hide"))]
    kit.when_asked("rules:all", lambda _: FINE)
    kit.ask(Edit(offset=offset, text="good"), user="bob")
    assert texts(kit) == [], "who has edited it does not decide that it may be seen"
    kit.restart()


def test_what_a_rule_has_shadowed_a_moderator_hides_and_shows() -> None:
    kit, _ = opened()
    kit.when_asked("rules:all", lambda _: Verdict(verdict="shadow"))
    offset = say(kit, "bob")
    kit.tell(Hide(offset=offset, hidden=True))
    assert kit.state.veils == {offset: "pending"}
    kit.tell(Hide(offset=offset, hidden=False))
    assert kit.state.veils == {}


@pytest.mark.parametrize("verdict", ["shadow", "hide"])
def test_an_edit_of_what_nobody_sees_counts_for_nothing_and_has_no_words(verdict: Any) -> None:
    kit, _ = opened()
    kit.when_asked("rules:all", lambda _: Verdict(verdict=verdict))
    offset = say(kit, "bob", "one")
    for rule in (verdict, "fine"):
        kit.when_asked("rules:all", partial(judged, Verdict(verdict=rule)))
        kit.ask(Edit(offset=offset, text=f"two {rule}"), user="bob")
    assert kit.ephemerals == [] and counts(kit) == []
    assert all(one.keys() <= {"type", "comment"} for one in kit.publications)
    kit.restart()


def test_who_deletes_a_comment() -> None:
    kit, _ = opened()
    mine, second, third = (say(kit, "bob") for _ in range(3))
    with pytest.raises(Refused, match=r"thread\.not_yours"):
        kit.ask(Delete(offset=mine), user="cat")
    kit.ask(Delete(offset=mine), user="bob")
    kit.ask(Delete(offset=second), user="ann")
    kit.ask(Delete(offset=third), user="mod", roles=("moderator",))
    assert kit.view()["count"] == 0


def test_likes_of_a_comment_are_one_of_a_user() -> None:
    kit, _ = opened()
    offset = say(kit, "bob")
    for user in ("ann", "ann", "cat", "bob"):
        kit.ask(Like(offset=offset), user=user)
    assert shown(kit)[0].likes == 3 == kit.state.likes
    assert kit.ephemerals[-1] == {"type": "thread.likes", "offset": offset, "likes": 3}
    assert [entity for entity, said in told(kit, Notify) if said.kind == "like"] == ["inbox:bob", "inbox:bob"]
    assert {said.at_ms for _, said in told(kit, Notify)} == {int(kit.now * 1000)}
    for user in ("cat", "cat", "dan"):
        kit.ask(Unlike(offset=offset), user=user)
    assert kit.state.likes_of(offset) == 2 and len(told(kit, Withdraw)) == 1
    kit.restart()
    kit.ask(Delete(offset=offset), user="bob")
    assert kit.state.likes == 0 and kit.state.likers == {}
    with pytest.raises(Refused, match=r"thread\.no_such_comment"):
        kit.ask(Like(offset=offset), user="ann")
    kit.restart(from_snapshot=True)


@pytest.mark.bound("likes of all comments of a post")
def test_a_thread_takes_so_many_likes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actor, "LIKES_MAX", 1)
    kit, _ = opened()
    offset = say(kit, "bob")
    kit.ask(Like(offset=offset), user="cat")
    with pytest.raises(Refused, match=r"thread\.too_many_likes"):
        kit.ask(Like(offset=offset), user="dan")


def test_of_a_post_that_is_gone_nothing_stays() -> None:
    kit, _ = opened()
    for number in range(CLEARED_AT_ONCE + 10):
        say(kit, "ann", f"{number}" if number else "@bob")
    deliver_own(kit)
    kit.tell(Close())
    kit.tell(Close())
    with pytest.raises(Refused, match=r"post\.gone") as refused:
        say(kit, "ann")
    assert refused.value.status == 410 and shown(kit) == []
    with pytest.raises(Refused, match=r"post\.not_found"):
        say(kit, "bob")
    deliver_own(kit)
    assert kit.state.authors == {} and kit.state.named == {}
    assert [len(one.comments) for one in kit.events if isinstance(one, Cleared)] == [CLEARED_AT_ONCE, 10]
    assert told(kit, Withdraw) == [("inbox:bob", Withdraw(about=f"post:{ID}"))]
    with pytest.raises(Refused, match=r"post\.not_found"):
        kit.watch(user="bob")
    kit.restart()
    kit.restart(from_snapshot=True)


def test_an_author_is_told_of_no_comment_that_was_made_after_the_post_was_gone() -> None:
    """The post's own word may be there before: it is the thread's that comes behind what the thread has told."""
    kit, _ = opened()
    say(kit, "ann")
    say(kit, "bob")
    kit.tell(Close())
    assert [type(one.message) for one in kit.told if one.entity == "inbox:ann"] == [Notify, Withdraw]
    assert told(kit, Withdraw) == [("inbox:ann", Withdraw(about=f"post:{ID}"))]
    lone, _ = opened()
    say(lone, "ann")
    lone.tell(Close())
    assert not told(lone, Withdraw), "nobody has heard of one's own"
    liked, _ = opened()
    liked.ask(Like(offset=say(liked, "ann")), user="bob")
    liked.tell(Close())
    assert [type(one.message) for one in liked.told if one.entity == "inbox:ann"] == [Notify, Withdraw]


def test_likes_of_a_comment_that_is_gone_are_withdrawn() -> None:
    kit, _ = opened()
    deleted, hidden, left, unliked = (say(kit, "bob") for _ in range(4))
    for offset in (deleted, hidden, left):
        kit.ask(Like(offset=offset), user="cat")
    groups = [said.group for _, said in told(kit, Notify) if said.kind == "like"]
    kit.ask(Delete(offset=deleted), user="bob")
    kit.tell(Hide(offset=hidden, hidden=True))
    kit.ask(Delete(offset=unliked), user="bob")
    withdrawn = [(entity, said.group) for entity, said in told(kit, Withdraw) if said.group]
    assert withdrawn == [("inbox:bob", group) for group in groups[:2]]
    kit.tell(Close())
    assert told(kit, Withdraw)[-1] == ("inbox:bob", Withdraw(about=f"post:{ID}"))


def test_who_may_not_see_the_post_hears_nothing_of_its_comments() -> None:
    kit, others = opened()
    offset = say(kit, "bob")
    others.unseen = {"eve"}
    for number in (offset, 999):
        messages: tuple[Ask[Any], ...] = (
            Comment(text="hi", reply_to=number),
            Edit(offset=number, text="mine"),
            Delete(offset=number),
            Like(offset=number),
            Unlike(offset=number),
        )
        for message in messages:
            with pytest.raises(Refused, match=r"post\.not_found"):
                kit.ask(message, user="eve")
    others.unseen = {"bob"}
    kit.ask(Delete(offset=offset), user="bob")
    assert kit.state.authors == {}, "one's own words can be taken back"


def test_the_history_has_no_texts() -> None:
    kit, _ = opened()
    offset = say(kit, "bob", "regretted")
    kit.ask(Edit(offset=offset, text="regretted, too"), user="bob")
    kit.tell(Hide(offset=offset, hidden=True))
    kit.tell(Hide(offset=offset, hidden=False))
    assert "regretted" not in str(kit.publications) and [one["type"] for one in kit.publications] == [
        "thread.commented",
        "thread.edited",
        "thread.deleted",
        "thread.edited",
    ]
    said = [one for one in kit.ephemerals if one["type"] == "thread.said"]
    assert [one["text"] for one in said] == ["regretted", "regretted, too", "regretted, too"]
    assert said[0] == {
        "type": "thread.said",
        "offset": offset,
        "author": "bob",
        "text": "regretted",
        "at_ms": kit.state.window[offset].at_ms,
    }
    kit.when_asked("rules:all", lambda _: Verdict(verdict="shadow"))
    kit.ask(Edit(offset=offset, text="bad"), user="bob")
    say(kit, "bob", "bad")
    assert "bad" not in str(kit.publications) + str(kit.ephemerals)


@pytest.mark.parametrize("verdict", ["shadow", "hide"])
def test_by_their_own_channel_nobody_sees_that_what_they_say_has_a_veil(verdict: Any) -> None:
    def seen(veiled: bool) -> list[dict[str, Any]]:
        kit, _ = opened()
        if veiled:
            kit.when_asked("rules:all", lambda _: Verdict(verdict=verdict))
        offset = say(kit, "bob", "one")
        kit.ask(Edit(offset=offset, text="two"), user="bob")
        kit.ask(Delete(offset=offset), user="bob")
        return kit.publications

    assert [one["type"] for one in seen(veiled=True)] == [one["type"] for one in seen(veiled=False)]


def test_who_is_shadowed_by_an_edit_sees_it_and_others_read_it_no_more() -> None:
    kit, _ = opened()
    offset = say(kit, "bob", "one")
    kit.when_asked("rules:all", lambda _: Verdict(verdict="shadow"))
    kit.ask(Edit(offset=offset, text="bad"), user="bob")
    assert kit.publications[-1] == {"type": "thread.edited", "comment": offset}
    assert texts(kit) == []


def test_words_are_told_live_where_no_block_stands_between_any_who_watch() -> None:
    kit, others = opened()

    def said() -> list[str]:
        return [one["text"] for one in kit.ephemerals if one["type"] == "thread.said"]

    for user in ("ann", "cat"):
        kit.ask(Read(), user=user)
        kit.watch(user=user)
    offset = say(kit, "bob", "for all")
    others.unwanted = {("bob", "cat")}
    say(kit, "bob", "not for cat")
    kit.ask(Edit(offset=offset, text="not for cat, too"), user="bob")
    kit.tell(Hide(offset=offset, hidden=True))
    kit.tell(Hide(offset=offset, hidden=False))
    say(kit, "dan", "dan's")
    others.unwanted, others.many_barred = set(), {"bob"}
    say(kit, "bob", "who knows")
    assert said() == ["for all", "dan's"]
    assert [one["type"] for one in kit.publications].count("thread.commented") == 4, "that there is one is told"

    def away(message: object) -> object:
        raise Unavailable("away")

    kit.when_asked("feed:bob", away)
    say(kit, "bob", "nobody knows")
    assert said() == ["for all", "dan's"]
    others.play(kit, "bob")
    others.many_barred = set()
    say(kit, "bob", "for all again")
    assert said()[2:] == ["for all again"]


def test_its_channel_begins_without_words() -> None:
    """They would be the same for all who watch."""
    kit, _ = opened()
    say(kit, "bob")
    assert kit.watch(user="ann") == {"comments": [], "next": None, "count": 1}


def test_its_events_are_kept() -> None:
    """Rows are made of them when somebody is forgotten: the state has but the newest texts."""
    assert (Thread.limits.history_s, Thread.limits.history_events) == (math.inf, HISTORY_MAX)


def test_nothing_is_cleared_while_the_post_is_there() -> None:
    kit, _ = opened()
    say(kit, "bob")
    kit.actor._clear()
    assert len([one for one in kit.events if isinstance(one, CommentMade)]) == len(kit.state.authors) == 1


def test_what_was_edited_while_a_moderator_hid_it_is_hidden_and_comes_back_to_the_queue() -> None:
    kit, _ = opened()
    offset = say(kit, "bob", "bad")
    kit.ask(Edit(offset=offset, text="good"), user="bob")
    kit.tell(Hide(offset=offset, hidden=True, edited_ms=0))
    assert texts(kit) == []
    assert told(kit, Flag) == [(f"case:{ID}.{offset}", Flag(author="bob", rule="", verdict="hide"))]
