"""Chat rooms and direct conversations."""

from actors.room.actor import Room
from actors.room.direct import direct_key

__all__ = ["Room", "direct_key"]
