"""What a session asks of the transport under it."""

from collections.abc import Callable
from typing import Final, Protocol


class Carrier(Protocol):
    """The transport under a session."""

    def send_json(self, reply: bytes) -> None:
        """One reply or push, in order."""

    def send_pushes(self, frame: bytes) -> None:
        """Pushes already in this transport's framing, shared with other sessions."""

    def send_ephemeral(self, frame: bytes, key: str) -> None: ...

    def disconnect(self, code: int, reason: str) -> None: ...

    @property
    def blocked(self) -> bool:
        """Does something wait that the peer has not taken yet?"""

    def when_taken(self, call: Callable[[], None]) -> None:
        """`call` once, as soon as nothing waits any more; at most one such call waits."""

    def pause(self) -> None:
        """Read nothing more for now; what has been read already still comes."""

    def resume(self) -> None: ...


class Gone:
    """Under a session whose transport has ended: what it says reaches nobody.

    A session that kept its former carrier, which keeps the session, would be left for the collector; and of a
    connection that lasted for minutes that is a full collection, which a node with much in memory has to do without.
    """

    blocked = False

    def send_json(self, reply: bytes) -> None:
        pass

    def send_pushes(self, frame: bytes) -> None:
        pass

    def send_ephemeral(self, frame: bytes, key: str) -> None:
        pass

    def disconnect(self, code: int, reason: str) -> None:
        pass

    def when_taken(self, call: Callable[[], None]) -> None:
        pass

    def pause(self) -> None:
        pass

    def resume(self) -> None:
        pass


GONE: Final = Gone()
