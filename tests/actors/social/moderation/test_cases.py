"""A case: what was said against a post or a comment, and what became of it."""

from collections.abc import Container
from typing import Any

import pytest
from msgspec.json import decode, encode

from greenroom import Refused, Rows
from greenroom.actors.inbox.messages import Notify, Withdraw
from greenroom.actors.model.message import Done
from greenroom.actors.personal.redaction import Redaction, shape_of
from greenroom.actors.social.moderation import cases
from greenroom.actors.social.moderation.cases import REPORTS_PER_H, Case
from greenroom.actors.social.moderation.messages import (
    Dismiss,
    Flag,
    HidePost,
    Look,
    Report,
    Restore,
    ShadowAuthor,
    ShadowFor,
)
from greenroom.actors.social.post.messages import Delete, Hide, MayAct, Said, SaidOf
from greenroom.actors.social.thread.messages import Hide as HideComment
from greenroom.actors.social.thread.view import Comments
from greenroom.testing import Kit
from tests.actors.social.post.posting import published

POST = "0" * 31 + "1"
EDITED_MS = 5_000
MODERATOR: Any = {"user": "mod", "roles": ("moderator",)}


def play_post(
    kit: Kit[Case], *, author: str | None = "ann", unseen: Container[str] = (), edited_ms: int = 0
) -> Kit[Case]:
    """A post by that author, not seen by some; None: there is no such post."""

    def answer(message: SaidOf | MayAct) -> Said | Done:
        if author is None or (isinstance(message, MayAct) and message.user in unseen):
            raise Refused("post.not_found", "there is no such post", status=404)
        if isinstance(message, MayAct):
            return Done()
        return Said(author=author, text="look at this", media=["a" * 24], edited_ms=edited_ms)

    kit.when_asked(f"post:{POST}", answer)
    return kit


def new_case(*, author: str | None = "ann", unseen: Container[str] = ()) -> Kit[Case]:
    return play_post(Kit(Case, key=POST), author=author, unseen=unseen)


def comment_case(row: Comments.Row | None) -> Kit[Case]:
    """Of the comment 7, or of none."""
    kit = play_post(Kit(Case, key=f"{POST}.7"))
    rows = [] if row is None else [row]
    kit.when_queried(Comments.Row, lambda key, asked: Rows(rows if (key, asked.where["offset"]) == (POST, 7) else []))
    return kit


@pytest.fixture
def kit() -> Kit[Case]:
    return new_case()


def report(kit: Kit[Case], *users: str, reason: Any = "spam", text: str = "") -> None:
    for user in users:
        kit.ask(Report(reason=reason, text=text), user=user)


def author_told(kit: Kit[Case]) -> list[Any]:
    return [told.message for told in kit.told if told.entity == "inbox:ann"]


def hidings(kit: Kit[Case]) -> list[bool]:
    return [
        told.message.hidden for told in kit.told if isinstance(told.message, Hide) and told.entity == f"post:{POST}"
    ]


def test_each_user_is_counted_once_with_what_they_said_last(kit: Kit[Case]) -> None:
    report(kit, "bob", "cy", "bob")
    report(kit, "bob", reason="hate", text="look")
    report(kit, "bob", reason="hate", text="look")
    assert len(kit.events) == 4, "what was said before already is no event"
    view = kit.view()
    assert view["state"] == "open" and view["count"] == 2 and view["reasons"] == {"spam": 1, "hate": 1}
    assert view["reports"][-1]["user"] in ("bob", "cy") and not kit.told
    for from_snapshot in (False, True):
        kit.restart(from_snapshot=from_snapshot)


def test_reports_hide_a_post_until_a_moderator_has_looked(kit: Kit[Case]) -> None:
    report(kit, *"bcde")
    assert not hidings(kit)
    report(kit, "f")
    assert hidings(kit) == [True] and kit.view()["state"] == "pending"
    report(kit, *"ghijkl")
    assert hidings(kit) == [True]
    kit.ask(Restore(why="it is a joke"), **MODERATOR)
    assert hidings(kit) == [True, False] and kit.view()["state"] == "cleared"
    moved = kit.publications[-1]
    assert (moved["was"], moved["state"], moved["by"], moved["why"]) == ("pending", "cleared", "mod", "it is a joke")


