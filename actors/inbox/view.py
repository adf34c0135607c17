"""Notices by pages: `GET /api/notices/ann?limit=20`, for ann, also what her inbox itself knows no more; of that only as
much as there are events of, should the table be made anew.

A group that grows comes to the top, so whoever goes through pages meets none twice; one that was ahead and grows
meanwhile is told by the channel.
"""

from msgspec import Struct, field

from greenroom.actors.inbox.events import Archived, GroupsRead, Noticed, Withdrawn
from greenroom.actors.inbox.state import InboxState
from greenroom.actors.inbox.wording import about_of, sentence
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.principal import Principal
from greenroom.actors.views.columns import Index, Key
from greenroom.actors.views.page import Page
from greenroom.actors.views.view import Origin, View


class Notices(View, version=1):
    """What somebody was told on the channel of their inbox, group by group, those with the newest first."""

    of = (Noticed, Withdrawn, GroupsRead, Archived)

    class Row(Struct):
        """A group of notices."""

        user: Key[str]
        group: Key[int]  # its number in the inbox
        kind: Index[str] = ""
        state: Index[str] = "unread"  # unread, read, archived
        about: str = ""
        names: list[str] = field(default_factory=list)  # the newest two
        count: int = 0
        says: str = ""
        text: str = ""  # of the newest, while the inbox knows the group, and so hears that it is withdrawn
        at_ms: int = 0  # of the newest, Unix

    entity_key = "user"
    watch = Page(by="user", order="-at_ms", limit=50)

    def fold(self, event: Noticed | Withdrawn | GroupsRead | Archived, of: Origin) -> None:
        if isinstance(event, Noticed) and event.drops:
            self._put_away(of, event.drops)
        match event:
            case Noticed() if not event.silent:
                self._show(event, event.text, of)
            case Withdrawn(count=0):
                row = self.find(user=of.key, group=event.group)
                if row is not None:
                    del self[row]
            case Withdrawn():
                if self.find(user=of.key, group=event.group) is not None:
                    self._show(event, "", of)
            case GroupsRead():
                for group in event.groups:
                    row = self.find(user=of.key, group=group)
                    if row is not None:
                        row.state = "read"
            case Archived():
                for group in event.groups:
                    row = self._put_away(of, group)
                    if row is not None:
                        row.state = "archived"

    def _put_away(self, of: Origin, group: int) -> Row | None:
        """The inbox knows it no more: nobody would take its text back, should that be withdrawn."""
        row = self.find(user=of.key, group=group)
        if row is not None:
            row.text = ""
        return row

    def _show(self, event: Noticed | Withdrawn, text: str, of: Origin) -> None:
        row = self.row(user=of.key, group=event.group)
        row.kind, row.about, row.names = event.kind, about_of(event.about, event.names), list(event.names)
        row.count, row.at_ms, row.text = event.count, event.at_ms, text.replace("\0", "")
        row.says = sentence(event.kind, event.names, event.count, event.says)

    def seed(self, state: InboxState, of: Origin) -> None:
        for number, group in state.groups.items():
            if group.silent:
                continue
            row = self.row(user=of.key, group=number)
            row.kind, row.about, row.names = group.kind, about_of(group.about, group.names), group.names
            row.count, row.at_ms, row.text = group.count, group.at_ms, group.text.replace("\0", "")
            row.says = sentence(group.kind, group.names, group.count, group.says)
            row.state = "read" if group.read else "unread"

    @classmethod
    def may_watch(cls, principal: Principal, key: str) -> None:
        """The user themself. Raises: Refused."""
        if not principal.user or principal.user != key:
            raise Refused("inbox.not_yours", "these notices are another user's")
