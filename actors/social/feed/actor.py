"""The feed: `feed:USER`, what one user is shown. What others may do is decided elsewhere; what this one sees, here.

It mirrors what `follows` says of whom its user follows, mutes, and may not see, and asks that of each post, each time
that it is read (privacy.py). Posts themselves are nobody's here: rows of views name them (gathering.py), and their text
is fetched when they are shown. Its user posts here, too: the feed makes the post's id, and whoever waits for the answer
has it, while the post's own entity takes it from there.
"""

from collections.abc import Coroutine
from typing import Any, ClassVar
from zlib import crc32

from msgspec import Struct

from greenroom.actors.model.actor import KindLimits, Runtime
from greenroom.actors.model.errors import ActorError, Refused
from greenroom.actors.model.message import Done, Event, Message
from greenroom.actors.model.principal import STAFF_ROLES, Principal
from greenroom.actors.social.feed import home, lists, live, made
from greenroom.actors.social.feed.events import (
    Barred,
    CaughtUp,
    CloseTo,
    FeedEvent,
    Followed,
    Muted,
    PostMade,
    PostsSeen,
    Returned,
    Trimmed,
    Unfollowed,
)
from greenroom.actors.social.feed.gathering import catch_up, settles_in_s
from greenroom.actors.social.feed.messages import (
    Arrived,
    BarredAsk,
    BarredChanged,
    CatchUp,
    CloseChanged,
    FeedPage,
    Flush,
    FollowsChanged,
    Made,
    MadeAsk,
    MutedChanged,
    New,
    Of,
    Post,
    Posted,
    PostShown,
    Read,
    Rings,
    SayMade,
    SearchPosts,
    See,
    Seen,
    Show,
    Signal,
    Stories,
    Tagged,
    Top,
    Unwanted,
    UnwantedAmong,
)
from greenroom.actors.social.feed.ordering import NEWEST, explain, ranked_by
from greenroom.actors.social.feed.privacy import barred, unwanted_among
from greenroom.actors.social.feed.reader import Reader
from greenroom.actors.social.feed.rows import shown, visible
from greenroom.actors.social.feed.state import BY_THEM, BY_US, change
from greenroom.actors.social.feed.stories import rings
from greenroom.actors.social.moderation.messages import Judge
from greenroom.actors.social.moderation.subject import case_of, flag_of
from greenroom.actors.social.names import new_post_id
from greenroom.actors.social.post.messages import Publish
from greenroom.actors.social.post.views import Posts
from greenroom.actors.social.ranking.messages import Explain, Exposure, Observe
from greenroom.actors.social.ranking.values import logged
from greenroom.config.telemetry.ranking_instruments import RANKING
from greenroom.store.errors import StoreUnavailable

POSTS_PER_H = 120
SEEN_PER_H = 720  # batches of signals: one every five seconds
CATCH_UP_S = 10.0  # over which those spread who catch up by themselves


