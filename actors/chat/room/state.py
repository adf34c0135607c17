"""What a room remembers. All of it goes into a snapshot as JSON, so all of it is bounded."""

from typing import Any, assert_never

from msgspec import Struct, field

from greenroom.actors.chat.room.events import (
    Banned,
    BarSet,
    Changed,
    Gifted,
    Invited,
    Joined,
    Left,
    MessageDeleted,
    MessageEdited,
    MessageSent,
    Muted,
    Reacted,
    ReadUpTo,
    RoleGiven,
    RoomEvent,
    Unbanned,
    Unmuted,
    Unreacted,
)
from greenroom.actors.chat.room.mentions import mentioned
from greenroom.actors.chat.room.messages import MEMBERS_MAX
from greenroom.actors.personal.fields import Personal, Subject

WINDOW = 50  # messages kept with their text, for the view
AUTHORS = 1_000  # messages whose author is known, so that they can be edited, deleted and reacted to
GIVERS_MAX = 10_000  # users counted one by one


class Member(Struct, omit_defaults=True, gc=False):
    """What the room knows of one member."""

    role: str = "member"
    read: int = 0  # watermark: everything up to this offset has been read
    sent_ms: int = 0  # the time of their last message, Unix ms


class Posted(Struct, omit_defaults=True):
    """A message as the view shows it."""

    author: Subject
    text: Personal[str]
    at_ms: int
    edited: bool = False
    deleted: bool = False
    reply_to: int | None = None
    client_id: Personal[str | None] = None
    data: Personal[Any] = None