def test_what_was_cleared_is_looked_at_again_and_hidden_by_moderators_alone(kit: Kit[Case]) -> None:
    report(kit, *"bcdef")
    kit.ask(Dismiss(), **MODERATOR)
    report(kit, *"ghij")
    assert kit.view()["state"] == "cleared"
    report(kit, "k")
    assert kit.view()["state"] == "open" and hidings(kit) == [True, False]
    report(kit, *"lmnopqrst")
    assert kit.view()["state"] == "open" and hidings(kit) == [True, False]
    kit.ask(HidePost(why="no joke"), **MODERATOR)
    assert kit.view()["state"] == "hidden" and hidings(kit) == [True, False, True]
    kit.ask(HidePost(), **MODERATOR)
    assert hidings(kit) == [True, False, True]


def test_an_author_hears_what_moderators_decide_and_not_who_reported(kit: Kit[Case]) -> None:
    report(kit, *"bcdef")
    (hidden,) = author_told(kit)
    assert isinstance(hidden, Notify) and (hidden.by, hidden.text, hidden.about) == ("", "", f"post:{POST}")
    kit.ask(HidePost(why="eve complained"), **MODERATOR)
    kit.ask(Restore(), **MODERATOR)
    again, taken_back = author_told(kit)[1:]
    assert again == hidden, "an inbox tells the same once"
    assert taken_back == Withdraw(id=hidden.id)


def test_an_author_is_told_of_what_a_rule_had_hidden_once_a_moderator_has_decided(kit: Kit[Case]) -> None:
    kit.tell(Flag(author="ann", rule="luck", verdict="hide"))
    assert not author_told(kit), "what is pending by a rule its author sees"
    kit.ask(HidePost(), **MODERATOR)
    assert [type(one) for one in author_told(kit)] == [Notify]


def test_who_cannot_see_a_post_does_not_report_it() -> None:
    kit = new_case(unseen="bcdefx")
    for user in "bcdef":
        with pytest.raises(Refused, match=r"post.not_found"):
            report(kit, user)
    assert not kit.events, "and there is no saying that it is there"
    report(kit, "g", "ann2")
    with pytest.raises(Refused, match=r"post.not_found"):
        report(kit, "x")
    assert kit.view()["count"] == 2
    kit.ask(Report(reason="spam"), user="x", roles=("moderator",))
    assert kit.view()["count"] == 3, "moderators see all"


def test_who_cannot_see_a_comment_does_not_report_it() -> None:
    veiled = comment_case(Comments.Row(post=POST, offset=7, author="ann", veil="shadowed"))
    with pytest.raises(Refused, match=r"case.nothing"):
        report(veiled, "bob")
    with pytest.raises(Refused, match=r"case.oneself"):
        report(veiled, "ann")
    assert not veiled.events and veiled.ask(Look(), **MODERATOR).author == "ann"
    below_unseen = comment_case(Comments.Row(post=POST, offset=7, author="ann"))
    play_post(below_unseen, unseen=("bob",))
    with pytest.raises(Refused, match=r"post.not_found"):
        report(below_unseen, "bob")


def test_a_rule_brings_a_case_that_is_hidden_already(kit: Kit[Case]) -> None:
    kit.tell(Flag(author="ann", rule="luck", verdict="hide"))
    assert kit.view() | {"opened_ms": 0} == {"state": "pending", "author": "ann", "rule": "luck", "opened_ms": 0}
    assert not kit.told, "whoever flags it has it hidden"
    kit.tell(Flag(author="ann", rule="other", verdict="hide"))
    assert len(kit.events) == 1
    kit.ask(Restore(), **MODERATOR)
    assert hidings(kit) == [False]


def test_what_was_cleared_and_then_edited_is_looked_at_again(kit: Kit[Case]) -> None:
    report(kit, "bob")
    kit.ask(Dismiss(), **MODERATOR)
    kit.tell(Flag(author="ann", rule="luck", verdict="shadow"))
    assert kit.view()["state"] == "cleared"
    kit.tell(Flag(author="ann", rule="luck", verdict="hide"))
    assert kit.view()["state"] == "pending" and kit.view()["rule"] == "luck" and not hidings(kit)
    kit.ask(Restore(), **MODERATOR)
    assert hidings(kit) == [False]


def test_a_shadowed_post_is_for_moderators_to_see(kit: Kit[Case]) -> None:
    kit.tell(Flag(author="ann", rule="luck", verdict="shadow"))
    assert kit.view()["state"] == "open" and not kit.told


def test_a_moderator_hides_what_nobody_has_reported(kit: Kit[Case]) -> None:
    kit.ask(HidePost(why="seen"), **MODERATOR)
    assert kit.view()["state"] == "hidden" and hidings(kit) == [True]
    report(kit, *"bcdefg")
    assert kit.view()["state"] == "hidden"


