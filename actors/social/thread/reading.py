"""Reading a thread: its newest comments out of the state, older ones out of the view `comments`.

The first page costs no statement, and the post is asked about a reader once in a while only: a thread that thousands
read goes on taking what they say. A cursor made here names the comment behind which rows are to be read; those behind
that are the view's own.
"""

from collections.abc import Coroutine, Iterable
from typing import Any

from greenroom.actors.model.errors import Refused
from greenroom.actors.social.thread.admitting import AdmittingThread
from greenroom.actors.social.thread.messages import CommentPage, CommentShown, Read
from greenroom.actors.social.thread.view import Comments
from greenroom.actors.views.page import LIMIT_MAX
from greenroom.actors.views.query import BadQuery

READS_PER_H = 3_600  # of a user, over all posts
BEHIND = "behind "  # what a cursor begins with that names a comment: no cursor of a view has a space


class ReadThread(AdmittingThread):
    """A thread that can be read."""

    def _read(self, ask: Read) -> CommentPage | Coroutine[Any, Any, CommentPage]:
        user = self._speaker()
        self.limit_user("thread.too_many_reads", READS_PER_H)
        may = self._is_free(self.principal) or self._known.look(user, self.now)
        newest = self._newest(user, ask.limit) if ask.cursor is None else None
        if may and newest is not None:
            return newest

        async def read() -> CommentPage:
            if not may:
                await self._require_admitted(user)
            return newest if newest is not None else await self._older(user, ask)

        return read()

    def _newest(self, user: str, limit: int) -> CommentPage | None:
        """None where the state knows none of those that are there."""
        state = self.state
        first = next(iter(state.window), 0)
        if not first and state.authors:
            return None
        comments = state.shown(to=user)[::-1]
        shown = comments[:limit]
        last = shown[-1].offset if len(shown) < len(comments) else first
        has_more = next(iter(state.authors), last) < last
        return self._page(user, shown, f"{BEHIND}{last}" if has_more else None)

    async def _older(self, user: str, ask: Read) -> CommentPage:
        """Raises: Refused."""
        cursor, limit, before = ask.cursor, ask.limit, None
        if cursor is not None and cursor.startswith(BEHIND):
            before, cursor = _offset(cursor), None
            newer = sum(1 for offset in self.state.authors if offset >= before)
            limit = min(LIMIT_MAX, limit + newer)
        try:
            found = await self.query(Comments.Row, self.key, limit=limit, after=cursor)
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
            if (not row.veil or row.author == user) and (before is None or row.offset < before)
        ]
        return self._page(user, comments, found.next)

    def _page(self, user: str, comments: Iterable[CommentShown], behind: str | None) -> CommentPage:
        return CommentPage(comments=list(comments), next=behind, count=self.state.count_for(user))

    def view(self) -> CommentPage:
        """The newest ones, newest first."""
        return CommentPage(comments=self.state.shown()[::-1], count=self.state.count)


def _offset(cursor: str) -> int:
    """Raises: Refused."""
    number = cursor.removeprefix(BEHIND)
    if not (number.isascii() and number.isdigit() and len(number) <= 18):
        raise Refused("thread.bad_cursor", "after is no cursor of this page", status=422)
    return int(number)
