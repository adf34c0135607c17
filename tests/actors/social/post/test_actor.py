"""One post, from the moment it is published until it is gone."""

from functools import partial
from typing import Any

import pytest

from greenroom import Ask, InvalidCommand, Refused
from greenroom.actors.inbox.messages import Notify, Withdraw
from greenroom.actors.social.moderation.messages import Flag, Judge, Verdict
from greenroom.actors.social.names import ms_of
from greenroom.actors.social.post.actor import EARLY_MS, UNWANTED_MAX, Post
from greenroom.actors.social.post.events import Deleted, Ended, MentionsTold, Published
from greenroom.actors.social.post.messages import (
    CommentsChanged,
    Delete,
    Edit,
    End,
    Hide,
    Publish,
    React,
    SaidOf,
    SharesChanged,
    TellMentioned,
    Watch,
)
from greenroom.actors.social.post.telling import MENTIONED_MAX, MENTIONS_AT_ONCE
from greenroom.actors.social.spread.jobs import SpreadPlan
from greenroom.actors.social.texts import MENTIONS_MAX
from greenroom.actors.social.thread.messages import Close, Cover, Open
from greenroom.testing import Kit
from tests.actors.social.post.posting import ID, OTHER, Follows, deliver_own, published, told, unpublished

DAY_S = 86_400.0


def plans(kit: Kit[Post]) -> list[Any]:
    return [one.job for one in kit.started if isinstance(one.job, SpreadPlan)]


def mentions(kit: Kit[Post]) -> list[str]:
    deliver_own(kit)
    return [entity for entity, said in told(kit, Notify) if said.kind == "mention"]


def judged(verdict: Verdict, message: object) -> Verdict:
    return verdict


def gone(kit: Kit[Post]) -> str:
    return kit.state.gone


# Published.


def test_published_twice_is_one_post() -> None:
    kit, _ = published(text="Hello #World", media=["a" * 24])
    kit.tell(Publish(author="ann", text="Hello #World", media=["a" * 24]))
    kit.tell(Publish(author="bob", text="mine!"))
    assert [type(one) for one in kit.events] == [Published]
    assert plans(kit) == [SpreadPlan(post=ID, author="ann", at_ms=ms_of(ID))]
    assert [entity for entity, _ in told(kit, Open)] == [f"thread:{ID}"]
    assert (kit.state.content.text, kit.state.content.tags, kit.state.author) == ("Hello #World", ["world"], "ann")
    kit.restart()
    kit.restart(from_snapshot=True)


def test_what_is_no_post_id_takes_no_post() -> None:
    kit = Kit(Post, key="lobby")
    with pytest.raises(Refused, match=r"post\.not_found"):
        kit.tell(Publish(author="ann", text="x"))


def test_nobody_publishes_but_a_feed_and_what_it_brings_is_bounded() -> None:
    kit, _ = unpublished()
    with pytest.raises(InvalidCommand):
        kit.tell(Publish(author="ann", text="x" * 4_001))
    with pytest.raises(InvalidCommand):
        kit.tell(Publish(author="ann", media=["a" * 24] * 11))
    with pytest.raises(Exception, match="takes no Publish"):
        kit.tell(Publish(author="bob", text="x"), user="bob")


# Deleted.


def test_deleted_it_is_gone_for_everybody() -> None:
    kit, _ = published(text="Hello #tea")
    kit.ask(React(), user="bob")
    with pytest.raises(Refused, match=r"post\.not_found"):
        kit.ask(Delete(), user="bob")
    kit.ask(Delete(), user="ann")
    kit.ask(Delete(), user="ann")
    with pytest.raises(Refused, match=r"post\.not_found"):
        kit.ask(Delete(), user="bob")
    assert kit.events[-1] == Deleted(author="ann", by="ann", tags=["tea"])
    assert kit.state.content.text == "" and kit.state.reactors == {}
    messages: tuple[Ask[Any], ...] = (React(), Edit(text="again"))
    for message in messages:
        with pytest.raises(Refused, match=r"post\.gone") as refused:
            kit.ask(message, user="ann")
        assert refused.value.status == 410
        with pytest.raises(Refused, match=r"post\.not_found"):
            kit.ask(message, user="bob")
    assert [entity for entity, _ in told(kit, Close)] == [f"thread:{ID}"]
    assert told(kit, Withdraw) == [("inbox:ann", Withdraw(about=f"post:{ID}"))]
    assert kit.view() == {"type": "post.gone"} and kit.publications == [{"type": "post.gone"}]
    with pytest.raises(Refused, match=r"post\.not_found"):
        kit.watch(user="bob")
    kit.restart()
    kit.restart(from_snapshot=True)


