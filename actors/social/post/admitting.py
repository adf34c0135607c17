"""Who may act on a post, and watch it: whoever can see it. Where that is not known, its author's `follows` is asked.

Who may not hears that there is no such post, whether there is one, was one, or never was.
"""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from greenroom.actors.model.actor import Actor, Runtime
from greenroom.actors.model.errors import ActorError, Refused
from greenroom.actors.model.principal import STAFF_ROLES, Principal
from greenroom.actors.social.follows.messages import Allowed, Edge, EdgeAsk, MayAsk
from greenroom.actors.social.post.audience import may_see, wants_edge
from greenroom.actors.social.post.messages import LookAgain
from greenroom.actors.social.post.state import PostState
from greenroom.actors.social.post.watching import Watchers, is_staff

Reply = TypeVar("Reply")


class AdmittingPost(Actor[PostState]):
    """A post that knows who may act on it."""

    def __init__(self, entity: str, runtime: Runtime) -> None:
        super().__init__(entity, runtime)
        self._watchers = Watchers(self, LookAgain(), admit=self._admit, is_free=self._is_free)
        self._known = self._watchers.known

    def audience_changed(self, who: Principal, joined: bool) -> None:
        if joined:
            self._watchers.look_later()

    def _require_there(self, user: str) -> None:
        """Is there something that a user might see? Raises: Refused."""
        state = self.state
        if not state.author:
            raise self._not_found
        if user != state.author and not self._is_staff and (state.gone or state.is_veiled):
            raise self._not_found
        if state.gone:
            raise Refused("post.gone", f"it was {state.gone}", status=410)

    def _look(self, user: str) -> bool | None:
        """May they see it? None where that is not known."""
        if user == self.state.author or self._is_staff:
            return True
        return self._known.look(user, self.now)

    def _for(self, user: str, then: Callable[[], Reply]) -> Reply | Coroutine[Any, Any, Reply]:
        """Do it if the user may see the post. Raises: Refused, and does not say that there is a block."""
        may = self._look(user)
        if may is None:
            may = self._glance_at(user)
        if may is None:
            return self._having_asked(user, then)
        if not may:
            raise self._not_found
        return then()

    def _glance_at(self, user: str) -> bool | None:
        """May they see it, where that is heard without asking?"""
        author, visibility = self.state.author, self.state.content.visibility
        allowed = self.glance(f"follows:{author}", self._may_ask(user))
        edge = None
        if allowed is not None and wants_edge(visibility, allowed):
            edge = self.glance(f"follows:{user}", EdgeAsk(author=author))
            if edge is None:
                return None
        return None if allowed is None else self._learn(user, allowed, edge)

    async def _having_asked(self, user: str, then: Callable[[], Reply]) -> Reply:
        author, visibility = self.state.author, self.state.content.visibility
        allowed = await self.ask(f"follows:{author}", self._may_ask(user))
        edge = None
        if wants_edge(visibility, allowed):
            edge = await self.ask(f"follows:{user}", EdgeAsk(author=author))
        if not self._learn(user, allowed, edge):
            raise self._not_found
        return then()

    def _may_ask(self, user: str) -> MayAsk:
        return MayAsk(user=user, post=self.key, for_followers=self.state.content.visibility != "public")

    def _learn(self, user: str, allowed: Allowed, edge: Edge | None) -> bool:
        """May they see it, as was just said? That holds for a while."""
        visibility = self.state.content.visibility
        if allowed.all_barred is not None and visibility == "public" and not allowed.private:
            self._known.learn_all(allowed.all_barred, self.now)
        may = may_see(visibility, allowed, edge)
        self._known.learn(user, may, self.now)
        return may

    async def _admit(self, user: str) -> None:
        if not self.state.author or self.state.gone or self.state.is_veiled:
            raise self._not_found
        await self._having_asked(user, lambda: None)

    def _is_free(self, who: Principal) -> bool:
        return who.user == self.state.author or is_staff(who)

    def may_watch(self) -> None:
        """Who was found to be allowed, as they are once they have sent `post.watch`. Raises: Refused."""
        user = self.principal.user
        self._require_there(user)
        if not (self._is_free(self.principal) or (user and self._look(user))):
            raise self._not_found

    async def _may_be_told(self, user: str) -> bool:
        """Of it, whom its text names? Raises: ActorError where that can't be said now."""
        state = self.state
        is_narrow = state.content.visibility != "public"
        try:
            edge = await self.ask(f"follows:{user}", EdgeAsk(author=state.author))
            allowed = await self.ask(
                f"follows:{state.author}", MayAsk(user=user, post=self.key, for_followers=is_narrow)
            )
        except ActorError as error:
            if error.temporary:
                raise
            return False  # of somebody who is forgotten, say
        return may_see(state.content.visibility, allowed, edge)

    @property
    def _is_staff(self) -> bool:
        return not STAFF_ROLES.isdisjoint(self.principal.roles)  # not SYSTEM, which asks on behalf of somebody

    @property
    def _not_found(self) -> Refused:
        return Refused("post.not_found", "there is no such post", status=404)