class Feed(Reader):
    """What one user is shown; the key is the user's id."""

    kind = "feed"
    key_is_user = True
    commands: ClassVar[tuple[type[Message], ...]] = (
        Post,
        Read,
        Of,
        Tagged,
        SearchPosts,
        See,
        Stories,
        Seen,
        Show,
        Explain,
    )
    internal: ClassVar[tuple[type[Message], ...]] = (
        Arrived,
        FollowsChanged,
        MutedChanged,
        BarredChanged,
        CloseChanged,
        UnwantedAmong,
        BarredAsk,
        SayMade,
        MadeAsk,
        Made,
        Flush,
        CatchUp,
    )
    events: ClassVar[tuple[type[Event], ...]] = (
        PostMade,
        Followed,
        Unfollowed,
        Muted,
        Barred,
        CloseTo,
        Returned,
        CaughtUp,
        Trimmed,
        PostsSeen,
    )
    ephemerals: ClassVar[tuple[type[Struct], ...]] = (New, Top)
    publishes_info = False
    # Where GREENROOM_PASSIVATION_IDLE_S lets it. Its cursors outlive that, see Shelf.
    limits = KindLimits(idle_s=600.0, history_events=2_000, snapshot_every=200)

    def __init__(self, entity: str, runtime: Runtime) -> None:
        super().__init__(entity, runtime)
        self._is_flushing = False
        self._is_catching_up = False  # in a while
        self._told_s = float("-inf")  # when watchers were told last
        self._top: str | None = None  # that watchers show, where they have said
        self._top_limit = 0

    def handle(self, message: Any) -> Any:
        """Raises: Refused; TypeError for what is none of its messages."""
        match message:
            case Arrived():
                return self._arrived(message)
            case Flush():
                return self._flush()
            case CatchUp():
                return self._catch_up()
            case SayMade():
                return made.say(self, message)
            case MadeAsk():
                return made.shown(self, message)
            case Made():
                return made.take(self, message)
            case UnwantedAmong(users=users):
                return Unwanted(unwanted_among(self.state, users))
            case BarredAsk():
                return barred(self.state)
            case FollowsChanged() | MutedChanged() | BarredChanged() | CloseChanged():
                return self._mirror(message)
        self._require_owner()
        match message:
            case Post():
                return self._post(message)
            case Seen():
                return self._seen(message)
            case Show():
                self._top, self._top_limit = message.top, message.limit
                return Done()
            case Read():
                return self._read(message)
            case Of():
                return lists.of_author(self, message)
            case Tagged():
                return lists.tagged(self, message)
            case SearchPosts():
                return lists.searched(self, message)
            case See():
                return self._see(message.id)
            case Stories():
                return self._rings()
            case Explain():
                return explain(self, message.post)
        raise TypeError(f"{message!r:.100} is none of its messages")

    # Posting.

    def _post(self, message: Post) -> Coroutine[Any, Any, Posted]:
        if not (message.text.strip() or message.media or message.share_of):
            raise Refused("feed.empty_post", "a text, a picture or a post to share", status=422)
        if message.is_story and message.share_of is not None:
            raise Refused("feed.story_shares", "a story is one's own", status=422)
        self.limit_user("feed.posts_often", POSTS_PER_H)

        async def post() -> Posted:
            share_of = await self._to_share(message.share_of) if message.share_of is not None else None
            judged = await self.ask("rules:all", Judge(author=self.key, text=message.text))
            if judged.verdict == "refuse":
                raise Refused("feed.text_refused", f"the rule {judged.rule} forbids it", status=422)
            id_ = new_post_id(self.now_ms)
            self.record(PostMade(post=id_, is_story=message.is_story))
            self.tell(
                f"post:{id_}",
                Publish(
                    author=self.key,
                    text=message.text,
                    media=message.media,
                    visibility=message.visibility,
                    is_story=message.is_story,
                    share_of=share_of,
                    is_pending=judged.verdict == "hide",
                    is_shadowed=judged.verdict == "shadow",
                ),
            )
            flag = flag_of(judged, self.key)
            if flag is not None:
                self.tell(case_of(id_), flag)
            return Posted(id_)

        return post()

    async def _to_share(self, wanted: str) -> str:
        """The original, where what is to be shared only shares something itself. Raises: Refused."""
        found = await self._shareable(wanted)
        if not found.share_of or found.text or found.media:
            return found.id
        return (await self._shareable(found.share_of)).id

    async def _shareable(self, post: str) -> Posts.Row:
        """Raises: Refused."""
        seen = await visible(self, [post], with_authors=True)
        found = seen.posts.get(post)
        if found is None:
            raise _no_such_post()
        is_private = found.author in seen.authors and seen.authors[found.author].private
        if found.visibility != "public" or found.is_story or (is_private and found.author != self.key):
            raise Refused("feed.not_to_be_shared", "it is not for everybody")
        return found

    # Reading.

    async def _read(self, message: Read) -> FeedPage:
        await self.wait_to_read()
        was_told = bool(self.nudged)
        self.begin_read()
        page = await home.read(self, message)
        self._end_read()
        self._catch_up_later()
        if message.cursor is None and was_told:
            self.publish(New(0), key="new")  # other devices of its user show none, too
        return page

    def _end_read(self) -> list[Event]:
        """Record what it has noted, and ask those with whom it has caught up what else there is."""
        due = self.end_read()
        for event in due:
            self.record(event)
            if isinstance(event, CaughtUp):
                self.names.expect(event.entries)
        for author, ask in self.to_ask.items():
            self.tell(f"feed:{author}", ask)
        return due

    async def _rings(self) -> Rings:
        self.begin_read()
        found = await rings(self)
        self._end_read()
        self._catch_up_later()
        return found

    def _catch_up_later(self) -> None:
        """Once walls can say all, and not with a page that somebody waits for: many are back at the same time, as after
        a start, and each of them catches up at a moment of its own."""
        if self.state.behind and not self._is_catching_up:
            self._catch_up_in(settles_in_s(self) + 1.0)

    def _catch_up_in(self, seconds: float) -> None:
        self._is_catching_up = True
        spread_s = CATCH_UP_S * (crc32(self.key.encode()) % 1_000) / 1_000
        self.after(seconds + spread_s, CatchUp())

    async def _catch_up(self) -> None:
        """Where that is not possible just now, or is not all of it yet, the next page does."""
        self._is_catching_up = False
        if self.has_line_to_read:  # those who are in it wait for their pages
            self._catch_up_in(CATCH_UP_S)
            return
        self.begin_read()
        order = self.ranked_lately()
        try:
            await catch_up(self)
        except (ActorError, StoreUnavailable) as error:
            if isinstance(error, ActorError) and not error.temporary:
                raise
            return
        entries = [entry for event in self._end_read() if isinstance(event, CaughtUp) for entry in event.entries]
        if order is not None:
            self.hold_over(order, (entry.post for entry in entries if not entry.is_story))

    async def _see(self, post: str) -> PostShown:
        found = (await visible(self, [post])).posts.get(post)
        if found is None:
            raise _no_such_post()
        return (await shown(self, [found], unasked=False))[0]

    def _seen(self, message: Seen) -> Done:
        self.limit_user("feed.seen_often", SEEN_PER_H)
        state = self.state
        seen = dict.fromkeys(one.post for one in message.signals if one.post not in state.seen)
        hid = dict.fromkeys(one.post for one in message.signals if one.did == "hid" and one.post not in state.hid)
        if seen or hid:
            self.record(PostsSeen(seen=list(seen), hid=list(hid)))
        exposures: list[Exposure] = []
        for signal in _longest(message.signals):
            served = self.served.get(signal.post)
            if served is not None:  # of others nobody knows how they were shown
                if signal.did == "seen" and served.ranking != NEWEST:
                    RANKING.exposed(ranked_by(served), served.experiment)
                exposures.append(
                    Exposure(
                        signal=signal,
                        author=served.author,
                        score=served.place.score,
                        model=ranked_by(served),
                        experiment=served.experiment,
                        features=logged(served.place.values) if served.place.values else {},
                    )
                )
        if exposures:
            self.tell(f"features:{self.key}", Observe(exposures=exposures))
        return Done()

    # What comes, while somebody watches.

    def _arrived(self, message: Arrived) -> Coroutine[Any, Any, None] | None:
        if not live.takes(self, message) or not self.audience or self._is_flushing:
            return None
        wait_s = live.wait_s(self, self._told_s)
        if wait_s:
            self._flush_in(wait_s)
            return None
        return self._flush()

    def audience_changed(self, who: Principal, joined: bool) -> None:
        """Whoever begins to watch hears of what came before that, too."""
        if joined and self.nudged:
            self._flush_in(live.FLUSH_S)

    def _flush_in(self, seconds: float) -> None:
        if self.audience and not self._is_flushing:
            self._is_flushing = True
            self.after(seconds, Flush())

    def _flush(self) -> Coroutine[Any, Any, None] | None:
        self._is_flushing = False
        self._told_s = self.now
        looked = live.look(self, self._top, self._top_limit)
        if isinstance(looked, Coroutine):
            return self._told(looked)
        self._top = looked
        return None

    async def _told(self, looking: Coroutine[Any, Any, str | None]) -> None:
        try:
            self._top = await looking
        except (ActorError, StoreUnavailable) as error:
            if isinstance(error, ActorError) and not error.temporary:
                raise
            self._flush_in(live.AGAIN_S)  # who watches would else hear of it only with the next one

    def may_sleep(self) -> bool:
        """Nudges wake nobody: whoever watches would hear of nothing more."""
        return not self.audience

    # The mirror.

    def _mirror(self, message: FollowsChanged | MutedChanged | BarredChanged | CloseChanged) -> None:
        """Only what changes something is an event."""
        state = self.state
        match message:
            case FollowsChanged(author=author, follows=True) if author not in state.follows:
                self.record(Followed(author=author))
                self.loud.drop()
            case FollowsChanged(author=author, follows=False) if author in state.follows:
                self.record(Unfollowed(author=author))
            case MutedChanged(user=user, muted=muted) if muted != (user in state.muted):
                self.record(Muted(user=user, muted=muted))
                self.loud.drop()
            case BarredChanged(user=user, by_us=by_us, barred=barred):
                side = BY_US if by_us else BY_THEM
                if barred != bool(state.barred.get(user, 0) & side):
                    self.record(Barred(user=user, by_us=by_us, barred=barred))
            case CloseChanged(author=author, close=close) if close != (author in state.close_to):
                self.record(CloseTo(author=author, close=close))

    def apply(self, event: FeedEvent) -> None:
        change(self.state, event, self.at_ms)

    # Who sees it.

    def view(self) -> Any:
        return {"follows": len(self.state.follows), "new": self.new}

    @classmethod
    def publication(cls, event: FeedEvent) -> None:
        """Nobody's to see: what is new is told apart."""

    def may_watch(self) -> None:
        """Raises: Refused."""
        self._require_owner()

    def _require_owner(self) -> None:
        who = self.principal
        if who.system or not STAFF_ROLES.isdisjoint(who.roles):
            return
        if self.require_user() != self.key:
            raise Refused("feed.not_yours", "it is another user's")


def _longest(signals: list[Signal]) -> list[Signal]:
    """One of each post and what was done: each comes with all that the post was scored by."""
    kept: dict[tuple[str, str], Signal] = {}
    for one in signals:
        before = kept.setdefault((one.post, one.did), one)
        if before.ms < one.ms:
            kept[one.post, one.did] = one
    return list(kept.values())


def _no_such_post() -> Refused:
    return Refused("feed.no_such_post", "there is none, or not for you", status=404)
