"""Those whom `follows` tells, as far as these tests need them: they remember what they have heard."""

from typing import Any, ClassVar

from msgspec import Struct, field

from greenroom.actors.inbox import messages as inbox
from greenroom.actors.inbox.messages import Notify, Withdraw
from greenroom.actors.model.actor import Actor
from greenroom.actors.model.message import Event, Message
from greenroom.actors.social.feed.messages import BarredChanged, CloseChanged, FollowsChanged, MutedChanged
from greenroom.actors.social.post.messages import AudienceChanged


class Heard(Event, tag="feed.heard"):
    what: dict[str, Any]


class Noticed(Event, tag="inbox.noticed"):
    id: str
    is_so: bool


class FeedState(Struct):
    follows: list[str] = field(default_factory=list)
    heard: list[dict[str, Any]] = field(default_factory=list)


class InboxState(Struct):
    notices: list[str] = field(default_factory=list)


class Feed(Actor[FeedState]):
    kind = "feed"
    internal: ClassVar[tuple[type[Message], ...]] = (FollowsChanged, MutedChanged, BarredChanged, CloseChanged)
    events = (Heard,)

    def handle(self, message: Any) -> None:
        what = {"what": type(message).__name__}
        for name in message.__struct_fields__:
            what[name] = getattr(message, name)
        self.record(Heard(what=what))

    def apply(self, event: Heard) -> None:
        what = event.what
        self.state.heard.append(what)
        if what["what"] == "FollowsChanged":
            (self.state.follows.append if what["follows"] else self.state.follows.remove)(what["author"])

    def view(self) -> Any:
        return {"follows": sorted(self.state.follows), "heard": len(self.state.heard)}


class Inbox(Actor[InboxState]):
    kind = "inbox"
    internal: ClassVar[tuple[type[Message], ...]] = (
        Notify,
        Withdraw,
        inbox.MutedChanged,
        inbox.BarredChanged,
    )
    events = (Noticed,)

    def handle(self, message: Any) -> None:
        if isinstance(message, Notify | Withdraw):
            self.record(Noticed(id=message.id, is_so=isinstance(message, Notify)))

    def apply(self, event: Noticed) -> None:
        notices = self.state.notices
        if event.is_so:
            notices.append(event.id)
        elif event.id in notices:
            notices.remove(event.id)

    def view(self) -> Any:
        return {"notices": self.state.notices}


class Post(Actor[Struct]):
    kind = "post"
    durable = False
    internal: ClassVar[tuple[type[Message], ...]] = (AudienceChanged,)

    def handle(self, message: AudienceChanged) -> None:
        pass
