"""Posts: `post:ID`, one post from the moment it is published until it is deleted, or a story's day is over.

    (unwanted) ──► published ◄──► hidden, pending ──► deleted, or ended

What it says is read through the reader's feed, where privacy is decided; here is what becomes of it. Who wants to act
on it must be able to see it (admitting.py), and has one reaction (reacting.py); who else hears of it is in telling.py.

A story may be shared like any post; what shares it shows it for as long as it is there, and the shares are not counted.
"""

from collections.abc import Coroutine
from typing import Any, ClassVar

from msgspec import Struct
from msgspec.structs import replace

from greenroom.actors.inbox.messages import Withdraw
from greenroom.actors.model.actor import KindLimits
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.message import Done, Event, Message
from greenroom.actors.model.principal import STAFF_ROLES
from greenroom.actors.social.moderation.messages import Flag, Judge
from greenroom.actors.social.moderation.subject import case_of, flag_of
from greenroom.actors.social.names import is_post_id, ms_of
from greenroom.actors.social.notices import notice_id
from greenroom.actors.social.post.events import (
    CommentsCounted,
    Content,
    CountsShown,
    Deleted,
    Edited,
    EditedShown,
    Ended,
    GoneShown,
    Hidden,
    MentionsTold,
    PostEvent,
    Published,
    ReactionChanged,
    ShardCounted,
    Sharded,
    SharesCounted,
    Shown,
    Unwanted,
)
from greenroom.actors.social.post.messages import (
    AudienceChanged,
    CommentsChanged,
    Delete,
    Edit,
    End,
    Hide,
    LookAgain,
    MayAct,
    MineOf,
    Publish,
    React,
    Recount,
    Said,
    SaidOf,
    ShardChanged,
    Shared,
    SharesChanged,
    ShowCounts,
    TellMentioned,
    TellShared,
    Unreact,
    Watch,
)
from greenroom.actors.social.post.shards import Drop, shard_entity
from greenroom.actors.social.post.telling import TellingPost
from greenroom.actors.social.post.watching import NOT_SEEN
from greenroom.actors.social.spread.jobs import SpreadPlan
from greenroom.actors.social.texts import kept, tags_of
from greenroom.actors.social.thread.messages import Close, Cover, Open
from greenroom.actors.social.thread.messages import LookAgain as LookAtThread

DAY_MS = 86_400_000
EARLY_MS = 600_000  # by how much an id's time may differ from now where a post is deleted before it has come
UNWANTED_MAX = 10
EDITS_PER_H, EARLY_PER_H = 300, 300  # of a user, over all posts
MODERATORS = STAFF_ROLES | {"moderator"}
END = "end"  # the timer of a story
DONE = Done()