def test_a_moderator_deletes_what_is_not_theirs() -> None:
    kit, _ = published(text="x")
    kit.ask(Delete(), user="mod", roles=("moderator",))
    assert kit.events[-1] == Deleted(author="ann", by="mod")


def test_a_delete_that_comes_before_the_post_deletes_it_when_it_comes() -> None:
    kit, _ = unpublished()
    kit.ask(Delete(), user="ann")
    kit.ask(Delete(), user="ann")
    kit.tell(Publish(author="ann", text="never seen"))
    assert gone(kit) == "deleted" and not plans(kit) and not kit.told
    assert "never seen" not in str(kit.events)
    kit.tell(Publish(author="ann", text="never seen"))
    assert not plans(kit)
    kit.restart()


@pytest.mark.bound("users who have deleted a post that has not come")
def test_a_delete_of_somebody_else_s_that_has_not_come_does_nothing() -> None:
    kit, _ = unpublished()
    for number in range(UNWANTED_MAX):
        kit.ask(Delete(), user=f"u{number}")
    with pytest.raises(Refused, match=r"post\.not_found"):
        kit.ask(Delete(), user="one more")
    kit.tell(Publish(author="ann", text="x"))
    assert plans(kit) and not gone(kit) and kit.state.unwanted_by == []


def test_a_delete_of_what_there_never_was_makes_nothing() -> None:
    kit, _ = unpublished()
    kit.advance(EARLY_MS / 1000 + 1)
    with pytest.raises(Refused, match=r"post\.not_found") as refused:
        kit.ask(Delete(), user="ann")
    assert refused.value.status == 404 and not kit.events
    with pytest.raises(Refused, match=r"post\.not_found"):
        Kit(Post, key="lobby").ask(Delete(), user="ann")


# Stories.


def test_a_story_ends_after_a_day() -> None:
    kit, _ = published(text="good morning #sun", is_story=True)
    assert plans(kit)[0].is_story
    kit.advance(DAY_S - 1)
    kit.ask(React(), user="bob")
    kit.advance(1)
    assert kit.events[-1] == Ended(author="ann", tags=["sun"])
    with pytest.raises(Refused, match=r"post\.gone"):
        kit.ask(React(), user="ann")
    assert told(kit, Close)


def test_a_story_ends_though_nobody_runs_when_its_time_is_over() -> None:
    kit, _ = published(text="x", is_story=True)
    kit.miss(3 * DAY_S)
    assert not gone(kit)
    kit.advance(0)
    assert gone(kit) == "ended"


def test_a_story_does_not_end_early_and_a_post_never() -> None:
    kit, _ = published(text="x", is_story=True)
    kit.tell(End())
    assert not gone(kit)
    kit.ask(Delete(), user="ann")
    kit.advance(2 * DAY_S)
    assert gone(kit) == "deleted"
    kit, _ = published(text="x")
    kit.tell(End())
    assert not gone(kit)


# Edited.


def test_its_author_edits_it_and_rules_are_asked() -> None:
    kit, _ = published(text="#one")
    kit.ask(Edit(text="#two"), user="ann")
    assert (kit.state.content.text, kit.state.content.tags) == ("#two", ["two"])
    assert kit.publications == [{"type": "post.edited", "edited_ms": int(kit.now * 1000)}], "not what it says"
    before = kit.offset
    kit.ask(Edit(text="#two"), user="ann")
    assert kit.offset == before
    with pytest.raises(Refused, match=r"post\.not_found"):
        kit.ask(Edit(text="mine"), user="bob")
    with pytest.raises(Refused, match=r"post\.empty"):
        kit.ask(Edit(text=" \n"), user="ann")
    kit.when_asked("rules:all", lambda _: Verdict(verdict="refuse", rule="links"))
    with pytest.raises(Refused, match=r"post\.against_the_rules"):
        kit.ask(Edit(text="bad"), user="ann")
    assert kit.asked[-1].message == Judge(author="ann", text="bad") and kit.state.content.text == "#two"
    kit.restart()


