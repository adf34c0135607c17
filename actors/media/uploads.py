"""What one user has uploaded: `uploads:USER`, which says whether there is room for more.

Every upload begins here, in one mailbox, so that the bounds of a user are exact however many requests come at once,
and on whichever nodes. Room is reserved for all that it may come to, with what is made of it; what it has come to, once
that is known, is never more.
"""

from typing import Any, ClassVar, assert_never

from msgspec import Struct, field

from greenroom.actors.media.messages import Begin, Clear, Delete, Reserve, Settle
from greenroom.actors.model.actor import Actor, KindLimits
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.message import Done, Event, Message
from greenroom.actors.model.principal import STAFF_ROLES
from greenroom.actors.personal.fields import Personal

MEDIA_MAX = 10_000  # of one user


class Reserved(Event, tag="uploads.reserved"):
    """There is an unfinished upload, and room for so many bytes."""

    media: str
    size: int
    name: Personal[str] = ""  # that it was sent under


class Settled(Event, tag="uploads.settled"):
    """It is unfinished no more; so many bytes are kept of it."""

    media: str
    size: int


class Held(Struct):
    """One upload of theirs."""

    size: int
    unfinished: bool = True
    name: Personal[str] = ""


class UploadsState(Struct):
    """What counts of it."""

    media: dict[str, Held] = field(default_factory=dict)  # oldest first


class Uploads(Actor[UploadsState]):
    """The media of one user; the key is the user's id."""

    kind = "uploads"
    key_is_user = True
    commands: ClassVar[tuple[type[Message], ...]] = (Clear,)
    internal: ClassVar[tuple[type[Message], ...]] = (Reserve, Settle)
    events: ClassVar[tuple[type[Event], ...]] = (Reserved, Settled)
    limits = KindLimits(history_events=1_000)

    def handle(self, message: Reserve | Settle | Clear) -> Done | None:
        """Raises: Refused."""
        match message:
            case Reserve():
                return self._reserve(message)
            case Settle():
                held = self.state.media.get(message.media)
                if held is not None and (held.unfinished or held.size != message.size):
                    self.record(Settled(media=message.media, size=message.size))
                return None
            case Clear():
                self.may_watch()
                for media in self.state.media:
                    self.tell(f"media:{media}", Delete())
                return Done()
            case _:
                assert_never(message)

    def _reserve(self, wanted: Reserve) -> Done:
        if not self.principal.system and self.require_user() != self.key:
            raise Refused("uploads.not_yours", "these are another user's")
        media = self.state.media
        if wanted.media in media:
            return Done()
        if sum(held.unfinished for held in media.values()) >= wanted.uploads_max:
            text = f"{wanted.uploads_max} uploads of yours are unfinished: go on with one, or delete it"
            raise Refused("uploads.too_many", text, status=429)
        room = wanted.size + wanted.made_max
        if sum(held.size for held in media.values()) + room > wanted.bytes_max or len(media) >= MEDIA_MAX:
            raise Refused("uploads.full", f"you may keep {wanted.bytes_max} bytes: delete some", status=413)
        self.record(Reserved(media=wanted.media, size=room, name=wanted.name))
        begin = Begin(
            owner=self.key,
            size=wanted.size,
            made_max=wanted.made_max,
            unfinished_s=wanted.unfinished_s,
            name=wanted.name,
            said=wanted.said,
            digest=wanted.digest,
        )
        self.tell(f"media:{wanted.media}", begin)  # should nobody ask it to begin: who asks may end here
        return Done()

    def apply(self, event: Reserved | Settled) -> None:
        media = self.state.media
        match event:
            case Reserved():
                media[event.media] = Held(event.size, name=event.name)
            case Settled(size=0):
                media.pop(event.media, None)
            case Settled():
                media[event.media] = Held(event.size, unfinished=False, name=media[event.media].name)

    def may_watch(self) -> None:
        """Raises: Refused."""
        if self.principal.system or not STAFF_ROLES.isdisjoint(self.principal.roles):
            return
        if self.require_user() != self.key:
            raise Refused("uploads.not_yours", "these are another user's")

    def view(self) -> Any:
        media = self.state.media
        return {"bytes": sum(held.size for held in media.values()), "media": media}
