"""Who hears of a post, beside those who see it."""

from typing import Any

import pytest

from greenroom.actors.inbox.messages import Notify, Withdraw
from greenroom.actors.model.errors import Forgotten, Unavailable
from greenroom.actors.social.post.actor import Post
from greenroom.actors.social.post.messages import Delete, Hide, Publish, Shared, SharesChanged, TellShared
from greenroom.actors.social.ranking.messages import Engaged
from greenroom.testing import Kit
from tests.actors.social.post.posting import ID, OTHER, deliver_own, published, told, unpublished

SHARED = (f"post:{OTHER}", Shared(user="ann", post=ID))


def said_of_shares(kit: Kit[Post]) -> list[tuple[str, Shared]]:
    deliver_own(kit)
    return told(kit, Shared)


def test_shares_are_counted_and_its_author_hears_of_them() -> None:
    kit, _ = published(text="x")
    for user, post in (("bob", OTHER), ("ann", ID)):
        kit.tell(SharesChanged(by=1, user=user, post=post))
        kit.tell(Shared(user=user, post=post))
    assert kit.state.shares == 2
    assert [(entity, said.kind, said.by) for entity, said in told(kit, Notify)] == [("inbox:ann", "share", "bob")]
    assert {said.at_ms for _, said in told(kit, Notify)} == {int(kit.now * 1000)}
    assert told(kit, Engaged) == [("features:bob", Engaged(author="ann", post=ID, did="share"))]
    kit.tell(SharesChanged(by=-1, user="bob", post=OTHER))
    assert kit.state.shares == 1
    assert told(kit, Withdraw) == [("inbox:ann", Withdraw(id=told(kit, Notify)[0][1].id))]
    for _ in range(3):
        kit.tell(SharesChanged(by=-1))
    assert kit.state.shares == 0
    kit.restart()


@pytest.mark.parametrize(
    ("visibility", "private", "is_said"),
    [("public", False, True), ("public", True, False), ("followers", False, False), ("close", False, False)],
)
def test_an_author_hears_of_shares_that_they_may_see(visibility: Any, private: bool, is_said: bool) -> None:
    """Of others there is a number, and no name."""
    kit, follows = unpublished()
    follows.private = private
    kit.tell(Publish(author="ann", text="x", visibility=visibility, share_of=OTHER))
    assert said_of_shares(kit) == ([SHARED] if is_said else [])
    assert [said.by for _, said in told(kit, SharesChanged)] == [1]
    other, _ = published(text="x")
    other.tell(told(kit, SharesChanged)[0][1])
    assert other.state.shares == 1 and not told(other, Notify)


def test_of_a_share_that_is_hidden_by_then_nobody_hears() -> None:
    kit, _ = published(text="x", share_of=OTHER)
    kit.tell(Hide(hidden=True))
    assert said_of_shares(kit) == []
    kit.tell(Hide(hidden=False))
    assert said_of_shares(kit) == [SHARED]
    kit.ask(Delete(), user="ann")
    kit.tell(TellShared())
    assert said_of_shares(kit) == [SHARED]


def test_of_what_is_gone_or_hidden_no_share_is_told() -> None:
    kit, _ = published(text="x", is_pending=True)
    kit.tell(Shared(user="bob", post=OTHER))
    kit.ask(Delete(), user="ann")
    kit.tell(Shared(user="bob", post=OTHER))
    assert not told(kit, Notify)


def test_a_share_is_told_later_where_nobody_can_say_now_who_may_see_it() -> None:
    kit, _ = published(text="x", share_of=OTHER)

    def unavailable(_: object) -> None:
        raise Unavailable("away")

    def forgotten(_: object) -> None:
        raise Forgotten("for good")

    kit.when_asked("follows:ann", unavailable)
    with pytest.raises(Unavailable):
        kit.tell(TellShared())
    kit.when_asked("follows:ann", forgotten)
    kit.tell(TellShared())
    assert told(kit, Shared) == []
