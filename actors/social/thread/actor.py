"""Threads: `thread:ID`, what is said below the post of that id.

Its post opens it and closes it, and knows who may see the post: it is asked before each comment, like and read, and the
thread's messages wait meanwhile. Of a post that is gone the comments are removed some at a time.

All comments are known by their authors, up to COMMENTS_MAX, so counts are exact and every comment can be taken back.
The text of older ones is rows of the view `comments`.
"""

import math
from collections.abc import Coroutine
from typing import Any, ClassVar

from msgspec import Struct
from msgspec.structs import asdict

from greenroom.actors.inbox.messages import Withdraw
from greenroom.actors.model.actor import KindLimits
from greenroom.actors.model.errors import ActorError, Refused
from greenroom.actors.model.message import Done, Event, Message
from greenroom.actors.model.principal import STAFF_ROLES
from greenroom.actors.social.feed.messages import BarredAsk
from greenroom.actors.social.moderation.messages import Flag, Judge
from greenroom.actors.social.moderation.subject import case_of, flag_of
from greenroom.actors.social.notices import notice, notice_id
from greenroom.actors.social.post.messages import CommentsChanged
from greenroom.actors.social.post.watching import NOT_SEEN
from greenroom.actors.social.ranking.messages import Engaged
from greenroom.actors.social.texts import kept
from greenroom.actors.social.thread.admitting import MODERATORS
from greenroom.actors.social.thread.events import (
    Cleared,
    Closed,
    CommentAnew,
    CommentDeleted,
    CommentEdited,
    CommentGone,
    CommentLiked,
    CommentMade,
    CommentNew,
    CommentSaid,
    CommentUnliked,
    CommentVeiled,
    Covered,
    LikedShown,
    NamedTold,
    Opened,
    ThreadEvent,
)
from greenroom.actors.social.thread.messages import (
    Clear,
    Close,
    Comment,
    Commented,
    Cover,
    Delete,
    Edit,
    Hide,
    Like,
    LookAgain,
    Open,
    Read,
    TellNamed,
    Unlike,
    Veil,
)
from greenroom.actors.social.thread.telling import TellingThread, likes_group

COMMENTS_MAX = 20_000  # of a post, those taken back not counted
LIKES_MAX = 50_000  # of all comments of a post together
CLEARED_AT_ONCE = 200
HISTORY_MAX = 1 << 50  # events: no bound of its own. What may be said and liked has one, by user and hour
COMMENTS_PER_H, LIKES_PER_H, EDITS_PER_H = 500, 3_000, 300  # of a user, over all posts
DONE = Done()


