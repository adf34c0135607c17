"""What `profile:USER` can be told. Tags are wire names: never renamed, fields only ever added, with defaults."""

from typing import Annotated

from msgspec import Meta

from greenroom.actors.model.message import Ask, Done
from greenroom.actors.social.feed.messages import MediaId

Name = Annotated[str, Meta(min_length=1, max_length=50)]


class Set(Ask[Done], tag="profile.set"):
    """Change one's own; what is left out stays as it is."""

    name: Name | None = None
    bio: Annotated[str, Meta(max_length=500)] | None = None
    avatar: MediaId | None = None
    timezone: Annotated[str, Meta(max_length=64)] | None = None  # IANA
    language: Annotated[str, Meta(max_length=35)] | None = None  # BCP 47
