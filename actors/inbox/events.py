"""What happened in an inbox. Ids of notices are digests: they may name users, and who is forgotten is in none.

What watchers see of it are the groups that have changed, whole, and how many are unread.
"""

from msgspec import Struct, field

from greenroom.actors.inbox.messages import Pace
from greenroom.actors.model.message import Event
from greenroom.actors.personal.fields import Personal, Secret, Subject


class Noticed(Event, omit_defaults=True, tag="inbox.noticed"):
    """A group has one more, or is new."""

    id: str
    kind: str
    by: Subject
    about: str
    key: str  # of the group: what is told together
    group: int  # its number; that of this event where it is new
    text: Personal[str] = ""
    at_ms: int
    names: list[Subject]  # the newest two, the newest first
    count: int  # different ones, with this
    unread: int  # groups, with this
    paces: dict[str, Pace]  # of channels that will tell of it
    due_ms: dict[str, int]  # of those that tell it soon: when, at the earliest
    outcomes: dict[str, str]  # by channel
    silent: bool = False  # not on the channel `live`
    drops: int = 0  # a group that has to go for it
    says: str = ""  # what they did, where the kind does not say it


class Withheld(Event, omit_defaults=True, tag="inbox.withheld"):
    """Nothing was told, for that reason."""

    id: str
    kind: str
    by: Subject
    about: str
    reason: str
    at_ms: int


class Withdrawn(Event, omit_defaults=True, tag="inbox.withdrawn"):
    """Of a group these are gone; with a count of 0 all of it is."""

    group: int
    kind: str
    about: str
    ids: list[str]
    names: list[Subject]
    count: int
    at_ms: int  # of the newest that there was
    unread: int
    says: str = ""
    silent: bool = False  # as of Noticed


class TakenBack(Event, tag="inbox.taken_back"):
    """Likewise, of groups that are not known any more: put away, or dropped."""

    ids: list[str]


class Gone(Event, tag="inbox.gone"):
    """What notices were about: later ones that are older come late."""

    about: str


class GroupsRead(Event, tag="inbox.read"):
    """Its user has read these groups."""

    groups: list[int]
    unread: int


class ListSeen(Event, tag="inbox.seen"):
    """The list was opened."""


class Archived(Event, tag="inbox.archived"):
    """Its user has put these groups away."""

    groups: list[int]
    unread: int


class Dispatched(Event, omit_defaults=True, tag="inbox.dispatched"):
    """These groups go out on a channel, by these jobs."""

    channel: str
    groups: list[int]
    jobs: dict[str, str]  # by id: a digest of the address


class Kept(Event, omit_defaults=True, tag="inbox.kept"):
    """These do not, for that reason."""

    channel: str
    groups: list[int]
    reason: str


class Again(Struct, frozen=True, omit_defaults=True):
    """What a channel does with a notice that came again while a job had it, since that has not told of it."""

    outcome: str
    pace: Pace | None = None  # None: it will not tell of it
    due_ms: int = 0  # as of Noticed


class Delivered(Event, omit_defaults=True, tag="inbox.delivered"):
    """What became of a job. `reason` is empty where its receiver has it."""

    job: str
    reason: str = ""
    again: dict[str, Again] = field(default_factory=dict)  # by notice
    left_out: list[str] = field(
        default_factory=list
    )  # notices of which it did not tell, since they were not so any more


class Preferred(Event, tag="inbox.preferred"):
    """A channel tells of a kind at another pace."""

    kind: str
    channel: str
    pace: Pace


class HoursChanged(Event, omit_defaults=True, tag="inbox.hours"):
    """Another time zone, other quiet hours, or another time of digests."""

    timezone: str
    digest_at: int
    quiet_from: int | None = None
    quiet_to: int | None = None


class MailAsked(Event, tag="inbox.mail_asked"):
    """An address that is to be confirmed by the code of which the digest is kept."""

    address: Personal[str]
    code: Secret[str]  # SHA-256
    expires_ms: int


class MailConfirmed(Event, tag="inbox.mail_confirmed"):
    """The code has come back."""


class MailRemoved(Event, omit_defaults=True, tag="inbox.mail_removed"):
    """Nothing goes out by mail any more."""

    reason: str = ""


class PushAdded(Event, omit_defaults=True, tag="inbox.push_added"):
    """A browser is told, or has other keys."""

    id: str
    endpoint: Secret[str]
    p256dh: str
    auth: Secret[str]


class PushRemoved(Event, omit_defaults=True, tag="inbox.push_removed"):
    """It is not, any more."""

    id: str
    reason: str = ""


class HookSet(Event, tag="inbox.hook_set"):
    """Notices are posted to that URL."""

    url: Personal[str]
    secret: Secret[str]


class HookRemoved(Event, omit_defaults=True, tag="inbox.hook_removed"):
    """They are not, any more."""

    reason: str = ""


class Muted(Event, tag="inbox.muted"):
    """Its user wants to hear nothing of somebody, or again."""

    user: Subject
    muted: bool


class Barred(Event, tag="inbox.barred"):
    """One of the two has blocked the other, or no more."""

    user: Subject
    by_us: bool
    barred: bool


InboxEvent = (
    Noticed
    | Withheld
    | Withdrawn
    | TakenBack
    | Gone
    | GroupsRead
    | ListSeen
    | Archived
    | Dispatched
    | Kept
    | Delivered
    | Preferred
    | HoursChanged
    | MailAsked
    | MailConfirmed
    | MailRemoved
    | PushAdded
    | PushRemoved
    | HookSet
    | HookRemoved
    | Muted
    | Barred
)

# What watchers see.


class GroupShown(Struct, frozen=True, kw_only=True, tag="inbox.group", tag_field="type"):
    """A group as it is now. With a count of 0 it is gone."""

    id: int
    kind: str = ""
    about: str = ""
    names: list[str] = field(default_factory=list)  # the newest two
    count: int = 0
    says: str = ""
    text: str = ""
    at_ms: int = 0
    read: bool = False
    unread: int = 0  # groups, of the whole inbox


class GroupSaid(Struct, frozen=True, kw_only=True, tag="inbox.said", tag_field="type"):
    """Ephemeral: what the newest of a group says, told just now; empty where that says nothing, or once it was taken
    back. The history has no texts."""

    id: int
    text: str


class UnreadShown(Struct, frozen=True, kw_only=True, tag="inbox.unread", tag_field="type"):
    """These are read, or put away."""

    groups: list[int]
    unread: int
    archived: bool = False
