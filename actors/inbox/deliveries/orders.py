"""Orders: the arguments of the jobs that take notices out, and what comes of them.

How they are done, transports/notices/ says, by subclasses with the same tags: it may open connections, which an actor
may not know of. Whatever provider is behind an address, jobs for it have the provider as their key: one that is slow,
away or strict holds up its own.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field
from msgspec.structs import replace

from greenroom.actors.inbox.messages import Outside, Still, StillSo
from greenroom.actors.jobs.job import Job, JobLimits
from greenroom.actors.jobs.limits import JobQueue, Rate
from greenroom.actors.jobs.retry import Retry
from greenroom.actors.personal.fields import Secret, Subject

DELIVER = JobQueue("deliver", per_key=4, per_key_rate=Rate(20))
_PATIENT = Retry(attempts=10, first_s=10.0, max_s=1_800.0)  # two hours; what is later is no news
_LIMITS = JobLimits(timeout_s=120.0)
Provider = Annotated[str, Meta(max_length=255)]


class Outcome(Struct, frozen=True, omit_defaults=True):
    """What became of it where trying again would not help."""

    state: Literal["sent", "refused", "gone"] = "sent"  # gone: nothing is to be sent there any more
    detail: str = ""
    left_out: list[str] = field(default_factory=list)  # notices that it was to tell of, and were not so any more


class MailOrder(Job, queue=DELIVER, tag="job.inbox_mail"):
    """A mail. Another attempt has the same Message-ID, by which a receiver knows it."""

    provider: Provider
    id: str
    to: Secret[str]
    subject: Secret[str]
    body: Secret[str]
    user: Subject = ""  # whose inbox it tells of; "": it tells of none
    kinds: list[str] = field(default_factory=list)  # of the notices in it
    groups: list[int] = field(default_factory=list)  # of that inbox, of which it tells
    since: int = 0  # as of that offset; what was withdrawn later is not to be sent
    partition = "provider"
    retry = _PATIENT
    limits = _LIMITS


class PushOrder(Job, queue=DELIVER, tag="job.inbox_push"):
    """A message to one browser."""

    provider: Provider
    id: str
    endpoint: Secret[str]
    p256dh: str
    auth: Secret[str]
    payload: Secret[str]  # JSON
    topic: str = ""  # of those with the same that wait for a browser, the newest alone is shown
    user: Subject = ""  # as of a mail, and so are these
    groups: list[int] = field(default_factory=list)
    since: int = 0
    partition = "provider"
    retry = _PATIENT
    limits = _LIMITS


class HookOrder(Job, queue=DELIVER, tag="job.inbox_hook"):
    """A signed POST."""

    provider: Provider
    id: str
    url: Secret[str]
    secret: Secret[str]
    body: Secret[str]  # JSON
    user: Subject = ""  # as of a mail, and so are these
    groups: list[int] = field(default_factory=list)
    since: int = 0
    partition = "provider"
    retry = _PATIENT
    limits = _LIMITS


Order = MailOrder | PushOrder | HookOrder


def question_of(order: Order, job: str) -> tuple[str, StillSo] | None:
    """Whom to ask before it is sent, and what; None where it tells of no notices, as what has a code, or the release
    before has ordered it."""
    if not order.user or not order.groups:
        return None
    channel: Outside = "mail" if isinstance(order, MailOrder) else "push" if isinstance(order, PushOrder) else "hook"
    return f"inbox:{order.user}", StillSo(channel=channel, groups=order.groups, since=order.since, job=job)


def outcome_with(outcome: Outcome, still: Still) -> Outcome:
    """What became of what was sent as it was by then."""
    return replace(outcome, left_out=still.left_out)
