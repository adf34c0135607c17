"""Chat rooms and direct conversations."""

from actors.room.actor import Room

__all__ = ["Room"]