def test_a_comment_has_a_case_of_its_own() -> None:
    kit = comment_case(Comments.Row(post=POST, offset=7, author="ann"))
    report(kit, *"bcdef")
    kit.ask(Restore(), **MODERATOR)
    hides = [told for told in kit.told if told.entity == f"thread:{POST}"]
    assert [told.message for told in hides] == [
        HideComment(offset=7, hidden=True),
        HideComment(offset=7, hidden=False, edited_ms=0),
    ]
    with pytest.raises(Refused, match=r"case.oneself"):
        report(kit, "ann")


@pytest.mark.parametrize("decide", [Restore, Dismiss])
def test_a_moderator_clears_what_they_have_looked_at_and_no_other_text(kit: Kit[Case], decide: Any) -> None:
    kit.tell(Flag(author="ann", rule="luck", verdict="hide"))
    play_post(kit, edited_ms=EDITED_MS)
    for seen_ms in (0, EDITED_MS - 1):
        with pytest.raises(Refused, match=r"case.edited") as refused:
            kit.ask(decide(edited_ms=seen_ms), **MODERATOR)
        assert refused.value.status == 409
    assert kit.view()["state"] == "pending" and not kit.told
    kit.ask(decide(edited_ms=kit.ask(Look(), **MODERATOR).edited_ms), **MODERATOR)
    hides = [told.message for told in kit.told if isinstance(told.message, Hide)]
    assert hides == [Hide(hidden=False, edited_ms=EDITED_MS)]
    kit.tell(Flag(author="ann", rule="", verdict="hide"))  # it was edited before it has heard of that
    assert kit.view()["state"] == "pending" and kit.view()["rule"] == "luck"


@pytest.mark.parametrize("reported", [False, True])
def test_a_moderator_hides_what_they_have_looked_at_and_no_other_text(kit: Kit[Case], reported: bool) -> None:
    if reported:
        report(kit, "bob")
    play_post(kit, edited_ms=EDITED_MS)
    with pytest.raises(Refused, match=r"case.edited") as refused:
        kit.ask(HidePost(), **MODERATOR)
    assert refused.value.status == 409 and not hidings(kit)
    kit.ask(HidePost(edited_ms=EDITED_MS), **MODERATOR)
    assert [told.message for told in kit.told if isinstance(told.message, Hide)] == [
        Hide(hidden=True, reason="moderation", edited_ms=EDITED_MS)
    ]
    kit.tell(Flag(author="ann", rule="luck", verdict="hide"))
    assert kit.view()["state"] == "hidden", "a rule says of a text what a moderator has decided"
    kit.tell(Flag(author="ann", rule="", verdict="hide"))  # it was edited before it has heard of that
    assert kit.view()["state"] == "pending"


def test_a_comment_is_cleared_as_it_was_looked_at() -> None:
    kit = comment_case(Comments.Row(post=POST, offset=7, author="ann", edited_ms=EDITED_MS))
    report(kit, *"bcdef")
    with pytest.raises(Refused, match=r"case.edited"):
        kit.ask(Restore(), **MODERATOR)
    kit.ask(Restore(edited_ms=kit.ask(Look(), **MODERATOR).edited_ms), **MODERATOR)
    hides = [told.message for told in kit.told if isinstance(told.message, HideComment)]
    assert hides[-1] == HideComment(offset=7, hidden=False, edited_ms=EDITED_MS)


def test_the_case_of_what_is_gone_can_be_closed(kit: Kit[Case]) -> None:
    report(kit, "bob")
    play_post(kit, author=None)
    kit.ask(Dismiss(), **MODERATOR)
    assert kit.view()["state"] == "cleared"


def test_what_was_cleared_and_edited_since_is_hidden_by_reports_alone(kit: Kit[Case]) -> None:
    report(kit, *"bcdef")
    kit.ask(Restore(), **MODERATOR)
    play_post(kit, edited_ms=EDITED_MS)
    report(kit, *"ghijk")
    assert kit.view()["state"] == "pending" and hidings(kit) == [True, False, True]
    kit.ask(Restore(edited_ms=EDITED_MS), **MODERATOR)
    report(kit, *"lmnop")
    assert kit.view()["state"] == "open" and hidings(kit)[-1] is False
    kit.restart()


def test_an_author_is_shadowed_by_the_rules(kit: Kit[Case]) -> None:
    report(kit, "bob")
    kit.ask(ShadowAuthor(seconds=3_600, why="spam"), **MODERATOR)
    told = kit.told[-1]
    assert told.entity == "rules:all"
    assert told.message == ShadowFor(user="ann", seconds=3_600, by="mod", why="spam", about=POST)
    assert kit.view()["decided_by"] == "mod" and kit.view()["state"] == "open"


