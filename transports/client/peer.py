"""One client as the parts of its session see it: who it is, what it has in work, and how it is answered."""

from collections.abc import Callable

import structlog

from greenroom.actors.model.errors import ActorError
from greenroom.actors.model.principal import Principal
from greenroom.config.telemetry.instruments import OTHER
from greenroom.transports.client.carrier import Carrier
from greenroom.transports.client.codes import BROKEN, DisconnectCode, ErrorCode
from greenroom.transports.client.errors import watch_error_code
from greenroom.transports.services import Services

log = structlog.get_logger("greenroom.client")

TTL_MAX_S = 365 * 86_400  # what SDKs can wait for


class ClientPeer:
    """The session is one (rather than has one: an idle connection pays for every object it has)."""

    __slots__ = (
        "carrier",
        "client",
        "closed",
        "connected",
        "due_at",
        "in_flight",
        "principal",
        "services",
        "token_user",
    )

    def __init__(self, services: Services, carrier: Carrier) -> None:
        self.services = services
        self.carrier = carrier
        self.client = services.new_client_id()
        self.principal = Principal(user="", client=self.client)
        self.token_user: str | None = None  # whom the token of the connect was for
        self.in_flight = 0  # commands and reads that will be answered
        self.connected = False  # the connect has been answered, with what the server subscribes it to
        self.closed = False
        self.due_at = 0.0  # the trio time at which something is due next; 0: to be found out

    def reply_error(self, command_id: int, error: ErrorCode) -> None:
        if not self.closed:
            self.carrier.send_json(error.reply(command_id))

    def disconnect(self, end: DisconnectCode) -> None:
        """End the connection with a code; what is subscribed ends with it."""
        if not self.closed:
            self.ended()
            self.services.instruments.count_disconnect(end.code)
            self.carrier.disconnect(end.code, end.reason)

    def ended(self) -> None:
        """The connection is gone or going: nothing more is sent, nobody watches any more. Idempotent."""
        raise NotImplementedError

    def ttl_s(self, expires_at: int) -> int:
        """Seconds until `expires_at` (Unix s), as the client should wait them."""
        return max(1, min(TTL_MAX_S, int(expires_at - self.services.clock())))

    @property
    def overloaded(self) -> bool:
        """Are so many reads in work that it has to wait for some before it asks for more?"""
        config = self.services.client
        return self.in_flight >= config.commands_in_flight_max + config.subscriptions_max


class PendingRead:
    """A read of one entity that the client waits for: in work, and counted, until its one answer."""

    __slots__ = ("_failed", "_label", "_over", "peer")

    def __init__(self, peer: ClientPeer, channel: str, what: str, failed: Callable[[ErrorCode], None]) -> None:
        """`what` is its name in the metrics."""
        kind = channel.partition(":")[0]
        self.peer = peer
        self._label = (kind if kind in peer.services.kinds else OTHER, what)
        self._failed = failed
        self._over = False
        peer.in_flight += 1

    def over(self, outcome: str = "ok") -> bool:
        """It is answered; False when nobody is there to hear it."""
        if not self._over:
            self._over = True
            self.peer.in_flight -= 1
            self.peer.services.instruments.count_command(*self._label, outcome)
        return not self.peer.closed

    def abandoned(self) -> None:
        self.over()

    def refused(self, error: ActorError) -> None:
        if self.over(error.name):
            self._failed(watch_error_code(error))

    def broken(self, error: Exception) -> None:
        """By a mistake of ours, which ends this client and nobody else."""
        self.over("internal")
        self.peer.disconnect(BROKEN)
