"""Answering: messages of other nodes to entities on this one, until their answers have left.

An entity that does not live here is not looked for any further: who has sent that hears so, and looks again, which
keeps the order of its messages. Only what nobody waits for is passed on.
"""

import math
from collections import OrderedDict
from collections.abc import Callable

import msgspec
import structlog
import trio

from greenroom.actors.model.entity import split_entity
from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.errors import ActorError, HandlerFailed, NotHere, NotInRelease, Overloaded
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.lifecycle import Attended, Inspect, Inspected
from greenroom.actors.model.message import Message
from greenroom.actors.model.principal import SYSTEM
from greenroom.config.telemetry.shown import shown
from greenroom.config.telemetry.throttled_log import ThrottledLog
from greenroom.supervisors.correspondence.refusals import rejected
from greenroom.supervisors.correspondence.wire import (
    INSPECT,
    Abandoned,
    Counted,
    Due,
    NotHeld,
    Rejected,
    Replied,
    Seen,
    Sent,
    Unanswered,
)
from greenroom.supervisors.kernel.router import Draining, Router, circle

log = structlog.get_logger("greenroom.cluster")

SERVING_MAX = 40_000  # messages of one node that are not answered yet; more is `overloaded`
AWAY_MAX = 40_000  # entities of which the order is kept, for each node; with more, no longer of the oldest
HOPS_MAX = 4  # nodes that pass on one message that nobody waits for
INSPECTION = Inspect()
_decode_inspect = msgspec.json.Decoder(Inspect).decode

Answer = Replied | Seen | Counted | Rejected | NotHeld | Unanswered


class RemoteSlot:
    """Where the answer of a message of another node goes: back over the link."""

    __slots__ = ("_answering", "asker", "entity", "in_order", "node", "number")

    def __init__(self, answering: "Answering", node: int, number: int, entity: str, *, in_order: bool) -> None:
        """`in_order`: what is behind it must not be taken before it. An outbox sees to that itself."""
        self.asker: str | None = None  # the entity whose handler is known to wait for it
        self._answering = answering
        self.in_order = in_order
        self.node = node
        self.number = number
        self.entity = entity

    def resolve(self, reply: object, encoded: bytes | None) -> None:
        if not self._answering.leaves(self):
            return
        answer: Answer
        if isinstance(reply, Inspected):
            answer = Seen(self.number, reply.view, reply.epoch, reply.offset, reply.fence)
        elif isinstance(reply, Attended):
            named = {client: bytes(info) for client, info in reply.named.items()} if reply.named is not None else None
            answer = Counted(self.number, reply.clients, reply.users, named, reply.fence)
        else:
            try:
                answer = Replied(self.number, msgspec.json.encode(reply) if encoded is None else encoded)
            except Exception as error:  # the edge: an entity's reply that is no JSON must not end the entity
                log.exception("reply_not_encodable", entity=self.entity)
                answer = rejected(self.number, HandlerFailed(shown(error)))
        self._answering.send(self, answer)

    def reject(self, error: ActorError) -> None:
        if isinstance(error, NotHere | Draining):  # it was not handled, and another node may do so
            self.not_held()
        elif self._answering.leaves(self):
            self._answering.send(self, rejected(self.number, error))

    def in_doubt(self) -> None:
        """It may have been handled here, and lives here no more: who asked may ask again, under its command id."""
        if self._answering.leaves(self):
            self._answering.send(self, Unanswered([self.number]))

    def not_held(self) -> None:
        if self._answering.leaves(self):
            self._answering.turned_away(self)


