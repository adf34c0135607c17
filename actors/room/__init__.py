"""Chat rooms and direct conversations."""

from greenroom.actors.room.actor import Room
from greenroom.actors.room.direct import direct_key

__all__ = ["Room", "direct_key"]
