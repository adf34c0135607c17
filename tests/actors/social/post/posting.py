"""A post under test, with whoever it asks played."""

from collections.abc import Iterable
from functools import partial
from typing import Any, TypeVar

from greenroom import Message
from greenroom.actors.inbox.messages import NoticeKind, Notify, Withdraw
from greenroom.actors.jobs.ids import new_id
from greenroom.actors.social.follows.messages import Allowed, Edge, EdgeAsk, MayAsk
from greenroom.actors.social.moderation.messages import Verdict
from greenroom.actors.social.post.actor import Post
from greenroom.actors.social.post.messages import Publish
from greenroom.actors.testing.kit import EPOCH_S
from greenroom.testing import Kit

ID = new_id(int(EPOCH_S * 1000), 7)
OTHER = new_id(int(EPOCH_S * 1000), 8)
FINE = Allowed(barred=False, close=False, private=False)
M = TypeVar("M", bound=Message)


class Follows:
    """Of everybody: who bars whom, who follows whom, who is close to ann. It counts how often it is asked."""

    def __init__(self, kit: Kit[Any], users: Iterable[str]) -> None:
        self.barred: set[tuple[str, str]] = set()  # who, whom
        self.following: set[tuple[str, str]] = set()
        self.close: set[str] = set()
        self.private = False
        self.all_barred: list[str] | None = None
        self.asked = 0
        self.are_near = False  # then they answer at once
        for user in users:
            kit.when_glanced(f"follows:{user}", partial(self._answer_at_once, user))
            kit.when_asked(f"follows:{user}", partial(self._answer, user))

    def _answer_at_once(self, user: str, message: MayAsk | EdgeAsk) -> Allowed | Edge | None:
        return self._answer(user, message) if self.are_near else None

    def _answer(self, user: str, message: MayAsk | EdgeAsk) -> Allowed | Edge:
        self.asked += 1
        if isinstance(message, MayAsk):
            return Allowed(
                barred=(user, message.user) in self.barred,
                close=message.user in self.close,
                private=self.private,
                all_barred=self.all_barred,
            )
        return Edge(following=(user, message.author) in self.following, barred=(user, message.author) in self.barred)


USERS = ("ann", "bob", "cat", "dan", "eve")


def unpublished(actor: type[Post] = Post) -> tuple[Kit[Post], Follows]:
    kit = Kit(actor, key=ID)
    kit.when_asked("rules:all", lambda _: Verdict(verdict="fine"))
    return kit, Follows(kit, USERS)


def published(actor: type[Post] = Post, **fields: Any) -> tuple[Kit[Post], Follows]:
    """By ann."""
    kit, follows = unpublished(actor)
    kit.tell(Publish(author="ann", **fields))
    return kit, follows


def told(kit: Kit[Any], message: type[M]) -> list[tuple[str, M]]:
    """What it has told of that class, and whom."""
    return [(one.entity, one.message) for one in kit.told if isinstance(one.message, message)]


def told_twice(kit: Kit[Any], *kinds: NoticeKind) -> list[tuple[str, str]]:
    """Whom it has told of what, that they had been told of and it had not withdrawn."""
    live: set[tuple[str, str]] = set()
    twice: list[tuple[str, str]] = []
    for one in kit.told:
        match one.message:
            case Notify(id=id_, kind=kind) if kind in kinds:
                twice += {(one.entity, id_)} & live
                live.add((one.entity, id_))
            case Withdraw(id=id_):
                live.discard((one.entity, id_))
    return twice


def deliver_own(kit: Kit[Any]) -> None:
    """What it tells itself, until it says nothing more."""
    seen = getattr(kit, "seen", 0)
    end = len(kit.told) + 200
    while seen < len(kit.told):
        assert seen < end, "it tells itself something for ever"
        one = kit.told[seen]
        seen += 1
        if one.entity == kit.entity:
            kit.tell(one.message)
    kit.seen = seen  # type: ignore[attr-defined]
