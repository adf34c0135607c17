"""Where the answers to a client's commands go.

Entities call these when their events are durable, or the deadlines when nobody answers. They must not raise: what goes
wrong on our side of the answer may not end the entity that gave it.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
import structlog
import trio
from opentelemetry.trace import Span

from actors.errors import ActorError, DeadlineExceeded
from actors.lifecycle import Inspected
from transports.client_errors import client_error, watch_error
from transports.client_messages import BROKEN, INTERNAL, ClientError
from transports.publication import one_line

if TYPE_CHECKING:
    from transports.client_session import ClientSession

log = structlog.get_logger("greenroom.client")
encode = msgspec.json.encode


class Slot:
    """Where the answer to one command goes, once; nowhere when its session has ended."""

    __slots__ = ("command_id", "done", "label", "session", "span")

    def __init__(self, session: "ClientSession", command_id: int, label: tuple[str, str]) -> None:
        self.session = session
        self.command_id = command_id
        self.label = label
        self.done = False
        self.span: Span | None = None
        session.in_flight += 1
        session.services.deadlines.add(trio.current_time() + session.services.config.command_deadline_s, self)

    def finish(self) -> bool:
        """False when it was answered already, or nobody is there to hear it."""
        if self.done:
            return False
        self.done = True
        self.session.in_flight -= 1
        if self.span is not None:
            self.span.end()
        return not self.session.closed

    def resolve(self, reply: Any, encoded: bytes | None) -> None:
        raise NotImplementedError

    def reject(self, error: ActorError) -> None:
        if self.finish():
            self.session.services.instruments.count_command(*self.label, error.name)
            self.session.reply_error(self.command_id, client_error(error))

    def expire(self) -> None:
        self.reject(DeadlineExceeded())


class RpcSlot(Slot):
    __slots__ = ()

    def resolve(self, reply: Any, encoded: bytes | None) -> None:
        if self.finish():
            try:
                data = one_line(encoded if encoded is not None else encode(reply))
            except Exception:  # the edge: an entity's reply that is no JSON must not end the entity
                log.exception("reply_not_encodable", kind=self.label[0], command=self.label[1])
                self.session.services.instruments.count_command(*self.label, "internal")
                self.session.reply_error(self.command_id, INTERNAL)
                return
            self.session.services.instruments.count_command(*self.label, "ok")
            self.session.carrier.send_json(b'{"id":%d,"rpc":{"data":%b}}' % (self.command_id, data))


class PublishSlot(Slot):
    __slots__ = ()

    def resolve(self, reply: Any, encoded: bytes | None) -> None:
        if self.finish():
            self.session.services.instruments.count_command(*self.label, "ok")
            self.session.carrier.send_json(b'{"id":%d,"publish":{}}' % self.command_id)


class InspectSlot(Slot):
    """Asks the entity whether the session may watch it, then goes on with `then`."""

    __slots__ = ("failed", "then")

    def __init__(
        self,
        session: "ClientSession",
        label: tuple[str, str],
        then: Callable[[Inspected], None],
        failed: Callable[[ClientError], None],
    ) -> None:
        super().__init__(session, 0, label)
        self.then = then
        self.failed = failed

    def resolve(self, reply: Any, encoded: bytes | None) -> None:
        if self.finish():
            self.session.services.instruments.count_command(*self.label, "ok")
            try:
                self.then(reply)
            except Exception:  # the edge: a mistake of ours ends this client, not the entity that answers it
                log.exception("watch_failed", client=self.session.client)
                self.session.disconnect(BROKEN)

    def reject(self, error: ActorError) -> None:
        if self.finish():
            self.session.services.instruments.count_command(*self.label, error.name)
            try:
                self.failed(watch_error(error))
            except Exception:
                log.exception("watch_failed", client=self.session.client)
                self.session.disconnect(BROKEN)
