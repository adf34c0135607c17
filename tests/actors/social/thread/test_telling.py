"""Who hears of a comment."""

import pytest

from greenroom.actors.inbox.messages import Notify, Withdraw
from greenroom.actors.model.errors import Forgotten, Unavailable
from greenroom.actors.social.thread.actor import Thread
from greenroom.actors.social.thread.messages import Close, Delete, Edit, Hide, TellNamed
from greenroom.actors.social.thread.telling import NAMED_MAX
from greenroom.testing import Kit
from tests.actors.social.post.posting import ID, deliver_own, told
from tests.actors.social.thread.saying import opened, say


def heard(kit: Kit[Thread]) -> list[tuple[str, str]]:
    deliver_own(kit)
    return [(entity.removeprefix("inbox:"), said.kind) for entity, said in told(kit, Notify)]


def test_each_hears_of_it_once_and_nobody_of_their_own() -> None:
    kit, _ = opened()
    say(kit, "ann", "mine @ann")
    assert heard(kit) == []
    first = say(kit, "bob", "one")
    assert heard(kit) == [("ann", "comment")]
    say(kit, "cat", "two @bob @dan @ann @cat", reply_to=first)
    assert heard(kit)[1:] == [("ann", "comment"), ("dan", "mention"), ("bob", "reply")]
    assert {said.about for _, said in told(kit, Notify)} == {f"post:{ID}"}
    assert told(kit, Notify)[-1][1].text == "two @bob @dan @ann @cat"
    assert {said.at_ms for _, said in told(kit, Notify)} == {int(kit.now * 1000)}
    say(kit, "bob", "to myself", reply_to=first)
    assert heard(kit)[4:] == [("ann", "comment")]


def test_a_mention_added_by_an_edit_is_told_once() -> None:
    kit, _ = opened()
    offset = say(kit, "bob", "hi @cat")
    for text in ("hi @cat @dan", "hi", "hi @dan @cat"):
        kit.ask(Edit(offset=offset, text=text), user="bob")
        deliver_own(kit)
    kit.restart()
    assert heard(kit) == [("ann", "comment"), ("cat", "mention"), ("dan", "mention")]


def test_who_bars_its_author_or_can_t_see_the_post_is_not_told() -> None:
    kit, others = opened()
    others.barred, others.unseen = {("cat", "bob")}, {"dan"}
    offset = say(kit, "bob", "@cat @dan @eve")
    assert heard(kit)[1:] == [("eve", "mention")]
    kit.ask(Edit(offset=offset, text="@cat"), user="bob")
    assert heard(kit)[1:] == [("eve", "mention")]


@pytest.mark.bound("users who are told that a comment names them")
def test_of_one_comment_so_many_are_told() -> None:
    kit, others = opened()
    for number in range(2 * NAMED_MAX):
        others.play(kit, f"u{number}")
    offset = say(kit, "bob", " ".join(f"@u{number}" for number in range(2 * NAMED_MAX)))
    assert len(heard(kit)) == 1 + NAMED_MAX
    kit.ask(Edit(offset=offset, text="@cat"), user="bob")
    assert len(heard(kit)) == 1 + NAMED_MAX


def test_those_who_were_told_take_nobody_s_place() -> None:
    kit, others = opened()
    names = " ".join(f"@u{number}" for number in range(NAMED_MAX - 1))
    for number in range(NAMED_MAX - 1):
        others.play(kit, f"u{number}")
    offset = say(kit, "bob", names)
    deliver_own(kit)
    kit.ask(Edit(offset=offset, text=f"{names} @cat"), user="bob")
    assert heard(kit)[-1] == ("cat", "mention")


def test_a_comment_that_is_taken_back_is_withdrawn_from_all() -> None:
    kit, _ = opened()
    first = say(kit, "bob", "one")
    second = say(kit, "cat", "two @dan", reply_to=first)
    deliver_own(kit)
    kit.ask(Delete(offset=second), user="cat")
    sent = {(entity, said.id) for entity, said in told(kit, Notify) if said.by == "cat"}
    assert sent <= {(entity, said.id) for entity, said in told(kit, Withdraw)} and len(sent) == 3


def test_what_was_hidden_by_mistake_is_told_again_to_all() -> None:
    kit, others = opened()
    first = say(kit, "bob", "one")
    second = say(kit, "cat", "two @dan @eve", reply_to=first)
    before = heard(kit)
    sent = [one for one in told(kit, Notify) if one[1].by == "cat"]
    kit.tell(Hide(offset=second, hidden=True))
    others.barred = {("eve", "cat")}
    kit.tell(Hide(offset=second, hidden=False))
    assert heard(kit)[len(before) :] == [("ann", "comment"), ("dan", "mention"), ("bob", "reply")]
    assert [one for one in told(kit, Notify) if one[1].by == "cat"][len(sent) :] == [
        one for one in sent if one[0] != "inbox:eve"
    ]
    kit.state.window.clear()  # so many have come since
    for hidden in (True, False):
        kit.tell(Hide(offset=second, hidden=hidden))
    assert heard(kit)[len(before) + 3 :] == [("ann", "comment"), ("dan", "mention"), ("bob", "reply")]


def test_a_comment_that_is_gone_by_then_is_not_told() -> None:
    kit, _ = opened()
    offset = say(kit, "bob", "@cat")
    kit.ask(Delete(offset=offset), user="bob")
    assert heard(kit) == [("ann", "comment")]
    say(kit, "bob", "@cat")
    kit.tell(Close())
    kit.tell(TellNamed(offset=1, mentioned=["cat"]))
    assert ("cat", "mention") not in heard(kit)


def test_who_can_t_be_asked_about_now_is_told_later_and_who_is_forgotten_never() -> None:
    kit, _ = opened()
    away = True

    def answer(message: object) -> object:
        raise Unavailable("away") if away else Forgotten("for good")

    kit.when_asked("follows:gone", answer)
    offset = say(kit, "bob", "@gone @cat")
    with pytest.raises(Unavailable):
        deliver_own(kit)
    away = False
    again = TellNamed(offset=offset, mentioned=["gone", "cat"])
    kit.tell(again)
    kit.tell(again)
    assert [entity for entity, said in told(kit, Notify) if said.kind == "mention"] == ["inbox:cat"]
