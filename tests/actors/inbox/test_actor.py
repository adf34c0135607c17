"""Groups, what is read, withdrawn and withheld, and why."""

import msgspec
import pytest

from greenroom.actors.inbox.events import Noticed
from greenroom.actors.inbox.messages import (
    Archive,
    BarredChanged,
    MarkRead,
    MutedChanged,
    Prefer,
    ReadAll,
    See,
    SetHours,
    Why,
    Withdraw,
)
from greenroom.actors.inbox.showing import SHOWN_MAX
from greenroom.actors.inbox.state import DECISIONS_MAX, GONE_MAX, GROUPS_MAX, NAMED_MAX
from greenroom.actors.model.errors import InvalidCommand, Refused
from greenroom.actors.personal.redaction import Redaction, shape_of
from tests.actors.inbox.inboxes import inbox, notice, said, why


def test_what_belongs_together_is_told_together() -> None:
    kit = inbox()
    for number in range(8):
        kit.tell(notice(f"user{number}"))
    kit.tell(notice("bob"))
    kit.tell(notice("ann"))
    assert said(kit) == ["ann, bob and 8 others reacted to your post"]
    last = kit.publications[-1]
    assert (last["type"], last["count"], last["names"], last["unread"]) == ("inbox.group", 10, ["ann", "bob"], 1)
    kit.restart()
    kit.restart(from_snapshot=True)


def test_one_who_does_more_counts_once() -> None:
    kit = inbox()
    kit.tell(notice("ann", "comment", n=1))
    kit.tell(notice("bob", "comment", n=2))
    kit.tell(notice("ann", "comment", n=3))
    assert said(kit) == ["ann and bob commented on your post"]
    kit.tell(Withdraw(id="comment:p1:ann:3"))
    assert kit.view()["groups"][0]["count"] == 2
    kit.tell(Withdraw(id="comment:p1:ann:1"))
    assert said(kit) == ["bob commented on your post"]


def test_the_same_notice_again_is_the_same() -> None:
    kit = inbox()
    kit.tell(notice("ann"))
    before = kit.events[:]
    kit.tell(notice("ann"))
    kit.ask(ReadAll(), user="me")
    kit.tell(notice("ann"))
    assert kit.events[: len(before)] == before and kit.view()["unread"] == 0
    assert sum(isinstance(event, Noticed) for event in kit.events) == 1


def test_what_comes_after_a_group_is_read_begins_another() -> None:
    kit = inbox()
    kit.tell(notice("ann"))
    kit.ask(MarkRead(about="post:p1"), user="me")
    kit.tell(notice("bob"))
    assert said(kit) == ["bob reacted to your post", "ann reacted to your post"]
    assert kit.view()["unread"] == 1


def test_seen_read_and_archived() -> None:
    kit = inbox()
    kit.tell(notice("ann"))
    kit.tell(notice("bob", post="p2"))
    assert (kit.view()["unread"], kit.view()["unseen"]) == (2, 2)
    kit.ask(See(), user="me")
    assert (kit.view()["unread"], kit.view()["unseen"]) == (2, 0)
    first, second = (group["id"] for group in kit.view()["groups"])
    kit.ask(MarkRead(groups=[first, 99]), user="me")
    assert kit.publications[-1] == {"type": "inbox.unread", "groups": [first], "unread": 1, "archived": False}
    kit.ask(Archive(groups=[second, second, 99]), user="me")
    assert kit.publications[-1] == {"type": "inbox.unread", "groups": [second], "unread": 0, "archived": True}
    assert [group["id"] for group in kit.view()["groups"]] == [first]
    before = len(kit.events)
    for nothing in (See(), ReadAll(), Archive(groups=[second]), MarkRead(groups=[first]), MarkRead()):
        kit.ask(nothing, user="me")
    assert len(kit.events) == before
    kit.restart(from_snapshot=True)


