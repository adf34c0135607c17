"""Reading a thread: its newest comments out of the state, older ones out of the view `comments`.

The first page costs no statement, and the post is asked about a reader once in a while only; whose words the reader
does not want, or may not have, the reader's feed says each time. A thread that thousands read goes on meanwhile. A
cursor made here names the comment behind which rows are to be read; those behind that are the view's own.
"""

from collections.abc import Iterable

from msgspec.structs import replace

from greenroom.actors.model.actor import Aside, Reads
from greenroom.actors.model.errors import Refused
from greenroom.actors.social.feed.messages import UnwantedAmong
from greenroom.actors.social.post.watching import is_staff
from greenroom.actors.social.thread.admitting import AdmittingThread, not_found
from greenroom.actors.social.thread.messages import CommentPage, CommentShown, Read
from greenroom.actors.social.thread.view import Comments
from greenroom.actors.views.page import LIMIT_MAX
from greenroom.actors.views.query import BadQuery

READS_PER_H = 3_600  # of a user, over all posts
BEHIND = "behind "  # what a cursor begins with that names a comment: no cursor of a view has a space


class ReadThread(AdmittingThread):
    """A thread that can be read."""

    def _read(self, ask: Read) -> Aside[CommentPage]:
        """Beside what is said meanwhile."""
        user, who = self._speaker(), self.principal
        self.limit_user("thread.too_many_reads", READS_PER_H)
        is_free = self._is_free(who)

        async def read(reads: Reads) -> CommentPage:
            known = self._known
            since = known.changes
            if not (is_free or known.look(user, self.now)):
                await self._admit(user, reads)
            if (self.state.covered or self.state.closed) and not is_free:
                raise not_found()
            page = self._newest(user, ask.limit) if ask.cursor is None else None
            if page is None:
                page = await self._older(user, ask, reads)
            if not is_staff(who):
                page = await self._wanted(user, page, reads)
            if not is_free and known.has_changed(user, since):
                await self._admit(user, reads)  # since what is on the page was there
            if (self.state.covered or self.state.closed) and not is_free:
                raise not_found()
            return self._still_there(user, page, sees_veiled=is_staff(who))

        return Aside(read)

    def _still_there(self, user: str, page: CommentPage, *, sees_veiled: bool) -> CommentPage:
        """Without what was deleted or hidden while the rest was asked for."""
        authors, veils = self.state.authors, self.state.veils

        def is_there(one: CommentShown) -> bool:
            return one.offset in authors and (sees_veiled or one.offset not in veils or one.author == user)

        return replace(page, comments=[one for one in page.comments if is_there(one)])

    async def _wanted(self, user: str, page: CommentPage, reads: Reads) -> CommentPage:
        """Without what is by whom they have muted, or who has blocked the other: their feed knows."""
        authors = {one.author for one in page.comments} - {user}
        if not authors:
            return page
        unwanted = (await reads.ask(f"feed:{user}", UnwantedAmong(users=sorted(authors)))).users
        if not unwanted:
            return page
        return replace(page, comments=[one for one in page.comments if one.author not in unwanted])

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

    async def _older(self, user: str, ask: Read, reads: Reads) -> CommentPage:
        """Raises: Refused."""
        cursor, limit, before = ask.cursor, ask.limit, None
        if cursor is not None and cursor.startswith(BEHIND):
            before, cursor = _offset(cursor), None
            newer = sum(1 for offset in self.state.authors if offset >= before)
            limit = min(LIMIT_MAX, limit + newer)
        try:
            found = await reads.query(Comments.Row, self.key, limit=limit, after=cursor)
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
        """How many there are. What they say is not for all who watch, and read."""
        return CommentPage(comments=[], count=self.state.count)


def _offset(cursor: str) -> int:
    """Raises: Refused."""
    number = cursor.removeprefix(BEHIND)
    if not (number.isascii() and number.isdigit() and len(number) <= 18):
        raise Refused("thread.bad_cursor", "after is no cursor of this page", status=422)
    return int(number)
