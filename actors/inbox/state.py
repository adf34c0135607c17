"""The state of an inbox, and how each event changes it. All of it is bounded: what is older is in rows of a view."""

from collections.abc import Collection, Iterable
from itertools import islice
from typing import TypeVar

from msgspec import Struct, field

from greenroom.actors.inbox.events import (
    Archived,
    Barred,
    Delivered,
    Dispatched,
    Gone,
    GroupsRead,
    HookRemoved,
    HookSet,
    HoursChanged,
    InboxEvent,
    Kept,
    ListSeen,
    MailAsked,
    MailConfirmed,
    MailRemoved,
    Muted,
    Noticed,
    Preferred,
    PushAdded,
    PushRemoved,
    TakenBack,
    Withdrawn,
    Withheld,
)
from greenroom.actors.inbox.messages import Pace
from greenroom.actors.inbox.quiet import Quiet
from greenroom.actors.personal.fields import Personal, Secret, Subject

GROUPS_MAX = 300  # the newest
NAMED_MAX = 1_000  # who is known by name, of one group; from then on they are counted alone
NAMED_IN_ALL_MAX = 10_000  # of all groups
KNOWN_MAX = 5_000  # notices that are told from a repeat
DECISIONS_MAX = 500
GONE_MAX = 1_000
MUTED_MAX = 10_000
BARRED_MAX = 20_000
PUSH_MAX = 10  # browsers
FLIGHTS_MAX = 40  # jobs under way to one address: with so many, nothing more goes there
FLIGHTS_IN_ALL_MAX = 500  # also to addresses that others have taken the place of
CONFIRMATIONS_PER_DAY = 5
BY_US, BY_THEM = 1, 2  # bits: who has blocked whom
UNDER_WAY = "under way"
SENT = "sent"
TOLD_BEFORE = "you were told of it before"
HAS_TOLD = (SENT, TOLD_BEFORE)
TOLD = (*HAS_TOLD, UNDER_WAY)  # or will have
LEFT_OUT = "it was read or withdrawn before"
WAITS = "waits"  # what an outcome begins with that is none yet

Value = TypeVar("Value")


class Group(Struct):
    """What is told together."""

    kind: str
    about: str
    key: str
    at_ms: int  # of the newest
    offset: int  # of the event that changed it last
    by: dict[Subject, int] = field(default_factory=dict)  # how many of each; who came last is last
    more: int = 0  # of others, who are not told apart
    text: Personal[str] = ""  # of the newest
    read: bool = False
    silent: bool = False
    says: str = ""
    sent_ms: dict[str, int] = field(default_factory=dict)  # by channel: when it last went out
    withdrawn: int = 0  # the offset at which one of its notices was, last

    @property
    def count(self) -> int:
        return len(self.by) + self.more

    @property
    def names(self) -> list[str]:
        """The newest two."""
        return list(islice(filter(None, reversed(self.by)), 2))

    def leave(self, user: str) -> None:
        """One notice of theirs is gone."""
        if self.by.get(user, 0) > 1:
            self.by[user] -= 1
        elif self.by.pop(user, None) is None and self.more:
            self.more -= 1


class Known(Struct, omit_defaults=True):
    """A notice that was taken."""

    group: int
    by: Subject
    live: bool = True  # False: it was withdrawn


class Decision(Struct):
    """What became of a notice."""

    kind: str
    by: Subject
    about: str
    at_ms: int
    group: int
    channels: dict[str, str]
    under_way: dict[str, list[int]] = field(default_factory=dict)  # by channel: see Flight.dispatched
    key: str = ""  # of the group


class Waiting(Struct, array_like=True):
    """A group that will go out on a channel."""

    pace: Pace
    due_ms: int = 0  # not before that; of `now` alone


class Flight(Struct, array_like=True):
    """A job that takes groups out."""

    channel: str
    groups: list[int]
    to: str = ""  # a digest of the address
    dispatched: int = 0  # the offset of that event: all its jobs tell of the same notices


class Mail(Struct):
    """An address, confirmed or not yet."""

    address: Personal[str]
    confirmed: bool = False
    code: Secret[str] = ""  # SHA-256 of what the mail says
    expires_ms: int = 0


class Push(Struct):
    """A browser."""

    endpoint: Secret[str]
    p256dh: str
    auth: Secret[str]


class Hook(Struct):
    """A URL of its user's own."""

    url: Personal[str]
    secret: Secret[str]