class Post(TellingPost):
    """One post; the key is its id."""

    kind = "post"
    commands: ClassVar[tuple[type[Message], ...]] = (React, Unreact, Watch, Edit, Delete, Recount)
    internal: ClassVar[tuple[type[Message], ...]] = (
        Publish,
        End,
        CommentsChanged,
        SharesChanged,
        Shared,
        AudienceChanged,
        LookAgain,
        Hide,
        MineOf,
        MayAct,
        SaidOf,
        ShardChanged,
        ShowCounts,
        TellMentioned,
        TellShared,
    )
    events: ClassVar[tuple[type[Event], ...]] = (
        Published,
        Edited,
        Deleted,
        Ended,
        Hidden,
        Shown,
        Unwanted,
        ReactionChanged,
        Sharded,
        ShardCounted,
        CommentsCounted,
        SharesCounted,
        MentionsTold,
    )
    ephemerals: ClassVar[tuple[type[Struct], ...]] = (CountsShown,)
    publishes_info = False
    # A full state is 0.4 MB: with this many events between snapshots, 10,000 reactions/s write 0.2 MB/s of them.
    limits = KindLimits(snapshot_every=20_000, idle_s=30.0, timers_max=10)

    def handle(self, message: Any) -> Any:
        """Raises: Refused; TypeError for what is none of its messages."""
        self._watchers.look_later()
        match message:
            case React():
                user = self.require_user()
                self._require_there(user)
                return self._for(user, lambda: self._react(user, message.reaction))
            case Unreact():
                user = self.require_user()
                self._require_there(user)
                return self._take_back(user)
            case Watch():
                user = self.require_user()
                self._require_there(user)
                return self._for(user, lambda: self._counted)
            case ShardChanged():
                self._count_shard(message)
            case MineOf():
                return self._mine(message.user)
            case SaidOf():
                self._require_there(self.state.author)  # or its case, where nobody else sees it
                content = self.state.content
                return Said(author=content.author, text=content.text, media=content.media, edited_ms=content.edited_ms)
            case MayAct(user=user):
                self._require_there(user)
                return self._for(user, lambda: DONE)
            case AudienceChanged(user=user):
                self.nudge([self._thread], LookAtThread(is_changed=True, user=user))
                return self._watchers.changed(user)
            case LookAgain():
                return self._watchers.again()
            case CommentsChanged(count=count):
                if self.state.author and not self.state.gone and count != self.state.comments:
                    self.record(CommentsCounted(count=count))
                    self._show_counts()
            case SharesChanged():
                self._count_share(message)
            case Shared():
                self._hear_of_share(message)
            case TellShared():
                return self._tell_author_of_share()
            case ShowCounts():
                self._counts_due = False
                self._show_counts()
            case Publish():
                self._publish(message)
            case Edit():
                return self._edit(message.text)
            case Delete():
                self._delete()
            case End():
                self._end()
            case Hide():
                self._hide(message)
            case TellMentioned():
                return self._tell_mentioned() if self.state.is_seen else None
            case Recount():
                return self._recount()
            case _:
                raise TypeError(f"{message!r:.100} is none of its messages")
        return DONE

    def apply(self, event: PostEvent) -> None:
        self.state.change(event)

    # From its beginning to its end.

    def _publish(self, ask: Publish) -> None:
        state = self.state
        if state.author:
            return  # a second time
        if not is_post_id(self.key):
            raise self._not_found
        if ask.author in state.unwanted_by:
            self.record(Deleted(author=ask.author, by=ask.author))
            return
        text = kept(ask.text)
        content = Content(
            author=ask.author,
            text=text,
            media=ask.media,
            tags=tags_of(text),
            visibility=ask.visibility,
            is_story=ask.is_story,
            ends_ms=self._ends_ms() if ask.is_story else 0,
            share_of=ask.share_of or "",
        )
        self.record(Published(content=content, is_pending=ask.is_pending, is_shadowed=ask.is_shadowed))
        self.tell(self._thread, Open(author=ask.author, visibility=ask.visibility, covered=state.is_veiled))
        if ask.is_story:
            self.set_timer(END, End(), at=content.ends_ms / 1000)
        if state.is_out:
            self._go_out()

    def _ends_ms(self) -> int:
        """When a story that begins now is over."""
        return int(self.now * 1000) + DAY_MS

    def _go_out(self) -> None:
        """Everybody who may see it can do so from now on, for the first time."""
        content = self.state.content
        self.start_job(
            SpreadPlan(
                post=self.key,
                author=content.author,
                at_ms=ms_of(self.key),
                is_story=content.is_story,
                visibility=content.visibility,
            )
        )
        self._tell_shared(1)
        self._mention()

    def _settle(self, was_seen: bool) -> None:
        """It was seen, or not, and that may have changed: what follows from that."""
        state = self.state
        if was_seen == state.is_seen:
            return
        self._tell_shared(-1 if was_seen else 1)
        self.tell(self._thread, Cover(covered=was_seen))
        if was_seen:
            self.kick(NOT_SEEN, "it is hidden", but=(state.author,), but_roles=STAFF_ROLES)
            # Not all about the post, which is not gone: that would take more, and for good.
            told = Withdraw(id=notice_id("mention", self.key, state.author))
            for user in sorted(state.mentioned):
                self.tell(f"inbox:{user}", told)

    def _edit(self, text: str) -> Coroutine[Any, Any, Done]:
        user, content = self.require_user(), self.state.content
        self._require_there(user)
        if user != content.author:
            raise self._not_found  # whether they may see it or not
        if self.state.is_hidden:
            raise Refused("post.hidden", "it is hidden")
        text = kept(text)
        if not (text.strip() or content.media or content.share_of):
            raise Refused("post.empty", "there would be nothing left of it", status=422)
        self.limit_user("post.too_many_edits", EDITS_PER_H)

        async def edit() -> Done:
            if text == content.text:
                return DONE
            verdict = await self.ask("rules:all", Judge(author=user, text=text))
            if verdict.verdict == "refuse":
                raise Refused("post.against_the_rules", verdict.rule, status=422)
            was_seen = self.state.is_seen
            edited = replace(content, text=text, tags=tags_of(text), edited_ms=int(self.now * 1000))
            self.record(
                Edited(
                    content=edited,
                    tags_before=content.tags,
                    is_pending=self.state.is_pending or verdict.verdict == "hide",
                    is_shadowed=self.state.is_shadowed or verdict.verdict == "shadow",
                )
            )
            flag = flag_of(verdict, user)
            if flag is not None:
                self.tell(case_of(self.key), flag)
            self._settle(was_seen)
            self._mention()
            return DONE

        return edit()

    def _delete(self) -> None:
        state, who = self.state, self.principal
        if not state.author:
            self._delete_early()
        elif not (who.system or not MODERATORS.isdisjoint(who.roles)) and self.require_user() != state.author:
            raise self._not_found
        elif not state.gone:
            self._leave(Deleted(author=state.author, by=who.user, tags=state.content.tags))

    def _delete_early(self) -> None:
        """Its author, who alone can know the id, is faster than what publishes it: then it is deleted when it comes."""
        user = self.require_user()
        if not is_post_id(self.key) or abs(ms_of(self.key) - self.now * 1000) > EARLY_MS:
            raise self._not_found
        if user in self.state.unwanted_by:
            return
        if len(self.state.unwanted_by) >= UNWANTED_MAX:
            raise self._not_found
        self.limit_user("post.too_many_deletions", EARLY_PER_H)
        self.record(Unwanted(by=user))

    def _end(self) -> None:
        content = self.state.content
        if self.state.gone or not content.is_story:
            return
        if content.ends_ms / 1000 > self.now:
            self.set_timer(END, End(), at=content.ends_ms / 1000)
        else:
            self._leave(Ended(author=content.author, tags=content.tags))

    def _leave(self, event: Deleted | Ended) -> None:
        state = self.state
        told, shards = {state.author, *state.mentioned}, list(state.shards)
        if state.is_seen:
            self._tell_shared(-1)
        self.record(event)
        self.cancel_timer(END)
        self.tell(self._thread, Close())
        for user in sorted(told):
            self.tell(f"inbox:{user}", Withdraw(about=self.entity))
        for shard in shards:
            self.tell(shard_entity(self.key, shard), Drop())
        self._known.forget()

    def _hide(self, ask: Hide) -> None:
        state = self.state
        if not state.author or state.gone:
            return
        if ask.edited_ms not in (None, state.content.edited_ms):
            self.tell(case_of(self.key), Flag(author=state.author, rule="", verdict="hide"))
            if not ask.hidden:
                return
        was_out, was_seen = state.is_out, state.is_seen
        if ask.hidden and not state.is_hidden:
            self.record(Hidden(author=state.author, tags=state.content.tags, reason=ask.reason))
        elif not ask.hidden and (state.is_hidden or state.is_pending):
            self.record(
                Shown(
                    content=state.content,
                    is_shadowed=state.is_shadowed,
                    reactions=state.reactions,
                    comments=state.comments,
                    shares=state.shares,
                )
            )
        if state.is_out and not was_out:
            self.tell(self._thread, Cover(covered=False))
            self._go_out()
        else:
            self._settle(was_seen)
            self._mention()

    @property
    def _thread(self) -> str:
        return f"thread:{self.key}"

    # What is seen of it. What it says is read through the reader's feed, and only there.

    def view(self) -> CountsShown | GoneShown:
        return GoneShown() if self.state.gone else self._counts

    @classmethod
    def publication(cls, event: PostEvent) -> Struct | None:
        match event:
            case Edited():  # of one with a veil, too: whose it is would see that it has one
                return EditedShown(event.content.edited_ms)
            case Deleted() | Ended() | Hidden():
                return GoneShown()
        return None
