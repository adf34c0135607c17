"""`rules:all`: what may be said. Moderators change it, and what is said from the next moment on is judged by it.

Every post and comment is judged here, so a judgement costs no I/O and records nothing, and rules are kept ready to be
asked (matching.py). Whoever is shadowed is told nothing: what they post is published, and shown to them alone.
"""

from bisect import bisect_right
from typing import Any, ClassVar

from greenroom.actors.model.actor import Actor, KindLimits, Runtime
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.message import Done, Event, Message
from greenroom.actors.social.moderation.events import RulesDropped, RulesPut, Shadowed, Unshadowed
from greenroom.actors.social.moderation.matching import BadRule, Matcher, check
from greenroom.actors.social.moderation.messages import (
    SHADOW_S_MAX,
    Drop,
    Judge,
    ListRules,
    ListShadows,
    Put,
    RuleList,
    Shadow,
    ShadowFor,
    Shadows,
    Try,
    Unshadow,
    Verdict,
)
from greenroom.actors.social.moderation.state import RULES_MAX, SHADOWED_MAX, RulesEvent, RulesState
from greenroom.actors.social.moderation.subject import SHADOWED
from greenroom.actors.social.roles import require_moderator

ALL = "all"  # the only key
FOR_EVER = float("inf")


class Rules(Actor[RulesState]):
    """The rules of words and links, and who is shadowed."""

    kind = "rules"
    commands: ClassVar[tuple[type[Message], ...]] = (Put, Drop, ListRules, Try, Shadow, Unshadow, ListShadows)
    internal: ClassVar[tuple[type[Message], ...]] = (Judge, ShadowFor)
    events: ClassVar[tuple[type[Event], ...]] = (RulesPut, RulesDropped, Shadowed, Unshadowed)
    limits = KindLimits(history_s=FOR_EVER, snapshot_every=50)

    def __init__(self, entity: str, runtime: Runtime) -> None:
        super().__init__(entity, runtime)
        self._made: Matcher | None = None

    def handle(self, message: Any) -> Any:
        """Raises: Refused; TypeError for what is none of its messages."""
        if self.key != ALL:
            raise Refused("rules.not_found", f"there are only those of rules:{ALL}", status=404)
        if isinstance(message, Judge):
            return self._judge(message)
        require_moderator(self.principal)
        match message:
            case Put():
                return self._put(message)
            case Drop():
                return self._drop(message)
            case ListRules():
                return self._list(message)
            case Try():
                return self._matcher.judge(message.text)
            case Shadow():
                self._shadow(message.user, message.seconds, self.principal.user, message.why)
                return Done()
            case ShadowFor():
                return self._shadow(message.user, message.seconds, message.by, message.why, message.about)
            case Unshadow():
                if message.user in self.state.shadowed:
                    self.record(Unshadowed(user=message.user, by=self.principal.user, why=message.why))
                return Done()
            case ListShadows():
                return Shadows({user: until for user, until in self.state.shadowed.items() if until > self._now_ms})
        raise TypeError(f"{message!r:.100} is none of its messages")

    @property
    def _now_ms(self) -> int:
        return int(self.now * 1000)

    @property
    def _matcher(self) -> Matcher:
        """Of the rules as they are."""
        if self._made is None:
            self._made = Matcher(self.state.rules)
        return self._made

    def _judge(self, asked: Judge) -> Verdict:
        verdict = self._matcher.judge(asked.text)
        if verdict.verdict != "fine" or self.state.shadowed.get(asked.author, 0) <= self._now_ms:
            return verdict
        return Verdict("shadow", SHADOWED)

    def _put(self, message: Put) -> Done:
        rules = self.state.rules
        for name, rule in message.rules.items():
            try:
                check(rule)
            except BadRule as error:
                raise Refused("rules.bad_rule", f"{name}: {error}", status=422) from None
        if SHADOWED in message.rules:
            raise Refused("rules.bad_rule", f"{SHADOWED}: a shadowed author is called so", status=422)
        if len(rules.keys() | message.rules.keys()) > RULES_MAX:
            raise Refused("rules.too_many", f"there may be {RULES_MAX} rules", status=409)
        changed = {name: rule for name, rule in message.rules.items() if rules.get(name) != rule}
        if changed:
            matcher = self._matcher
            for name, rule in changed.items():
                if name in rules:
                    matcher.remove(name, rules[name])
                matcher.add(name, rule)
            self.record(RulesPut(by=self.principal.user, rules=changed))
        return Done()

    def _drop(self, message: Drop) -> Done:
        rules = self.state.rules
        names = [name for name in dict.fromkeys(message.names) if name in rules]
        if names:
            matcher = self._matcher
            for name in names:
                matcher.remove(name, rules[name])
            self.record(RulesDropped(by=self.principal.user, names=names))
        return Done()

    def _list(self, asked: ListRules) -> RuleList:
        rules = self.state.rules
        names = sorted(rules)
        first = bisect_right(names, asked.after)
        shown = names[first : first + asked.limit]
        is_last = first + asked.limit >= len(names)
        return RuleList({name: rules[name] for name in shown}, "" if is_last else shown[-1])

    def _shadow(self, user: str, seconds: float, by: str, why: str, about: str = "") -> None:
        shadowed, now_ms = self.state.shadowed, self._now_ms
        over = [one for one, until in shadowed.items() if until <= now_ms]
        if user not in shadowed and len(shadowed) - len(over) >= SHADOWED_MAX:
            raise Refused("rules.too_many_shadowed", f"{SHADOWED_MAX} users may be shadowed at a time", status=409)
        until_ms = now_ms + int(min(seconds, SHADOW_S_MAX) * 1000)
        self.record(Shadowed(user=user, until_ms=until_ms, by=by, why=why, about=about, over=over))

    def apply(self, event: RulesEvent) -> None:
        self.state.change(event)

    def may_watch(self) -> None:
        """Its history says who has changed what. Raises: Refused."""
        require_moderator(self.principal)

    def view(self) -> Any:
        """`rules.list` has the rules themselves: there may be many."""
        return {"rules": len(self.state.rules), "shadowed": len(self.state.shadowed)}
