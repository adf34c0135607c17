"""What is taken back: out of a group, with it, or once it was put away."""

import pytest

from greenroom.actors.inbox.messages import Archive, BarredChanged, Notify, Withdraw
from greenroom.actors.model.message import Tell
from tests.actors.inbox.inboxes import inbox, notice, said, why


def test_what_was_put_away_and_taken_back_is_told_again_when_it_is_so_again() -> None:
    """As that a post is hidden, once a moderator has restored it and then thinks otherwise."""
    kit = inbox()
    hidden = notice("", "moderation")
    kit.tell(hidden)
    kit.ask(Archive(groups=[kit.view()["groups"][0]["id"]]), user="me")
    kit.tell(hidden)
    assert kit.view()["groups"] == [], "the same is the same"
    kit.tell(Withdraw(id=hidden.id))
    kit.tell(Withdraw(id=hidden.id))
    kit.tell(hidden)
    assert (kit.publications[-1]["type"], kit.publications[-1]["count"]) == ("inbox.group", 1)
    assert (len(kit.view()["groups"]), kit.view()["unread"]) == (1, 1)
    kit.restart()
    kit.restart(from_snapshot=True)


def test_a_notice_that_is_withdrawn_is_not_there_any_more() -> None:
    kit = inbox()
    kit.tell(notice("ann", "comment", text="hello"))
    kit.tell(notice("bob", "comment", text="rude"))
    kit.tell(Withdraw(id="comment:p1:bob"))
    assert said(kit) == ["ann commented on your post"]
    assert "rude" not in str(kit.view()) and kit.publications[-1]["count"] == 1
    kit.tell(Withdraw(id="comment:p1:ann"))
    assert kit.view()["groups"] == [] and kit.view()["unread"] == 0
    assert (kit.publications[-1]["count"], kit.publications[-1]["unread"]) == (0, 0)
    kit.tell(Withdraw(id="comment:p1:ann"))
    kit.tell(Withdraw(id="never"))
    kit.restart()


def test_a_post_that_is_deleted_takes_all_about_it_along() -> None:
    kit = inbox()
    kit.tell(notice("ann"))
    kit.tell(notice("bob", "comment"))
    kit.tell(notice("cat", post="p2"))
    kit.tell(Withdraw(about="post:p1"))
    assert said(kit) == ["cat reacted to your post"]
    kit.tell(Withdraw(group="like:p2"))
    assert said(kit) == []


def test_what_a_moderator_says_of_a_post_outlasts_it() -> None:
    kit = inbox()
    kit.tell(Notify(id="hidden:p1", kind="moderation", by="", about="post:p1", group="hidden:p1"))
    kit.tell(Withdraw(about="post:p1"))
    assert said(kit) == ["About your post"]
    kit.tell(Notify(id="hidden:p1.2", kind="moderation", by="", about="post:p1", group="hidden:p1.2"))
    assert len(said(kit)) == 2
    kit.tell(Withdraw(id="hidden:p1"))
    kit.tell(Withdraw(id="hidden:p1.2"))
    assert said(kit) == []


def test_a_delete_that_arrives_before_what_it_deletes() -> None:
    """The post's own word comes before that of its thread, which knows of a comment from before."""
    kit = inbox()
    kit.tell(Withdraw(about="post:p1"))
    kit.tell(notice("ann", "comment", at_ms=int(kit.now * 1000) - 1))
    kit.tell(notice("bob", "comment"))
    assert said(kit) == []
    assert why(kit, "comment:p1:ann") == {"all": "what it is about was gone before"}
    assert why(kit, "comment:p1:bob") == {"all": "what it is about was gone before"}
    kit.advance(1)
    kit.tell(notice("cat", "comment", at_ms=int(kit.now * 1000)))
    assert said(kit) == ["cat commented on your post"], "it is there again: what is newer than its end is no late one"


@pytest.mark.parametrize(
    "taken_back",
    [
        [Withdraw(id="like:p1:ann")],
        [Withdraw(group="like:p1")],
        [Withdraw(about="post:p1")],
        [BarredChanged(user="ann", by_us=True, barred=True), BarredChanged(user="ann", by_us=True, barred=False)],
    ],
    ids=["id", "group", "about", "block"],
)
def test_what_was_put_away_is_told_again_however_it_was_taken_back(taken_back: list[Tell]) -> None:
    kit = inbox()
    for post in ("p1", "p2"):
        kit.tell(notice("ann", post=post))
    kit.tell(notice("bob", post="p2"))
    kit.ask(Archive(groups=[group["id"] for group in kit.view()["groups"]]), user="me")
    for message in taken_back:
        kit.tell(message)
    kit.advance(1.0)
    kit.tell(notice("bob", post="p2"))
    assert said(kit) == [], "that one was not taken back"
    kit.tell(notice("ann", at_ms=int(kit.now * 1000)))
    assert said(kit) == ["ann reacted to your post"]
    kit.restart()
    kit.restart(from_snapshot=True)


def test_what_a_moderator_says_is_not_taken_back_with_what_it_is_about_though_it_was_put_away() -> None:
    kit = inbox()
    hidden = notice("", "moderation")
    kit.tell(hidden)
    kit.ask(Archive(groups=[kit.view()["groups"][0]["id"]]), user="me")
    kit.tell(Withdraw(about="post:p1"))
    kit.advance(1.0)
    kit.tell(hidden)
    assert said(kit) == [], "the same is the same"
