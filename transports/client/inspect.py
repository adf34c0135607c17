"""May this client watch that entity? The entity is asked, and says with its answer where it stands."""

from collections.abc import Callable
from typing import Any

import msgspec
import structlog
import trio

from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.errors import ActorError
from greenroom.actors.model.lifecycle import Inspect, Inspected
from greenroom.transports.client.codes import BROKEN, TOO_MANY_REQUESTS, ErrorCode
from greenroom.transports.client.errors import watch_error_code
from greenroom.transports.client.peer import ClientPeer
from greenroom.transports.client.slots import Slot

log = structlog.get_logger("greenroom.client")

INSPECT = Inspect()


class _InspectSlot(Slot):
    """Goes on with `then` or `failed`."""

    __slots__ = ("failed", "then")

    def __init__(
        self,
        peer: ClientPeer,
        label: tuple[str, str],
        then: Callable[[Inspected], None],
        failed: Callable[[ErrorCode], None],
    ) -> None:
        super().__init__(peer, 0, label)
        self.then = then
        self.failed = failed

    def resolve(self, reply: Any, encoded: bytes | None) -> None:
        if self.finish():
            self.peer.services.instruments.count_command(*self.label, "ok")
            try:
                self.then(reply)
            except Exception:  # the edge: a mistake of ours ends this client, not the entity that answers it
                log.exception("watch_failed", client=self.peer.client)
                self.peer.disconnect(BROKEN)

    def reject(self, error: ActorError) -> None:
        if self.finish():
            self.peer.services.instruments.count_command(*self.label, error.name)
            try:
                self.failed(watch_error_code(error))
            except Exception:
                log.exception("watch_failed", client=self.peer.client)
                self.peer.disconnect(BROKEN)


def inspect(
    peer: ClientPeer,
    channel: str,
    what: str,
    then: Callable[[Inspected], None],
    failed: Callable[[ErrorCode], None],
    *,
    granted: bool = False,
) -> None:
    """Ask the entity whether `peer` may watch it, or with `granted` only where it stands; `what` is its metrics label.

    Calls `then` or `failed`, now or later, unless the peer is gone.
    """
    services = peer.services
    if peer.in_flight >= services.config.commands_in_flight_max + services.config.subscriptions_max:
        failed(TOO_MANY_REQUESTS)
        return
    kind_name = channel.partition(":")[0]
    slot = _InspectSlot(peer, (kind_name if kind_name in services.kinds else "", what), then, failed)
    now = trio.current_time()
    try:
        services.submit(
            channel,
            Envelope(
                message=INSPECT,
                principal=msgspec.structs.replace(peer.principal, system=True) if granted else peer.principal,
                slot=slot,
                deadline=now + services.config.command_deadline_s,
                queued_at=now,
            ),
        )
    except ActorError as error:
        slot.reject(error)
