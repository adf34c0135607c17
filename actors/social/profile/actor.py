"""Profile: `profile:USER`, who somebody is. Name, bio and picture are for everybody; where they are, for themself.

A picture is one of `media` that its owner has published: the profile has its id alone. Whoever shows many people reads
the view `profiles`, and nobody is woken for it.
"""

from collections.abc import Coroutine
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from greenroom.actors.media.jobs import THUMB
from greenroom.actors.media.messages import Find
from greenroom.actors.model.actor import Actor, KindLimits
from greenroom.actors.model.errors import ActorError, Refused
from greenroom.actors.model.message import Done, Event, Message
from greenroom.actors.model.principal import STAFF_ROLES
from greenroom.actors.social.profile.events import Changed, Shown
from greenroom.actors.social.profile.messages import Mine, Set, Settings
from greenroom.actors.social.profile.names import clean_bio, clean_name
from greenroom.actors.social.profile.state import FIELDS, ProfileState

CHANGES_PER_H = 60


class Profile(Actor[ProfileState]):
    """Who one user is; the key is the user id."""

    kind = "profile"
    key_is_user = True
    commands: ClassVar[tuple[type[Message], ...]] = (Set, Mine)
    events: ClassVar[tuple[type[Event], ...]] = (Changed,)
    publishes_info = False
    limits = KindLimits(history_events=100)

    def handle(self, message: Set | Mine) -> Done | Settings | Coroutine[Any, Any, Done]:
        """Raises: Refused."""
        self._require_own()
        if isinstance(message, Mine):
            state = self.state
            return Settings(
                name=state.name,
                bio=state.bio,
                avatar=state.avatar,
                timezone=state.timezone,
                language=state.language,
            )
        changes = self._changes(message)
        if not changes:
            return Done()
        self.limit_user("profile.too_often", CHANGES_PER_H)
        return self._set_with_picture(changes) if changes.get("avatar") else self._set(changes)

    def apply(self, event: Changed) -> None:
        self.state.change(event)

    @classmethod
    def publication(cls, event: Changed) -> Shown | None:
        """Nothing of what is its user's alone."""
        shown = Shown(name=event.name, bio=event.bio, avatar=event.avatar)
        return None if shown == Shown() else shown

    def view(self) -> dict[str, Any]:
        return self.state.shown()

    def _changes(self, wanted: Set) -> dict[str, str]:
        """What is to be other than it is. Raises: Refused."""
        given = {name: value for name in FIELDS if (value := getattr(wanted, name)) is not None}
        if given.get("name"):
            given["name"] = clean_name(given["name"])
        if given.get("bio"):
            given["bio"] = clean_bio(given["bio"])
        if given.get("timezone"):
            _check_timezone(given["timezone"])
        return {name: value for name, value in given.items() if value != getattr(self.state, name)}

    def _set(self, changes: dict[str, str]) -> Done:
        self.record(Changed(**changes))
        return Done()

    async def _set_with_picture(self, changes: dict[str, str]) -> Done:
        """Once it is known that it is one, and that everybody may see it. Raises: Refused."""
        try:
            found = await self.ask(f"media:{changes['avatar']}", Find(name=THUMB))
        except ActorError as error:
            if error.status >= 500 or error.temporary:
                raise
            raise Refused("profile.no_such_picture", "there is no such picture", status=404) from error
        if not found.is_public:
            raise Refused("profile.picture_not_public", "publish the picture first", status=409)
        if not found.rendition.type.startswith("image/"):
            raise Refused("profile.no_picture", "that is no picture", status=422)
        return self._set(changes)

    def _require_own(self) -> None:
        who = self.principal
        if who.system or not STAFF_ROLES.isdisjoint(who.roles):
            return
        if self.require_user() != self.key:
            raise Refused("profile.not_yours", "this profile is another user's")


def _check_timezone(name: str) -> None:
    """Raises: Refused."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # there is none; it leads out of the folder; it is a folder
        raise Refused("profile.bad_timezone", f"{name:.64} is no IANA time zone", status=422) from None
