"""What an inbox can be told. Tags are wire names: never renamed, fields only ever added, with defaults."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from greenroom.actors.inbox.quiet import Minute
from greenroom.actors.model.message import END, Ask, Done, Tell
from greenroom.actors.personal.fields import Personal, Secret, Subject

NoticeKind = Literal[
    "like", "comment", "reply", "mention", "follow", "request", "accepted", "share", "post", "moderation", "other"
]
NoticeId = Annotated[str, Meta(min_length=1, max_length=400)]


class Notify(Tell, tag="inbox.notify"):
    """Something has happened that its user may want to know of. The same `id` again is the same thing."""

    id: NoticeId  # such as `like:POST:USER`
    kind: NoticeKind
    by: Subject  # whose doing it is
    about: Annotated[str, Meta(max_length=300)]  # an entity: `post:ID`, `profile:USER`, `room:lobby`
    group: NoticeId  # what is told together: `like:POST`
    text: Annotated[Personal[str], Meta(max_length=200)] = ""
    at_ms: int = 0  # Unix; 0 is now
    says: Annotated[str, Meta(max_length=100)] = ""  # what they did, behind their names, where the kind does not say it


class Withdraw(Tell, tag="inbox.withdraw"):
    """It is not so any more: the notice `id` alone, or all of the `group`, or all `about` an entity."""

    id: str = ""
    group: str = ""
    about: str = ""


class MutedChanged(Tell, tag="inbox.muted_changed"):
    """By `follows:ME`: its user wants to hear nothing of somebody, or again."""

    user: Subject
    muted: bool


class BarredChanged(Tell, tag="inbox.barred_changed"):
    """By `follows:ME`: one of the two has blocked the other, or no more. `by_us`: its user has."""

    user: Subject
    by_us: bool
    barred: bool


class Due(Tell, tag="inbox.due"):
    """To itself: it is time to send what waits."""

    pace: Literal["now", "hourly", "daily"]
    channel: str = ""  # of `now`, and of a digest that was held up there; else it is all of them


# Of its user.

Channel = Literal["live", "mail", "push", "hook"]
Pace = Literal["now", "hourly", "daily", "off"]
GroupIds = Annotated[list[int], Meta(max_length=500)]
WHY_MAX = 500


class See(Ask[Done], tag="inbox.see"):
    """The list was opened: nothing of it is new any more. It may still be unread."""


class MarkRead(Ask[Done], tag="inbox.mark_read"):
    """These groups, and all that are about an entity."""

    groups: GroupIds = field(default_factory=list)
    about: Annotated[str, Meta(max_length=300)] = ""


class ReadAll(Ask[Done], tag="inbox.read_all"):
    """All that there is."""


class Archive(Ask[Done], tag="inbox.archive"):
    """Put these groups away."""

    groups: GroupIds


class Prefer(Ask[Done], tag="inbox.prefer"):
    """How soon a channel tells of a kind. `live` knows `now` and `off` only."""

    kind: NoticeKind
    channel: Channel
    pace: Pace


class SetHours(Ask[Done], tag="inbox.set_hours"):
    """In which time zone, from when until when nothing goes out, and when what is told daily does."""

    timezone: Annotated[str, Meta(min_length=1, max_length=64)] = "UTC"  # IANA
    quiet_from: Minute | None = None
    quiet_to: Minute | None = None
    digest_at: Minute = 8 * 60


class Outcome(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one notice, and why."""

    kind: str
    by: str
    about: str
    at_ms: int
    group: int = 0  # 0: it is in none
    channels: dict[str, str]  # what each channel did with it; `all` where none was asked


class Outcomes(Struct, frozen=True):
    """The answer to Why."""

    decisions: list[Outcome]  # newest first


class Why(Ask[Outcomes], tag="inbox.why"):
    """Why did I get this, or not? Of one notice, of one group, or the newest."""

    id: Annotated[str, Meta(max_length=400)] = ""
    group: int = 0
    limit: Annotated[int, Meta(ge=1, le=WHY_MAX)] = 50


# Where to.


class SetMail(Ask[Done], tag="inbox.set_mail"):
    """Notices go to this address once it is confirmed: a mail with a code is sent to it."""

    address: Annotated[str, Meta(min_length=3, max_length=254)]


class ConfirmMail(Ask[Done], tag="inbox.confirm_mail"):
    """The code from that mail."""

    code: Annotated[Secret[str], Meta(min_length=1, max_length=100)]


class RemoveMail(Ask[Done], tag="inbox.remove_mail"):
    """No more mails."""


class AddPush(Ask[Done], tag="inbox.add_push"):
    """A browser's subscription, as `PushSubscription.toJSON()` has it. The same endpoint again takes its place."""

    endpoint: Annotated[Secret[str], Meta(min_length=1, max_length=1_000)]  # whoever knows it may send there
    p256dh: Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{87}=?" + END)]
    auth: Annotated[Secret[str], Meta(pattern="^[A-Za-z0-9_-]{22}={0,2}" + END)]


class RemovePush(Ask[Done], tag="inbox.remove_push"):
    """That browser is told no more."""

    endpoint: Annotated[Secret[str], Meta(min_length=1, max_length=1_000)]


class HookSecret(Struct, frozen=True):
    """The answer to SetHook."""

    secret: str  # as Standard Webhooks writes it; it is shown once


class SetHook(Ask[HookSecret], tag="inbox.set_hook"):
    """Notices are posted to this URL, signed with the secret that is answered, in place of one before."""

    url: Annotated[str, Meta(min_length=1, max_length=1_000)]


class RemoveHook(Ask[Done], tag="inbox.remove_hook"):
    """No more."""


# Of jobs.

Outside = Literal["mail", "push", "hook"]


class Still(Struct, frozen=True, omit_defaults=True):
    """The answer to StillSo."""

    reason: str = ""  # why nothing is to be sent
    subject: str = ""  # of a mail, where `body` is not empty
    body: str = ""  # or payload: as it is now, where something of it was taken back; "": as it was
    left_out: list[str] = field(default_factory=list)  # notices of which that tells no more
    kinds: list[str] = field(default_factory=list)  # of those of which it does


class StillSo(Ask[Still], tag="inbox.still_so"):
    """By a job, before it sends: is what it tells of so still? A command, since workers may be outside of all nodes."""

    channel: Outside
    groups: GroupIds
    since: int = 0  # the offset at which it was composed
    job: Annotated[str, Meta(max_length=100)] = ""
