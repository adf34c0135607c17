"""What moderators have done, and what they were told: kept for good, for these are what is asked for later."""

from msgspec import field

from greenroom.actors.model.message import Event
from greenroom.actors.personal.fields import Personal, Subject
from greenroom.actors.social.moderation.messages import CaseState, Reason, Rule

# Of `rules:all`.


class RulesPut(Event, tag="rules.put"):
    """There are these rules, in the place of those of the same names."""

    by: Subject
    rules: dict[str, Rule]


class RulesDropped(Event, tag="rules.dropped"):
    """There are these no more."""

    by: Subject
    names: list[str]


class Shadowed(Event, tag="rules.shadowed"):
    """What the user posts until then is shown to them alone."""

    user: Subject
    until_ms: int
    by: Subject
    why: Personal[str] = ""
    about: str = ""  # the key of the case in which it was said
    over: list[Subject] = field(default_factory=list)  # whose time is over, and who are forgotten with it


class Unshadowed(Event, tag="rules.unshadowed"):
    """What they post is shown again."""

    user: Subject
    by: Subject
    why: Personal[str] = ""


# Of a case.


class Opened(Event, tag="case.opened"):
    """Moderators are to look at it: it was reported, or a rule has flagged it."""

    author: Subject
    state: CaseState
    rule: str = ""


class Reported(Event, tag="case.reported"):
    """A user has said that it should not be shown, or says otherwise why."""

    state: CaseState  # of the case
    user: Subject
    reason: Reason
    text: Personal[str] = ""
    count: int  # of users who have, by now
    reasons: dict[str, int]


class Moved(Event, tag="case.moved"):
    """By a moderator, or by as many reports as hide a post until one has looked: then by nobody."""

    was: CaseState
    state: CaseState
    by: Subject = ""
    why: Personal[str] = ""
    rule: str = ""  # that has hidden it once more, as it was edited
    edited_ms: int = 0  # of the text that was cleared


class AuthorShadowed(Event, tag="case.author_shadowed"):
    """The rules were told to shadow whose it is."""

    state: CaseState
    author: Subject
    seconds: float
    by: Subject
    why: Personal[str] = ""
