"""Who may read a thread, and watch it."""

from contextlib import nullcontext

import pytest

from greenroom import Refused
from greenroom.actors.model.message import Done
from greenroom.actors.social.post.audience import KNOWN_S
from greenroom.actors.social.post.messages import MayAct
from greenroom.actors.social.post.watching import LOOK_S
from greenroom.actors.social.thread.actor import Thread
from greenroom.actors.social.thread.messages import Cover, LookAgain, Open, Read
from greenroom.testing import Kit
from tests.actors.social.post.posting import ID
from tests.actors.social.thread.saying import Others, opened, say


def test_comments_are_read_by_who_may_see_the_post() -> None:
    kit, others = opened("followers")
    say(kit, "ann", "hi")
    kit.ask(Read(), user="bob")
    others.unseen = {"bob"}
    kit.tell(LookAgain(is_changed=True))
    with pytest.raises(Refused, match=r"post\.not_found"):
        kit.ask(Read(), user="bob")
    with pytest.raises(Refused, match="unauthenticated"):
        kit.ask(Read(), user="")


def test_what_the_post_has_said_holds_for_a_while_for_reads_and_not_for_what_is_said() -> None:
    kit, others = opened()
    kit.ask(Read(), user="bob")
    kit.ask(Read(), user="bob")
    assert others.asked == 1
    say(kit, "bob")
    assert others.asked == 2
    kit.advance(KNOWN_S + 1)
    others.unseen = {"bob"}
    with pytest.raises(Refused, match=r"post\.not_found"):
        kit.ask(Read(), user="bob")


def test_who_has_read_it_may_watch_it_for_a_while() -> None:
    kit, others = opened("followers")
    with pytest.raises(Refused, match=r"post\.not_found"):
        kit.watch(user="bob")
    kit.ask(Read(), user="bob")
    kit.watch(user="bob")
    kit.advance(KNOWN_S + 1)
    kit.watch(user="bob")
    for one in kit.audience[:]:
        kit.unwatch(client=one.client)
    kit.advance(2 * KNOWN_S)
    with pytest.raises(Refused, match=r"post\.not_found"):
        kit.watch(user="bob")
    kit.watch(user="ann")
    kit.watch(user="root", roles=("service",))
    others.asked = 0
    kit.ask(Read(), user="ann")
    kit.ask(Read(), user="root", roles=("service",))
    assert others.asked == 0


def test_a_public_one_too_is_watched_by_who_was_let_in_alone() -> None:
    """The account may be private, and its author may have blocked who asks: the post knows."""
    kit, others = opened()
    for user in ("", "bob"):
        with pytest.raises(Refused, match=r"post\.not_found"):
            kit.watch(user=user)
    others.unseen = {"eve"}
    with pytest.raises(Refused):
        say(kit, "eve")
    kit.advance(KNOWN_S + 1)
    with pytest.raises(Refused, match=r"post\.not_found"):
        kit.watch(user="eve")


@pytest.mark.parametrize("user", ["bob", ""])
def test_a_change_that_comes_while_the_post_is_asked_wins(user: str) -> None:
    kit, others = opened()
    say(kit, "ann", "hi")

    def may(message: MayAct) -> Done:
        kit.when_asked(f"post:{ID}", lambda message: others._may(message))
        others.unseen = {"bob"}  # behind the answer that is on its way
        kit.tell(LookAgain(is_changed=True, user=user))
        return Done()

    kit.when_asked(f"post:{ID}", may)
    with pytest.raises(Refused, match=r"post\.not_found"):
        kit.ask(Read(), user="bob")
    with pytest.raises(Refused, match=r"post\.not_found"):
        kit.watch(user="bob")
    others.unseen = set()
    kit.tell(LookAgain(is_changed=True, user="cat"))
    kit.tell(LookAgain(is_changed=True, user=user or "bob"))
    assert len(kit.ask(Read(), user="bob").comments) == 1


@pytest.mark.parametrize("is_seen", [False, True])
def test_what_the_post_has_said_before_a_change_is_not_remembered_behind_it(is_seen: bool) -> None:
    kit, _ = opened()

    def may(message: MayAct) -> Done:
        kit.actor._known.forget("bob")
        if not is_seen:
            raise Refused("post.not_found", "there is no such post", status=404)
        return Done()

    kit.when_asked(f"post:{ID}", may)
    with nullcontext() if is_seen else pytest.raises(Refused):
        kit.ask(Read(), user="bob")
    assert kit.actor._known.look("bob", kit.now) is None


def test_who_may_see_the_post_no_more_ceases_to_watch() -> None:
    kit, others = opened()
    for user in ("ann", "bob", "cat"):
        kit.ask(Read(), user=user)
        kit.watch(user=user)
    others.unseen = {"cat"}
    kit.tell(LookAgain(is_changed=True))
    assert [(one.code, one.user) for one in kit.kicked] == [(2100, "cat")]
    others.unseen = {"bob"}
    kit.advance(KNOWN_S + LOOK_S)
    assert {one.user for one in kit.kicked[1:]} == {"bob"}, "nobody has told the thread of it"


def test_who_alone_is_said_to_have_lost_it_is_asked_about_alone() -> None:
    kit, others = opened()
    for user in ("bob", "cat"):
        kit.ask(Read(), user=user)
        kit.watch(user=user)
    others.unseen, others.asked = {"bob", "cat"}, 0
    kit.tell(LookAgain(is_changed=True, user="cat"))
    assert [one.user for one in kit.kicked] == ["cat"] and others.asked == 1
    kit.tell(LookAgain(is_changed=True, user="dan"))
    assert len(kit.kicked) == 1 and others.asked == 1


def test_the_thread_of_a_post_that_was_never_out_is_its_author_s() -> None:
    kit = Kit(Thread, key=ID)
    Others(kit)
    kit.tell(Open(author="ann", visibility="public", covered=True))
    say(kit, "ann", "soon")
    kit.actor._known.learn("bob", True, kit.now)
    with pytest.raises(Refused, match=r"post\.not_found"):
        kit.watch(user="bob")
    kit.watch(user="ann")
    kit.restart()
    kit.tell(Cover(covered=False))
    kit.ask(Read(), user="bob")
    kit.watch(user="bob")


def test_below_what_is_hidden_nobody_watches_but_whose_it_is() -> None:
    kit, _ = opened()
    kit.ask(Read(), user="bob")
    kit.watch(user="bob")
    kit.tell(Cover(covered=True))
    kit.tell(Cover(covered=True))
    assert len(kit.kicked) == 1 and kit.kicked[0].means(kit.audience[0])
    with pytest.raises(Refused, match=r"post\.not_found"):
        kit.watch(user="bob")
    kit.watch(user="ann")
    kit.restart()
    kit.tell(Cover(covered=False))
    kit.ask(Read(), user="bob")
    kit.watch(user="bob")
