"""Who hears of a comment: the post's author, whose comment it answers, and whom it names, each once."""

from collections.abc import Coroutine, Sequence
from typing import Any

from greenroom.actors.inbox.messages import NoticeKind, Withdraw
from greenroom.actors.model.errors import ActorError
from greenroom.actors.social.follows.messages import EdgeAsk
from greenroom.actors.social.notices import notice, notice_id
from greenroom.actors.social.post.messages import CommentsChanged, MayAct
from greenroom.actors.social.texts import mentions_of
from greenroom.actors.social.thread.events import NamedTold
from greenroom.actors.social.thread.messages import TellNamed
from greenroom.actors.social.thread.reading import ReadThread

NAMED_MAX = 10  # of one comment, over all edits


class TellingThread(ReadThread):
    """A thread that tells others of what is said in it."""

    def _tell_of(self, offset: int, author: str, text: str, named: Sequence[str] = ()) -> None:
        """It is seen from now on; `named` are those who were told before it was hidden."""
        state = self.state
        self.tell(self._post, CommentsChanged(count=state.count))
        if author != state.author:
            said = notice("comment", self.key, author, at_ms=self.at_ms, of=str(offset), text=text)
            self.tell(f"inbox:{state.author}", said)
        self._name(offset, text, state.authors.get(state.replies.get(offset, 0), ""), named)

    def _name(self, offset: int, text: str, replied: str = "", named: Sequence[str] = ()) -> None:
        """Whom it answers, and whom it names, but those who have been told."""
        author, known = self.state.authors[offset], self.state.named.get(offset, ())
        told = {author, self.state.author, *known}
        replied = "" if replied in told else replied
        left = max(0, NAMED_MAX - len(known))
        names = dict.fromkeys((*mentions_of(text), *named))
        mentioned = [user for user in names if user not in told and user != replied][:left]
        if replied or mentioned:
            self.tell(self.entity, TellNamed(offset=offset, replied=replied, mentioned=mentioned))

    def _tell_named(self, ask: TellNamed) -> Coroutine[Any, Any, None]:
        async def tell() -> None:
            state, offset = self.state, ask.offset
            author = state.authors.get(offset)
            if author is None or offset in state.veils or state.closed:
                return
            known = state.named.get(offset, ())
            named: dict[str, NoticeKind] = {user: "mention" for user in ask.mentioned if user not in known}
            if ask.replied and ask.replied not in known:
                named[ask.replied] = "reply"
            told = [(user, kind) for user, kind in named.items() if await self._wants(user, author)]
            if not named:
                return
            self.record(NamedTold(comment=offset, users=list(named)))
            said = state.window.get(offset)
            text = "" if said is None else said.text
            for user, kind in told:
                self.tell(f"inbox:{user}", notice(kind, self.key, author, at_ms=self.at_ms, of=str(offset), text=text))

        return tell()

    async def _wants(self, user: str, author: str) -> bool:
        """May they see the post, and hear of that author? Raises: ActorError where that can't be said now."""
        try:
            edge = await self.ask(f"follows:{user}", EdgeAsk(author=author))
            if edge.barred:
                return False
            await self.ask(self._post, MayAct(user=user))
        except ActorError as error:
            if error.temporary:
                raise
            return False
        return True

    def _withdraw(self, offset: int) -> None:
        """It is not seen any more."""
        state = self.state
        if offset in state.veils:
            return
        author = state.authors[offset]
        kinds: tuple[NoticeKind, ...] = ("reply", "mention")
        if author != state.author:
            self.tell(f"inbox:{state.author}", Withdraw(id=notice_id("comment", self.key, author, str(offset))))
        for user in state.named.get(offset, ()):
            for kind in kinds:
                self.tell(f"inbox:{user}", Withdraw(id=notice_id(kind, self.key, author, str(offset))))
        if state.likes_of(offset):
            self.tell(f"inbox:{author}", Withdraw(group=likes_group(self.key, offset)))


def likes_group(post: str, offset: int) -> str:
    """Of the notices that a comment's author gets of its likes."""
    return f"like:{post}:{offset}"