class InboxState(Struct):
    """All that an inbox knows."""

    groups: dict[int, Group] = field(default_factory=dict)  # by number; that which changed last is last
    known: dict[str, Known] = field(default_factory=dict)  # by the digest of their ids, oldest first
    decisions: dict[str, Decision] = field(default_factory=dict)  # likewise
    gone: dict[str, int] = field(default_factory=dict)  # what notices were about -> since when, Unix ms
    seen: int = 0  # groups that changed after this offset are new
    waiting: dict[str, dict[int, Waiting]] = field(default_factory=dict)  # by channel and group
    flights: dict[str, Flight] = field(default_factory=dict)  # by job
    preferences: dict[str, dict[str, Pace]] = field(default_factory=dict)  # by kind and channel, where said
    timezone: str = "UTC"
    quiet: Quiet | None = None
    digest_at: int = 8 * 60
    mail: Mail | None = None
    confirmations_ms: list[int] = field(default_factory=list)  # when the last ones were sent
    pushes: dict[str, Push] = field(default_factory=dict)
    hook: Hook | None = None
    muted: dict[Subject, None] = field(default_factory=dict)
    barred: dict[Subject, int] = field(default_factory=dict)  # BY_US, BY_THEM, or both bits

    @property
    def unread(self) -> int:
        return sum(not group.read and not group.silent for group in self.groups.values())

    @property
    def unseen(self) -> int:
        return sum(g.offset > self.seen and not g.read and not g.silent for g in self.groups.values())

    def open_group(self, key: str, *, silent: bool) -> int:
        """The unread one of that key; 0 where there is none. What is shown, and what is not, are never one."""
        for number, group in reversed(self.groups.items()):
            if group.key == key and group.silent == silent and not group.read:
                return number
        return 0

    def change(self, event: InboxEvent, offset: int, at_ms: int) -> None:
        match event:
            case Noticed():
                self._notice(event, offset)
            case Withheld():
                before = self.decisions.get(event.id)  # of one that was withdrawn, and comes back
                said = before.channels if before is not None else {}
                told = {name: again(what) for name, what in said.items() if what in TOLD}
                self._decide(event.id, event, 0, {"all": event.reason} | told, event.at_ms)
            case Withdrawn():
                self._withdraw(event, offset)
            case TakenBack():
                for id_ in event.ids:
                    if id_ in self.known:
                        self.known[id_].live = False
            case Gone():
                self.gone.pop(event.about, None)
                self.gone[event.about] = at_ms
                _trim(self.gone, GONE_MAX)
            case GroupsRead():
                for number in event.groups:
                    self.groups[number].read = True
                self._keep(event.groups, "it was read before")
            case ListSeen():
                self.seen = offset
            case Archived():
                self._keep(event.groups, "it was put away before")
                for number in event.groups:
                    del self.groups[number]
            case Dispatched():
                self._dispatch(event, offset, at_ms)
            case Kept():
                self._keep(event.groups, event.reason, event.channel)
            case Delivered():
                self._deliver(event)
            case Muted(user=user):
                self.muted.pop(user, None)
                if event.muted:
                    self.muted[user] = None
                    _trim(self.muted, MUTED_MAX)
            case Barred(user=user):
                bit = BY_US if event.by_us else BY_THEM
                now = self.barred.pop(user, 0) & ~bit | (bit if event.barred else 0)
                if now:
                    self.barred[user] = now
                    _trim(self.barred, BARRED_MAX)
            case _:
                self._set(event, at_ms)

    # Notices.

    def _notice(self, event: Noticed, offset: int) -> None:
        if event.drops:
            self._keep([event.drops], "too many came after it")
            del self.groups[event.drops]
        group = self.groups.pop(event.group, None)
        if group is None:
            group = Group(kind=event.kind, about=event.about, key=event.key, at_ms=0, offset=0, silent=event.silent)
        self.groups[event.group] = group
        group.at_ms, group.offset, group.text, group.says = event.at_ms, offset, event.text, event.says
        before = group.by.pop(event.by, 0)
        if before or self._has_room(group):
            group.by[event.by] = before + 1
        else:
            group.more += 1
        self.known.pop(event.id, None)
        self.known[event.id] = Known(event.group, event.by)
        _trim(self.known, KNOWN_MAX)
        for channel, pace in event.paces.items():
            self.waiting.setdefault(channel, {}).setdefault(event.group, Waiting(pace, event.due_ms.get(channel, 0)))
        self._decide(event.id, event, event.group, dict(event.outcomes), event.at_ms)

    def _has_room(self, group: Group) -> bool:
        """May one more be known by name?"""
        return len(group.by) < NAMED_MAX and sum(len(one.by) for one in self.groups.values()) < NAMED_IN_ALL_MAX

    def _withdraw(self, event: Withdrawn, offset: int) -> None:
        group = self.groups[event.group]
        group.withdrawn = offset
        for id_ in event.ids:
            known = self.known[id_]
            known.live = False
            group.leave(known.by)
            group.text = ""  # it may be theirs
            if id_ in self.decisions:
                _settle(self.decisions[id_], None, "it was withdrawn before")
        if not event.count:
            self._keep([event.group], "it was withdrawn before")
            del self.groups[event.group]
            for known in self.known.values():
                if known.group == event.group:
                    known.live = False

    def _decide(self, id_: str, of: Noticed | Withheld, group: int, channels: dict[str, str], at_ms: int) -> None:
        before = self.decisions.pop(id_, None)
        under_way = before.under_way if before is not None else {}
        key = of.key if isinstance(of, Noticed) else ""
        self.decisions[id_] = Decision(of.kind, of.by, of.about, at_ms, group, channels, under_way, key)
        _trim(self.decisions, DECISIONS_MAX)

    # What goes out.

    def _keep(self, groups: Iterable[int], reason: str, channel: str | None = None) -> None:
        """They don't go out any more."""
        for name, waiting in self.waiting.items():
            for number in groups:
                if channel in (None, name) and waiting.pop(number, None) is not None:
                    self._settle(number, name, reason)

    def _settle(self, group: int, channel: str, outcome: str) -> None:
        for decision in self.decisions.values():
            if decision.group == group:
                _settle(decision, channel, outcome)

    def _dispatch(self, event: Dispatched, offset: int, at_ms: int) -> None:
        """What goes out tells of all that is in these groups, whatever kept it back when it came."""
        channel, groups = event.channel, set(event.groups)
        waiting = self.waiting.get(channel, {})
        for number in event.groups:
            waiting.pop(number, None)
            self.groups[number].sent_ms[channel] = at_ms
        for id_, decision in self.decisions.items():
            known = self.known.get(id_)
            is_in_it = decision.group in groups and known is not None and known.live
            if is_in_it and decision.channels.get(channel) not in HAS_TOLD:
                decision.channels[channel] = UNDER_WAY
                decision.under_way.setdefault(channel, []).append(offset)
        for job, to in event.jobs.items():
            self.flights[job] = Flight(channel, event.groups, to, offset)

    def told_by(self, job: str) -> list[str]:
        """The notices that it has."""
        flight = self.flights[job]
        channel, number = flight.channel, flight.dispatched
        found = []
        for id_, decision in self.decisions.items():
            by = decision.under_way.get(channel, [])
            is_old = not by and decision.group in flight.groups and decision.channels.get(channel) == UNDER_WAY
            if number in by or (not number and is_old):  # both of a snapshot of a release which kept no such numbers
                found.append(id_)
        return found

    def settled_by(self, job: str, reason: str, left_out: Collection[str] = ()) -> dict[str, str]:
        """What its channel says of the notices that it had, by their ids, where it has ended for that `reason`, and
        `left_out` had to go before."""
        flight = self.flights[job]
        channel, number = flight.channel, flight.dispatched
        others = [one for id_, one in self.flights.items() if id_ != job and one.dispatched == number]
        if not number:  # of a snapshot of the release before
            others = [one for one in others if one.channel == channel and one.groups == flight.groups]
        settled = {}
        for id_ in self.told_by(job):
            if not reason and id_ not in left_out:
                settled[id_] = SENT
            elif not others:
                by = self.decisions[id_].under_way.get(channel, [])
                is_last = all(one == number for one in by)
                settled[id_] = f"not delivered: {reason or LEFT_OUT}" if is_last else UNDER_WAY
        return settled

    def _deliver(self, event: Delivered) -> None:
        if event.job not in self.flights:
            return
        settled = self.settled_by(event.job, event.reason, event.left_out)
        flight = self.flights.pop(event.job)
        channel = flight.channel
        for id_, outcome in settled.items():
            decision = self.decisions[id_]
            by = decision.under_way.get(channel, [])
            decision.under_way[channel] = [n for n in by if n != flight.dispatched] if outcome == UNDER_WAY else []
            decision.channels[channel] = outcome
        for id_, again in event.again.items():
            decision = self.decisions[id_]
            decision.channels[channel] = again.outcome
            if again.pace is not None:
                waiting = self.waiting.setdefault(channel, {})
                waiting.setdefault(decision.group, Waiting(again.pace, again.due_ms))

    # What its user has set.

    def _set(self, event: InboxEvent, at_ms: int) -> None:
        match event:
            case Preferred():
                self.preferences.setdefault(event.kind, {})[event.channel] = event.pace
            case HoursChanged():
                self.timezone, self.digest_at = event.timezone, event.digest_at
                has_both = event.quiet_from is not None and event.quiet_to is not None
                self.quiet = Quiet(event.quiet_from or 0, event.quiet_to or 0) if has_both else None
            case MailAsked():
                self.mail = Mail(event.address, code=event.code, expires_ms=event.expires_ms)
                self.confirmations_ms = [*self.confirmations_ms, at_ms][-CONFIRMATIONS_PER_DAY:]
            case MailConfirmed() if self.mail is not None:
                self.mail.confirmed, self.mail.code = True, ""
            case MailRemoved():
                self.mail = None
            case PushAdded():
                self.pushes[event.id] = Push(event.endpoint, event.p256dh, event.auth)
            case PushRemoved():
                self.pushes.pop(event.id, None)
            case HookSet():
                self.hook = Hook(event.url, event.secret)
            case HookRemoved():
                self.hook = None


def again(said: str) -> str:
    """What a channel says of a notice that comes again, where it has told of it, or is about to."""
    return UNDER_WAY if said == UNDER_WAY else TOLD_BEFORE


def _settle(decision: Decision, channel: str | None, outcome: str) -> None:
    for name, said in decision.channels.items():
        if channel in (None, name) and said.startswith(WAITS):
            decision.channels[name] = outcome


def _trim(kept: dict[str, Value], most: int) -> None:
    while len(kept) > most:
        del kept[next(iter(kept))]
