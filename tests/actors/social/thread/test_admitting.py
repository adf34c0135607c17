"""Who may read a thread."""

import pytest

from greenroom import Refused
from greenroom.actors.social.moderation.messages import Verdict
from greenroom.actors.social.post.audience import KNOWN_S
from greenroom.actors.social.thread.messages import CommentPage, Cover, Read
from greenroom.actors.social.thread.view import Comments
from greenroom.actors.views.query import BadQuery
from greenroom.store.views.asked import Asked, Rows
from tests.actors.social.post.posting import ID
from tests.actors.social.thread.saying import FINE, opened, say

Row = Comments.Row


def test_comments_are_read_by_who_may_see_the_post() -> None:
    kit, others = opened("followers")
    asked: list[tuple[str, Asked]] = []

    def find(key: str, query: Asked) -> Rows[Row]:
        asked.append((key, query))
        return Rows([Row(post=ID, offset=3, author="bob", text="hi"), Row(post=ID, offset=2, veil="pending")], "behind")

    kit.when_queried(Row, find)
    page: CommentPage = kit.ask(Read(limit=2, cursor="here"), user="bob")
    assert [one.text for one in page.comments] == ["hi"] and page.next == "behind"
    assert asked == [(ID, Asked(limit=2, after="here"))]
    others.unseen = {"bob"}
    with pytest.raises(Refused, match=r"post\.not_found"):
        kit.ask(Read(), user="bob")
    with pytest.raises(Refused, match="unauthenticated"):
        kit.ask(Read(), user="")


def test_a_cursor_that_is_none_is_refused() -> None:
    kit, _ = opened()

    def find(key: str, query: Asked) -> Rows[Row]:
        raise BadQuery("after", "is no cursor")

    kit.when_queried(Row, find)
    with pytest.raises(Refused, match=r"thread\.bad_cursor"):
        kit.ask(Read(cursor="mine"), user="bob")


def test_what_has_a_veil_is_read_by_whose_it_is() -> None:
    kit, _ = opened()
    kit.when_queried(Row, lambda *_: Rows([Row(post=ID, offset=2, author="bob", veil="shadowed")]))
    assert len(kit.ask(Read(), user="bob").comments) == 1
    assert kit.ask(Read(), user="cat").comments == []
    kit.when_asked("rules:all", lambda _: Verdict(verdict="shadow"))
    say(kit, "bob", "seen by me")
    assert kit.ask(Read(), user="bob").count == 1 and kit.ask(Read(), user="cat").count == 0
    kit.when_asked("rules:all", lambda _: FINE)
    assert kit.watch(user="cat")["comments"] == []


def test_who_has_read_it_may_watch_it_for_a_while() -> None:
    kit, others = opened("followers")
    kit.when_queried(Row, lambda *_: Rows([]))
    with pytest.raises(Refused, match=r"post\.not_found"):
        kit.watch(user="bob")
    kit.ask(Read(), user="bob")
    kit.watch(user="bob")
    kit.advance(KNOWN_S + 1)
    with pytest.raises(Refused, match=r"post\.not_found"):
        kit.watch(user="bob")
    kit.watch(user="ann")
    kit.watch(user="root", roles=("service",))
    others.asked = 0
    kit.ask(Read(), user="ann")
    kit.ask(Read(), user="root", roles=("service",))
    assert others.asked == 0


def test_a_public_one_is_watched_by_all_but_who_was_turned_away() -> None:
    kit, others = opened()
    kit.watch(user="")
    kit.watch(user="bob")
    others.unseen = {"eve"}
    with pytest.raises(Refused):
        say(kit, "eve")
    with pytest.raises(Refused, match=r"post\.not_found"):
        kit.watch(user="eve")


def test_below_what_is_hidden_nobody_watches_but_whose_it_is() -> None:
    kit, _ = opened()
    kit.watch(user="bob")
    kit.tell(Cover(covered=True))
    kit.tell(Cover(covered=True))
    assert len(kit.kicked) == 1 and kit.kicked[0].means(kit.audience[0])
    with pytest.raises(Refused, match=r"post\.not_found"):
        kit.watch(user="bob")
    kit.watch(user="ann")
    kit.restart()
    kit.tell(Cover(covered=False))
    kit.watch(user="bob")
