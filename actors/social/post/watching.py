"""Who may watch what only some may see: whom it is known that they may. And who watches is looked at again.

A subscription has no end of its own, and who may see a post changes: by a block, a friend less, an account that becomes
private. So whoever has begun to watch is asked about anew once what was found holds no longer, at once where the
author's `follows` says that something has changed, and ceases to watch where they may no more.
"""

from typing import ClassVar, TypeVar

from greenroom.actors.model.actor import Actor, Runtime
from greenroom.actors.model.errors import ActorError
from greenroom.actors.model.message import Message
from greenroom.actors.model.principal import STAFF_ROLES, Principal
from greenroom.actors.social.post.audience import Known
from greenroom.actors.social.post.messages import LookAgain

LOOK_S = 15.0  # between two looks at who watches
LOOKS_AT_ONCE = 50  # users asked about while messages wait; the others a second later
NOT_SEEN = 2100  # ends a subscription, for good

State_co = TypeVar("State_co", covariant=True)


class WatchedBySome(Actor[State_co]):
    """An entity that only some may watch: what it is, the subclass says."""

    look_again: ClassVar[type[Message]] = LookAgain  # what it tells itself

    def __init__(self, entity: str, runtime: Runtime) -> None:
        super().__init__(entity, runtime)
        self._known = Known()
        self._look_s = float("-inf")  # Unix: when it looks next

    async def _admit(self, user: str) -> None:
        """Find out whether that user may see it, and remember. Raises: ActorError where they may not."""
        raise NotImplementedError

    def _is_free(self, who: Principal) -> bool:
        """May they, whatever is found? Its author, and staff."""
        raise NotImplementedError

    def audience_changed(self, who: Principal, joined: bool) -> None:
        if joined:
            self._look_later()

    def _look_later(self, seconds: float = LOOK_S) -> None:
        """While somebody watches, which keeps it awake. With each message, too: after a crash nothing else would."""
        if self.audience and not 0 <= self._look_s - self.now <= seconds:
            self._look_s = self.now + seconds
            self.after(seconds, self.look_again())

    async def _look_again(self, *, is_changed: bool = False) -> None:
        """`is_changed`: what was found before does not hold."""
        if is_changed:
            self._known.forget()
        elif self._look_s - self.now > 0.5:
            return  # it looks earlier, or has just looked: another one is on its way
        else:
            self._look_s = float("-inf")
        asked = 0
        for user in sorted({who.user for who in self.audience if not self._is_free(who)}):
            if self._known.look(user, self.now + LOOK_S + 1.0):
                continue  # until the next look; and one answer may be enough for many
            if asked == LOOKS_AT_ONCE:
                self._look_later(1.0)
                return
            asked += 1
            try:
                await self._admit(user)
            except ActorError as error:
                if error.temporary:
                    break  # nobody can say now
                self.kick(NOT_SEEN, "it is not for you any more", user=user, but_roles=STAFF_ROLES)
        self._look_later()


def is_staff(who: Principal) -> bool:
    return who.system or not STAFF_ROLES.isdisjoint(who.roles)
