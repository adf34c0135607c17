"""Who may say something in a thread, read it, and watch it: who can see its post.

The post is asked each time that something is said; what it has said holds for a while for reads, and for who watches.
Who may not hears that there is no such post, whatever they ask of it.
"""

from greenroom.actors.model.actor import Actor, Reads, Runtime
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.principal import STAFF_ROLES, Principal
from greenroom.actors.social.post.messages import MayAct
from greenroom.actors.social.post.watching import Watchers, is_staff
from greenroom.actors.social.thread.messages import LookAgain
from greenroom.actors.social.thread.state import ThreadState

MODERATORS = STAFF_ROLES | {"moderator"}


class AdmittingThread(Actor[ThreadState]):
    """A thread that knows who may read it."""

    def __init__(self, entity: str, runtime: Runtime) -> None:
        super().__init__(entity, runtime)
        self._watchers = Watchers(self, LookAgain(), admit=self._admit, is_free=self._is_free)
        self._known = self._watchers.known

    def audience_changed(self, who: Principal, joined: bool) -> None:
        if joined:
            self._watchers.look_later()

    @property
    def _post(self) -> str:
        return f"post:{self.key}"

    def _speaker(self) -> str:
        user = self.require_user()
        self._require_open()
        return user

    def _require_open(self) -> None:
        state = self.state
        if not state.author or (state.closed and not self._is_free(self.principal)):
            raise not_found()
        if state.closed:
            raise Refused("post.gone", "it was deleted, or its time is over", status=410)

    def _require_comment(self, offset: int, user: str) -> None:
        """Of who was admitted. Raises: Refused."""
        state = self.state
        author = state.authors.get(offset)
        is_seen = offset not in state.veils or user == author or not MODERATORS.isdisjoint(self.principal.roles)
        if author is None or not (is_seen or self.principal.system):
            raise Refused("thread.no_such_comment", "there is no such comment", status=404)

    async def _require_admitted(self, user: str) -> None:
        """By the post. Raises: Refused."""
        if not self._is_free(self.principal):
            await self._admit(user)

    async def _admit(self, user: str, reads: Reads | None = None) -> None:
        since = self._known.changes  # with `reads`, messages are handled meanwhile
        try:
            await (reads or self).ask(self._post, MayAct(user=user))
        except Refused:
            self._known.learn(user, False, self.now, since)
            raise
        self._known.learn(user, True, self.now, since)

    def _is_free(self, who: Principal) -> bool:
        return who.user == self.state.author or is_staff(who)

    def may_watch(self) -> None:
        """Who has just read the thread, or watches it. Raises: Refused."""
        self._require_open()
        user = self.principal.user
        if self._is_free(self.principal):
            return
        if self.state.covered or not user or not self._known.look(user, self.now):
            raise not_found()


def not_found() -> Refused:
    return Refused("post.not_found", "there is no such post", status=404)
