"""Which rules a text breaks, in a time that its length bounds, however many the rules are.

Words are a tree by their words, hosts and what stands anywhere are looked up in dictionaries: no step of it goes
back. With 10,000 rules the longest text takes some milliseconds.
"""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from greenroom.actors.social.moderation.folding import SPELLED_MIN, folded, readings, words_and_spelled, words_of
from greenroom.actors.social.moderation.links import and_above, host_name, hosts_of
from greenroom.actors.social.moderation.messages import Rule, Verdict, VerdictName

WORDS_MAX: Final = 8  # of one rule
ANYWHERE_MIN, ANYWHERE_MAX = 2, 24  # letters of what is looked for inside of words, too
_STRICTEST_FIRST: Final[tuple[VerdictName, ...]] = ("refuse", "hide", "shadow")
FINE: Final = Verdict("fine")


class BadRule(ValueError):
    """It would match nothing, or take too long; the text says why."""


class Broken(Struct, frozen=True, order=True):
    """A rule that a text breaks; the strictest is the least."""

    rank: int
    name: str


class _Node:
    """Words that rules have in this place, and the rules that end here."""

    __slots__ = ("ends", "then")

    def __init__(self) -> None:
        self.then: dict[str, _Node] = {}
        self.ends: set[Broken] = set()


class Matcher:
    """The rules, ready to be asked. Owned by the entity that has them; may be made anew from them at any time."""

    def __init__(self, rules: dict[str, Rule]) -> None:
        self._root = _Node()
        self._domains: dict[str, set[Broken]] = {}
        self._anywhere: dict[str, set[Broken]] = {}
        self._lengths: dict[str, dict[int, int]] = {}  # by the first two letters: how many rules have which length
        for name, rule in rules.items():
            self.add(name, rule)

    def judge(self, text: str) -> Verdict:
        """By the strictest rule that it breaks; of several the first by name."""
        broken = min(self._broken(text), default=None)
        return FINE if broken is None else Verdict(_STRICTEST_FIRST[broken.rank], broken.name)

    def add(self, name: str, rule: Rule) -> None:
        """Raises: BadRule."""
        broken = Broken(_STRICTEST_FIRST.index(rule.verdict), name)
        if rule.domain:
            self._domains.setdefault(domain_of(rule), set()).add(broken)
        elif rule.anywhere:
            letters = letters_of(rule)
            self._anywhere.setdefault(letters, set()).add(broken)
            lengths = self._lengths.setdefault(letters[:ANYWHERE_MIN], {})
            lengths[len(letters)] = lengths.get(len(letters), 0) + 1
        else:
            node = self._root
            for word in rule_words(rule):
                node = node.then.setdefault(word, _Node())
            node.ends.add(broken)

    def remove(self, name: str, rule: Rule) -> None:
        """One that was added so."""
        broken = Broken(_STRICTEST_FIRST.index(rule.verdict), name)
        if rule.domain:
            _discard(self._domains, domain_of(rule), broken)
        elif rule.anywhere:
            letters = letters_of(rule)
            _discard(self._anywhere, letters, broken)
            lengths = self._lengths[letters[:ANYWHERE_MIN]]
            lengths[len(letters)] -= 1
            if not lengths[len(letters)]:
                del lengths[len(letters)]
        else:
            way = [self._root]
            words = rule_words(rule)
            for word in words:
                way.append(way[-1].then[word])
            way[-1].ends.discard(broken)
            for node, word in zip(reversed(way[:-1]), reversed(words), strict=True):
                if node.then[word].then or node.then[word].ends:
                    break
                del node.then[word]

    def _broken(self, text: str) -> Iterator[Broken]:
        for seen in readings(text):
            words, spelled = words_and_spelled(seen)
            if self._root.then:
                yield from self._in_words(words)
                for letters in spelled:
                    yield from self._in_spelled(letters)
            if self._anywhere:
                yield from self._in_letters("".join(words))
        if self._domains:
            for host in hosts_of(text):
                for domain in and_above(host):
                    yield from self._domains.get(domain, ())

    def _in_words(self, words: list[str]) -> Iterator[Broken]:
        for first in range(len(words)):
            node: _Node | None = self._root
            for word in words[first : first + WORDS_MAX]:
                node = node.then.get(word) if node is not None else None
                if node is None:
                    break
                yield from node.ends

    def _in_spelled(self, letters: str) -> Iterator[Broken]:
        """Where letters stand one by one, nobody knows where a word begins, or ends."""
        for first in range(len(letters) - SPELLED_MIN + 1):
            for length in range(SPELLED_MIN, min(ANYWHERE_MAX, len(letters) - first) + 1):
                node = self._root.then.get(letters[first : first + length])
                if node is not None:
                    yield from node.ends

    def _in_letters(self, letters: str) -> Iterator[Broken]:
        for first in range(len(letters) - ANYWHERE_MIN + 1):
            for length in self._lengths.get(letters[first : first + ANYWHERE_MIN], ()):
                yield from self._anywhere.get(letters[first : first + length], ())


def _discard(among: dict[str, set[Broken]], key: str, broken: Broken) -> None:
    among[key].discard(broken)
    if not among[key]:
        del among[key]


def check(rule: Rule) -> None:
    """Raises: BadRule."""
    if bool(rule.words) == bool(rule.domain):
        raise BadRule("it has either words or a domain")
    if rule.domain:
        domain_of(rule)
    elif rule.anywhere:
        letters_of(rule)
    else:
        rule_words(rule)


def rule_words(rule: Rule) -> list[str]:
    """Raises: BadRule."""
    words = words_of(folded(rule.words))
    if not 1 <= len(words) <= WORDS_MAX:
        raise BadRule(f"it has 1 to {WORDS_MAX} words of letters and digits")
    return words


def letters_of(rule: Rule) -> str:
    """Raises: BadRule."""
    letters = "".join(words_of(folded(rule.words)))
    if not ANYWHERE_MIN <= len(letters) <= ANYWHERE_MAX:
        raise BadRule(f"what is looked for anywhere has {ANYWHERE_MIN} to {ANYWHERE_MAX} letters and digits")
    return letters


def domain_of(rule: Rule) -> str:
    """Raises: BadRule."""
    domain = host_name(rule.domain)
    if not domain:
        raise BadRule("its domain is none, as in example.org")
    return domain