def test_of_no_post_there_is_no_case() -> None:
    kit = new_case(author=None)
    with pytest.raises(Refused, match=r"post.not_found"):
        report(kit, "bob")
    with pytest.raises(Refused, match=r"post.not_found"):
        kit.ask(HidePost(), **MODERATOR)
    assert not kit.events
    with pytest.raises(Refused, match=r"case.nothing"):
        report(Kit(Case, key="ann"), "bob")
    with pytest.raises(Refused, match=r"case.nothing"):
        report(comment_case(None), "bob")


def test_moderators_see_what_it_says(kit: Kit[Case]) -> None:
    for _ in range(2):  # before there is a case, and then
        looked = kit.ask(Look(), **MODERATOR)
        assert (looked.author, looked.text, looked.media) == ("ann", "look at this", ["a" * 24])
        report(kit, "bob")


def test_nobody_reports_their_own(kit: Kit[Case]) -> None:
    with pytest.raises(Refused, match=r"case.oneself"):
        report(kit, "ann")
    report(kit, "bob")
    with pytest.raises(Refused, match=r"case.oneself"):
        report(kit, "ann")


def test_a_user_reports_so_many_an_hour(kit: Kit[Case]) -> None:
    for _ in range(REPORTS_PER_H):
        report(kit, "bob")
    with pytest.raises(Refused, match=r"case.too_many_reports"):
        report(kit, "bob")
    report(kit, "cy")


def test_the_anonymous_report_nothing(kit: Kit[Case]) -> None:
    with pytest.raises(Refused, match="unauthenticated"):
        report(kit, "")


@pytest.mark.parametrize("message", [HidePost(), Look(), Restore(), Dismiss(), ShadowAuthor(seconds=1)])
def test_only_moderators_decide(kit: Kit[Case], message: Any) -> None:
    report(kit, "bob")
    for user in ("ann", "bob"):
        with pytest.raises(Refused, match="moderators_only"):
            kit.ask(message, user=user)
        with pytest.raises(Refused, match="moderators_only"):
            kit.watch(user=user)
    assert kit.watch(**MODERATOR)["count"] == 1


def test_before_anybody_has_said_anything_there_is_nothing_to_decide(kit: Kit[Case]) -> None:
    for message in (Restore(), Dismiss(), ShadowAuthor(seconds=1)):
        with pytest.raises(Refused, match=r"case.not_found"):
            kit.ask(message, **MODERATOR)
    with pytest.raises(Refused, match=r"case.not_found"):
        kit.watch(**MODERATOR)


@pytest.mark.bound("users who have reported one post")
def test_a_case_is_bounded(kit: Kit[Case], monkeypatch: pytest.MonkeyPatch) -> None:
    """What so many have said is kept, and more are counted, up to a bound."""
    monkeypatch.setattr("greenroom.actors.social.moderation.state.REPORTS_MAX", 2)
    monkeypatch.setattr(cases, "REPORTERS_MAX", 4)
    report(kit, *"bcdefg", text="x")
    assert kit.view()["count"] == 4 == len(kit.state.reporters)
    assert list(kit.state.reports) == ["b", "c"]
    report(kit, "b", reason="hate")
    assert kit.view()["reasons"] == {"spam": 3, "hate": 1}
    kit.restart()


def test_a_post_says_what_it_says_though_it_is_hidden_until_it_is_gone() -> None:
    post, _ = published(text="look at this", media=["a" * 24])
    post.tell(Hide(hidden=True))
    assert post.ask(SaidOf()) == Said(author="ann", text="look at this", media=["a" * 24])
    post.ask(Delete(), user="ann")
    with pytest.raises(Refused, match=r"post\.gone"):
        post.ask(SaidOf())


def test_a_reporter_who_is_forgotten_leaves_their_report_without_its_words(kit: Kit[Case]) -> None:
    report(kit, "bob", "cy", text="of bob's ear")
    kit.ask(HidePost(why="bob is right"), user="bob", roles=("moderator",))
    for user in ("bob", "ann"):
        forgetting = Redaction(user, "x")
        values = [kit.state, *kit.events]
        left = [forgetting.redact(shape_of(type(one)), decode(encode(one))) for one in values]
        assert f'"{user}"' not in encode(left).decode()
    left = Redaction("bob", "x").redact(shape_of(type(kit.state)), decode(encode(kit.state)))
    assert left["reports"]["x"]["text"] == "" and left["reports"]["cy"]["text"] == "of bob's ear"
    assert left["reporters"].keys() == {"x", "cy"} and left["why"] == ""
