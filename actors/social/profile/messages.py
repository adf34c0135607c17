"""What `profile:USER` can be told. Tags are wire names: never renamed, fields only ever added, with defaults."""

from typing import Annotated

from msgspec import Meta, Struct

from greenroom.actors.model.message import Ask, Done

NAME_MAX = 50

Name = Annotated[str, Meta(max_length=NAME_MAX)]
Avatar = Annotated[str, Meta(pattern="^([0-9a-f]{24})?$")]  # a media id


class Set(Ask[Done], tag="profile.set"):
    """Change one's own; what is left out stays as it is, and what is empty is none any more."""

    name: Name | None = None
    bio: Annotated[str, Meta(max_length=500)] | None = None
    avatar: Avatar | None = None  # a picture that its owner has published
    timezone: Annotated[str, Meta(max_length=64)] | None = None  # IANA
    language: Annotated[str, Meta(pattern="^([A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4})?$")] | None = None  # BCP 47


class Mine(Ask["Settings"], tag="profile.mine"):
    """All of one's own, with what nobody else sees."""


class Settings(Struct, frozen=True):
    name: str
    bio: str
    avatar: str
    timezone: str
    language: str
