"""A thread under test, with whoever it asks played."""

from typing import Any

from greenroom import Refused
from greenroom.actors.model.message import Done
from greenroom.actors.social.feed.messages import BarredAsk, Unwanted, UnwantedAmong
from greenroom.actors.social.follows.messages import Edge, EdgeAsk
from greenroom.actors.social.moderation.messages import Verdict
from greenroom.actors.social.post.messages import MayAct
from greenroom.actors.social.thread.actor import Thread
from greenroom.actors.social.thread.messages import Comment, Open
from greenroom.testing import Kit
from tests.actors.social.post.posting import ID, USERS

FINE = Verdict(verdict="fine")


class Others:
    """Who may not see the post, and who bars whom."""

    def __init__(self, kit: Kit[Any]) -> None:
        self.unseen: set[str] = set()
        self.barred: set[tuple[str, str]] = set()  # who, whom
        self.asked = 0
        kit.when_asked(f"post:{ID}", self._may)
        kit.when_asked("rules:all", lambda _: FINE)
        self.unwanted: set[tuple[str, str]] = set()  # who, whom: muted, or a block between the two
        self.many_barred: set[str] = set()  # of these
        for user in USERS:
            self.play(kit, user)

    def play(self, kit: Kit[Any], user: str) -> None:
        def edge(message: EdgeAsk) -> Edge:
            return Edge(following=False, barred=(user, message.author) in self.barred)

        def answer(message: UnwantedAmong | BarredAsk) -> Unwanted:
            unwanted = [whom for who, whom in sorted(self.unwanted) if who == user]
            if isinstance(message, BarredAsk):
                return Unwanted(unwanted, and_more=user in self.many_barred)
            return Unwanted([whom for whom in unwanted if whom in message.users])

        kit.when_asked(f"follows:{user}", edge)
        kit.when_asked(f"feed:{user}", answer)

    def _may(self, message: MayAct) -> Done:
        self.asked += 1
        if message.user in self.unseen:
            raise Refused("post.not_found", "there is no such post", status=404)
        return Done()


def opened(visibility: Any = "public") -> tuple[Kit[Thread], Others]:
    """Of a post of ann's."""
    kit = Kit(Thread, key=ID)
    others = Others(kit)
    kit.tell(Open(author="ann", visibility=visibility))
    return kit, others


def say(kit: Kit[Thread], user: str, text: str = "hi", reply_to: int | None = None) -> int:
    return kit.ask(Comment(text=text, reply_to=reply_to), user=user).offset
