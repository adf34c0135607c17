"""Inbox: `inbox:USER`, what its user is told of, and how.

Whoever has something to tell says Notify, and Withdraw when it is not so any more. What belongs together is a group,
"ann, bob and 8 others", until it is read; what comes then begins another. Each notice leaves a decision, which says
what every channel did with it, and why. What leaves through a job is in outgoing.py, where to in contacts.py;
what is taken back in withdrawing.py, and what of that a job was about to send in still.py.
"""

from typing import Any, ClassVar

from msgspec import Struct

from greenroom.actors.inbox.contacts import Contacts
from greenroom.actors.inbox.events import (
    Archived,
    Barred,
    Delivered,
    Dispatched,
    Gone,
    GroupSaid,
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
from greenroom.actors.inbox.messages import (
    AddPush,
    Archive,
    BarredChanged,
    ConfirmMail,
    Due,
    MarkRead,
    MutedChanged,
    Notify,
    Outcome,
    Outcomes,
    Prefer,
    ReadAll,
    RemoveHook,
    RemoveMail,
    RemovePush,
    See,
    SetHook,
    SetHours,
    SetMail,
    StillSo,
    Why,
    Withdraw,
)
from greenroom.actors.inbox.outgoing import Outgoing, Speaking, digest_of
from greenroom.actors.inbox.preferences import pace_of
from greenroom.actors.inbox.quiet import zone_named
from greenroom.actors.inbox.showing import InboxShown, publication_of, view_of
from greenroom.actors.inbox.state import BY_THEM, GROUPS_MAX
from greenroom.actors.inbox.still import Asked
from greenroom.actors.inbox.withdrawing import Withdrawing
from greenroom.actors.model.actor import KindLimits, Runtime
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.lifecycle import Answered, Undelivered
from greenroom.actors.model.message import Done, Event, Message
from greenroom.actors.model.principal import STAFF_ROLES

LATE_MS = 600_000  # what says no time and comes so long after the end of what it is about, is not late but new
DONE = Done()


class Inbox(Speaking):
    """One user's; the key is their id."""

    kind = "inbox"
    key_is_user = True
    commands: ClassVar[tuple[type[Message], ...]] = (
        See,
        MarkRead,
        ReadAll,
        Archive,
        Why,
        Prefer,
        SetHours,
        SetMail,
        ConfirmMail,
        RemoveMail,
        AddPush,
        RemovePush,
        SetHook,
        RemoveHook,
        StillSo,
    )
    internal: ClassVar[tuple[type[Message], ...]] = (Notify, Withdraw, MutedChanged, BarredChanged, Due)
    events: ClassVar[tuple[type[Event], ...]] = (
        Noticed,
        Withheld,
        Withdrawn,
        TakenBack,
        Gone,
        GroupsRead,
        ListSeen,
        Archived,
        Dispatched,
        Kept,
        Delivered,
        Preferred,
        HoursChanged,
        MailAsked,
        MailConfirmed,
        MailRemoved,
        PushAdded,
        PushRemoved,
        HookSet,
        HookRemoved,
        Muted,
        Barred,
    )
    ephemerals: ClassVar[tuple[type[Struct], ...]] = (GroupSaid,)
    publishes_info = False
    limits = KindLimits(history_events=5_000)

    def __init__(self, entity: str, runtime: Runtime) -> None:
        super().__init__(entity, runtime)
        self._outgoing = Outgoing(self)
        self._withdrawing = Withdrawing(self, self._outgoing)
        self._asked = Asked(self, self._outgoing)
        self._contacts = Contacts(self)

    def handle(self, message: Any) -> Any:
        """Raises: Refused; TypeError for what is none of its messages."""
        match message:
            case Notify():
                return self._notify(message)
            case Withdraw():
                return self._withdrawing.withdraw(message)
            case MutedChanged():
                if (message.user in self.state.muted) != message.muted:
                    self.record(Muted(user=message.user, muted=message.muted))
                return None
            case BarredChanged():
                return self._withdrawing.bar(message)
            case Due():
                return self._outgoing.due(message)
            case Answered() | Undelivered():
                return self._outgoing.hear(message)
        self._require_owner()
        match message:
            case Why():
                return self._why(message)
            case StillSo():
                return self._asked.still(message)
            case SetHook():
                return self._contacts.set_hook(message)
            case See():
                if self.state.unseen:
                    self.record(ListSeen())
            case MarkRead() | ReadAll():
                self._read(message)
            case Archive():
                self._archive(message.groups)
            case Prefer():
                self._prefer(message)
            case SetHours():
                self._set_hours(message)
            case SetMail():
                self._contacts.set_mail(message)
            case ConfirmMail():
                self._contacts.confirm_mail(message)
            case RemoveMail():
                self._contacts.remove_mail()
            case AddPush():
                self._contacts.add_push(message)
            case RemovePush():
                self._contacts.remove_push(message)
            case RemoveHook():
                self._contacts.remove_hook()
            case _:
                raise TypeError(f"{message!r:.100} is none of its messages")
        return DONE

    # Notices.

    def _notify(self, notice: Notify) -> None:
        state, id_, by = self.state, digest_of(notice.id), notice.by
        known = state.known.get(id_)
        if known is not None and known.live:
            return
        now_ms = int(self.now * 1000)
        at_ms = min(notice.at_ms or now_ms, now_ms)
        about = "" if notice.about == f"profile:{by}" else notice.about
        if self._is_barred_by_them(notice):
            return  # no decision either, which would say so
        if reason := self._why_not(notice):
            self.record(Withheld(id=id_, kind=notice.kind, by=by, about=about, reason=reason, at_ms=at_ms))
            return
        is_silent = pace_of(state.preferences, notice.kind, "live") == "off"
        number = state.open_group(notice.group, silent=is_silent)
        group = state.groups.get(number)
        plan = self._outgoing.plan(notice.kind, by, group, id_)
        unread, drops = state.unread, 0
        if group is None:
            unread += not is_silent
            if len(state.groups) >= GROUPS_MAX:
                drops, dropped = next(iter(state.groups.items()))
                unread -= not (dropped.read or dropped.silent)
        names = [by, *(group.names if group is not None else ())]
        had_text = group is not None and bool(group.text)
        noticed = Noticed(
            id=id_,
            kind=notice.kind,
            by=by,
            about=about,
            key=notice.group,
            group=number or self.offset + 1,
            text=notice.text,
            at_ms=at_ms if group is None else max(at_ms, group.at_ms),
            names=[name for name in dict.fromkeys(names) if name][:2],
            count=1 if group is None else group.count + (by not in group.by),
            unread=unread,
            paces=plan.paces,
            due_ms=plan.due_ms,
            outcomes=plan.outcomes,
            silent=is_silent,
            drops=drops,
            says=notice.says,
        )
        self.record(noticed)
        if (noticed.text or had_text) and not is_silent:
            self.say(noticed.group, noticed.text)
        self._outgoing.arm()

    def _is_barred_by_them(self, notice: Notify) -> bool:
        """By them alone: whom somebody has blocked is theirs to know. Who is muted, is muted as before."""
        state, by = self.state, notice.by
        return notice.kind != "moderation" and state.barred.get(by) == BY_THEM and by not in state.muted

    def _why_not(self, notice: Notify) -> str:
        """Why its user is not told; "" where they are."""
        state, by = self.state, notice.by
        if by == self.key:
            return "it is your own doing"
        if notice.kind == "moderation":
            return ""
        if by in state.muted:
            return "you have muted them"
        if by in state.barred:
            return "you have blocked them"
        gone_ms = state.gone.get(notice.about)
        if gone_ms is not None and (notice.at_ms or int(self.now * 1000) - LATE_MS) <= gone_ms:
            return "what it is about was gone before"
        return ""

    # What its user does.

    def _read(self, message: MarkRead | ReadAll) -> None:
        state = self.state
        if isinstance(message, ReadAll):
            wanted = [n for n, group in state.groups.items() if not group.read]
        else:
            about = message.about
            named = set(message.groups)
            wanted = [
                n for n, group in state.groups.items() if not group.read and (n in named or group.about == about != "")
            ]
        if wanted:
            unread = state.unread - sum(not state.groups[n].silent for n in wanted)
            self.record(GroupsRead(groups=wanted, unread=unread))
            self._outgoing.call_back("read", wanted)

    def _archive(self, numbers: list[int]) -> None:
        state = self.state
        wanted = [n for n in dict.fromkeys(numbers) if n in state.groups]
        if wanted:
            unread = state.unread - sum(not (g.read or g.silent) for g in map(state.groups.__getitem__, wanted))
            self.record(Archived(groups=wanted, unread=unread))
            self._outgoing.call_back("archived", wanted)

    def _prefer(self, wanted: Prefer) -> None:
        """Raises: Refused."""
        if wanted.channel == "live" and wanted.pace not in ("now", "off"):
            raise Refused("inbox.no_such_pace", "the channel itself is `now` or `off`", status=422)
        if self.state.preferences.get(wanted.kind, {}).get(wanted.channel) != wanted.pace:
            self.record(Preferred(kind=wanted.kind, channel=wanted.channel, pace=wanted.pace))
            if wanted.pace == "off":
                self._outgoing.turned_off(wanted.kind, wanted.channel)

    def _set_hours(self, wanted: SetHours) -> None:
        """Raises: Refused."""
        if zone_named(wanted.timezone) is None:
            raise Refused("inbox.no_such_zone", "it must be an IANA name, such as Europe/Berlin", status=422)
        if (wanted.quiet_from is None) != (wanted.quiet_to is None):
            raise Refused("inbox.half_quiet", "quiet hours begin and end: give both, or neither", status=422)
        self.record(
            HoursChanged(
                timezone=wanted.timezone,
                digest_at=wanted.digest_at,
                quiet_from=wanted.quiet_from,
                quiet_to=wanted.quiet_to,
            )
        )
        self._outgoing.hours_changed()

    def _why(self, wanted: Why) -> Outcomes:
        decisions = self.state.decisions
        if wanted.id:
            found = decisions.get(digest_of(wanted.id))
            chosen = [] if found is None else [found]
        else:
            chosen = [one for one in reversed(decisions.values()) if wanted.group in (0, one.group)]
        return Outcomes(
            [
                Outcome(
                    kind=one.kind,
                    by=one.by,
                    about=one.about or f"profile:{one.by}",
                    at_ms=one.at_ms,
                    group=one.group,
                    channels=dict(one.channels),
                )
                for one in chosen[: wanted.limit]
            ]
        )

    # Who sees it.

    def may_watch(self) -> None:
        """Raises: Refused."""
        self._require_owner()

    def _require_owner(self) -> None:
        who = self.principal
        if who.system or not STAFF_ROLES.isdisjoint(who.roles):
            return
        if self.require_user() != self.key:
            raise Refused("inbox.not_yours", "it is another user's")

    def apply(self, event: InboxEvent) -> None:
        self.state.change(event, self.offset, self.at_ms)

    @classmethod
    def publication(cls, event: InboxEvent) -> Struct | None:
        return publication_of(event)

    def view(self) -> InboxShown:
        return view_of(self.state)
