"""What `rules:all` and `case:ID` can be told. Tags are wire names: never renamed, fields only ever added, with
defaults."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from greenroom.actors.model.message import Ask, Done, Tell
from greenroom.actors.model.principal import UserId
from greenroom.actors.personal.fields import Personal, Subject

RULES_AT_ONCE_MAX = 500
LIST_MAX = 1_000
TEXT_CHARS_MAX = 10_000  # of what is judged: more than anything that is posted
SHADOW_S_MAX = 366 * 86_400.0

VerdictName = Literal["refuse", "hide", "shadow"]
RuleName = Annotated[str, Meta(min_length=1, max_length=100)]
Why = Annotated[Personal[str], Meta(max_length=500)]
EditedMs = Annotated[int, Meta(ge=0)]  # of the text that was looked at; 0: as it was first said. Another is refused
Reason = Literal["spam", "abuse", "hate", "violence", "nudity", "self_harm", "illegal", "other"]
CaseState = Literal["open", "pending", "hidden", "cleared"]


class Verdict(Struct, frozen=True):
    """What the rules make of a text by a user."""

    verdict: Literal["fine", "refuse", "hide", "shadow"]
    rule: str = ""


class Judge(Ask[Verdict], tag="rules.judge"):
    """By feeds and threads, before something is said."""

    author: Subject
    text: Personal[str]


# Of moderators, to `rules:all`.


class Rule(Struct, frozen=True, kw_only=True):
    """What is not to be said: words, in this order, or links to a domain and what is below it."""

    verdict: VerdictName  # not said at all, not shown until a moderator has looked, or shown to its author alone
    words: Annotated[str, Meta(max_length=200)] = ""
    anywhere: bool = False  # inside of words, too, as scripts without spaces need it
    domain: Annotated[str, Meta(max_length=253)] = ""
    note: Annotated[str, Meta(max_length=500)] = ""  # for moderators


class Put(Ask[Done], tag="rules.put"):
    """Have these rules, in the place of those of the same names."""

    rules: Annotated[dict[RuleName, Rule], Meta(min_length=1, max_length=RULES_AT_ONCE_MAX)]


class Drop(Ask[Done], tag="rules.drop"):
    """Have them no more."""

    names: Annotated[list[RuleName], Meta(min_length=1, max_length=RULES_AT_ONCE_MAX)]


class RuleList(Struct, frozen=True):
    """Some of the rules, by their names."""

    rules: dict[str, Rule]
    next: str = ""  # what to go on after; "" where these are the last


class ListRules(Ask[RuleList], tag="rules.list"):
    """Those behind a name."""

    after: Annotated[str, Meta(max_length=100)] = ""
    limit: Annotated[int, Meta(ge=1, le=LIST_MAX)] = 100


class Try(Ask[Verdict], tag="rules.try"):
    """What would become of a text? Nothing is changed."""

    text: Annotated[str, Meta(max_length=TEXT_CHARS_MAX)]


class Shadow(Ask[Done], tag="rules.shadow"):
    """For so long, what the user posts is shown to them alone. They don't hear of it."""

    user: UserId
    seconds: Annotated[float, Meta(gt=0, le=SHADOW_S_MAX)]
    why: Why = ""


class Unshadow(Ask[Done], tag="rules.unshadow"):
    """What they post from now on is shown. What they posted meanwhile stays as it is."""

    user: UserId
    why: Why = ""


class Shadows(Struct, frozen=True):
    """Who is shadowed, and until when (Unix ms)."""

    users: dict[Subject, int]


class ListShadows(Ask[Shadows], tag="rules.shadows"):
    """Those at present."""


# By cases, to `rules:all`.


class ShadowFor(Tell, tag="rules.shadow_for"):
    """A moderator has said so about a post of theirs."""

    user: Subject
    seconds: float
    by: Subject
    why: Why = ""
    about: str = ""  # the case's key


# Of everybody, to a case.


class Report(Ask[Done], tag="case.report"):
    """Say that a post, or a comment, should not be shown. Once a user; again replaces what they have said. Who has,
    moderators alone learn."""

    reason: Reason
    text: Annotated[Personal[str], Meta(max_length=500)] = ""


# Of moderators, to a case.


class HidePost(Ask[Done], tag="case.hide"):
    """Show it to nobody but its author."""

    why: Why = ""
    edited_ms: EditedMs = 0


class Restore(Ask[Done], tag="case.restore"):
    """Show it again: what was hidden should not be. Reports alone hide it no more, as long as it is not edited."""

    why: Why = ""
    edited_ms: EditedMs = 0


class Dismiss(Ask[Done], tag="case.dismiss"):
    """Nothing is wrong with it. What was hidden for the time being is shown again."""

    why: Why = ""
    edited_ms: EditedMs = 0


class ShadowAuthor(Ask[Done], tag="case.shadow_author"):
    """For so long, show what its author posts to them alone. What the case is about stays as it is."""

    seconds: Annotated[float, Meta(gt=0, le=SHADOW_S_MAX)]
    why: Why = ""


class Looked(Struct, frozen=True, kw_only=True):
    """What a case is about, as it is now."""

    author: Subject
    text: Personal[str]
    media: list[str] = field(default_factory=list)
    edited_ms: int = 0  # to be given with what is decided


class Look(Ask[Looked], tag="case.look"):
    """What does it say? Also where nobody else is shown it."""


# By feeds, posts and threads, to a case.


class Flag(Tell, tag="case.flag"):
    """A rule has hidden it, or shadowed it, as it was said; or it is hidden, and says something else than what a
    moderator has looked at."""

    author: Subject
    rule: str  # "": the one before; and it is the text that nobody has looked at
    verdict: VerdictName


class ReportShown(Struct, frozen=True, kw_only=True):
    """As moderators see it."""

    user: Subject
    reason: Reason
    text: Personal[str] = ""
    at_ms: int


class CaseShown(Struct, kw_only=True, omit_defaults=True):
    """A case, as moderators see it."""

    state: str
    author: Subject = ""
    rule: str = ""
    count: int = 0  # of users who have reported it
    reasons: dict[str, int] = field(default_factory=dict)
    reports: list[ReportShown] = field(default_factory=list)  # the newest, newest first
    decided_by: Subject = ""
    decided_ms: int = 0
    why: Personal[str] = ""
