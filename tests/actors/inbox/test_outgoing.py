"""What goes out, and when: decided and delivered in virtual time."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import msgspec
import pytest

from greenroom import Refused
from greenroom.actors.inbox.actor import Inbox
from greenroom.actors.inbox.deliveries.orders import HookOrder, MailOrder, Outcome, PushOrder
from greenroom.actors.inbox.messages import (
    AddPush,
    BarredChanged,
    ConfirmMail,
    MarkRead,
    MutedChanged,
    Prefer,
    ReadAll,
    RemoveHook,
    RemoveMail,
    SetHook,
    SetHours,
    SetMail,
    Withdraw,
)
from greenroom.actors.inbox.outgoing import SENDER_PER_H
from greenroom.actors.inbox.state import FLIGHTS_IN_ALL_MAX, FLIGHTS_MAX, Flight
from greenroom.actors.inbox.wording import Wording, Words
from greenroom.actors.jobs.single.messages import Cancel
from greenroom.actors.model.effects import Told
from greenroom.store.errors import StoreUnavailable
from greenroom.testing import Kit
from tests.actors.inbox.inboxes import (
    AUTH,
    ENDPOINT,
    code_of,
    ended,
    inbox,
    notice,
    outcome,
    sent,
    with_hook,
    with_mail,
    with_push,
)

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, *, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold).timestamp()


def orders(kit: Kit[Inbox]) -> list[str]:
    """What each message says first."""
    found = []
    for one in sent(kit):
        match one.job:
            case MailOrder(subject=subject):
                found.append(f"mail: {subject}")
            case PushOrder(payload=payload):
                found.append(f"push: {msgspec.json.decode(payload)['title']}")
            case HookOrder(body=body):
                found.append(f"hook: {len(msgspec.json.decode(body)['groups'])}")
    return found


def test_a_push_waits_a_moment_and_says_what_has_come_by_then() -> None:
    kit = with_push(inbox())
    kit.tell(notice("ann", "comment", text="hi\r\nthere"))
    kit.tell(notice("bob", "comment"))
    assert orders(kit) == [] and outcome(kit, "comment:p1:ann", "push") == "waits a moment"
    kit.advance(2)
    assert orders(kit) == ["push: bob and ann commented on your post"]
    (job,) = sent(kit)
    assert isinstance(job.job, PushOrder) and job.row.partition == "push.example.org"
    assert outcome(kit, "comment:p1:ann", "push") == "under way"
    ended(kit, job)
    assert outcome(kit, "comment:p1:ann", "push") == "sent" and kit.state.flights == {}
    kit.tell(notice("cat", "comment"))
    kit.advance(30)
    assert len(orders(kit)) == 1, "of one group once a minute"
    kit.advance(30)
    assert orders(kit)[1:] == ["push: cat, bob and 1 other commented on your post"]
    kit.restart(from_snapshot=True)


def test_what_is_read_or_withdrawn_before_is_not_sent() -> None:
    kit = with_push(inbox())
    kit.tell(notice("ann", "comment"))
    kit.tell(notice("bob", "comment", post="p2"))
    kit.ask(MarkRead(about="post:p1"), user="me")
    kit.tell(Withdraw(about="post:p2"))
    kit.advance(3_600)
    assert orders(kit) == []
    assert outcome(kit, "comment:p1:ann", "push") == "it was read before"
    assert outcome(kit, "comment:p2:bob", "push") == "it was withdrawn before"


def test_a_job_that_has_yet_to_begin_is_cancelled_where_nobody_needs_it_any_more() -> None:
    kit = with_push(inbox())
    kit.tell(notice("ann", "comment"))
    kit.tell(notice("ann", "comment", post="p2"))
    kit.advance(2)
    (job,) = sent(kit)
    kit.ask(MarkRead(about="post:p1"), user="me")
    assert kit.told == [], "it tells of the other, too"
    kit.tell(Withdraw(about="post:p2"))
    (told,) = kit.told
    kit.tell(notice("bob", "comment", post="p3"))
    kit.advance(2)
    kit.ask(ReadAll(), user="me")
    assert kit.told[1:] == [Told(f"job:{sent(kit)[1].id}", Cancel(reason="read"))]
    assert (told.entity, told.message) == (f"job:{job.id}", Cancel(reason="withdrawn"))
    ended(kit, job, refused="job.cancelled")
    assert outcome(kit, "comment:p1:ann", "push") == "not delivered: it was read, taken back or turned off before"


def test_what_is_turned_off_while_it_waits_is_not_sent() -> None:
    kit = with_mail(with_push(inbox()))
    kit.tell(notice("ann", "comment"))
    kit.tell(notice("bob", "mention"))
    kit.ask(Prefer(kind="comment", channel="mail", pace="off"), user="me")
    kit.advance(86_400)
    (mail,) = [one.job for one in sent(kit) if isinstance(one.job, MailOrder)]
    assert (mail.user, mail.kinds) == ("me", ["mention"]), "one click ends what is in it"
    assert outcome(kit, "comment:p1:ann", "mail") == "you have it off"
    assert [one for one in orders(kit) if one.startswith("push")], "by mail alone"


def test_what_a_job_has_yet_to_send_is_called_back_once_all_of_it_is_turned_off() -> None:
    kit = with_push(inbox())
    kit.tell(notice("ann", "comment"))
    kit.tell(notice("bob", "mention", post="p2"))
    kit.advance(2)
    (job,) = sent(kit)
    kit.ask(Prefer(kind="comment", channel="push", pace="off"), user="me")
    assert kit.told == [], "it tells of the other, too"
    kit.ask(Prefer(kind="mention", channel="push", pace="off"), user="me")
    assert kit.told == [Told(f"job:{job.id}", Cancel(reason="you have it off"))]


def test_a_mail_waits_until_it_is_time_for_the_daily_digest() -> None:
    kit = with_mail(inbox(now=at("2026-01-10 12:00")))
    kit.ask(SetHours(timezone="Europe/Berlin", digest_at=8 * 60), user="me")
    kit.tell(notice("ann", "comment", text="one"))
    kit.advance(6 * 3_600)
    kit.tell(notice("bob", "mention", post="p2", text="two"))
    assert outcome(kit, "comment:p1:ann", "mail") == "waits for the daily digest"
    kit.advance(at("2026-01-11 07:59:59") - kit.now)
    assert orders(kit) == []
    kit.advance(1)
    assert orders(kit) == ["mail: bob mentioned you, and 1 more"]
    (job,) = sent(kit)
    assert isinstance(job.job, MailOrder) and job.job.to == "me@example.org" and job.row.partition == "mail example.org"
    body = "- bob mentioned you\n  two\n- ann commented on your post\n  one\n"
    assert job.job.body == body
    assert "daily" not in kit.actor.timers, "nothing waits, and nobody is woken for it"
    kit.advance(7 * 86_400)
    assert len(orders(kit)) == 1, "nothing more has come"
    kit.tell(notice("cat", "comment", post="p3"))
    kit.advance(at("2026-01-19 08:00") - kit.now)
    assert len(orders(kit)) == 2


def test_a_digest_comes_at_its_hour_on_days_on_which_clocks_are_set() -> None:
    """08:00 in Berlin is 07:00 UTC in winter, and 06:00 in summer."""
    for day, utc in (("2026-03-29", 6), ("2026-10-25", 7)):
        kit = with_mail(inbox(now=at(f"{day} 00:30")))
        kit.ask(SetHours(timezone="Europe/Berlin", digest_at=8 * 60), user="me")
        kit.tell(notice("ann", "comment"))
        due = datetime.fromisoformat(f"{day} 0{utc}:00").replace(tzinfo=UTC).timestamp()
        kit.advance(due - kit.now - 1)
        assert orders(kit) == []
        kit.advance(1)
        assert len(orders(kit)) == 1


def test_a_digest_at_an_hour_that_the_clock_skips_or_shows_twice_comes_once() -> None:
    for day in ("2026-03-29", "2026-10-25"):
        kit = with_mail(inbox(now=at(f"{day} 00:30")))
        kit.ask(SetHours(timezone="Europe/Berlin", digest_at=2 * 60 + 30), user="me")
        kit.tell(notice("ann", "comment"))
        kit.advance(at(f"{day} 05:00") - kit.now)
        assert len(orders(kit)) == 1, day
        kit.tell(notice("bob", "comment", post="p2"))
        kit.advance(at(f"{day} 23:00") - kit.now)
        assert len(orders(kit)) == 1, day


def test_in_quiet_hours_nothing_goes_out_and_then_all_of_it_together() -> None:
    kit = with_push(with_mail(inbox(now=at("2026-01-10 23:00"))))
    kit.ask(SetHours(timezone="Europe/Berlin", quiet_from=22 * 60, quiet_to=7 * 60, digest_at=6 * 60), user="me")
    kit.tell(notice("ann", "comment"))
    kit.tell(notice("bob", "comment", post="p2"))
    assert outcome(kit, "comment:p1:ann", "push") == "waits until quiet hours end"
    assert len(kit.view()["groups"]) == 2, "who looks, sees them"
    kit.advance(at("2026-01-11 06:30") - kit.now)
    kit.tell(notice("cat", "comment", post="p3"))
    kit.advance(at("2026-01-11 06:59:59") - kit.now)
    assert orders(kit) == [], "a digest that is due in them waits, too"
    kit.advance(1)
    assert sorted(orders(kit)) == [
        "mail: cat commented on your post, and 2 more",
        "push: cat commented on your post, and 2 more",
    ]


def test_what_is_due_a_moment_after_quiet_hours_have_begun_waits() -> None:
    kit = with_push(inbox(now=at("2026-01-10 21:59:59")))
    kit.ask(SetHours(timezone="Europe/Berlin", quiet_from=22 * 60, quiet_to=7 * 60), user="me")
    kit.tell(notice("ann", "comment"))
    kit.advance(at("2026-01-11 06:59:59") - kit.now)
    assert orders(kit) == []
    kit.advance(1)
    assert orders(kit) == ["push: ann commented on your post"]


def test_quiet_hours_end_as_the_clock_says_in_the_night_in_which_it_is_set() -> None:
    for day, ends in (("2026-03-29", "2026-03-29T01:00"), ("2026-10-25", "2026-10-25T01:30")):
        kit = with_push(inbox(now=at(f"{day} 00:30")))
        kit.ask(SetHours(timezone="Europe/Berlin", quiet_from=0, quiet_to=2 * 60 + 30), user="me")
        kit.tell(notice("ann", "comment"))
        due = datetime.fromisoformat(ends).replace(tzinfo=UTC).timestamp()
        kit.advance(due - kit.now - 1)
        assert orders(kit) == [], day
        kit.advance(1)
        assert len(orders(kit)) == 1, day


def test_hours_that_change_hold_for_what_waits_already() -> None:
    kit = with_push(with_mail(inbox(now=at("2026-01-10 23:00"))))
    kit.ask(SetHours(timezone="Europe/Berlin", quiet_from=22 * 60, quiet_to=7 * 60, digest_at=8 * 60), user="me")
    kit.tell(notice("ann", "comment"))
    kit.advance(60)
    assert orders(kit) == []
    kit.ask(SetHours(timezone="Europe/Berlin", digest_at=23 * 60 + 30), user="me")
    kit.advance(1)
    assert orders(kit) == ["push: ann commented on your post"]
    kit.advance(at("2026-01-10 23:30") - kit.now)
    assert orders(kit)[1:] == ["mail: ann commented on your post"]


def test_a_digest_for_which_nothing_waits_any_more_keeps_no_hour() -> None:
    kit = with_mail(inbox(now=at("2026-01-10 12:00")))
    kit.ask(SetHours(timezone="Europe/Berlin", digest_at=20 * 60), user="me")
    kit.tell(notice("ann", "comment"))
    kit.ask(ReadAll(), user="me")
    kit.ask(SetHours(timezone="Europe/Berlin", digest_at=14 * 60), user="me")
    kit.tell(notice("bob", "comment", post="p2"))
    kit.advance(at("2026-01-10 14:00") - kit.now)
    assert orders(kit) == ["mail: bob commented on your post"]


def test_what_was_due_while_nobody_ran_goes_out_once_afterwards() -> None:
    kit = with_mail(inbox(now=at("2026-01-10 12:00")))
    kit.tell(notice("ann", "comment"))
    kit.miss(5 * 86_400)
    kit.advance(60)
    assert len(orders(kit)) == 1
    kit.advance(3 * 86_400)
    assert len(orders(kit)) == 1


def test_hourly_and_at_once_by_mail() -> None:
    kit = with_mail(inbox(now=at("2026-01-10 12:10")))
    kit.ask(Prefer(kind="like", channel="mail", pace="hourly"), user="me")
    kit.ask(Prefer(kind="comment", channel="mail", pace="now"), user="me")
    kit.tell(notice("ann", "like"))
    kit.tell(notice("bob", "comment"))
    kit.advance(60)
    assert orders(kit) == ["mail: bob commented on your post"]
    kit.advance(at("2026-01-10 13:00") - kit.now)
    assert orders(kit)[1:] == ["mail: ann reacted to your post"]


def test_a_browser_that_is_gone_is_told_no_more() -> None:
    kit = with_push(with_push(inbox()), ENDPOINT + "/two")
    kit.tell(notice("ann", "comment"))
    kit.advance(2)
    first, second = sent(kit)
    ended(kit, first, Outcome("gone", "it was answered with 410"))
    assert outcome(kit, "comment:p1:ann", "push") == "under way", "the other may get it"
    ended(kit, second)
    assert outcome(kit, "comment:p1:ann", "push") == "sent" and kit.view()["browsers"] == 1
    kit.tell(notice("bob", "comment", post="p2"))
    kit.advance(2)
    assert len(sent(kit)) == 3
    ended(kit, sent(kit)[2], Outcome("gone", "it was answered with 404"))
    assert outcome(kit, "comment:p2:bob", "push") == "not delivered: it was answered with 404"
    assert kit.view()["browsers"] == 0
    kit.restart(from_snapshot=True)


def test_an_address_that_nobody_is_behind_is_removed_and_a_hook_that_is_gone() -> None:
    kit = with_hook(with_mail(inbox()))
    kit.ask(Prefer(kind="comment", channel="mail", pace="now"), user="me")
    kit.tell(notice("ann", "comment"))
    kit.advance(60)
    for job in sent(kit):
        ended(kit, job, Outcome("gone", "nobody"))
    view = kit.view()
    assert view["mail"] == "" and view["hook"] == ""
    kit.tell(notice("bob", "comment", post="p2"))
    assert outcome(kit, "comment:p2:bob", "mail") == "there is nowhere to send it to"


def test_of_an_address_that_is_gone_none_is_removed_that_has_come_in_its_place() -> None:
    kit = with_push(with_hook(with_mail(inbox())))
    kit.ask(Prefer(kind="comment", channel="mail", pace="now"), user="me")
    kit.tell(notice("ann", "comment"))
    kit.advance(60)
    under_way = sent(kit)
    assert len(under_way) == 3
    kit.ask(SetMail(address="new@example.net"), user="me")
    kit.ask(ConfirmMail(code=code_of(kit)), user="me")
    kit.ask(SetHook(url="https://new.example.org/hook"), user="me")
    kit.ask(AddPush(endpoint=ENDPOINT, p256dh="B" + "A" * 86, auth=AUTH), user="me")
    for job in under_way:
        ended(kit, job, Outcome("gone", "nobody"))
    view = kit.view()
    assert (view["mail"], view["mail_confirmed"], view["browsers"]) == ("new@example.net", True, 1)
    assert view["hook"] == "https://new.example.org/hook"
    assert outcome(kit, "comment:p1:ann", "mail") == "not delivered: nobody"
    assert "example" not in msgspec.json.encode(kit.state.flights).decode()


def test_what_fails_for_good_says_so() -> None:
    kit = with_hook(inbox())
    kit.tell(notice("ann"))
    kit.advance(1)
    (job,) = sent(kit)
    assert isinstance(job.job, HookOrder) and job.job.url == "https://me.example.org/hook"
    ended(kit, job, refused="job.failed")
    assert outcome(kit, "like:p1:ann", "hook") == "not delivered: job.failed"
    ended(kit, job, refused="job.failed")
    assert kit.state.flights == {}


def test_an_address_that_is_removed_meanwhile() -> None:
    kit = with_mail(inbox())
    kit.tell(notice("ann", "comment"))
    kit.ask(RemoveMail(), user="me")
    kit.advance(86_400)
    assert orders(kit) == [] and outcome(kit, "comment:p1:ann", "mail") == "there is nowhere to send it to"


@pytest.mark.bound("messages of an inbox under way")
def test_with_too_many_jobs_under_way_the_rest_waits() -> None:
    kit = with_hook(inbox())
    for number in range(FLIGHTS_MAX + 5):
        kit.tell(notice(f"user{number}", post=f"p{number}"))
        kit.advance(2)
    assert len(sent(kit)) == FLIGHTS_MAX
    for job in sent(kit):
        ended(kit, job)
    kit.advance(300)
    assert orders(kit)[FLIGHTS_MAX:] == ["hook: 5"]


def test_an_address_that_is_down_holds_up_no_other() -> None:
    """All that goes to the hook and to one of the browsers is still under way."""
    kit = with_push(with_push(with_hook(with_mail(inbox()))), ENDPOINT + "/two")
    kit.ask(Prefer(kind="comment", channel="mail", pace="hourly"), user="me")
    kit.ask(Prefer(kind="mention", channel="hook", pace="hourly"), user="me")
    for number in range(FLIGHTS_MAX + 3):
        kit.tell(notice(f"user{number}", "comment", post=f"p{number}"))
        kit.advance(2)
        for job in sent(kit):
            if job.id in kit.state.flights and isinstance(job.job, PushOrder) and job.job.endpoint == ENDPOINT:
                ended(kit, job)
    pushes = [one.job.endpoint for one in sent(kit) if isinstance(one.job, PushOrder)]
    assert (pushes.count(ENDPOINT), pushes.count(ENDPOINT + "/two")) == (FLIGHTS_MAX + 3, FLIGHTS_MAX)
    kit.tell(notice("zed", "mention", post="urgent"))
    kit.advance(2)
    assert orders(kit)[-1] == "push: zed mentioned you"
    before = len(sent(kit))
    kit.advance(3_600)
    assert [one.split(":")[0] for one in orders(kit)[before:]] == ["mail"]
    assert outcome(kit, "mention:urgent:zed", "hook") == "waits for the hourly digest"
    for job in sent(kit):
        if isinstance(job.job, HookOrder):
            ended(kit, job)
    kit.advance(300)
    assert sorted(orders(kit)[before + 1 :]) == ["hook: 1", "hook: 3"], "at once, and what the hour had"


@pytest.mark.bound("messages of an inbox under way, to all its addresses")
def test_to_addresses_that_were_replaced_there_go_no_more_than_so_many() -> None:
    kit = with_hook(inbox())
    kit.state.flights = {f"job{number}": Flight("hook", [], "another") for number in range(FLIGHTS_IN_ALL_MAX)}
    kit.tell(notice("ann"))
    kit.advance(2)
    assert sent(kit) == []
    kit.state.flights.popitem()
    kit.advance(300)
    assert orders(kit) == ["hook: 1"]


def test_two_messages_have_two_names_and_two_attempts_have_one() -> None:
    kit = with_hook(inbox())
    kit.tell(notice("ann"))
    kit.advance(1)
    kit.tell(notice("ann", post="p2"))
    kit.advance(1)
    names = {one.job.id for one in sent(kit) if isinstance(one.job, HookOrder)}
    assert len(names) == 2, "what is retried is the same job, with the same id in its arguments"
    kit.ask(ReadAll(), user="me")
    kit.restart()


def test_a_like_taken_back_and_given_again_goes_out_once() -> None:
    kit = with_hook(inbox())
    kit.tell(notice("ann"))
    kit.tell(Withdraw(id="like:p1:ann"))
    kit.tell(notice("ann"))
    kit.advance(1)
    assert orders(kit) == ["hook: 1"], "it had not been told yet"
    ended(kit, sent(kit)[0])
    kit.tell(Withdraw(id="like:p1:ann"))
    kit.tell(notice("ann"))
    assert kit.view()["unread"] == 1 and outcome(kit, "like:p1:ann", "hook") == "you were told of it before"
    kit.tell(Withdraw(id="like:p1:ann"))
    kit.tell(notice("ann"))
    kit.advance(3_600)
    assert orders(kit) == ["hook: 1"]
    kit.restart(from_snapshot=True)


@pytest.mark.parametrize(
    ("meanwhile", "again"),
    [
        (Prefer(kind="like", channel="hook", pace="off"), Prefer(kind="like", channel="hook", pace="now")),
        (RemoveHook(), SetHook(url="https://me.example.org/hook")),
        (MutedChanged(user="ann", muted=True), MutedChanged(user="ann", muted=False)),
        (BarredChanged(user="ann", by_us=True, barred=True), BarredChanged(user="ann", by_us=True, barred=False)),
    ],
    ids=["off", "nowhere", "muted", "barred"],
)
def test_what_was_told_once_is_not_told_again_for_what_has_been_decided_between(meanwhile: Any, again: Any) -> None:
    def change(message: Any) -> None:
        if isinstance(message, MutedChanged | BarredChanged):
            kit.tell(message)
        else:
            kit.ask(message, user="me")

    kit = with_hook(inbox())
    kit.tell(notice("ann"))
    kit.advance(1)
    assert orders(kit) == ["hook: 1"]
    ended(kit, sent(kit)[0])
    kit.tell(Withdraw(id="like:p1:ann"))
    change(meanwhile)
    kit.tell(notice("ann"))
    kit.tell(Withdraw(id="like:p1:ann"))
    change(again)
    kit.tell(notice("ann"))
    kit.advance(3_600)
    assert orders(kit) == ["hook: 1"] and outcome(kit, "like:p1:ann", "hook") == "you were told of it before"
    kit.restart(from_snapshot=True)


def test_of_one_who_does_too_much_nothing_goes_out_at_once_and_all_of_it_is_listed() -> None:
    kit = with_push(inbox())
    for number in range(SENDER_PER_H + 1):
        kit.tell(notice("ann", "mention", post=f"p{number}"))
    assert outcome(kit, "mention:p29:ann", "push") == "waits a moment"
    assert outcome(kit, "mention:p30:ann", "push") == "they have done too much within the hour"
    assert kit.view()["unread"] == SENDER_PER_H + 1
    kit.tell(notice("bob", "mention"))
    assert outcome(kit, "mention:p1:bob", "push") == "waits a moment"
    kit.advance(3_600)
    kit.tell(notice("ann", "mention", post="later"))
    assert outcome(kit, "mention:later:ann", "push") == "waits a moment"


GERMAN = Wording(
    one={"comment": "{who} hat deinen Beitrag kommentiert"},
    several={"comment": "{who} haben deinen Beitrag kommentiert"},
    both="{first} und {second}",
    and_more="{says}, und {count} weitere",
)


class GermanInbox(Inbox):
    """As an application has its own."""

    asked: ClassVar[list[Sequence[str]]] = []
    error: ClassVar[Exception | None] = None

    async def words(self, users: Sequence[str]) -> Words:
        if self.error is not None:
            raise self.error
        self.asked.append(users)
        return Words(wording=GERMAN, names={"ann": "Änne"})


def test_an_application_says_it_in_its_own_words_and_asks_once_what_these_are() -> None:
    kit = with_push(Kit(GermanInbox, key="me"))
    GermanInbox.asked.clear()
    for user in ("bob", "ann"):
        kit.tell(notice(user, "comment"))
    kit.tell(notice("cat", "mention"))
    kit.advance(2)
    assert orders(kit) == ["push: cat, und 1 weitere"] and GermanInbox.asked == [["ann", "bob", "cat"]]
    kit.tell(notice("dan", "comment", post="p2"))
    kit.tell(notice("ann", "comment", post="p2"))
    kit.advance(2)
    assert orders(kit)[1:] == ["push: Änne und dan haben deinen Beitrag kommentiert"]


@pytest.mark.parametrize("error", [Refused("views.away"), StoreUnavailable("away")])
def test_where_nobody_knows_the_words_ids_do(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GermanInbox, "error", error)
    kit = with_push(Kit(GermanInbox, key="me"))
    kit.tell(notice("ann", "comment"))
    kit.advance(2)
    assert orders(kit) == ["push: ann commented on your post"]
