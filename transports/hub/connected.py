"""The connections of each user, whatever they watch: perhaps nothing yet, or nothing any more.

What ends a user's connections, such as signing out, must find all of them.
"""

from collections.abc import Callable
from typing import Final, Protocol

from greenroom.transports.hub.by_user import ByUser

ENDS: Final = 3000  # a kick with this code or a higher one ends connections, a lower one subscriptions


class Connected(Protocol):
    """One live connection of a client."""

    def kicked(self, code: int, reason: str) -> Callable[[], None]:
        """It is to end, with this code of a WebSocket (3000 and above): nothing more comes or goes from here on. That
        is all that is done at once. To say so to the client, and to leave what it watches, is what is returned: apart,
        for that takes longer."""

    def leave(self) -> None:
        """It has ended, and is to leave what it watches."""

    def unwatch(self, code: int, reason: str) -> None:
        """All its subscriptions are to end, with this code (below 3000)."""


Connections = ByUser[Connected]  # those on this node
