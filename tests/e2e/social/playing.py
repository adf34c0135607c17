"""Whoever posts and threads speak to, played as simply as can be on a real server."""

from typing import Any, ClassVar

from msgspec import Struct, field

from greenroom import Actor, Done, Event, Message
from greenroom.actors.inbox.messages import Notify, Withdraw
from greenroom.actors.social.feed.messages import Post, Posted
from greenroom.actors.social.follows.messages import Allowed, Block, Edge, EdgeAsk, MayAsk, Unblock
from greenroom.actors.social.moderation.messages import Judge, Verdict
from greenroom.actors.social.names import new_post_id
from greenroom.actors.social.post.messages import AudienceChanged, Publish
from greenroom.actors.social.ranking.messages import Engaged


class PlayedPosted(Event, tag="feed.played"):
    """Something was posted."""

    id: str


class PlayedFeed(Actor[Struct]):
    """Posts, and that is all."""

    kind = "feed"
    commands: ClassVar[tuple[type[Message], ...]] = (Post,)
    events: ClassVar[tuple[type[Event], ...]] = (PlayedPosted,)

    def handle(self, message: Post) -> Posted:
        made = new_post_id(int(self.now * 1000))
        self.record(PlayedPosted(id=made))
        self.tell(
            f"post:{made}",
            Publish(author=self.key, text=message.text, is_story=message.is_story, share_of=message.share_of),
        )
        return Posted(made)

    def apply(self, event: PlayedPosted) -> None: ...

    def view(self) -> Any:
        return {}


class PlayedBlocked(Event, tag="follows.played"):
    """Somebody is barred, or no more."""

    user: str
    barred: bool


class PlayedFollowsState(Struct):
    """Whom its user bars."""

    barred: list[str] = field(default_factory=list)


class PlayedFollows(Actor[PlayedFollowsState]):
    """Bars, and follows nobody."""

    kind = "follows"
    commands: ClassVar[tuple[type[Message], ...]] = (Block, Unblock)
    internal: ClassVar[tuple[type[Message], ...]] = (MayAsk, EdgeAsk)
    events: ClassVar[tuple[type[Event], ...]] = (PlayedBlocked,)

    def handle(self, message: Block | Unblock | MayAsk | EdgeAsk) -> Done | Allowed | Edge:
        match message:
            case MayAsk():
                self.__dict__.setdefault("posts", set()).add(message.post)
                return Allowed(barred=message.user in self.state.barred, close=False, private=False)
            case EdgeAsk():
                return Edge(following=False, barred=message.author in self.state.barred)
        self.record(PlayedBlocked(user=message.user, barred=isinstance(message, Block)))
        for post in self.__dict__.get("posts", ()):
            self.tell(f"post:{post}", AudienceChanged())
        return Done()

    def apply(self, event: PlayedBlocked) -> None:
        barred = [one for one in self.state.barred if one != event.user]
        self.state.barred = [*barred, event.user] if event.barred else barred

    def view(self) -> Any:
        return {}


class PlayedRules(Actor[Struct]):
    """Finds everything fine."""

    kind = "rules"
    durable = False
    internal: ClassVar[tuple[type[Message], ...]] = (Judge,)

    def handle(self, message: Judge) -> Verdict:
        return Verdict(verdict="fine")


class PlayedTold(Event, tag="inbox.played"):
    """Its user is told something, or that it is so no more."""

    what: str
    of: str


class PlayedInbox(Actor[Struct]):
    """Keeps what it is told as its history."""

    kind = "inbox"
    internal: ClassVar[tuple[type[Message], ...]] = (Notify, Withdraw)
    events: ClassVar[tuple[type[Event], ...]] = (PlayedTold,)

    def handle(self, message: Notify | Withdraw) -> None:
        if isinstance(message, Notify):
            self.record(PlayedTold(what=message.kind, of=message.by))
        else:
            self.record(PlayedTold(what="withdrawn", of=message.id or message.about))

    def apply(self, event: PlayedTold) -> None: ...


class PlayedFeatures(Actor[Struct]):
    """Hears, and forgets."""

    kind = "features"
    durable = False
    internal: ClassVar[tuple[type[Message], ...]] = (Engaged,)

    def handle(self, message: Engaged) -> None: ...