class Answering:
    """Of one node. Bounded by SERVING_MAX for each other node."""

    def __init__(
        self,
        *,
        kinds: Kinds,
        router: Callable[[], Router],
        keep_letter: Callable[[str, Envelope, Exception], None],
        pass_on: Callable[[str, Envelope, int], None],
        send: Callable[[int, int, Answer], None],
        chase: Callable[[str, str], None],
        throttled_log: ThrottledLog,
    ) -> None:
        """`pass_on` sends to the owner what has come here over so many nodes: it raises as Router.submit. `send` takes
        a node, the number that is answered, and the answer. `chase` looks whether an entity that waits for another one,
        which lives here, does so in a circle."""
        self._chase = chase
        self._kinds = kinds
        self._router = router
        self._keep_letter = keep_letter
        self._pass_on = pass_on
        self._send = send
        self._throttled_log = throttled_log
        self._serving: dict[int, dict[int, tuple[RemoteSlot, Envelope | None]]] = {}  # node -> number
        # node -> entities of which a message was turned away: so are those behind it, until it has come again.
        self._turned_away: dict[int, OrderedDict[str, None]] = {}

    def __len__(self) -> int:
        """Messages that are not answered yet."""
        return sum(map(len, self._serving.values()))

    # From other nodes.

    def sent(self, node: int, sent: Sent) -> None:
        """A message for an entity: whatever is wrong with it, its sender hears."""
        if not sent.number:
            self._take_in(sent)
            return
        serving = self._serving.get(node)
        if serving is None:
            serving = self._serving[node] = {}
        slot = RemoteSlot(self, node, sent.number, sent.entity, in_order=sent.origin is None)
        away = self._turned_away.get(node)
        if away is not None and sent.entity in away and sent.origin is None:
            if not sent.hops:
                self._send(node, sent.number, NotHeld(sent.number))
                return
            del away[sent.entity]
        serving[sent.number] = slot, None
        if len(serving) > SERVING_MAX:
            slot.reject(Overloaded(f"{len(serving) - 1} messages of that node are not answered"))
            return
        try:
            envelope = self._envelope(sent, slot)
            serving[sent.number] = slot, envelope
            if sent.chain:
                self._waits(slot, sent.chain[-1])
            self._router().submit(sent.entity, envelope)
        except ActorError as error:
            slot.reject(error)
        except (
            Exception
        ) as error:  # the edge: a mistake with one message is no other's, and its sender is to hear of it
            log.exception("frame_mishandled", node=f"{node:016x}", frame="Sent", error=shown(error))
            slot.reject(HandlerFailed(shown(error)))

    def _waits(self, slot: RemoteSlot, asker: str) -> None:
        """An entity's handler waits for the answer. Raises: CallCycle."""
        waits = self._router().waits
        if waits.gives_way(asker, slot.entity):
            raise circle(asker, slot.entity)
        waits.begin(asker, slot.entity)
        slot.asker = asker
        if waits.asked(slot.entity):
            self._chase(asker, slot.entity)

    def refuse(self, asker: str, entity: str) -> None:
        """Those two wait for each other, through others: that one hears so. What is not handled yet need not be."""
        for serving in self._serving.values():
            for slot, envelope in list(serving.values()):
                if slot.asker == asker and slot.entity == entity:
                    if envelope is not None:
                        envelope.deadline = -math.inf
                    slot.reject(circle(asker, entity))

    def _over(self, slot: RemoteSlot) -> None:
        """Nobody waits for that answer any more."""
        if slot.asker is not None:
            self._router().waits.end(slot.asker, slot.entity)
            slot.asker = None

    def _take_in(self, sent: Sent) -> None:
        """Of nobody who waits: a message between entities, at most once."""
        router = self._router()
        try:
            envelope = self._envelope(sent, None)
        except ActorError:  # logged
            return
        try:
            if router.is_here(sent.entity):
                router.submit(sent.entity, envelope)
            elif sent.hops < HOPS_MAX:
                self._pass_on(sent.entity, envelope, sent.hops + 1)
            else:
                raise NotHere(f"{sent.hops} nodes did not own {sent.entity}")
        except Draining:
            log.info("tell_dropped", entity=sent.entity, message=type(envelope.message).__qualname__)
        except ActorError as error:
            self._keep_letter(sent.entity, envelope, error)

    def abandoned(self, node: int, abandoned: Abandoned) -> None:
        """Nobody waits for that answer any more: what is not handled yet need not be."""
        found = self._serving.get(node, {}).pop(abandoned.number, None)
        if found is not None:
            self._over(found[0])
            if found[1] is not None:
                found[1].deadline = -math.inf

    def due(self, node: int, due: Due) -> None:
        """A durable timer, which its owner's own look may have found already."""
        router = self._router()
        if router.is_here(due.entity):
            try:
                router.wake(due.entity)
            except ActorError as error:
                log.debug("timer_postponed", entity=due.entity, error=shown(error))  # the next look finds it again

    def owes(self, node: int) -> bool:
        """Does that node wait for an answer?"""
        return bool(self._serving.get(node))

    def parted(self, node: int) -> None:
        """Nobody there waits any more for what was asked before."""
        for slot, _ in self._serving.pop(node, {}).values():
            self._over(slot)
        self._turned_away.pop(node, None)

    def _envelope(self, sent: Sent, slot: RemoteSlot | None) -> Envelope:
        """Raises: NotInRelease for a kind or a message that this release does not know."""
        now = trio.current_time()
        return Envelope(
            message=self._message(sent),
            principal=sent.principal or SYSTEM,
            slot=slot,
            deadline=math.inf if sent.left_s is None else now + sent.left_s,
            command_id=sent.command_id,
            digest=sent.digest,
            source=sent.origin,
            chain=sent.chain,
            trace=sent.trace,
            size=len(sent.body),
            queued_at=now,
        )

    def _message(self, sent: Sent) -> Message:
        try:
            kind = self._kinds[split_entity(sent.entity)[0]]
            message: Message
            if sent.what != INSPECT:
                message = kind.decode_message(sent.body)
            else:
                message = _decode_inspect(sent.body) if sent.body else INSPECTION
            return message
        except (ActorError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            name = sent.entity.partition(":")[0]
            self._throttled_log.warning("message_unknown", key=name, kind=name, error=shown(error))
            raise NotInRelease(f"this node's release does not know the message to {name}") from error

    # Answers.

    def leaves(self, slot: RemoteSlot) -> bool:
        """An answer is about to leave. False where nobody waits for it any more, or has had one."""
        serving = self._serving.get(slot.node)
        found = serving.get(slot.number) if serving is not None else None
        if serving is None or found is None or found[0] is not slot:
            return False
        del serving[slot.number]
        self._over(slot)
        return True

    def send(self, slot: RemoteSlot, answer: Answer) -> None:
        self._send(slot.node, slot.number, answer)

    def turned_away(self, slot: RemoteSlot) -> None:
        if slot.in_order:
            away = self._turned_away.setdefault(slot.node, OrderedDict())
            away[slot.entity] = None
            away.move_to_end(slot.entity)
            if len(away) > AWAY_MAX:
                away.popitem(last=False)
        self._send(slot.node, slot.number, NotHeld(slot.number))
