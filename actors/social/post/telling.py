"""Who hears of a post: those whom its text names, and the author of what it shares, as far as they may see it."""

from collections.abc import Coroutine
from typing import Any

from greenroom.actors.inbox.messages import Withdraw
from greenroom.actors.model.errors import ActorError
from greenroom.actors.social.follows.messages import MayAsk
from greenroom.actors.social.notices import notice, notice_id
from greenroom.actors.social.post.events import MentionsTold, SharesCounted
from greenroom.actors.social.post.messages import Shared, SharesChanged, TellMentioned, TellShared
from greenroom.actors.social.post.reacting import ReactingPost
from greenroom.actors.social.ranking.messages import Engaged
from greenroom.actors.social.texts import mentions_of

MENTIONED_MAX = 500  # over all edits
MENTIONS_AT_ONCE = 10  # asked about while messages wait


class TellingPost(ReactingPost):
    """A post that others are told of."""

    # What it shares.

    def _tell_shared(self, by: int) -> None:
        """Each share counts; who does it, is said of one that everybody may see."""
        content = self.state.content
        if content.share_of:
            self.tell(f"post:{content.share_of}", SharesChanged(by=by, user=content.author, post=self.key))
            if by > 0 and content.visibility == "public":
                self.tell(self.entity, TellShared())

    def _tell_author_of_share(self) -> Coroutine[Any, Any, None] | None:
        content = self.state.content
        if not (self.state.is_seen and content.share_of):
            return None

        async def tell() -> None:
            try:
                allowed = await self.ask(f"follows:{content.author}", MayAsk(user=content.author, post=self.key))
            except ActorError as error:
                if error.temporary:
                    raise
                return  # of somebody who is forgotten, say
            if not allowed.private:
                self.tell(f"post:{content.share_of}", Shared(user=content.author, post=self.key))

        return tell()

    # What shares it.

    def _count_share(self, changed: SharesChanged) -> None:
        state = self.state
        count = max(0, state.shares + changed.by)
        if not state.author or state.gone or state.content.is_story or count == state.shares:
            return
        self.record(SharesCounted(count=count))
        self._show_counts()
        if not changed.user or changed.user == state.author or state.is_veiled:
            return
        if changed.by > 0:
            engaged = Engaged(author=state.author, post=self.key, did="share")
            self.tell(f"features:{changed.user}", engaged)
        else:
            withdrawn = notice_id("share", self.key, changed.user, changed.post)
            self.tell(f"inbox:{state.author}", Withdraw(id=withdrawn))

    def _hear_of_share(self, shared: Shared) -> None:
        state = self.state
        if state.author and not (
            state.gone or state.content.is_story or state.is_veiled or shared.user == state.author
        ):
            said = notice("share", self.key, shared.user, at_ms=int(self.now * 1000), of=shared.post)
            self.tell(f"inbox:{state.author}", said)

    # Whom it names.

    @property
    def _unmentioned(self) -> list[str]:
        """Whom its text names, and who has yet to be told."""
        state = self.state
        left = MENTIONED_MAX - len(state.mentioned)
        names = [one for one in mentions_of(state.content.text) if one not in state.mentioned and one != state.author]
        return names[: max(0, left)]

    def _mention(self) -> None:
        if self.state.is_seen and self._unmentioned:
            self.tell(self.entity, TellMentioned())

    def _tell_mentioned(self) -> Coroutine[Any, Any, None]:
        async def tell() -> None:
            names = self._unmentioned[:MENTIONS_AT_ONCE]
            told = [user for user in names if await self._may_be_told(user)]
            if not names:
                return
            self.record(MentionsTold(users=names, told=len(told)))
            for user in told:
                said = notice("mention", self.key, self.state.author, at_ms=self.at_ms, text=self.state.content.text)
                self.tell(f"inbox:{user}", said)
            self._mention()

        return tell()
