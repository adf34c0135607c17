"""Who may see a post."""

import pytest

from greenroom.actors.social.feed.messages import Visibility
from greenroom.actors.social.follows.messages import Allowed, Edge
from greenroom.actors.social.post import audience
from greenroom.actors.social.post.audience import KNOWN_MAX, KNOWN_S, Known, may_see, wants_edge


def allowed(barred: bool = False, close: bool = False, private: bool = False) -> Allowed:
    return Allowed(barred=barred, close=close, private=private)


FOLLOWER = Edge(following=True, barred=False)
STRANGER = Edge(following=False, barred=False)


@pytest.mark.parametrize(
    ("visibility", "said", "edge", "may"),
    [
        ("public", allowed(), None, True),
        ("public", allowed(barred=True), None, False),
        ("public", allowed(private=True), STRANGER, False),
        ("public", allowed(private=True), FOLLOWER, True),
        ("public", allowed(), Edge(following=False, barred=True), False),
        ("followers", allowed(), FOLLOWER, True),
        ("followers", allowed(), STRANGER, False),
        ("followers", allowed(), None, False),
        ("followers", allowed(barred=True), FOLLOWER, False),
        ("close", allowed(close=True), None, True),
        ("close", allowed(), FOLLOWER, False),
        ("close", allowed(close=True, barred=True), None, False),
    ],
)
def test_who_may_see_it(visibility: Visibility, said: Allowed, edge: Edge | None, may: bool) -> None:
    assert may_see(visibility, said, edge) == may


def test_a_reader_is_asked_about_only_where_it_matters() -> None:
    assert wants_edge("followers", allowed()) and wants_edge("public", allowed(private=True))
    assert not wants_edge("public", allowed()) and not wants_edge("close", allowed(private=True))
    assert not wants_edge("followers", allowed(barred=True)), "who is barred hears no, and nobody else is asked"


def test_what_was_found_holds_for_a_while_or_until_something_changes() -> None:
    known = Known()
    known.learn("bob", True, 100.0)
    known.learn("cat", False, 100.0)
    assert (known.look("bob", 100.0 + KNOWN_S), known.look("cat", 101.0), known.look("dan", 101.0)) == (
        True,
        False,
        None,
    )
    assert known.look("bob", 100.1 + KNOWN_S) is None
    assert known.look("bob", 99.0) is None, "a clock that was set back says nothing of how long it has held"
    known.forget()
    assert known.look("bob", 101.0) is None


def test_where_all_barred_are_known_nobody_else_is_asked_about() -> None:
    known = Known()
    known.learn_all(["eve"], 100.0)
    assert (known.look("eve", 130.0), known.look("anybody", 130.0)) == (False, True)
    assert known.look("anybody", 101.0 + KNOWN_S) is None
    known.learn_all([], 200.0)
    known.forget()
    assert known.look("anybody", 201.0) is None


@pytest.mark.bound("users of whom a post knows whether they may see it")
def test_it_knows_so_many_users_at_most() -> None:
    known = Known()
    for number in range(KNOWN_MAX + 5):
        known.learn(f"u{number}", True, 0.0)
    assert known.look("u4", 1.0) is None and known.look("u5", 1.0) is True


def test_what_was_asked_before_a_change_is_not_learnt_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Known()
    since = known.changes
    known.forget("bob")
    for user in ("bob", "cat"):
        known.learn(user, True, 100.0, since)
    assert known.look("bob", 101.0) is None and known.look("cat", 101.0)
    known.learn("bob", True, 100.0, known.changes)
    assert known.look("bob", 101.0)
    since = known.changes
    known.forget()
    known.learn("cat", True, 100.0, since)
    assert known.look("cat", 101.0) is None and known.has_changed("cat", since)


@pytest.mark.bound("users whose changes are known to a post")
def test_of_so_many_it_is_known_when_they_changed_and_of_others_they_are_taken_to_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(audience, "KNOWN_MAX", 2)
    known = Known()
    since = known.changes
    for user in ("bob", "cat", "dan"):
        known.forget(user)
    assert known.has_changed("bob", since) and len(known._changed) == 2
    assert known.has_changed("eve", since), "nobody can say"
    assert not known.has_changed("eve", since + 1)
