"""What has happened in `profile:USER`. Tags are names in the journal: never renamed, fields only added."""

from greenroom.actors.model.message import Event
from greenroom.actors.personal.fields import Personal


class Changed(Event, omit_defaults=True, tag="profile.changed"):
    """By its user. None: as it was."""

    name: Personal[str | None] = None
    bio: Personal[str | None] = None
    avatar: Personal[str | None] = None  # a media id; "" for none
    timezone: Personal[str | None] = None
    language: Personal[str | None] = None


class Shown(Event, omit_defaults=True, tag="profile.changed"):
    """What watchers see of it: where somebody is, and what they speak, is for nobody else."""

    name: Personal[str | None] = None
    bio: Personal[str | None] = None
    avatar: Personal[str | None] = None
