"""Which rules a text breaks."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.social.moderation.matching import FINE, BadRule, Matcher, check
from greenroom.actors.social.moderation.messages import Rule, Verdict


def rule(words: str = "", verdict: Any = "refuse", **fields: Any) -> Rule:
    return Rule(words=words, verdict=verdict, **fields)


def test_words_are_found_in_their_order_and_as_words() -> None:
    matcher = Matcher({"money": rule("free money"), "cat": rule("cat", "hide")})
    assert matcher.judge("Get FREE, money today") == Verdict("refuse", "money")
    assert matcher.judge("money for free") == FINE
    assert matcher.judge("free of money") == FINE
    assert matcher.judge("concatenate") == FINE
    assert matcher.judge("the c a t") == Verdict("hide", "cat")


def test_letters_that_stand_one_by_one_begin_and_end_words_anywhere() -> None:
    matcher = Matcher({"free": rule("free")})
    assert matcher.judge("a f r e e") == matcher.judge("f r 3 3 y") == Verdict("refuse", "free")
    assert matcher.judge("a fre e") == matcher.judge("afreey") == FINE


def test_blanks_part_words_and_hide_none() -> None:
    matcher = Matcher({"pills": rule("cheap pills")})
    for text in ("cheap\u3164pills", "che\u1160ap pi\u034flls", "cheap\u2800pills"):
        assert matcher.judge(text) == Verdict("refuse", "pills")


def test_a_rule_for_anywhere_is_found_inside_of_words_and_of_scripts_without_spaces() -> None:
    matcher = Matcher({"cat": rule("cat", anywhere=True), "赌": rule("赌博", "shadow", anywhere=True)})
    assert matcher.judge("con-cat-enate") == Verdict("refuse", "cat")
    assert matcher.judge("这里有赌博网站") == Verdict("shadow", "赌")
    assert matcher.judge("ca") == FINE


def test_a_domain_is_found_with_what_is_below_it() -> None:
    matcher = Matcher({"evil": rule(domain="evil.example")})
    assert matcher.judge("at https://www.evil.example/x") == Verdict("refuse", "evil")
    assert matcher.judge("at notevil.example") == FINE
    assert matcher.judge("evil example") == FINE


def test_the_strictest_rule_speaks_and_of_several_the_first() -> None:
    rules = {"d": rule("bad", "shadow"), "c": rule("bad", "hide"), "b": rule("worse"), "a": rule("worse")}
    matcher = Matcher(rules)
    assert matcher.judge("bad") == Verdict("hide", "c")
    assert matcher.judge("bad and worse") == Verdict("refuse", "a")


@pytest.mark.parametrize(
    "bad",
    [
        rule(),
        rule("!?"),
        rule("both", domain="evil.example"),
        rule("a1 b2 c3 d4 e5 f6 g7 h8 i9"),
        rule("x", anywhere=True),
        rule("x" * 25, anywhere=True),
        rule(domain="nowhere"),
    ],
)
def test_a_rule_that_matches_nothing_or_takes_too_long_is_none(bad: Rule) -> None:
    with pytest.raises(BadRule):
        check(bad)


WORDS = st.lists(st.sampled_from(["aa", "bb", "cc"]), min_size=1, max_size=3).map(" ".join)
RULES = st.builds(
    Rule, verdict=st.sampled_from(["refuse", "hide", "shadow"]), words=WORDS, anywhere=st.booleans()
) | st.builds(Rule, verdict=st.just("hide"), domain=st.sampled_from(["aa.bb", "bb.cc", "cc.aa.bb"]))


@given(
    st.dictionaries(st.sampled_from("abcdefgh"), RULES),
    st.sets(st.sampled_from("abcdefgh")),
    st.lists(st.sampled_from(["aa", "bb", "cc", "dd", "cc.aa.bb", "bb.cc"]), max_size=6).map(" ".join),
)
def test_rules_that_came_and_went_leave_nothing(rules: dict[str, Rule], gone: set[str], text: str) -> None:
    matcher = Matcher(rules)
    for name in gone & rules.keys():
        matcher.remove(name, rules[name])
    left = {name: one for name, one in rules.items() if name not in gone}
    assert matcher.judge(text) == Matcher(left).judge(text) == by_looking(left, text)
    for name in left:
        matcher.remove(name, left[name])
    assert not (matcher._root.then or matcher._anywhere or matcher._domains)


def by_looking(rules: dict[str, Rule], text: str) -> Verdict:
    """The same in the plainest way."""
    spaced = f" {text.replace('.', ' ')} "
    hosts = [word for word in text.split() if "." in word]
    broken = [
        (("refuse", "hide", "shadow").index(one.verdict), name)
        for name, one in rules.items()
        if (one.domain and any(host == one.domain or host.endswith(f".{one.domain}") for host in hosts))
        or (one.words and one.anywhere and one.words.replace(" ", "") in spaced.replace(" ", ""))
        or (one.words and not one.anywhere and f" {one.words} " in spaced)
    ]
    return Verdict(("refuse", "hide", "shadow")[min(broken)[0]], min(broken)[1]) if broken else FINE


class Counted(dict[str, Any]):
    """Counts how often something is looked up in it."""

    looked = 0

    def get(self, key: str, default: Any = None) -> Any:
        Counted.looked += 1
        return super().get(key, default)


def test_the_longest_text_takes_as_many_looks_as_it_is_long() -> None:
    """However many the rules, and whatever was made to have them all nearly match."""
    rules = {f"{number}": rule(f"{'a' * number}b", anywhere=True) for number in range(1, 24)}
    rules |= {f"w{number}": rule("a " * 7 + f"b{number}") for number in range(10_000 - len(rules))}
    matcher = Matcher(rules)
    matcher._anywhere, matcher._lengths = Counted(matcher._anywhere), Counted(matcher._lengths)
    Counted.looked = 0
    assert matcher.judge("a" * 4_000) == FINE
    assert Counted.looked <= 4_000 * 25
    matcher._root.then, Counted.looked = Counted(matcher._root.then), 0
    assert matcher.judge("a " * 4_000) == FINE
    assert Counted.looked <= 4_000 * 25 * 2 + 8