def test_an_edit_that_rules_want_looked_at_is_seen_by_nobody_until_it_is() -> None:
    kit, _ = published(text="good")
    kit.ask(Watch(), user="bob")
    kit.watch(user="bob")
    kit.when_asked("rules:all", lambda _: Verdict(verdict="hide", rule="links"))
    kit.ask(Edit(text="bad"), user="ann")
    assert [told.message for told in kit.told if told.entity == f"case:{kit.actor.key}"] == [
        Flag(author="ann", rule="links", verdict="hide")
    ]
    with pytest.raises(Refused, match=r"post\.not_found"):
        kit.ask(React(), user="bob")
    assert "bad" not in str(kit.publications) and kit.kicked[-1].means(kit.audience[0])
    kit.tell(Hide(hidden=False))
    kit.ask(React(), user="bob")
    assert len(plans(kit)) == 1, "it has come to followers before"
    assert told(kit, Cover) == [(f"thread:{ID}", Cover(covered=True)), (f"thread:{ID}", Cover(covered=False))]


def test_a_moderator_shows_the_text_that_they_have_seen() -> None:
    kit, _ = published(text="good", is_pending=True)
    kit.ask(Edit(text="bad"), user="ann")
    kit.tell(Hide(hidden=False, edited_ms=0))
    assert kit.state.is_pending and told(kit, Flag) == [(f"case:{ID}", Flag(author="ann", rule="", verdict="hide"))]
    seen_ms = kit.ask(SaidOf()).edited_ms
    assert seen_ms == kit.state.content.edited_ms > 0
    kit.tell(Hide(hidden=False, edited_ms=seen_ms))
    assert len(plans(kit)) == 1, "and it goes out"


def test_a_picture_needs_no_text() -> None:
    kit, _ = published(text="x", media=["a" * 24])
    kit.ask(Edit(text=""), user="ann")
    assert kit.state.content.text == ""


# Mentions.


def test_who_is_mentioned_is_told_once_over_all_edits() -> None:
    kit, _ = published(text="with @bob and @ann")
    assert mentions(kit) == ["inbox:bob"]
    kit.ask(Edit(text="with @bob and @cat"), user="ann")
    assert mentions(kit) == ["inbox:bob", "inbox:cat"]
    kit.ask(Edit(text="with nobody"), user="ann")
    kit.ask(Edit(text="with @cat, @bob"), user="ann")
    assert {said.at_ms for _, said in told(kit, Notify)} == {int(kit.now * 1000)}
    kit.restart()
    assert mentions(kit) == ["inbox:bob", "inbox:cat"]
    kit.ask(Delete(), user="ann")
    assert [entity for entity, _ in told(kit, Withdraw)] == ["inbox:ann", "inbox:bob", "inbox:cat"]


def test_who_may_not_see_it_is_not_told() -> None:
    kit, follows = unpublished()
    follows.barred = {("ann", "bob"), ("cat", "ann")}
    kit.tell(Publish(author="ann", text="@bob @cat @dan"))
    assert mentions(kit) == ["inbox:dan"], "neither whom she bars, nor who bars her"

    kit, follows = unpublished()
    follows.following, follows.close = {("dan", "ann")}, {"eve"}
    kit.tell(Publish(author="ann", text="@dan @eve", visibility="followers"))
    assert mentions(kit) == ["inbox:dan"]

    kit, follows = unpublished()
    follows.following, follows.close = {("dan", "ann")}, {"eve"}
    kit.tell(Publish(author="ann", text="@dan @eve", visibility="close"))
    assert mentions(kit) == ["inbox:eve"]


