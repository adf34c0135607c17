"""What the owner of an inbox sees of it: all of it first, and then what has changed."""

from msgspec import Struct

from greenroom.actors.inbox.deliveries.composed import shown
from greenroom.actors.inbox.events import (
    Archived,
    GroupShown,
    GroupsRead,
    InboxEvent,
    ListSeen,
    Noticed,
    UnreadShown,
    Withdrawn,
)
from greenroom.actors.inbox.messages import Pace
from greenroom.actors.inbox.preferences import table_of
from greenroom.actors.inbox.state import InboxState
from greenroom.actors.inbox.wording import about_of, sentence

SHOWN_MAX = 50  # groups in the view; all of them are rows of `notices`


class InboxShown(Struct, frozen=True, kw_only=True):
    """What its user sees first."""

    unread: int  # groups
    unseen: int  # of these, since the list was opened
    groups: list[GroupShown]  # the newest first
    preferences: dict[str, dict[str, Pace]]
    timezone: str
    quiet_from: int | None  # minutes of the day
    quiet_to: int | None
    digest_at: int
    mail: str
    mail_confirmed: bool
    browsers: int
    hook: str


def view_of(state: InboxState) -> InboxShown:
    visible = [(number, group) for number, group in reversed(state.groups.items()) if not group.silent]
    mail, hook, quiet = state.mail, state.hook, state.quiet
    return InboxShown(
        unread=state.unread,
        unseen=state.unseen,
        groups=[shown(number, group) for number, group in visible[:SHOWN_MAX]],
        preferences=table_of(state.preferences),
        timezone=state.timezone,
        quiet_from=quiet.begins if quiet is not None else None,
        quiet_to=quiet.ends if quiet is not None else None,
        digest_at=state.digest_at,
        mail=mail.address if mail is not None else "",
        mail_confirmed=mail is not None and mail.confirmed,
        browsers=len(state.pushes),
        hook=hook.url if hook is not None else "",
    )


def publication_of(event: InboxEvent) -> Struct | None:
    """The history has no texts: what was deleted or hidden since, or is across a block by now, would be among them."""
    match event:
        case Noticed() | Withdrawn() if not event.silent:
            return _changed(event)
        case GroupsRead():
            return UnreadShown(groups=list(event.groups), unread=event.unread)
        case Archived():
            return UnreadShown(groups=list(event.groups), unread=event.unread, archived=True)
        case ListSeen():
            return event
    return None


def _changed(event: Noticed | Withdrawn) -> GroupShown:
    return GroupShown(
        id=event.group,
        kind=event.kind,
        about=about_of(event.about, event.names),
        names=list(event.names),
        count=event.count,
        says=sentence(event.kind, event.names, event.count, event.says) if event.count else "",
        at_ms=event.at_ms,
        unread=event.unread,
    )
