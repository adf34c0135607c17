"""Chat rooms and direct conversations."""

from greenroom.actors.chat.room.actor import Room
from greenroom.actors.chat.room.direct import direct_key

__all__ = ["Room", "direct_key"]