def test_a_post_of_many_mentions_tells_a_few_in_small_parts() -> None:
    kit, _ = unpublished()
    Follows(kit, [f"u{number}" for number in range(MENTIONS_MAX)] + ["ann"])
    text = " ".join(f"@u{number}" for number in range(10_000))[:4_000]
    kit.tell(Publish(author="ann", text=text))
    assert mentions(kit) == [f"inbox:u{number}" for number in range(MENTIONS_MAX)]
    assert max(len(one.users) for one in kit.events if isinstance(one, MentionsTold)) == MENTIONS_AT_ONCE


@pytest.mark.bound("users who are told that a post names them")
def test_over_all_edits_so_many_are_told_at_most() -> None:
    kit, _ = published(text="x")
    kit.state.mentioned.update(f"u{number}" for number in range(MENTIONED_MAX - 1))
    kit.ask(Edit(text="@bob @cat"), user="ann")
    assert mentions(kit) == ["inbox:bob"]


def test_a_mention_in_what_is_deleted_by_then_is_not_told() -> None:
    kit, _ = published(text="@bob")
    kit.ask(Delete(), user="ann")
    assert mentions(kit) == []
    kit.tell(TellMentioned())
    assert mentions(kit) == []
    kit, _ = published(text="@bob")
    kit.tell(Hide(hidden=True))
    assert mentions(kit) == []
    kit.tell(Hide(hidden=False))
    assert mentions(kit) == ["inbox:bob"], "it is told once it can be seen"


def test_who_is_mentioned_is_told_again_of_what_was_hidden_by_mistake() -> None:
    kit, follows = published(text="@bob @cat")
    assert mentions(kit) == ["inbox:bob", "inbox:cat"]
    notice = told(kit, Notify)[0][1]
    kit.tell(Hide(hidden=True))
    taken_back = Withdraw(id=notice.id)
    assert told(kit, Withdraw) == [("inbox:bob", taken_back), ("inbox:cat", taken_back)], "and nothing else of it"
    kit.tell(Hide(hidden=True))
    follows.barred = {("cat", "ann")}
    kit.tell(Hide(hidden=False))
    assert mentions(kit)[2:] == ["inbox:bob"] and told(kit, Notify)[-1][1] == notice
    kit.tell(Hide(hidden=False))
    assert mentions(kit)[3:] == []
    kit.restart()
    kit.tell(Hide(hidden=True))
    kit.ask(Delete(), user="ann")
    assert ("inbox:bob", Withdraw(about=f"post:{ID}")) in told(kit, Withdraw)


# Hidden, pending, shadowed.


def test_what_is_pending_comes_to_nobody_until_a_moderator_has_looked() -> None:
    kit, _ = published(text="@bob #x", is_pending=True, share_of=OTHER)
    assert not plans(kit) and not mentions(kit) and not told(kit, SharesChanged)
    with pytest.raises(Refused, match=r"post\.not_found"):
        kit.ask(React(), user="bob")
    kit.ask(React(), user="ann")
    assert told(kit, Open)[0][1].covered and not told(kit, Cover)
    kit.tell(Hide(hidden=False))
    kit.tell(Hide(hidden=False))
    assert told(kit, Cover) == [(f"thread:{ID}", Cover(covered=False))]
    assert len(plans(kit)) == 1 and mentions(kit) == ["inbox:bob"]
    assert told(kit, SharesChanged) == [(f"post:{OTHER}", SharesChanged(by=1, user="ann", post=ID))]
    kit.restart()


def test_what_is_shadowed_its_author_alone_sees_for_good() -> None:
    kit, _ = published(text="@bob", is_shadowed=True)
    kit.tell(Hide(hidden=False))
    assert told(kit, Open)[0][1].covered and not told(kit, Cover)
    assert not plans(kit) and not mentions(kit)
    with pytest.raises(Refused, match=r"post\.not_found"):
        kit.ask(React(), user="bob")
    kit.ask(React(), user="ann")


def test_an_edit_is_shown_alike_whether_a_rule_shadows_it_or_not() -> None:
    for is_shadowed, verdict in ((False, "fine"), (False, "shadow"), (True, "fine")):
        kit, _ = published(text="x", is_shadowed=is_shadowed)
        kit.when_asked("rules:all", partial(judged, Verdict(verdict=verdict)))  # type: ignore[arg-type]
        kit.watch(user="ann")
        kit.ask(Edit(text="y"), user="ann")
        assert kit.publications == [{"type": "post.edited", "edited_ms": int(kit.now * 1000)}]
        assert not any(one.means(kit.audience[0]) for one in kit.kicked)