class RoomState(Struct):
    """All that a room remembers, each part bounded. Only `change` changes it, by events."""

    title: str = ""
    open: bool = True
    slow_mode_s: int = 0
    max_members: int = MEMBERS_MAX
    pinned: int = 0  # a message's offset
    pinned_message: Posted | None = None  # kept apart, since it outlives the window
    owner: Subject = ""
    members: dict[Subject, Member] = field(default_factory=dict)  # longest-standing first
    invited: dict[Subject, int] = field(default_factory=dict)  # -> when, Unix ms
    muted: dict[Subject, int] = field(default_factory=dict)  # -> until, Unix ms; 0 for good
    banned: dict[Subject, int] = field(default_factory=dict)  # -> until, Unix ms; 0 for good
    window: dict[int, Posted] = field(default_factory=dict)  # offset -> the newest messages, oldest first
    authors: dict[int, Subject] = field(default_factory=dict)  # offset -> author, of many more, without the deleted
    named: dict[int, list[Subject]] = field(default_factory=dict)  # offset, as in `authors` -> members it mentions
    forgotten: int = 0  # up to this offset not even a message's author is known here
    reactions: dict[int, dict[str, list[Subject]]] = field(default_factory=dict)  # offset -> emoji -> users
    sent: int = 0  # messages ever
    gifts: dict[str, int] = field(default_factory=dict)  # item -> how many, exactly
    givers: dict[Subject, int] = field(default_factory=dict)  # user -> how many of any item, exactly
    gifts_of_others: int = 0  # what those gave who came after `givers` was full
    barred_by: set[Subject] = field(default_factory=set)  # of the two of a direct conversation, who blocks the other

    def change(self, event: RoomEvent, offset: int, at_ms: int) -> None:
        """Become what the room is after `event`, recorded at `at_ms` (Unix) under `offset`."""
        match event:
            case MessageSent(author=author):
                self._add_message(event, offset, at_ms)
                member = self.members.get(author)
                if member is not None:
                    member.sent_ms = at_ms
            case ReadUpTo():
                self.members[event.user].read = event.message
            case Reacted():
                self.reactions.setdefault(event.message, {}).setdefault(event.emoji, []).append(event.user)
            case Unreacted():
                self._remove_reaction(event)
            case Gifted():
                self.gifts[event.item] = event.total
                if event.user in self.givers or len(self.givers) < GIVERS_MAX:
                    self.givers[event.user] = self.givers.get(event.user, 0) + event.count
                else:
                    self.gifts_of_others += event.count
            case Joined():
                self.members[event.user] = Member(role=event.role, sent_ms=self.last_sent_ms(event.user))
                if event.role == "owner":
                    self.owner = event.user
                self.invited.pop(event.user, None)
            case Left():
                self._remove_member(event.user)
            case MessageEdited():
                for posted in self._copies(event.message):
                    posted.text = event.text
                    posted.edited = True
                self._name(event.message, self.authors.get(event.message, ""), event.text)
            case MessageDeleted():
                self._delete_message(event.message)
            case Muted():
                self.muted[event.user] = event.until_ms
            case Unmuted():
                self.muted.pop(event.user, None)
            case Banned():
                self.banned[event.user] = event.until_ms
                self.invited.pop(event.user, None)
                self._remove_member(event.user)
            case Unbanned():
                self.banned.pop(event.user, None)
            case Changed():
                self._set(event)
            case Invited():
                self.invited[event.user] = at_ms
            case RoleGiven():
                self.members[event.user].role = event.role
                if event.role == "owner":
                    self.owner = event.user
                elif self.owner == event.user:
                    self.owner = ""
            case BarSet(by=by, barred=barred):
                (self.barred_by.add if barred else self.barred_by.discard)(by)
            case _:
                assert_never(event)

    def _add_message(self, event: MessageSent, offset: int, at_ms: int) -> None:
        window, authors = self.window, self.authors
        window[offset] = Posted(
            author=event.author,
            text=event.text,
            at_ms=at_ms,
            reply_to=event.reply_to,
            client_id=event.client_id,
            data=event.data,
        )
        if len(window) > WINDOW:
            del window[next(iter(window))]
        authors[offset] = event.author
        if len(authors) > AUTHORS:
            oldest = next(iter(authors))
            del authors[oldest]
            self.forgotten = oldest
            if self.reactions:
                self.reactions.pop(oldest, None)
            if self.named:
                self.named.pop(oldest, None)
        if "@" in event.text:
            self._name(offset, event.author, event.text)
        self.sent += 1

    def _name(self, message: int, author: str, text: str) -> None:
        """Whom it mentions now. Who was mentioned before stays so, member or not: they were told."""
        before = self.named.pop(message, [])
        names = [user for user in mentioned(text) if user in before or (user in self.members and user != author)]
        if names:
            self.named[message] = names

    def _copies(self, message: int) -> list[Posted]:
        copies = []
        if message in self.window:
            copies.append(self.window[message])
        if message == self.pinned and self.pinned_message is not None:
            copies.append(self.pinned_message)
        return copies

    def _delete_message(self, message: int) -> None:
        posted = self.window.get(message)
        if posted is not None:
            self.window[message] = Posted(author=posted.author, text="", at_ms=posted.at_ms, deleted=True)
        self.authors.pop(message, None)
        self.named.pop(message, None)
        self.reactions.pop(message, None)
        if self.pinned == message:
            self.pinned, self.pinned_message = 0, None

    def _remove_reaction(self, event: Unreacted) -> None:
        of_message = self.reactions[event.message]
        of_message[event.emoji].remove(event.user)
        if not of_message[event.emoji]:
            del of_message[event.emoji]
        if not of_message:
            del self.reactions[event.message]

    def _remove_member(self, user: str) -> None:
        self.members.pop(user, None)
        if self.owner == user:
            self.owner = ""

    def _set(self, event: Changed) -> None:
        if event.title is not None:
            self.title = event.title
        if event.open is not None:
            self.open = event.open
        if event.slow_mode_s is not None:
            self.slow_mode_s = event.slow_mode_s
        if event.max_members is not None:
            self.max_members = event.max_members
        if event.pinned is not None:
            self.pinned = event.pinned
            self.pinned_message = self.window[event.pinned] if event.pinned else None

    def unread(self, user: str) -> int:
        """Messages of others after the member's watermark, among the newest 1,000."""
        read = self.members[user].read
        count = 0
        for offset, author in reversed(self.authors.items()):
            if offset <= read:
                break
            count += author != user
        return count

    def last_sent_ms(self, user: str) -> int:
        """When somebody who is not a member last sent a message that is still in the window; 0 if never."""
        return next((posted.at_ms for posted in reversed(self.window.values()) if posted.author == user), 0)

    def heir(self) -> str | None:
        """Who owns the room when its owner has gone: the longest-standing moderator, else member."""
        moderators = (user for user, member in self.members.items() if member.role == "moderator")
        return next(moderators, next(iter(self.members), None))
