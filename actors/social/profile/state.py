"""What `profile:USER` remembers, and shows."""

from typing import Any

from msgspec import Struct

from greenroom.actors.personal.fields import Personal
from greenroom.actors.social.profile.events import Changed

FIELDS = ("name", "bio", "avatar", "timezone", "language")


class ProfileState(Struct):
    """Who somebody is, as they say."""

    name: Personal[str] = ""  # "": their user id is shown
    bio: Personal[str] = ""
    avatar: Personal[str] = ""  # a media id, whose renditions are public
    timezone: Personal[str] = ""  # IANA; "" is not said
    language: Personal[str] = ""  # BCP 47

    def change(self, event: Changed) -> None:
        for name in FIELDS:
            value = getattr(event, name)
            if value is not None:
                setattr(self, name, value)

    def shown(self) -> dict[str, Any]:
        """To everybody."""
        return {"name": self.name, "bio": self.bio, "avatar": self.avatar}