def test_what_a_moderator_hides_is_seen_by_nobody_and_can_come_back() -> None:
    kit, _ = published(text="x", share_of=OTHER)
    kit.ask(React(), user="bob")
    kit.watch(user="bob")
    kit.ask(Watch(), user="cat")
    kit.tell(Hide(hidden=True, reason="rude"))
    kit.tell(Hide(hidden=True, reason="rude"))
    assert kit.kicked[-1].means(kit.audience[-1]) and kit.publications == [{"type": "post.gone"}]
    with pytest.raises(Refused, match=r"post\.not_found"):
        kit.watch(user="cat")
    with pytest.raises(Refused, match=r"post\.hidden"):
        kit.ask(Edit(text="better"), user="ann")
    kit.tell(Hide(hidden=False))
    assert kit.watch(user="cat")["reactions"] == {"like": 1}
    assert [said.by for _, said in told(kit, SharesChanged)] == [1, -1, 1]
    assert len(plans(kit)) == 1
    kit.ask(Delete(), user="ann")
    kit.tell(Hide(hidden=False))
    assert gone(kit) == "deleted"
    kit.restart()


def test_what_is_deleted_while_it_is_hidden_has_taken_its_share_back_once() -> None:
    kit, _ = published(text="x", share_of=OTHER)
    kit.tell(Hide(hidden=True))
    kit.ask(Delete(), user="ann")
    assert [said.by for _, said in told(kit, SharesChanged)] == [1, -1]


def test_what_there_is_not_is_not_hidden() -> None:
    kit, _ = unpublished()
    kit.tell(Hide(hidden=True))
    kit.tell(CommentsChanged(count=3))
    kit.tell(SharesChanged(by=1))
    assert kit.events == []


# Shares and comments.


def test_who_shares_a_post_says_so_to_it_and_takes_it_back() -> None:
    kit, _ = published(text="look", share_of=OTHER)
    kit.ask(Delete(), user="ann")
    assert {entity for entity, _ in told(kit, SharesChanged)} == {f"post:{OTHER}"}
    assert [said.by for _, said in told(kit, SharesChanged)] == [1, -1]


def test_shares_of_a_story_and_of_what_is_gone_are_not_counted() -> None:
    kit, _ = published(text="x", is_story=True)
    kit.tell(SharesChanged(by=1, user="bob", post=OTHER))
    assert kit.state.shares == 0
    kit, _ = published(text="x")
    kit.ask(Delete(), user="ann")
    before = kit.offset
    kit.tell(SharesChanged(by=1, user="bob", post=OTHER))
    kit.tell(CommentsChanged(count=1))
    assert (kit.state.shares, kit.state.comments, kit.offset) == (0, 0, before)


def test_comments_are_as_many_as_their_thread_says() -> None:
    kit, _ = published(text="x")
    kit.tell(CommentsChanged(count=2))
    before = kit.offset
    kit.tell(CommentsChanged(count=2))
    assert (kit.state.comments, kit.offset) == (2, before)
    kit.restart()


def test_what_it_says_is_no_part_of_what_is_watched() -> None:
    kit, _ = published(text="secret")
    kit.watch(user="ann")
    assert "secret" not in str(kit.view())


def test_what_was_edited_while_a_moderator_hid_it_is_hidden_and_comes_back_to_the_queue() -> None:
    kit, _ = published(text="bad")
    kit.ask(Edit(text="good"), user="ann")
    kit.tell(Hide(hidden=True, edited_ms=0))
    assert kit.state.is_hidden
    assert told(kit, Flag) == [(f"case:{ID}", Flag(author="ann", rule="", verdict="hide"))]
    other, _ = published(text="bad")
    other.tell(Hide(hidden=True, edited_ms=0))
    other.tell(Hide(hidden=True))
    assert other.state.is_hidden and told(other, Flag) == []
