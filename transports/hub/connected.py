"""The connections of each user, whatever they watch: perhaps nothing yet, or nothing any more.

What ends a user's connections, such as signing out, must find all of them.
"""

from typing import Protocol


class Connected(Protocol):
    """One live connection of a client."""

    def kicked(self, code: int, reason: str) -> None:
        """It is to end, with this code of a WebSocket (3000 and above): nothing more comes or goes from here on."""

    def leave(self) -> None:
        """It has ended, and is to leave what it watches. Apart, for that takes longer."""

    def unwatch(self, code: int, reason: str) -> None:
        """All its subscriptions are to end, with this code (below 3000)."""


class Connections:
    """Those on this node, by user."""

    def __init__(self) -> None:
        self._of: dict[str, dict[Connected, None]] = {}

    def came(self, user: str, connection: Connected) -> None:
        self._of.setdefault(user, {})[connection] = None

    def left(self, user: str, connection: Connected) -> None:
        """Does nothing when it has not come."""
        mine = self._of.get(user)
        if mine is not None:
            mine.pop(connection, None)
            if not mine:
                del self._of[user]

    def of(self, user: str) -> list[Connected]:
        """All that `user` has."""
        return list(self._of.get(user, ()))
