"""Who may watch what only some may see: whom it is known that they may. And who watches is looked at again.

A subscription has no end of its own, and who may see a post changes: by a block, a friend or a follower less, an
account that becomes private. So whoever has begun to watch is asked about anew once what was found holds no longer, at
once where the author's `follows` says that something has changed, and ceases to watch where they may no more.
"""

from bisect import bisect_left
from collections.abc import Awaitable, Callable
from typing import Any

from greenroom.actors.model.actor import Actor
from greenroom.actors.model.errors import ActorError
from greenroom.actors.model.message import Message
from greenroom.actors.model.principal import STAFF_ROLES, Principal
from greenroom.actors.social.post.audience import Known

LOOK_S = 15.0  # between two looks at who watches
LOOKS_AT_ONCE = 50  # users asked about while messages wait; the others a second later
NOT_SEEN = 2100  # ends a subscription, for good


class Watchers:
    """Of one entity, a part of it.

    `admit` finds out whether a user may see it, lets `known` learn that, and raises ActorError where they may not;
    `is_free`: may they, whatever is found? Its author, and staff. `look_again` is what it tells itself, and has `again`
    called.
    """

    def __init__(
        self,
        entity: Actor[Any],
        look_again: Message,
        *,
        admit: Callable[[str], Awaitable[None]],
        is_free: Callable[[Principal], bool],
    ) -> None:
        self.known = Known()
        self._entity = entity
        self._look_again = look_again
        self._admit = admit
        self._is_free = is_free
        self._look_s = float("-inf")  # Unix: when it looks next
        self._next = ""  # who is looked at first then

    def look_later(self, seconds: float = LOOK_S) -> None:
        """While somebody watches, which keeps it awake. With each message, too: after a crash nothing else would."""
        entity = self._entity
        if entity.audience and not 0 <= self._look_s - entity.now <= seconds:
            self._look_s = entity.now + seconds
            entity.after(seconds, self._look_again)

    async def changed(self, user: str = "") -> None:
        """What was found before does not hold, for that user or for anybody: look now."""
        self.known.forget(user)
        await self._look(user)

    async def again(self) -> None:
        """It has told itself to."""
        if self._look_s - self._entity.now > 0.5:
            return  # it looks earlier, or has just looked: another one is on its way
        self._look_s = float("-inf")
        await self._look()

    async def _look(self, user: str = "") -> None:
        entity = self._entity
        watching = {one.user for one in entity.audience if not self._is_free(one)}
        asked = 0
        names = sorted(watching & {user} if user else watching)
        first = bisect_left(names, self._next)  # those for whom there was no time
        for who in names[first:] + names[:first]:
            if self.known.look(who, entity.now + LOOK_S + 1.0):
                continue  # until the next look; and one answer may be enough for many
            if asked == LOOKS_AT_ONCE:
                self._next = who
                self.look_later(1.0)
                return
            asked += 1
            try:
                await self._admit(who)
            except ActorError as error:
                if error.temporary:
                    break  # nobody can say now
                entity.kick(NOT_SEEN, "it is not for you any more", user=who, but_roles=STAFF_ROLES)
        self.look_later()


def is_staff(who: Principal) -> bool:
    return who.system or not STAFF_ROLES.isdisjoint(who.roles)
