"""`rules:all`: who changes it, and what it says."""

from typing import Any

import pytest

from greenroom import Refused
from greenroom.actors.social.moderation import rules, state
from greenroom.actors.social.moderation.messages import (
    Drop,
    Judge,
    ListRules,
    ListShadows,
    Put,
    Rule,
    Shadow,
    ShadowFor,
    Try,
    Unshadow,
    Verdict,
)
from greenroom.actors.social.moderation.rules import Rules
from greenroom.testing import Kit

MODERATOR: Any = {"user": "mod", "roles": ("moderator",)}
FINE = Verdict("fine")


@pytest.fixture
def kit() -> Kit[Rules]:
    return Kit(Rules, key="all")


def put(kit: Kit[Rules], **words: str) -> None:
    kit.ask(Put(rules={name: Rule(verdict="refuse", words=one) for name, one in words.items()}), **MODERATOR)


def judged(kit: Kit[Rules], text: str, author: str = "ann") -> Verdict:
    return kit.ask(Judge(author=author, text=text))


def test_a_rule_holds_from_the_next_text_on_and_survives(kit: Kit[Rules]) -> None:
    assert judged(kit, "bad luck") == FINE
    put(kit, luck="bad luck", bad="bad")
    assert judged(kit, "BAD luck!") == Verdict("refuse", "bad")
    put(kit, bad="worse")
    assert judged(kit, "bad") == FINE and judged(kit, "bad luck") == Verdict("refuse", "luck")
    for from_snapshot in (False, True):
        kit.restart(from_snapshot=from_snapshot)
        assert judged(kit, "worse") == Verdict("refuse", "bad")
    kit.ask(Drop(names=["bad", "none"]), **MODERATOR)
    assert judged(kit, "worse") == FINE
    assert kit.view() == {"rules": 1, "shadowed": 0}


def test_the_same_rule_again_is_no_event(kit: Kit[Rules]) -> None:
    put(kit, bad="bad")
    put(kit, bad="bad")
    kit.ask(Drop(names=["none"]), **MODERATOR)
    assert len(kit.events) == 1


def test_it_is_written_who_did_it(kit: Kit[Rules]) -> None:
    put(kit, bad="bad")
    kit.ask(Shadow(user="eve", seconds=60, why="spam"), **MODERATOR)
    assert [one["by"] for one in kit.publications] == ["mod", "mod"] and kit.publications[1]["why"] == "spam"


@pytest.mark.parametrize(
    "message",
    [
        Put(rules={"a": Rule(verdict="hide", words="a")}),
        Drop(names=["a"]),
        ListRules(),
        Try(text="a"),
        Shadow(user="eve", seconds=1),
        Unshadow(user="eve"),
        ListShadows(),
    ],
    ids=lambda message: type(message).__name__,
)
def test_only_moderators_may(kit: Kit[Rules], message: Any) -> None:
    for who in ({"user": "ann"}, {"user": "ann", "roles": ("editor",)}, {"user": ""}):
        with pytest.raises(Refused, match="moderators_only"):
            kit.ask(message, **who)
    for role in ("moderator", "admin", "service"):
        kit.ask(message, user="mod", roles=(role,))
    with pytest.raises(Refused, match="moderators_only"):
        kit.watch(user="ann")
    kit.watch(**MODERATOR)


def test_a_bad_rule_is_refused_by_name_and_none_of_the_others_is_taken(kit: Kit[Rules]) -> None:
    good = Rule(verdict="hide", words="bad")
    for name, bad in (("empty", Rule(verdict="hide")), ("author", good)):
        with pytest.raises(Refused, match=r"rules.bad_rule"):
            kit.ask(Put(rules={"good": good, name: bad}), **MODERATOR)
    assert judged(kit, "bad") == FINE and not kit.events


@pytest.mark.bound("rules of what may be said")
def test_there_are_so_many_rules(kit: Kit[Rules], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "RULES_MAX", 2)
    put(kit, a="a1", b="b1")
    put(kit, a="a2")
    with pytest.raises(Refused, match=r"rules.too_many"):
        put(kit, c="c1")
    assert state.RULES_MAX == 10_000


def test_rules_are_listed_page_by_page(kit: Kit[Rules]) -> None:
    put(kit, **{name: f"word{name}" for name in "cab"})
    first = kit.ask(ListRules(limit=2), **MODERATOR)
    assert list(first.rules) == ["a", "b"] and first.next == "b"
    last = kit.ask(ListRules(limit=2, after=first.next), **MODERATOR)
    assert list(last.rules) == ["c"] and last.next == ""


def test_a_text_is_tried_without_being_said(kit: Kit[Rules]) -> None:
    put(kit, bad="bad")
    assert kit.ask(Try(text="how bad"), **MODERATOR) == Verdict("refuse", "bad")


def test_a_shadow_is_over_by_itself(kit: Kit[Rules]) -> None:
    put(kit, bad="bad")
    kit.ask(Shadow(user="eve", seconds=60), **MODERATOR)
    assert judged(kit, "hello", "eve") == Verdict("shadow", "author")
    assert judged(kit, "bad", "eve").verdict == "refuse", "rules hold for the shadowed, too"
    assert judged(kit, "hello") == FINE
    kit.advance(59)
    assert judged(kit, "hello", "eve").verdict == "shadow"
    assert kit.ask(ListShadows(), **MODERATOR).users.keys() == {"eve"}
    kit.advance(1)
    assert judged(kit, "hello", "eve") == FINE
    assert not kit.ask(ListShadows(), **MODERATOR).users


def test_a_shadow_is_taken_back_and_one_of_a_case_names_it(kit: Kit[Rules]) -> None:
    kit.tell(ShadowFor(user="eve", seconds=3_600, by="mod", about="ab"))
    assert kit.publications[-1]["about"] == "ab" and kit.publications[-1]["by"] == "mod"
    kit.ask(Unshadow(user="eve"), **MODERATOR)
    kit.ask(Unshadow(user="eve"), **MODERATOR)
    assert judged(kit, "hello", "eve") == FINE and len(kit.events) == 2


@pytest.mark.bound("users who are shadowed at a time")
def test_those_whose_shadow_is_over_make_room(kit: Kit[Rules], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "SHADOWED_MAX", 2)
    for user in ("a", "b"):
        kit.ask(Shadow(user=user, seconds=60), **MODERATOR)
    with pytest.raises(Refused, match=r"rules.too_many_shadowed"):
        kit.ask(Shadow(user="c", seconds=60), **MODERATOR)
    kit.ask(Shadow(user="b", seconds=600), **MODERATOR)
    kit.advance(60)
    kit.ask(Shadow(user="c", seconds=60), **MODERATOR)
    assert kit.state.shadowed.keys() == {"b", "c"}
    kit.restart()


def test_there_are_no_other_rules() -> None:
    with pytest.raises(Refused, match=r"rules.not_found"):
        Kit(Rules, key="mine").ask(Try(text="a"), **MODERATOR)
