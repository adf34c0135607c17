"""Notices by pages."""

import pytest

from greenroom.actors.inbox.messages import Archive, MarkRead, Prefer, Withdraw
from greenroom.actors.inbox.state import GROUPS_MAX
from greenroom.actors.inbox.view import Notices
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.principal import Principal
from greenroom.testing import fold
from tests.actors.inbox.inboxes import inbox, notice


def test_rows_are_groups_as_they_are_now() -> None:
    kit = inbox()
    for by in ("ann", "bob", "cat"):
        kit.tell(notice(by, "comment", text="x\0y"))
    kit.tell(notice("ann", "follow"))
    kit.tell(notice("dan", post="p2"))
    kit.tell(notice("eve", post="p3"))
    kit.tell(Withdraw(about="post:p2"))
    kit.tell(Withdraw(id="comment:p1:cat"))
    groups = {group["kind"]: group["id"] for group in kit.view()["groups"]}
    kit.ask(MarkRead(groups=[groups["comment"]]), user="me")
    kit.ask(Archive(groups=[groups["like"]]), user="me")
    kit.ask(Prefer(kind="share", channel="live", pace="off"), user="me")
    kit.tell(notice("ann", "share"))
    rows = fold(Notices, [("inbox:me", event) for event in kit.events])
    assert [(row.kind, row.state, row.says, row.about, row.text) for row in rows] == [
        ("comment", "read", "bob and ann commented on your post", "post:p1", ""),
        ("follow", "unread", "ann now follows you", "profile:ann", ""),
        ("like", "archived", "eve reacted to your post", "post:p3", ""),
    ]


def test_a_text_is_kept_without_what_the_database_has_no_place_for() -> None:
    kit = inbox()
    kit.tell(notice("ann", "comment", text="x\0y"))
    (row,) = fold(Notices, [("inbox:me", event) for event in kit.events])
    assert row.text == "xy"


def test_of_what_the_inbox_knows_no_more_no_text_is_kept() -> None:
    """Whoever deletes it then is heard by nobody: there is no group to take it out of."""
    kit = inbox()
    kit.tell(notice("ann", "comment", text="put away"))
    kit.ask(Archive(groups=[kit.view()["groups"][0]["id"]]), user="me")
    kit.tell(notice("ann", "mention", text="too old"))
    kit.tell(notice("ann", "reply", text="too old as well"))
    for number in range(GROUPS_MAX):
        if number == 1:
            kit.ask(Prefer(kind="like", channel="live", pace="off"), user="me")
        kit.tell(notice("bob", "like", post=f"p{number}", text="new"))
    kit.tell(Withdraw(id="comment:p1:ann"))
    kit.tell(Withdraw(id="mention:p1:ann"))
    rows = fold(Notices, [("inbox:me", event) for event in kit.events])
    assert {(row.kind, row.state, row.text) for row in rows} == {
        ("comment", "archived", ""),
        ("mention", "unread", ""),
        ("reply", "unread", ""),
        ("like", "unread", "new"),
    }


def test_they_are_their_users() -> None:
    Notices.may_watch(Principal(user="me"), "me")
    for user in ("", "eve"):
        with pytest.raises(Refused):
            Notices.may_watch(Principal(user=user), "me")
