"""People, whom they follow, what they post and are shown: `GREENROOM_ENTITIES=greenroom.social` installs all of it."""

from greenroom.actors.social.moderation.rules import Rules

__all__ = ["Rules"]
