"""What a session asks of the transport under it."""

from collections.abc import Callable
from typing import Protocol


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