def test_what_a_notice_says_is_told_as_it_comes_and_is_no_part_of_the_history() -> None:
    """It may be deleted, hidden, or across a block by the time at which somebody reads the history."""
    kit = inbox()
    kit.tell(notice("ann", "comment", text="hello"))
    (group,) = kit.view()["groups"]
    assert group["text"] == "hello"
    assert (kit.publications[-1]["says"], kit.publications[-1]["text"]) == ("ann commented on your post", "")
    assert kit.ephemerals == [{"type": "inbox.said", "id": group["id"], "text": "hello"}]
    kit.tell(BarredChanged(user="ann", by_us=True, barred=True))
    assert kit.ephemerals[-1] == {"type": "inbox.said", "id": group["id"], "text": ""}
    kit.tell(notice("bob"))
    kit.ask(Prefer(kind="comment", channel="live", pace="off"), user="me")
    kit.tell(notice("cat", "comment", text="silent"))
    kit.tell(Withdraw(id="comment:p1:cat"))
    assert len(kit.ephemerals) == 2, "nothing is said, or it is not shown"


def test_where_the_newest_says_nothing_that_is_told_too() -> None:
    """What was said of the group before may still be on its way to who watches."""
    kit = inbox()
    kit.tell(notice("ann", "comment", text="hello"))
    kit.tell(notice("bob", "comment"))
    (group,) = kit.view()["groups"]
    assert group["text"] == ""
    assert [one["text"] for one in kit.ephemerals] == ["hello", ""]
    kit.tell(notice("cat", "comment"))
    assert len(kit.ephemerals) == 2, "it said nothing before"


def test_nobody_is_told_of_what_they_did_themselves() -> None:
    kit = inbox()
    kit.tell(notice("me"))
    assert said(kit) == [] and why(kit, "like:p1:me") == {"all": "it is your own doing"}


def test_of_the_muted_and_the_blocked_nothing_is_told() -> None:
    kit = inbox()
    kit.tell(notice("bob", "comment"))
    kit.tell(notice("ann", "comment"))
    kit.tell(MutedChanged(user="ann", muted=True))
    kit.tell(BarredChanged(user="bob", by_us=False, barred=True))
    assert said(kit) == ["ann commented on your post"], "a block takes along what was there before it"
    kit.tell(notice("ann"))
    kit.tell(notice("bob"))
    assert why(kit, "like:p1:ann") == {"all": "you have muted them"}
    kit.tell(notice("bob", "moderation"))
    assert len(said(kit)) == 2, "what a moderator says comes through"
    kit.tell(BarredChanged(user="bob", by_us=True, barred=True))
    kit.tell(BarredChanged(user="bob", by_us=False, barred=False))
    kit.tell(notice("bob", "share"))
    assert why(kit, "share:p1:bob") == {"all": "you have blocked them"}, "the other block holds"
    kit.tell(BarredChanged(user="bob", by_us=True, barred=False))
    kit.tell(MutedChanged(user="ann", muted=False))
    kit.tell(notice("bob", "share"))
    kit.tell(notice("ann", "share"))
    assert said(kit)[0] == "ann and bob shared your post"
    kit.restart(from_snapshot=True)


def test_why_does_not_tell_who_has_blocked_its_user() -> None:
    kit = inbox()
    kit.tell(BarredChanged(user="bob", by_us=False, barred=True))
    offset = len(kit.events)
    kit.tell(notice("bob", "mention"))
    kit.tell(notice("me"))
    assert [one.by for one in kit.ask(Why(), user="me").decisions] == ["me"]
    assert kit.ask(Why(id="mention:p1:bob"), user="me").decisions == []
    assert len(kit.events) == offset + 1, "nor does an offset"
    kit.tell(MutedChanged(user="bob", muted=True))
    kit.tell(notice("bob", "mention", post="p3"))
    assert why(kit, "mention:p3:bob") == {"all": "you have muted them"}, "as it was before the block"
    kit.tell(MutedChanged(user="bob", muted=False))
    kit.tell(BarredChanged(user="bob", by_us=True, barred=True))
    kit.tell(notice("bob", "mention", post="p2"))
    assert why(kit, "mention:p2:bob") == {"all": "you have blocked them"}, "whom she has blocked herself, she knows"


