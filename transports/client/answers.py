"""Where the answers to a client's commands go.

Entities call these when their events are durable, or the deadlines when nobody answers. They must not raise: what goes
wrong on our side of the answer may not end the entity that gave it.
"""

import msgspec
import structlog
import trio
from opentelemetry.trace import Span

from greenroom.actors.model.errors import ActorError, DeadlineExceeded
from greenroom.transports.client.codes import INTERNAL
from greenroom.transports.client.errors import error_code
from greenroom.transports.client.peer import ClientPeer
from greenroom.transports.hub.publication import one_line

log = structlog.get_logger("greenroom.client")
encode = msgspec.json.encode


class Answer:
    """Where the answer to one command goes, once; nowhere when its session has ended."""

    __slots__ = ("_tick", "command_id", "done", "label", "peer", "span")

    def __init__(self, peer: ClientPeer, command_id: int, label: tuple[str, str]) -> None:
        self.peer = peer
        self.command_id = command_id
        self.label = label
        self.done = False
        self.span: Span | None = None
        peer.in_flight += 1
        self._tick = peer.services.deadlines.add(trio.current_time() + peer.services.client.command_deadline_s, self)

    def finish(self) -> bool:
        """False when it was answered already, or nobody is there to hear it."""
        if self.done:
            return False
        self.done = True
        self._tick.pop(self, None)
        self.peer.in_flight -= 1
        if self.span is not None:
            self.span.end()
        return not self.peer.closed

    def resolve(self, reply: object, encoded: bytes | None) -> None:
        raise NotImplementedError

    def reject(self, error: ActorError) -> None:
        if self.finish():
            self.peer.services.instruments.count_command(*self.label, error.name)
            self.peer.reply_error(self.command_id, error_code(error))

    def expire(self) -> None:
        self.reject(DeadlineExceeded())


class RpcAnswer(Answer):
    """Answers an rpc with the entity's reply."""

    __slots__ = ()

    def resolve(self, reply: object, encoded: bytes | None) -> None:
        if self.finish():
            try:
                data = one_line(encoded if encoded is not None else encode(reply))
            except Exception:  # the edge: an entity's reply that is no JSON must not end the entity
                log.exception("reply_not_encodable", kind=self.label[0], command=self.label[1])
                self.peer.services.instruments.count_command(*self.label, "internal")
                self.peer.reply_error(self.command_id, INTERNAL)
                return
            self.peer.services.instruments.count_command(*self.label, "ok")
            self.peer.carrier.send_json(b'{"id":%d,"rpc":{"data":%b}}' % (self.command_id, data))


class PublishAnswer(Answer):
    """Answers a publish: with nothing but that it was done."""

    __slots__ = ()

    def resolve(self, reply: object, encoded: bytes | None) -> None:
        if self.finish():
            self.peer.services.instruments.count_command(*self.label, "ok")
            self.peer.carrier.send_json(b'{"id":%d,"publish":{}}' % self.command_id)
