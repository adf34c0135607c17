"""A little world of follows: what one tells another waits until the test delivers it, in order between two."""

from collections import defaultdict, deque
from functools import partial
from typing import Any

from greenroom import Message, Principal
from greenroom.actors.inbox import messages as inbox
from greenroom.actors.inbox.messages import Notify, Withdraw
from greenroom.actors.model.errors import ActorError, Unavailable
from greenroom.actors.social.feed.messages import BarredChanged, CloseChanged, FollowsChanged, MutedChanged
from greenroom.actors.social.follows.actor import Follows
from greenroom.actors.social.follows.messages import Door, DoorAsk, Follow
from greenroom.testing import Kit


class Mirror:
    """What a feed has been told, and keeps; or, without edges, an inbox."""

    def __init__(self) -> None:
        self.follows: set[str] = set()
        self.muted: set[str] = set()
        self.barred: set[tuple[str, bool]] = set()
        self.close: set[str] = set()

    def hear(self, message: Message) -> None:
        match message:
            case FollowsChanged():
                _put(self.follows, message.author, message.follows)
            case MutedChanged() | inbox.MutedChanged():
                _put(self.muted, message.user, message.muted)
            case BarredChanged() | inbox.BarredChanged():
                _put(self.barred, (message.user, message.by_us), message.barred)
            case CloseChanged():
                _put(self.close, message.author, message.close)
            case _:
                raise AssertionError(f"a feed is told {message}")


def _put(those: set[Any], one: Any, is_there: bool) -> None:
    """Nothing is told twice."""
    assert (one in those) != is_there, f"{one} was so already"
    (those.add if is_there else those.discard)(one)


class People:
    def __init__(self, *users: str) -> None:
        self.kits = {user: Kit(Follows, key=user) for user in users}
        self.all_are_far = False  # nobody says at once how one comes in: they have to be asked
        self.all_are_out = False  # nobody says it when they are asked: who follows asks to be let in
        for user, kit in self.kits.items():
            for author in users:
                if author != user:
                    kit.when_glanced(f"follows:{author}", partial(self._answer_at_once, author))
                    kit.when_asked(f"follows:{author}", partial(self._answer, author))
        self.feeds = {user: Mirror() for user in users}
        self.inboxes = {user: Mirror() for user in users}
        self.notices: dict[str, dict[str, Notify]] = {user: {} for user in users}
        self.told: list[tuple[str, Message]] = []  # to posts
        self._taken = dict.fromkeys(users, 0)
        self._ways: defaultdict[tuple[str, str], deque[Message]] = defaultdict(deque)

    def say(self, user: str, message: Message) -> Any:
        """Raises: Refused."""
        reply = self.kits[user]._run(message, Principal(user=user))
        self._post(user)
        return reply

    def _answer_at_once(self, author: str, ask: DoorAsk) -> Door | None:
        return None if self.all_are_far or self.all_are_out else self.kits[author].ask(ask)

    def _answer(self, author: str, ask: DoorAsk) -> Door:
        if self.all_are_out:
            raise Unavailable("nobody is in")
        return self.kits[author].ask(ask)

    @property
    def under_way(self) -> int:
        return sum(map(len, self._ways.values()))

    def deliver(self, number: int) -> None:
        """The first message of one of the ways that have some."""
        ways = [way for way, waiting in self._ways.items() if waiting]
        if ways:
            way = ways[number % len(ways)]
            self._bring(way[1], self._ways[way].popleft())

    def settle(self) -> None:
        while self.under_way:
            self.deliver(0)

    def _post(self, user: str) -> None:
        told = self.kits[user].told
        for one in told[self._taken[user] :]:
            self._ways[(user, one.entity)].append(one.message)
        self._taken[user] = len(told)

    def _bring(self, entity: str, message: Message) -> None:
        kind, _, user = entity.partition(":")
        match kind:
            case "follows":
                self.kits[user].tell(message)
                self._post(user)
            case "feed":
                self.feeds[user].hear(message)
            case "inbox":
                self._note(user, message)
            case _:
                self.told.append((entity, message))

    def _note(self, user: str, message: Message) -> None:
        notices = self.notices[user]
        match message:
            case Notify():
                notices.setdefault(message.id, message)
            case Withdraw(id=id_, group=group):
                for one in [one for one in notices.values() if one.id == id_ or (group and one.group == group)]:
                    del notices[one.id]
            case _:
                self.inboxes[user].hear(message)


def meeting(*authors: str, user: str = "ann", door: Door | ActorError | None = None) -> Kit[Follows]:
    """A user to whom each of these opens the door, or says something else."""
    kit = Kit(Follows, key=user)
    answer = door or Door(open=True)

    def say(_: DoorAsk) -> Door:
        if isinstance(answer, ActorError):
            raise answer
        return answer

    for author in authors:
        kit.when_asked(f"follows:{author}", say)
    return kit


def following(*authors: str, user: str = "ann") -> Kit[Follows]:
    """A user who follows these."""
    kit = meeting(*authors, user=user)
    for author in authors:
        kit.ask(Follow(user=author), user=user)
    return kit


def told(kit: Kit[Follows], entity: str) -> list[object]:
    return [one.message for one in kit.told if one.entity == entity]
