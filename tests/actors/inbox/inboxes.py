"""Inboxes for tests: with addresses, something to tell, and what became of it."""

from greenroom.actors.inbox.actor import Inbox
from greenroom.actors.inbox.deliveries.orders import MailOrder, Outcome
from greenroom.actors.inbox.messages import AddPush, ConfirmMail, NoticeKind, Notify, SetHook, SetMail, Why
from greenroom.actors.jobs.single.messages import Cancel
from greenroom.actors.model.effects import StartJob, Told
from greenroom.testing import JobKit, Kit
from greenroom.transports.notices.hook import SendHook
from greenroom.transports.notices.mail import SendMail
from greenroom.transports.notices.push import SendPush

ENDPOINT = "https://push.example.org/one"
P256DH = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"  # of RFC 8291
AUTH = "BTBZMqHH6r4Tts7J_aSIgg"


def jobs(now: float = 1_750_000_000.0) -> JobKit:
    return JobKit(SendMail, SendPush, SendHook, now=now)


def inbox(*, now: float = 1_750_000_000.0, started: JobKit | None = None) -> Kit[Inbox]:
    return Kit(Inbox, key="me", now=now, jobs=started)


def notice(
    by: str, kind: NoticeKind = "like", post: str = "p1", *, n: int = 0, text: str = "", at_ms: int = 0
) -> Notify:
    id_ = f"{kind}:{post}:{by}" + (f":{n}" if n else "")
    about = f"profile:{by}" if kind == "follow" else f"post:{post}"
    return Notify(id=id_, kind=kind, by=by, about=about, group=f"{kind}:{post}", text=text, at_ms=at_ms)


def with_mail(kit: Kit[Inbox]) -> Kit[Inbox]:
    """An address that is confirmed."""
    kit.ask(SetMail(address="me@example.org"), user="me")
    kit.ask(ConfirmMail(code=code_of(kit)), user="me")
    return kit


def code_of(kit: Kit[Inbox]) -> str:
    """In the mail that was sent last."""
    order = kit.started[-1].job
    assert isinstance(order, MailOrder)
    return next(line for line in order.body.splitlines() if len(line) == 24 and " " not in line)


def with_push(kit: Kit[Inbox], endpoint: str = ENDPOINT) -> Kit[Inbox]:
    kit.ask(AddPush(endpoint=endpoint, p256dh=P256DH, auth=AUTH), user="me")
    return kit


def with_hook(kit: Kit[Inbox]) -> Kit[Inbox]:
    kit.ask(SetHook(url="https://me.example.org/hook"), user="me")
    return kit


def sent(kit: Kit[Inbox]) -> list[StartJob]:
    """All but mails with a code."""
    return [one for one in kit.started if one.about]


def outcome(kit: Kit[Inbox], id_: str, channel: str) -> str:
    (found,) = kit.ask(Why(id=id_), user="me").decisions
    return found.channels[channel]


def ended(kit: Kit[Inbox], job: StartJob, result: Outcome | None = None, *, refused: str = "") -> None:
    told = Told(f"job:{job.id}", Cancel(), job.about)
    if refused:
        kit.undelivered(told, refused)
    else:
        kit.answered(told, result or Outcome())


def said(kit: Kit[Inbox]) -> list[str]:
    return [group["says"] for group in kit.view()["groups"]]


def why(kit: Kit[Inbox], id_: str) -> dict[str, str]:
    (found,) = kit.ask(Why(id=id_), user="me").decisions
    return found.channels