def test_a_kind_that_is_off_on_the_channel_is_not_shown() -> None:
    kit = inbox()
    kit.ask(Prefer(kind="like", channel="live", pace="off"), user="me")
    kit.tell(notice("ann"))
    assert kit.publications == [] and kit.view()["groups"] == [] and kit.view()["unread"] == 0
    assert why(kit, "like:p1:ann")["live"] == "you have it off"
    with pytest.raises(Refused, match=r"inbox\.no_such_pace"):
        kit.ask(Prefer(kind="like", channel="live", pace="daily"), user="me")


def test_what_was_not_shown_is_in_no_group_that_is() -> None:
    kit = inbox()
    kit.ask(Prefer(kind="like", channel="live", pace="off"), user="me")
    kit.tell(notice("ann"))
    kit.ask(Prefer(kind="like", channel="live", pace="now"), user="me")
    kit.tell(notice("bob"))
    assert said(kit) == ["bob reacted to your post"] and kit.view()["unread"] == 1
    assert (kit.publications[-1]["count"], kit.publications[-1]["unread"]) == (1, 1)
    kit.ask(Prefer(kind="like", channel="live", pace="off"), user="me")
    kit.tell(notice("cat"))
    assert said(kit) == ["bob reacted to your post"] and kit.view()["unread"] == 1
    told = len(kit.publications)
    kit.tell(Withdraw(id="like:p1:cat"))
    kit.tell(Withdraw(id="like:p1:ann"))
    assert len(kit.publications) == told, "nor is it shown that it is withdrawn"
    kit.tell(Withdraw(id="like:p1:bob"))
    assert said(kit) == [] and kit.publications[-1]["unread"] == 0


def test_what_comes_late_takes_its_group_no_further_down_and_no_clock_takes_it_further_up() -> None:
    kit = inbox()
    now_ms = int(kit.now * 1000)
    kit.tell(notice("ann", "comment", at_ms=now_ms - 1_000))
    kit.tell(notice("bob", "comment", at_ms=now_ms - 9_000))
    assert kit.view()["groups"][0]["at_ms"] == now_ms - 1_000
    kit.tell(notice("cat", "comment", at_ms=now_ms + 3_600_000))
    assert kit.view()["groups"][0]["at_ms"] == now_ms
    assert [one.at_ms - now_ms for one in kit.ask(Why(), user="me").decisions] == [0, -1_000, -1_000]


def test_only_its_user_and_staff_look_in() -> None:
    kit = inbox()
    for user in ("eve", ""):
        for command in (See(), ReadAll()):
            with pytest.raises(Refused):
                kit.ask(command, user=user)
        with pytest.raises(Refused):
            kit.ask(Why(), user=user)
        with pytest.raises(Refused):
            kit.watch(user=user)
    kit.watch(user="me")
    kit.watch(user="sue", roles=("admin",))


def test_watchers_see_neither_decisions_nor_addresses() -> None:
    kit = inbox()
    kit.tell(notice("me"))
    kit.tell(Withdraw(about="post:p9"))
    kit.tell(MutedChanged(user="ann", muted=True))
    kit.ask(SetHours(timezone="Europe/Berlin"), user="me")
    assert kit.publications == []


def test_hours_that_make_no_sense() -> None:
    kit = inbox()
    with pytest.raises(Refused, match=r"inbox\.no_such_zone"):
        kit.ask(SetHours(timezone="Mars/Olympus"), user="me")
    with pytest.raises(Refused, match=r"inbox\.half_quiet"):
        kit.ask(SetHours(quiet_from=60), user="me")
    with pytest.raises(InvalidCommand):
        kit.ask(SetHours(quiet_from=0, quiet_to=24 * 60), user="me")


