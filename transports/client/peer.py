"""One client as the parts of its session see it: who it is, what it has in work, and how it is answered."""

from collections.abc import Awaitable, Callable

import structlog

from greenroom.actors.model.errors import ActorError
from greenroom.actors.model.principal import Principal
from greenroom.store.errors import StoreUnavailable
from greenroom.transports.client.codes import BROKEN, INTERNAL, DisconnectCode, ErrorCode
from greenroom.transports.client.errors import error_code
from greenroom.transports.client.services import Carrier, ClientServices

log = structlog.get_logger("greenroom.client")

TTL_MAX_S = 365 * 86_400  # what SDKs can wait for


class ClientPeer:
    """The session is one (rather than has one: an idle connection pays for every object it has)."""

    __slots__ = ("carrier", "client", "closed", "due_at", "in_flight", "principal", "services", "token_user")

    def __init__(self, services: ClientServices, carrier: Carrier) -> None:
        self.services = services
        self.carrier = carrier
        self.client = services.new_client_id()
        self.principal = Principal(user="", client=self.client)
        self.token_user: str | None = None  # whom the token of the connect was for
        self.in_flight = 0  # commands and reads that will be answered
        self.closed = False
        self.due_at = 0.0  # on the trio clock, when time has something to say next; 0: find out

    def reply_error(self, command_id: int, error: ErrorCode) -> None:
        if not self.closed:
            self.carrier.send_json(error.reply(command_id))

    def disconnect(self, end: DisconnectCode) -> None:
        """End the connection with a code; what is subscribed ends with it."""
        if not self.closed:
            self.ended()
            self.carrier.disconnect(end.code, end.reason)

    def ended(self) -> None:
        """The connection is gone or going: nothing more is sent, nobody watches any more. Idempotent."""
        raise NotImplementedError

    def ttl_s(self, expires_at: int) -> int:
        """Seconds until `expires_at` (Unix s), as the client should wait them."""
        return max(1, min(TTL_MAX_S, int(expires_at - self.services.clock())))

    @property
    def reply_bytes_max(self) -> int:
        """What one reply may bring at most, so that it alone does not make a client slow."""
        return self.services.config.queue_bytes_max // 2

    def spawn(self, work: Callable[[], Awaitable[None]], failed: Callable[[ErrorCode], None]) -> bool:
        """Run `work`, which reads the store, beside everything else; False when `failed` was called instead."""

        async def run() -> None:
            try:
                await work()
            except StoreUnavailable:
                failed(INTERNAL)
            except Exception:  # the edge: whoever waits for this must hear something
                log.exception("read_failed", client=self.client)
                self.disconnect(BROKEN)
            finally:
                self.in_flight -= 1

        try:
            self.services.spawn(run)
        except ActorError as error:
            failed(error_code(error))
            return False
        self.in_flight += 1
        return True
