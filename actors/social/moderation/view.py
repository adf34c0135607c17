"""The moderators' queue: `GET /api/cases/pending`, and the channel `cases:pending`; likewise open, hidden, cleared."""

from msgspec import Struct, field

from greenroom.actors.model.principal import Principal
from greenroom.actors.social.moderation.events import AuthorShadowed, Moved, Opened, Reported
from greenroom.actors.social.moderation.state import DECIDED, CaseEvent, CaseFile
from greenroom.actors.social.roles import require_moderator
from greenroom.actors.views.columns import Index, Key
from greenroom.actors.views.page import Page
from greenroom.actors.views.view import Origin, View


class Cases(View, version=1):
    """What moderators are to look at, or have; those that wait longest first. For moderators and staff."""

    of = (Opened, Reported, Moved, AuthorShadowed)

    class Row(Struct):
        """A case."""

        state: Key[str]  # open, pending, hidden or cleared
        case: Key[str]  # its key: a post's id, or `ID.OFFSET` of a comment
        author: Index[str] = ""
        rule: str = ""  # that has flagged it
        count: int = 0  # of users who have reported it
        reasons: dict[str, int] = field(default_factory=dict)
        opened_ms: int = 0  # Unix: when it came before moderators first
        decided_by: str = ""
        decided_ms: int = 0

    entity_key = "case"
    watch = Page(by="state", order="opened_ms", limit=100)

    def fold(self, event: CaseEvent, of: Origin) -> None:
        match event:
            case Opened():
                row = self.row(state=event.state, case=of.key)
                row.author, row.rule, row.opened_ms = event.author, event.rule, of.at_ms
            case Reported():
                row = self.row(state=event.state, case=of.key)
                row.count, row.reasons = event.count, dict(event.reasons)
            case Moved():
                row, before = self.row(state=event.state, case=of.key), self.row(state=event.was, case=of.key)
                row.author, row.opened_ms = before.author, before.opened_ms
                row.rule = event.rule or before.rule
                row.count, row.reasons = before.count, dict(before.reasons)
                row.decided_by, row.decided_ms = before.decided_by, before.decided_ms
                if event.state in DECIDED:
                    row.decided_by, row.decided_ms = event.by, of.at_ms
                del self[before]
            case AuthorShadowed():
                row = self.row(state=event.state, case=of.key)
                row.decided_by, row.decided_ms = event.by, of.at_ms

    def seed(self, state: CaseFile, of: Origin) -> None:
        if state.state is None:
            return
        row = self.row(state=state.state, case=of.key)
        row.author, row.rule, row.opened_ms = state.author, state.rule, state.opened_ms
        row.count, row.reasons = len(state.reporters), dict(state.reasons)
        row.decided_by, row.decided_ms = state.decided_by, state.decided_ms

    @classmethod
    def may_watch(cls, principal: Principal, key: str) -> None:
        """Raises: Refused."""
        require_moderator(principal)