def test_why_tells_of_one_of_a_group_and_of_the_newest() -> None:
    kit = inbox()
    kit.tell(notice("ann", text="x"))
    kit.tell(notice("bob", "follow"))
    kit.tell(notice("me"))
    newest = kit.ask(Why(), user="me").decisions
    assert [(one.kind, one.by) for one in newest] == [("like", "me"), ("follow", "bob"), ("like", "ann")]
    assert newest[1].about == "profile:bob"
    (one,) = kit.ask(Why(group=newest[2].group), user="me").decisions
    assert one.channels == {
        "live": "shown",
        "mail": "you have it off",
        "push": "you have it off",
        "hook": "there is nowhere to send it to",
    }
    assert kit.ask(Why(id="no such"), user="me").decisions == []
    assert len(kit.ask(Why(limit=2), user="me").decisions) == 2


@pytest.mark.bound("groups of notices in an inbox")
def test_the_oldest_group_goes_for_a_new_one() -> None:
    kit = inbox()
    for number in range(GROUPS_MAX + 5):
        kit.tell(notice("ann", post=f"p{number}"))
    assert len(kit.state.groups) == GROUPS_MAX and kit.view()["unread"] == GROUPS_MAX
    assert len(kit.view()["groups"]) == SHOWN_MAX and kit.publications[-1]["unread"] == GROUPS_MAX
    kit.tell(Withdraw(id="like:p0:ann"))
    kit.restart(from_snapshot=True)


@pytest.mark.bound("who is known by name in a group of notices")
def test_others_are_counted_alone() -> None:
    kit = inbox()
    for number in range(NAMED_MAX + 20):
        kit.tell(notice(f"user{number}"))
    assert kit.view()["groups"][0]["count"] == NAMED_MAX + 20
    (group,) = kit.state.groups.values()
    assert len(group.by) == NAMED_MAX
    kit.tell(Withdraw(id=f"like:p1:user{NAMED_MAX + 10}"))
    kit.tell(Withdraw(id="like:p1:user7"))
    assert kit.view()["groups"][0]["count"] == NAMED_MAX + 18
    kit.restart(from_snapshot=True)


@pytest.mark.bound("decisions that an inbox remembers")
def test_the_oldest_decisions_go() -> None:
    kit = inbox()
    for number in range(DECISIONS_MAX + 3):
        kit.tell(notice("me", post=f"p{number}"))
    found = kit.ask(Why(limit=500), user="me").decisions
    assert len(found) == DECISIONS_MAX and found[-1].about == "post:p3"


@pytest.mark.bound("what notices were about and is gone")
def test_what_went_longest_ago_is_forgotten() -> None:
    kit = inbox()
    for number in range(GONE_MAX + 1):
        kit.tell(Withdraw(about=f"post:p{number}"))
    assert len(kit.state.gone) == GONE_MAX
    kit.tell(notice("ann", post="p1"))
    kit.tell(notice("ann", post="p0"))
    assert [group["about"] for group in kit.view()["groups"]] == ["post:p0"]


def test_what_is_told_is_bounded() -> None:
    kit = inbox()
    for wrong in ({"id": "x" * 401}, {"text": "x" * 201}, {"about": "x" * 301}, {"group": ""}, {"kind": "poke"}):
        with pytest.raises(InvalidCommand):
            kit.tell(msgspec.structs.replace(notice("ann"), **wrong))


def test_who_is_forgotten_is_in_it_no_more() -> None:
    kit = inbox()
    kit.tell(notice("bob", "comment", text="from bob"))
    kit.tell(notice("zoe", "comment", text="from zoe"))
    kit.tell(notice("zoe", "follow"))
    kit.tell(notice("zoe", "mention", post="p2"))
    kit.tell(Withdraw(id="mention:p2:zoe"))
    kit.tell(MutedChanged(user="zoe", muted=True))
    kit.tell(BarredChanged(user="zoe", by_us=True, barred=True))
    kit.tell(notice("zoe", "share"))
    kit.restart(from_snapshot=True)
    forget = Redaction("zoe", "x").redact
    for stored in (*kit.events, kit.state):
        left = forget(shape_of(type(stored)), msgspec.json.decode(msgspec.json.encode(stored)), is_about=False)
        assert "zoe" not in msgspec.json.encode(left).decode(), left
