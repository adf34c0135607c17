"""Whose conversations there are: `GET /api/conversations/ann`, and the channel `conversations:ann`.

A message changes the rows of all members of its room. So a room is *counted* up to COUNTED_MAX members: who they are,
and its newest messages, are in a row of the room's own, the roster, whose `user` is empty. With one member more it
becomes a crowd, and stays one: its members' rows are there, and change with what concerns that member alone.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct, field

from greenroom.actors.chat.room.direct import direct_users
from greenroom.actors.chat.room.events import (
    Banned,
    Changed,
    Joined,
    Left,
    MessageDeleted,
    MessageEdited,
    MessageSent,
    ReadUpTo,
    RoomEvent,
)
from greenroom.actors.chat.room.mentions import mentioned
from greenroom.actors.chat.room.state import RoomState
from greenroom.actors.chat.views.texts import kept, preview
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.principal import Principal
from greenroom.actors.views.columns import Key
from greenroom.actors.views.folding import SEED_ROWS_MAX
from greenroom.actors.views.page import Page
from greenroom.actors.views.view import Origin, View

COUNTED_MAX = 200  # members of a room whose messages are counted for each
RECENT_MAX = 100  # messages of a room among which unread ones are counted
ROSTER = ""  # the user of the row that is the room's: nobody is called so, and no page is


class Said(Struct, array_like=True):
    """A message among the newest of its room."""

    offset: int
    author: str
    mentions: list[str]

    def is_unread_by(self, row: Any) -> bool:
        """Is it somebody else's, behind what the user of `row` has read?"""
        return bool(self.offset > row.read and self.author != row.user)


class Roster(Struct):
    """What is known of a room for its members' rows."""

    members: list[str] = field(default_factory=list)
    recent: list[Said] = field(default_factory=list)  # oldest first, without the deleted
    is_crowd: bool = False  # then neither of these is kept


