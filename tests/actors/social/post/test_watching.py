"""Who watches is looked at again, for as long as they watch."""

import pytest

from greenroom import Refused
from greenroom.actors.model.errors import Forgotten, Unavailable
from greenroom.actors.social.post import watching
from greenroom.actors.social.post.actor import Post
from greenroom.actors.social.post.audience import KNOWN_S
from greenroom.actors.social.post.messages import AudienceChanged, Delete, React, Watch
from greenroom.actors.social.post.watching import LOOK_S
from greenroom.actors.social.thread.messages import LookAgain as LookAtThread
from greenroom.testing import Kit
from tests.actors.social.post.posting import ID, Follows, published


def watched(*users: str, visibility: str = "followers") -> tuple[Kit[Post], Follows]:
    """By these, who follow ann."""
    kit, follows = published(text="x", visibility=visibility)
    for user in users:
        follows.following.add((user, "ann"))
        kit.ask(Watch(), user=user)
        kit.watch(user=user)
    return kit, follows


def kicked(kit: Kit[Post]) -> list[str | None]:
    return [one.user for one in kit.kicked]


def test_who_follows_no_more_ceases_to_watch_within_a_minute() -> None:
    kit, follows = watched("bob", "cat")
    follows.following.remove(("bob", "ann"))
    kit.advance(KNOWN_S + LOOK_S)
    assert set(kicked(kit)) == {"bob"}
    kit.advance(600)
    kit.watch(user="cat")
    assert set(kicked(kit)) == {"bob"}, "who may goes on, and may come back at once"


def test_whose_edge_has_ended_ceases_to_watch_at_once_and_nobody_else_is_asked_about() -> None:
    kit, follows = watched("bob", "cat")
    follows.following.clear()
    follows.asked = 0
    kit.tell(AudienceChanged(user="bob"))
    assert kicked(kit) == ["bob"] and follows.asked == 2
    (nudge,) = [one for one in kit.nudged if isinstance(one.message, LookAtThread)]
    assert nudge.entities == [f"thread:{ID}"] and nudge.message == LookAtThread(is_changed=True, user="bob")
    kit.tell(AudienceChanged(user="dan"))
    assert kicked(kit) == ["bob"] and follows.asked == 2, "who does not watch is asked about when they come"
    kit.tell(AudienceChanged())
    assert kicked(kit)[1:] == ["bob", "cat"]


def test_whoever_comes_to_watch_has_it_look_again() -> None:
    kit, follows = watched("bob")
    follows.following.clear()
    kit.advance(KNOWN_S + LOOK_S)
    assert set(kicked(kit)) == {"bob"}, "though nobody has said anything to it since"


def test_one_answer_is_enough_for_all_of_a_post_for_everybody() -> None:
    kit, follows = watched("bob", "cat", "dan", visibility="public")
    follows.all_barred = []
    kit.tell(AudienceChanged())
    before = follows.asked
    kit.advance(KNOWN_S)
    assert follows.asked - before <= 2 and kicked(kit) == []
    follows.all_barred, follows.barred = ["cat"], {("ann", "cat")}
    kit.advance(KNOWN_S + LOOK_S)
    assert set(kicked(kit)) == {"cat"}


def test_nobody_is_asked_where_nobody_watches() -> None:
    kit, follows = watched("bob")
    kit.unwatch(client=kit.audience[0].client)
    before = follows.asked
    kit.advance(600)
    assert follows.asked == before and kit.actor.afters == 0


def test_after_a_crash_the_next_message_has_it_look_again() -> None:
    kit, follows = watched("bob")
    kit.restart()
    follows.following.clear()
    kit.ask(React(), user="ann")
    kit.advance(LOOK_S)
    assert kicked(kit) == ["bob"]


@pytest.mark.bound("watchers of a post who are asked about at once")
def test_so_many_are_asked_about_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "LOOKS_AT_ONCE", 2)
    kit, follows = watched("bob", "cat", "dan", "eve")
    follows.following.clear()
    kit.tell(AudienceChanged())
    assert kicked(kit) == ["bob", "cat"]
    for one in kit.audience[:]:
        if one.user in kicked(kit):
            kit.unwatch(client=one.client)
    kit.advance(1.0)
    assert kicked(kit)[2:] == ["dan", "eve"]


def test_changes_do_not_add_up_to_looks_without_end() -> None:
    kit, follows = watched("bob")
    for _ in range(20):
        kit.tell(AudienceChanged())
    assert kit.actor.afters == 1
    before = follows.asked
    kit.advance(10 * KNOWN_S)
    assert follows.asked - before <= 2 * 16


def test_where_nobody_can_say_so_now_who_watches_goes_on() -> None:
    kit, _ = watched("bob")
    away = True

    def answer(message: object) -> object:
        raise Unavailable("away") if away else Forgotten("for good")

    kit.when_asked("follows:bob", answer)
    kit.tell(AudienceChanged())
    assert kicked(kit) == []
    with pytest.raises(Unavailable):
        kit.ask(Watch(), user="bob")
    away = False
    kit.advance(LOOK_S)
    assert kicked(kit) == ["bob"]


def test_of_what_is_gone_there_is_nothing_to_watch() -> None:
    kit, _ = watched("bob")
    kit.ask(Delete(), user="ann")
    kit.advance(LOOK_S)
    assert kicked(kit) == ["bob"]
    with pytest.raises(Refused, match=r"post\.not_found"):
        kit.watch(user="bob")


def test_those_that_there_was_no_time_for_are_the_first_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often something changes in between: else the first names would be all that are ever looked at."""
    monkeypatch.setattr(watching, "LOOKS_AT_ONCE", 3)
    kit, follows = watched("bob", "cat", "dan", "eve")
    follows.following.clear()
    for _ in range(2):
        kit.tell(AudienceChanged())
    assert kicked(kit) == ["bob", "cat", "dan", "eve", "bob", "cat"]