class Thread(TellingThread):
    """What is said below a post; the key is the post's id."""

    kind = "thread"
    commands: ClassVar[tuple[type[Message], ...]] = (Comment, Edit, Delete, Like, Unlike, Read)
    internal: ClassVar[tuple[type[Message], ...]] = (Open, Close, Cover, LookAgain, Hide, Clear, TellNamed)
    events: ClassVar[tuple[type[Event], ...]] = (
        Opened,
        Closed,
        Covered,
        Cleared,
        CommentMade,
        CommentEdited,
        CommentDeleted,
        CommentVeiled,
        CommentLiked,
        CommentUnliked,
        NamedTold,
    )
    ephemerals: ClassVar[tuple[type[Struct], ...]] = (LikedShown, CommentSaid)
    publish_with = Comment
    publishes_info = False
    # All of it is kept: rows are made of it whenever somebody is forgotten, and the state has but the newest texts.
    limits = KindLimits(snapshot_every=5_000, idle_s=30.0, history_s=math.inf, history_events=HISTORY_MAX)

    def handle(self, message: Any) -> Any:
        """Raises: Refused; TypeError for what is none of its messages."""
        self._watchers.look_later()
        match message:
            case Open():
                if not self.state.author:
                    self.record(Opened(author=message.author, visibility=message.visibility))
                    self._cover(message.covered)
            case Close():
                if self.state.author and not self.state.closed:
                    self._close()
            case Cover(covered=covered):
                self._cover(covered)
            case LookAgain():
                return self._watchers.changed(message.user) if message.is_changed else self._watchers.again()
            case Clear():
                self._clear()
            case Hide():
                return self._hide(message)
            case TellNamed():
                return self._tell_named(message)
            case Comment():
                return self._comment(message)
            case Edit():
                return self._edit(message)
            case Delete():
                return self._delete(message.offset)
            case Like():
                return self._like(message.offset)
            case Unlike():
                return self._unlike(message.offset)
            case Read():
                return self._read(message)
            case _:
                raise TypeError(f"{message!r:.100} is none of its messages")
        return DONE

    def apply(self, event: ThreadEvent) -> None:
        self.state.change(event, self.offset, self.at_ms)

    # What is said.

    def _comment(self, ask: Comment) -> Coroutine[Any, Any, Commented]:
        user, text = self._speaker(), kept(ask.text)
        if not text.strip():
            raise Refused("thread.empty", "it says nothing", status=422)
        self.limit_user("thread.too_many_comments", COMMENTS_PER_H)

        async def comment() -> Commented:
            state = self.state
            await self._require_admitted(user)
            if ask.reply_to is not None:
                self._require_comment(ask.reply_to, user)
            if len(state.authors) >= COMMENTS_MAX:
                raise Refused("thread.full", f"a post takes {COMMENTS_MAX} comments", status=409)
            veil, flag = await self._judged(user, text)
            is_for_all = not veil and await self._is_for_all(user)
            offset = self.record(CommentMade(author=user, text=text, reply_to=ask.reply_to or 0, veil=veil))
            commented = Commented(offset, self.at_ms)
            if flag is not None:
                self.tell(case_of(self.key, offset), flag)
            if not veil:
                self._show(offset, is_for_all)
                self._tell_of(offset, user, text)
                if user != state.author:
                    self.tell(f"features:{user}", Engaged(author=state.author, post=self.key, did="comment"))
            return commented

        return comment()

    def _edit(self, ask: Edit) -> Coroutine[Any, Any, Done]:
        user, text, offset = self._speaker(), kept(ask.text), ask.offset
        if not text.strip():
            raise Refused("thread.empty", "it says nothing", status=422)
        self.limit_user("thread.too_many_edits", EDITS_PER_H)

        async def edit() -> Done:
            await self._require_admitted(user)
            self._require_comment(offset, user)
            if self.state.authors[offset] != user:
                raise Refused("thread.not_yours", "only its author may edit a comment")
            veil, flag = await self._judged(user, text)
            is_for_all = not veil and await self._is_for_all(user)
            before = self.state.veils.get(offset, "")
            if veil and not before:
                self._withdraw(offset)
            self.record(CommentEdited(comment=offset, author=user, text=text, veil=veil or before, before=before))
            if flag is not None:
                self.tell(case_of(self.key, offset), flag)
            if not (veil or before):
                self._show(offset, is_for_all)
                self._name(offset, text)
            elif not before:
                self.tell(self._post, CommentsChanged(count=self.state.count))
            return DONE

        return edit()

    async def _judged(self, user: str, text: str) -> tuple[Veil, Flag | None]:
        """With what moderators are told of it. Raises: Refused by a rule."""
        verdict = await self.ask("rules:all", Judge(author=user, text=text))
        if verdict.verdict == "refuse":
            raise Refused("thread.against_the_rules", verdict.rule, status=422)
        veil: Veil = "pending" if verdict.verdict == "hide" else "shadowed" if verdict.verdict == "shadow" else ""
        return veil, flag_of(verdict, user)

    def _delete(self, offset: int) -> Done | Coroutine[Any, Any, Done]:
        """One's own also where the post is not to be seen any more."""
        who, state = self.principal, self.state
        is_moderator = who.system or not MODERATORS.isdisjoint(who.roles)
        user = who.user if is_moderator else self._speaker()
        if is_moderator or user in (state.author, state.authors.get(offset)):
            self._take_back(offset, user)
            return DONE

        async def delete() -> Done:
            await self._require_admitted(user)
            self._require_comment(offset, user)
            raise Refused("thread.not_yours", "only its author, the post's, or a moderator may delete a comment")

        return delete()

    def _take_back(self, offset: int, user: str) -> None:
        state = self.state
        self._require_comment(offset, user)
        was_seen = offset not in state.veils
        self._withdraw(offset)
        self.record(CommentDeleted(comment=offset, by=user))
        if was_seen:
            self.tell(self._post, CommentsChanged(count=state.count))

    def _hide(self, ask: Hide) -> Done | Coroutine[Any, Any, Done]:
        state, offset = self.state, ask.offset
        veil = state.veils.get(offset)
        if offset not in state.authors or (veil == "pending" if ask.hidden else veil is None):
            return DONE
        if ask.edited_ms not in (None, state.edited.get(offset, 0)):
            self.tell(case_of(self.key, offset), Flag(author=state.authors[offset], rule="", verdict="hide"))
            if not ask.hidden:
                return DONE
        if not ask.hidden:
            return self._unveil(offset)
        self._withdraw(offset)
        self.record(CommentVeiled(comment=offset, veil="pending"))
        self.tell(self._post, CommentsChanged(count=state.count))
        return DONE

    async def _unveil(self, offset: int) -> Done:
        state, author = self.state, self.state.authors[offset]
        is_for_all = await self._is_for_all(author)
        named = state.named.get(offset, ())
        self.record(CommentVeiled(comment=offset, veil=""))
        said = state.window.get(offset)
        self._show(offset, is_for_all)
        self._tell_of(offset, author, "" if said is None else said.text, named)
        return DONE

    def _cover(self, covered: bool) -> None:
        state = self.state
        if state.author and not state.closed and covered != state.covered:
            self.record(Covered(covered=covered))
            if covered:
                self.kick(NOT_SEEN, "the post is hidden", but=(state.author,), but_roles=STAFF_ROLES)

    def _close(self) -> None:
        """Its author hears of the end from the post, too, which may come before what was told of a comment that was
        made meanwhile: what comes from here comes behind that."""
        state = self.state
        self.record(Closed())
        # Of one's own comment one has heard only who likes it.
        if any(user != state.author or state.likes_of(comment) for comment, user in state.authors.items()):
            self.tell(f"inbox:{state.author}", Withdraw(about=self._post))
        self._clear()

    def _clear(self) -> None:
        comments = list(self.state.authors)[:CLEARED_AT_ONCE]
        if not (self.state.closed and comments):
            return
        state = self.state
        told = {user for comment in comments for user in state.named.get(comment, ())}
        told |= {state.authors[comment] for comment in comments if state.likes_of(comment)}
        self.record(Cleared(comments=comments))
        for user in sorted(told - {self.state.author}):  # who has heard of it by now
            self.tell(f"inbox:{user}", Withdraw(about=self._post))
        if self.state.authors:
            self.tell(self.entity, Clear())

    # Likes.

    def _like(self, offset: int) -> Coroutine[Any, Any, Done]:
        user = self._speaker()

        async def like() -> Done:
            await self._require_admitted(user)
            self._require_comment(offset, user)
            if self.state.likes >= LIKES_MAX:
                raise Refused("thread.too_many_likes", f"comments of a post take {LIKES_MAX} likes", status=409)
            if user not in self.state.likers.get(offset, ()):
                self.limit_user("thread.too_many_likes_of_yours", LIKES_PER_H)
                self.record(CommentLiked(comment=offset, user=user))
                author = self.state.authors[offset]
                if author != user:
                    group = likes_group(self.key, offset)
                    self.tell(
                        f"inbox:{author}", notice("like", self.key, user, at_ms=self.at_ms, of=str(offset), group=group)
                    )
                self._show_likes(offset)
            return DONE

        return like()

    def _unlike(self, offset: int) -> Coroutine[Any, Any, Done]:
        user = self._speaker()

        async def unlike() -> Done:
            await self._require_admitted(user)
            self._require_comment(offset, user)
            if user in self.state.likers.get(offset, ()):
                self.record(CommentUnliked(comment=offset, user=user))
                withdrawn = notice_id("like", self.key, user, str(offset))
                self.tell(f"inbox:{self.state.authors[offset]}", Withdraw(id=withdrawn))
                self._show_likes(offset)
            return DONE

        return unlike()

    def _show_likes(self, offset: int) -> None:
        self.publish(LikedShown(offset, self.state.likes_of(offset)), key=f"likes {offset}")

    # What is seen of it.

    async def _is_for_all(self, author: str) -> bool:
        """May all who watch be told what that user says? Not where there is a block between them and one of these: then
        there is a comment, and who may reads what it says."""
        if not self.audience:
            return True
        try:
            barred = await self.ask(f"feed:{author}", BarredAsk())
        except ActorError:
            return False
        return not barred.and_more and {who.user for who in self.audience}.isdisjoint(barred.users)

    def _show(self, offset: int, is_for_all: bool) -> None:
        """To who watches now, and to nobody later."""
        shown = self.state.shown_one(offset)
        if shown is not None and is_for_all:
            self.publish(CommentSaid(**asdict(shown)), key=f"said {offset}")

    @classmethod
    def publication(cls, event: ThreadEvent) -> Struct | None:
        """With a veil as without one, or whose it is would see by their own channel that it has one. What is told says
        neither whose it is nor what it says; who reads then finds it, or nothing."""
        match event:
            case CommentMade():
                return CommentNew()
            case CommentEdited(comment=comment, veil="pending", before="") | CommentDeleted(comment=comment):
                return CommentGone(comment)
            case CommentEdited(comment=comment) | CommentVeiled(comment=comment, veil=""):
                return CommentAnew(comment)
            case CommentVeiled(comment=comment):
                return CommentGone(comment)
        return None
