"""Who may say something in a thread, and see it: who can see its post, which is asked each time."""

from greenroom.actors.model.actor import Actor, Runtime
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.principal import STAFF_ROLES
from greenroom.actors.social.post.audience import Known
from greenroom.actors.social.post.messages import MayAct
from greenroom.actors.social.thread.messages import CommentPage, CommentShown, Read
from greenroom.actors.social.thread.state import ThreadState
from greenroom.actors.social.thread.view import Comments
from greenroom.actors.views.query import BadQuery

MODERATORS = STAFF_ROLES | {"moderator"}


class AdmittingThread(Actor[ThreadState]):
    """A thread that knows who may read it."""

    def __init__(self, entity: str, runtime: Runtime) -> None:
        super().__init__(entity, runtime)
        self._known = Known()  # who may watch: what the post has said holds for a while, for that alone

    @property
    def _post(self) -> str:
        return f"post:{self.key}"

    async def _read(self, ask: Read) -> CommentPage:
        user = self._speaker()
        await self._require_admitted(user)
        try:
            found = await self.query(Comments.Row, self.key, limit=ask.limit, after=ask.cursor)
        except BadQuery as error:
            raise Refused("thread.bad_cursor", str(error), status=422) from None
        comments = [
            CommentShown(
                offset=row.offset,
                author=row.author,
                text=row.text,
                at_ms=row.at_ms,
                edited_ms=row.edited_ms,
                reply_to=row.reply_to,
                likes=row.likes,
            )
            for row in found.rows
            if not row.veil or row.author == user
        ]
        return CommentPage(comments=comments, next=found.next, count=self.state.count_for(user))

    def view(self) -> CommentPage:
        """The newest ones, newest first."""
        return CommentPage(comments=self.state.shown()[::-1], count=self.state.count)

    def _speaker(self) -> str:
        user = self.require_user()
        self._require_open()
        return user

    def _require_open(self) -> None:
        if not self.state.author:
            raise Refused("post.not_found", "there is no such post", status=404)
        if self.state.closed:
            raise Refused("post.gone", "it was deleted, or its time is over", status=410)

    def _require_comment(self, offset: int, user: str) -> None:
        state = self.state
        author = state.authors.get(offset)
        is_seen = offset not in state.veils or user == author or not MODERATORS.isdisjoint(self.principal.roles)
        if author is None or not (is_seen or self.principal.system):
            raise Refused("thread.no_such_comment", "there is no such comment", status=404)

    async def _require_admitted(self, user: str) -> None:
        """By the post. Raises: Refused."""
        if user == self.state.author or not STAFF_ROLES.isdisjoint(self.principal.roles):
            return
        try:
            await self.ask(self._post, MayAct(user=user))
        except Refused:
            self._known.learn(user, False, self.now)
            raise
        self._known.learn(user, True, self.now)

    def may_watch(self) -> None:
        """Everybody, of a post for everybody; else who has just read the thread. Raises: Refused."""
        self._require_open()
        user, state = self.principal.user, self.state
        if user == state.author or not STAFF_ROLES.isdisjoint(self.principal.roles):
            return
        may = self._known.look(user, self.now)
        if state.covered or not (may or (may is None and state.visibility == "public")):
            raise Refused("post.not_found", "there is no such post", status=404)
