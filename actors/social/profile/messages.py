"""What `profile:USER` can be told. Tags are wire names: never renamed, fields only ever added, with defaults."""

from typing import Annotated

from msgspec import Meta, Struct

from greenroom.actors.model.message import Ask, Done

NAME_MAX = 50

Name = Annotated[str, Meta(max_length=NAME_MAX)]
# `$` alone would let a line's end through.
Avatar = Annotated[str, Meta(pattern=r"^([0-9a-f]{24})?$(?!\n)")]  # a media id
Timezone = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_+/-]{0,64}$(?!\n)")]  # IANA
Language = Annotated[str, Meta(pattern=r"^([A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4})?$(?!\n)")]  # BCP 47


class Set(Ask[Done], tag="profile.set"):
    """Change one's own; what is left out stays as it is, and what is empty is none any more."""

    name: Name | None = None
    bio: Annotated[str, Meta(max_length=500)] | None = None
    avatar: Avatar | None = None  # a picture that its owner has published
    timezone: Timezone | None = None
    language: Language | None = None


class Settings(Struct, frozen=True):
    """All of one's profile."""

    name: str
    bio: str
    avatar: str
    timezone: str
    language: str


class Mine(Ask[Settings], tag="profile.mine"):
    """All of one's own, with what nobody else sees."""