class Conversations(View, version=1):
    """The rooms that a user is in, direct conversations among them, those with the newest messages first; for that
    user alone, and staff."""

    of = (Joined, Left, Banned, ReadUpTo, Changed, MessageSent, MessageEdited, MessageDeleted)

    class Row(Struct):
        """A room that a user is in."""

        user: Key[str]
        room: Key[str]  # its key
        title: str = ""  # "" when it has none, or is a crowd
        unread: int | None = 0  # messages of others behind `read`, of the newest 100; null in a crowd
        mentions: int = 0  # unread ones that name the user with an `@`; in a crowd since they last read
        read: int = 0  # the offset up to which the user has read
        last_offset: int = 0  # of the newest message; 0 when nothing was said, and in a crowd
        last_author: str = ""
        last_text: str = ""  # its beginning; "" once it was deleted
        at_ms: int = 0  # Unix: of the newest message, before the first one, and in a crowd, when the user came
        roster: Roster | None = None  # of the row without a user

    entity_key = "room"
    watch = Page(by="user", order="-at_ms", limit=200)

    def fold(self, event: RoomEvent, of: Origin) -> None:
        roster = self._roster(of)
        if roster.is_crowd:
            self._fold_crowd(event, of)
            return
        match event:
            case MessageSent():
                self._add(roster, Said(of.offset, event.author, mentioned(event.text)), event.text, of)
            case MessageEdited():
                self._edit(roster, event, of)
            case MessageDeleted():
                self._delete(roster, event.message, of)
            case ReadUpTo():
                row = self.row(user=event.user, room=of.key)
                row.read = event.message
                _count(row, roster)
            case Joined():
                self._enter(roster, event.user, of)
            case Left(user=user) | Banned(user=user) if user in roster.members:
                roster.members.remove(user)
                del self[self.row(user=user, room=of.key)]
            case Changed(title=str(title)):
                self._of_room(of).title = kept(title)
                for row in self._members(roster, of):
                    row.title = kept(title)

    def seed(self, state: RoomState, of: Origin) -> None:
        if of.key.startswith("@") and not state.sent:
            return  # nobody has said anything: it is there since one has blocked the other, or for a gift
        users = list(state.members)[: SEED_ROWS_MAX - 1]
        roster = self._of_room(of).roster = Roster(is_crowd=len(users) > COUNTED_MAX)
        self._of_room(of).title = kept(state.title)
        if not roster.is_crowd:
            roster.members = users
            roster.recent = [
                Said(offset, author, mentioned(state.window[offset].text) if offset in state.window else [])
                for offset, author in list(state.authors.items())[-RECENT_MAX:]
            ]
        for user in users:
            row = self.row(user=user, room=of.key)
            row.read, row.at_ms = state.members[user].read, of.at_ms
            if roster.is_crowd:
                row.unread = None
                continue
            row.title = kept(state.title)
            if state.window:
                offset, last = next(reversed(state.window.items()))
                _show(row, offset, last.author, last.text, last.at_ms)
            _count(row, roster)

    @classmethod
    def may_watch(cls, principal: Principal, key: str) -> None:
        """The user themself. Raises: Refused."""
        if not principal.user or principal.user != key:
            raise Refused("conversations.not_yours", "these conversations are another user's")

    # The roster.

    def _of_room(self, of: Origin) -> Any:
        return self.row(user=ROSTER, room=of.key)

    def _roster(self, of: Origin) -> Roster:
        row = self._of_room(of)
        if row.roster is None:
            row.roster = Roster()
            for user in direct_users(of.key) or () if of.key.startswith("@") else ():
                self._enter(row.roster, user, of)
        roster: Roster = row.roster
        return roster

    def _members(self, roster: Roster, of: Origin) -> Iterator[Any]:
        return (self.row(user=user, room=of.key) for user in roster.members)

    def _enter(self, roster: Roster, user: str, of: Origin) -> None:
        row = self.row(user=user, room=of.key)
        row.at_ms = of.at_ms
        roster.members.append(user)
        if len(roster.members) > COUNTED_MAX:
            self._become_crowd(roster, of)
            return
        known = self._of_room(of)
        row.title = known.title
        if known.last_offset:
            _show(row, known.last_offset, known.last_author, known.last_text, known.at_ms)
        _count(row, roster)

    def _become_crowd(self, roster: Roster, of: Origin) -> None:
        for row in (*self._members(roster, of), self._of_room(of)):
            row.title, row.unread = "", None
            row.last_offset, row.last_author, row.last_text = 0, "", ""
        roster.members, roster.recent, roster.is_crowd = [], [], True

    # What was said.

    def _add(self, roster: Roster, said: Said, text: str, of: Origin) -> None:
        forgotten = roster.recent[: max(0, len(roster.recent) + 1 - RECENT_MAX)]
        roster.recent = [*roster.recent[len(forgotten) :], said]
        _show(self._of_room(of), said.offset, said.author, text, of.at_ms)
        for row in self._members(roster, of):
            _show(row, said.offset, said.author, text, of.at_ms)
            _change(row, [said], 1)
            _change(row, forgotten, -1)

    def _edit(self, roster: Roster, event: MessageEdited, of: Origin) -> None:
        said = next((one for one in roster.recent if one.offset == event.message), None)
        names = mentioned(event.text)
        for row in (*self._members(roster, of), self._of_room(of)):
            if row.last_offset == event.message:
                row.last_text = preview(event.text)
            if said is not None and row.user != ROSTER and said.is_unread_by(row):
                row.mentions += (row.user in names) - (row.user in said.mentions)
        if said is not None:
            said.mentions = names

    def _delete(self, roster: Roster, message: int, of: Origin) -> None:
        said = [one for one in roster.recent if one.offset == message]
        roster.recent = [one for one in roster.recent if one.offset != message]
        for row in (*self._members(roster, of), self._of_room(of)):
            if row.last_offset == message:
                row.last_text = ""
            if row.user != ROSTER:
                _change(row, said, -1)

    # In a crowd.

    def _fold_crowd(self, event: RoomEvent, of: Origin) -> None:
        match event:
            case MessageSent():
                for user in mentioned(event.text):
                    row = self.find(user=user, room=of.key)
                    if row is not None and user != event.author:
                        row.mentions += 1
                        row.at_ms = of.at_ms
            case ReadUpTo(user=user):
                row = self.row(user=user, room=of.key)
                row.read, row.mentions = event.message, 0
            case Joined(user=user):
                row = self.row(user=user, room=of.key)
                row.unread, row.at_ms = None, of.at_ms
            case Left(user=user) | Banned(user=user):
                row = self.find(user=user, room=of.key)
                if row is not None:  # else it was among the many that `seed` had no room for
                    del self[row]


def _show(row: Any, offset: int, author: str, text: str, at_ms: int) -> None:
    row.last_offset, row.last_author, row.last_text, row.at_ms = offset, author, preview(text), at_ms


def _count(row: Any, roster: Roster) -> None:
    """Anew, from all that is recent."""
    row.unread = row.mentions = 0
    _change(row, roster.recent, 1)


def _change(row: Any, said: Iterable[Said], by: int) -> None:
    """What is unread of those is more, or less, by now."""
    for one in said:
        if one.is_unread_by(row):
            row.unread += by
            row.mentions += by * (row.user in one.mentions)
