"""The connections of each user, whatever they watch: perhaps nothing yet, or nothing any more.

What ends a user's connections, such as signing out, must find all of them.
"""

from typing import Protocol

from greenroom.transports.hub.by_user import ByUser


class Connected(Protocol):
    """One live connection of a client."""

    def kicked(self, code: int, reason: str) -> None:
        """It is to end, with this code of a WebSocket (3000 and above): nothing more comes or goes from here on."""

    def leave(self) -> None:
        """It has ended, and is to leave what it watches. Apart, for that takes longer."""

    def unwatch(self, code: int, reason: str) -> None:
        """All its subscriptions are to end, with this code (below 3000)."""


Connections = ByUser[Connected]  # those on this node
