"""What `rules:all` and a case remember."""

from msgspec import Struct, field

from greenroom.actors.personal.fields import Personal, Subject
from greenroom.actors.social.moderation.events import (
    AuthorShadowed,
    Moved,
    Opened,
    Reported,
    RulesDropped,
    RulesPut,
    Shadowed,
    Unshadowed,
)
from greenroom.actors.social.moderation.messages import CaseState, Reason, Rule

RULES_MAX = 10_000
SHADOWED_MAX = 10_000
REPORTERS_MAX = 10_000  # of one case: they are counted exactly up to here
REPORTS_MAX = 1_000  # of one case, of which it is known what they say

DECIDED: frozenset[CaseState] = frozenset(("hidden", "cleared"))  # by a moderator

RulesEvent = RulesPut | RulesDropped | Shadowed | Unshadowed
CaseEvent = Opened | Reported | Moved | AuthorShadowed


class RulesState(Struct):
    """The rules, and who is shadowed."""

    rules: dict[str, Rule] = field(default_factory=dict)
    shadowed: dict[Subject, int] = field(default_factory=dict)  # until when, Unix ms

    def change(self, event: RulesEvent) -> None:
        match event:
            case RulesPut():
                self.rules.update(event.rules)
            case RulesDropped():
                for name in event.names:
                    self.rules.pop(name, None)
            case Shadowed():
                for user in event.over:
                    self.shadowed.pop(user, None)
                self.shadowed[event.user] = event.until_ms
            case Unshadowed():
                self.shadowed.pop(event.user, None)


class Kept(Struct):
    """What one user has said of it."""

    reason: Reason
    text: Personal[str] = ""
    at_ms: int = 0


class CaseFile(Struct):
    """Of what moderators are to look at."""

    state: CaseState | None = None  # None: there is no case
    author: Subject = ""
    rule: str = ""  # that has flagged it
    opened_ms: int = 0
    reporters: dict[Subject, Reason] = field(default_factory=dict)
    reports: dict[Subject, Kept] = field(default_factory=dict)  # the first so many
    reasons: dict[str, int] = field(default_factory=dict)
    decided: int = 0  # how many had reported it when a moderator last decided
    is_cleared: bool = False  # a moderator has seen it, and shown it: reports alone hide it no more
    edited_ms: int = 0  # of the text that was cleared
    decided_by: Subject = ""
    decided_ms: int = 0
    why: Personal[str] = ""

    def change(self, event: CaseEvent, at_ms: int) -> None:
        match event:
            case Opened():
                self.state, self.author, self.rule = event.state, event.author, event.rule
                self.opened_ms = at_ms
            case Reported():
                self.reporters[event.user] = event.reason
                self.reasons = dict(event.reasons)
                if event.user in self.reports or len(self.reports) < REPORTS_MAX:
                    self.reports[event.user] = Kept(event.reason, event.text, at_ms)
            case Moved():
                self.state = event.state
                self.rule = event.rule or self.rule
                if event.state in DECIDED:
                    self.decided_by, self.decided_ms, self.why = event.by, at_ms, event.why
                    self.decided = len(self.reporters)
                    self.is_cleared, self.edited_ms = event.state == "cleared", event.edited_ms
            case AuthorShadowed():
                self.decided_by, self.decided_ms, self.why = event.by, at_ms, event.why
