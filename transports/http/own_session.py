"""The session of a stream's user, watched without a sound: when they sign out, the stream ends.

A WebSocket is subscribed to it. A stream shows only what it was asked for, but must not outlive a sign-out either, and
whoever watches an entity is asked about again wherever a kick may have been missed, such as of another node while the
link to it was down.
"""

from collections.abc import Callable
from typing import Protocol

from greenroom.actors.model.errors import ActorError
from greenroom.actors.model.principal import Principal
from greenroom.transports.hub.connected import ENDS
from greenroom.transports.hub.encoding import Encoding, Nothing
from greenroom.transports.hub.recovery import Missed
from greenroom.transports.hub.topic import Topic
from greenroom.transports.sockets.connection import Connection


class Stream(Protocol):
    """Whose session it is."""

    closed: bool
    connection: Connection
    principal: Principal

    def signed_in(self) -> None:
        """The token counts, and whatever becomes of that is heard from here on."""

    def refuse(self, error: ActorError) -> None: ...

    def end(self) -> None: ...

    def kicked(self, code: int, reason: str) -> Callable[[], None]: ...

    def leave(self) -> None: ...


class OwnSession:
    """First its watcher, then its subscriber."""

    __slots__ = ("_stream", "topic")

    encoding: type[Encoding] = Nothing
    wants_joins = False
    granted = False
    as_view = False

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.topic: Topic | None = None

    @property
    def principal(self) -> Principal:
        return self._stream.principal

    # A watcher.

    @property
    def gone(self) -> bool:
        return self._stream.closed

    def admitted(self, topic: Topic, view: bytes, missed: Missed | None) -> "OwnSession":
        self.topic = topic
        return self

    def attached(self) -> None:
        self._stream.signed_in()

    def abandoned(self) -> None:
        pass

    def refused(self, error: ActorError) -> None:
        self._stream.refuse(error)

    def broken(self, error: Exception) -> None:
        self._stream.connection.abort()

    # A subscriber of the hub.

    def deliver(self, batch: bytes, last_offset: int) -> None:
        pass  # nothing is encoded for it

    def deliver_ephemeral(self, piece: bytes, key: str) -> None:
        pass  # likewise

    def kicked(self, code: int, reason: str) -> None:
        if code >= ENDS:
            self._stream.kicked(code, reason)()
        else:  # the client comes again, and hears whether it may
            self._stream.end()

    def epoch_changed(self) -> None:
        self._stream.end()
