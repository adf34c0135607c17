"""Asking: what this node has sent to entities on other nodes, until it is answered. The kernel's `Elsewhere`.

An owner that is not one says so, *not held*, and the message is sent again once somebody else is known to own the
entity; so is what a node has not answered that said *left* when it stopped. Where a link has parted otherwise nobody
knows what was handled: what may be repeated (a command with an id, an Inspect) is sent again, a message from an outbox
goes back to the relay, and everybody else hears OutcomeUnknown.

For each entity the order of sending is kept. What comes back waits in the order of its numbers, with what is sent
meanwhile behind it, and goes on when nothing of it is under way to a former owner any more. So does what is sent to an
entity that has come to live here while others wait for it yet (`keeps`). Messages from outboxes are no part of that:
the relay keeps their order.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Collection
from itertools import count

import msgspec
import structlog
import trio
from msgspec import Raw

from greenroom.actors.life.flights import PerhapsDone
from greenroom.actors.model.entity import split_entity
from greenroom.actors.model.envelope import Envelope, Firing, Origin, TaskSlot
from greenroom.actors.model.errors import (
    ActorError,
    HandlerFailed,
    NotHere,
    OutcomeUnknown,
    Overloaded,
    Unavailable,
)
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.lifecycle import Attended, AudienceChanged, Inspect, Inspected
from greenroom.actors.model.message import Message, ReplySlot, decoded_reply
from greenroom.actors.model.principal import SYSTEM
from greenroom.config.telemetry.instruments import Instruments
from greenroom.supervisors.correspondence.answering import RemoteSlot
from greenroom.supervisors.correspondence.holding import Asked, Holding
from greenroom.supervisors.correspondence.refusals import error_of
from greenroom.supervisors.correspondence.wire import (
    INSPECT,
    MESSAGE,
    Abandoned,
    Counted,
    Due,
    Left,
    NotHeld,
    Rejected,
    Replied,
    Seen,
    Sent,
    Unanswered,
)
from greenroom.supervisors.kernel.ownership import Ownership
from greenroom.transports.deadlines import Deadlines

log = structlog.get_logger("greenroom.cluster")

PENDING_MAX = 20_000  # answers awaited of one node; more is `overloaded`
HELD_MAX = 20_000  # messages that wait for their entity's owner to be known; likewise
HELD_S = 10.0  # how long one without a deadline waits
HOPS_MAX = 16  # how often one message is sent again
LEFT_MAX = 4096  # nodes that are known to be gone
STEP = 100  # entities whose messages are sent on before other tasks have their turn

VIEW = Inspect()  # as most ask

Send = Callable[[int, Sent | Abandoned | Due], None]


class Asking:
    """Of one node, a supervised child. Bounded by PENDING_MAX for each other node and by HELD_MAX."""

    def __init__(
        self,
        *,
        node: int,
        kinds: Kinds,
        ownership: Ownership,
        send: Send,
        submit: Callable[[str, Envelope], None],
        look: Callable[[], None],
        before_inspect: Callable[[str, int, ReplySlot | None], int],
        feed: Callable[[str], int],
        not_held: Callable[[str, int], None],
        chase: Callable[[str, str], None],
        nudge: Callable[[list[str], Message], None],
        instruments: Instruments,
    ) -> None:
        """`node` is this one's incarnation. `send` raises Overloaded, Unavailable and HandlerFailed, with nothing sent.
        `submit` is the router's. `look` has the referee asked who owns what, soon. `before_inspect` is called when an
        Inspect of an entity is about to be sent to a node, and may raise what `send` does; it returns the number of the
        feed that goes before that, as `feed` does for an entity at any time. `not_held` is called when a node says that
        it does not own an entity. `chase`, `nudge`: see Elsewhere."""
        self.chase = chase
        self.nudge = nudge
        self._node = node
        self._kinds = kinds
        self._ownership = ownership
        self._send_frame = send
        self._submit = submit
        self._look = look
        self._before_inspect = before_inspect
        self._feed = feed
        self._tell_not_held = not_held
        self._instruments = instruments
        self._numbers = count(1)
        self._pending: dict[int, dict[int, Asked]] = {}  # node -> number -> what it is to answer
        self._by_slot: dict[TaskSlot, Asked] = {}
        self._under_way: dict[str, int] = {}  # entity -> messages that are pending and may come back
        self._ways: dict[str, int] = {}  # entity -> the one node to which all of those are under way
        self._left: OrderedDict[int, None] = OrderedDict()  # nodes that handle nothing any more, and never will
        self._held = Holding()
        self._wake = trio.Event()
        self._deadlines = Deadlines()

    def __len__(self) -> int:
        """Messages on their way or held."""
        return sum(map(len, self._pending.values())) + len(self._held)

    # From the router.

    def submit(self, entity: str, envelope: Envelope, hops: int = 0) -> None:
        """See Elsewhere. `hops`: nodes that have passed it on. Never answers before it returns. Raises, with nothing
        queued: BadEntity, UnknownKind, NotHere, Overloaded, Unavailable, HandlerFailed."""
        self._kinds[split_entity(entity)[0]]
        asker = _asker(envelope.slot)
        if type(asker) is RemoteSlot:  # from another node, for an entity that is here no more
            if asker is envelope.slot:
                asker.not_held()
            else:
                asker.in_doubt()
            return
        source = envelope.source
        if type(source) is Firing or type(envelope.message) is AudienceChanged:
            return  # its owner finds the timer itself; who watches it is told with the feed
        asked = Asked(self, next(self._numbers), entity, envelope, hops)
        if entity not in self._held:
            node = self._owner(entity)
            # What has gone to its former owner may come back, and is not to be overtaken: then this waits as well.
            is_way_free = source is not None or self._ways.get(entity, node) == node
            if node is not None and node != self._node and is_way_free:
                self._send(asked, node)
                return
            self._look_for(entity)
        if source is not None:  # the relay keeps it, and its order
            raise NotHere(f"who owns {entity} is not known")
        if len(self._held) >= HELD_MAX:
            raise Overloaded(f"{len(self._held)} messages wait for their entities' owners")
        self._hold(asked)

    def keeps(self, entity: str) -> bool:
        """See Elsewhere."""
        return entity in self._held or entity in self._under_way

    def wake(self, entity: str) -> None:
        """See Elsewhere."""
        node = self._owner(entity)
        if node is not None and node != self._node:
            try:
                self._send_frame(node, Due(entity))
            except ActorError as error:  # it looks at its timers by itself
                log.debug("timer_postponed", entity=entity, error=error.name)

    def abandon(self, slot: TaskSlot) -> None:
        """See Elsewhere."""
        asked = self._by_slot.get(slot)
        if asked is None:
            return
        node, envelope = asked.node, asked.envelope
        self._leave(asked)
        # What has expired does so there as well, once it is taken; but until then a handler here would seem to wait.
        if node is not None and (envelope.chain or envelope.deadline > trio.current_time()):
            try:
                self._send_frame(node, Abandoned(asked.number))
            except ActorError as error:
                log.debug("abandoned_untold", entity=asked.entity, error=error.name)  # it answers in vain

    # From other nodes.

    def replied(self, node: int, answer: Replied) -> None:
        asked = self._take(node, answer.number)
        if asked is None or asked.envelope.slot is None:
            return
        try:
            reply = decoded_reply(asked.envelope.message, answer.body)
        except msgspec.DecodeError as error:
            asked.envelope.slot.reject(HandlerFailed(f"the reply is no JSON: {error}"))
            return
        asked.envelope.slot.resolve(reply, answer.body)

    def seen(self, node: int, answer: Seen) -> None:
        asked = self._pending.get(node, {}).get(answer.number)
        if asked is not None and asked.feed and asked.feed != self._feed(asked.entity):
            self._again(asked, OutcomeUnknown("the feed of the entity has ended again and again"))  # see Feeds
            return
        asked = self._take(node, answer.number)
        if asked is not None and asked.envelope.slot is not None:
            asked.envelope.slot.resolve(Inspected(answer.view, answer.epoch, answer.offset, answer.fence), None)

    def counted(self, node: int, answer: Counted) -> None:
        asked = self._take(node, answer.number)
        if asked is not None and asked.envelope.slot is not None:
            named = {client: Raw(info) for client, info in answer.named.items()} if answer.named is not None else None
            asked.envelope.slot.resolve(Attended(answer.clients, answer.users, named, answer.fence), None)

    def rejected(self, node: int, answer: Rejected) -> None:
        asked = self._take(node, answer.number)
        if asked is not None:
            self.end(asked, error_of(answer))

    def not_held(self, node: int, answer: NotHeld) -> None:
        asked = self._pending.get(node, {}).get(answer.number)
        if asked is not None:
            self._not_handled(asked, node)

    def has_left(self, node: int) -> bool:
        """Has it said so, or is it known to be gone?"""
        return node in self._left

    def gone(self, node: int) -> None:
        """Whatever the rows say yet, it is nobody's owner."""
        self._left[node] = None
        if len(self._left) > LEFT_MAX:
            self._left.popitem(last=False)

    def left(self, node: int, _: Left) -> None:
        self.gone(node)
        for asked in list(self._pending.get(node, {}).values()):
            if asked.node == node:  # whoever hears of one may end another
                self._not_handled(asked, node)
        self._look()

    def _not_handled(self, asked: Asked, node: int) -> None:
        self._tell_not_held(asked.entity, node)
        self._look_for(asked.entity, former=node)
        error = NotHere(f"no node that was asked owns {asked.entity}")
        if asked.envelope.source is not None:
            self.end(asked, error)
        else:
            self._again(asked, error)

    def unanswered(self, node: int, answers: Unanswered) -> None:
        if not answers.numbers:
            self.parted(node)
        for number in answers.numbers:
            asked = self._pending.get(node, {}).get(number)
            if asked is not None:
                self._in_doubt(asked)

    def moved(self, shards: Collection[int]) -> None:
        """These have other owners now than was known here: what waits for that goes on at once."""
        now = trio.current_time()
        for entity in self._held.entities():
            if self._ownership.shard(entity) in shards:
                self._look_now(entity, now)

    def parted(self, node: int) -> None:
        """What that node was to answer may have been handled, or not."""
        pending = self._pending.get(node)
        if pending is None:
            return
        for asked in list(pending.values()):  # whoever hears of one may send another at once, which is of the new link
            if asked.node == node:
                self._in_doubt(asked)
        if not self._pending.get(node):
            self._pending.pop(node, None)

    def _in_doubt(self, asked: Asked) -> None:
        if asked.envelope.source is not None:  # the receiver drops what it has handled
            self.end(asked, Unavailable("the link to the entity's node has parted"))
        elif asked.may_be_repeated:
            slot = asked.envelope.slot
            if slot is not None and type(asked.envelope.message) is not Inspect and type(slot) is not PerhapsDone:
                asked.envelope.slot = PerhapsDone(slot)  # whatever becomes of it now
            self._again(asked, OutcomeUnknown("sent again and again"))
        else:
            self.end(asked, OutcomeUnknown("the link to the entity's node has parted"))

    def _again(self, asked: Asked, error: ActorError) -> None:
        if asked.hops >= HOPS_MAX or len(self._held) >= HELD_MAX:
            self.end(asked, error)
            return
        asked.hops += 1
        self._instruments.remote_repeats += 1
        former = asked.node
        self._let_go(asked)
        self._hold(asked, former)

    # On the way.

    def _send(self, asked: Asked, node: int) -> None:
        """Raises, with nothing sent: Overloaded, Unavailable, HandlerFailed."""
        pending = self._pending.get(node)
        if pending is not None and len(pending) >= PENDING_MAX:
            raise Overloaded(f"{len(pending)} messages wait for the entity's node")
        envelope = asked.envelope
        is_inspect = type(envelope.message) is Inspect
        if is_inspect:
            asked.feed = self._before_inspect(asked.entity, node, envelope.slot)
        self._send_frame(node, self._frame(asked, is_inspect=is_inspect))
        self._instruments.remote_messages += 1
        slot = envelope.slot
        if slot is None:
            return
        asked.node = node
        if pending is None:
            pending = self._pending.setdefault(node, {})
        pending[asked.number] = asked
        if envelope.source is None:
            self._under_way[asked.entity] = self._under_way.get(asked.entity, 0) + 1
            self._ways[asked.entity] = node
        if asked.tick is None:
            self._await(asked)

    def _await(self, asked: Asked) -> None:
        slot, deadline = _asker(asked.envelope.slot), asked.envelope.deadline
        if deadline != math.inf and deadline != -math.inf:
            asked.tick = self._deadlines.add(deadline, asked)
        if type(slot) is TaskSlot:
            self._by_slot[slot] = asked

    def _frame(self, asked: Asked, *, is_inspect: bool) -> Sent:
        """Raises: HandlerFailed."""
        envelope = asked.envelope
        origin = envelope.source if type(envelope.source) is Origin else None
        left_s = None if envelope.deadline == math.inf else max(envelope.deadline - trio.current_time(), 0.0)
        try:
            body = b"" if envelope.message == VIEW else msgspec.json.encode(envelope.message)
        except (TypeError, ValueError, msgspec.MsgspecError, RecursionError) as error:
            raise HandlerFailed(f"the message to {asked.entity} can't be encoded: {error}") from error
        return Sent(
            asked.number if envelope.slot is not None else 0,
            asked.entity,
            INSPECT if is_inspect else MESSAGE,
            body,
            principal=envelope.principal if envelope.principal is not SYSTEM else None,
            left_s=left_s,
            command_id=envelope.command_id,
            digest=envelope.digest,
            origin=origin,
            chain=envelope.chain,
            trace=envelope.trace,
            hops=asked.hops,
        )

    def _take(self, node: int, number: int) -> Asked | None:
        """What is answered. None where nobody waits for that any more."""
        asked = self._pending.get(node, {}).get(number)
        if asked is not None:
            self._leave(asked)
        return asked

    def end(self, asked: Asked, error: ActorError) -> None:
        """It comes to nothing, and whoever waits hears of it."""
        self._leave(asked)
        slot = asked.envelope.slot
        if slot is not None:
            slot.reject(error)
        else:
            log.info("tell_dropped", entity=asked.entity, message=type(asked.envelope.message).__qualname__)

    def _leave(self, asked: Asked) -> None:
        """Nothing is awaited for it any more."""
        asked.done = True
        self._let_go(asked)
        if asked.tick is not None:
            asked.tick.pop(asked, None)
        asker = _asker(asked.envelope.slot)
        if type(asker) is TaskSlot:
            self._by_slot.pop(asker, None)

    def _let_go(self, asked: Asked) -> None:
        """It is neither under way nor held."""
        entity = asked.entity
        node = asked.node
        if node is not None:
            self._pending[node].pop(asked.number)
            asked.node = None
            if asked.envelope.source is None:
                under_way = self._under_way[entity] - 1
                if under_way:
                    self._under_way[entity] = under_way
                else:
                    del self._under_way[entity]
                    del self._ways[entity]
                    self._look_at_whoever_follows(entity, node)
        elif asked.held_at is not None:
            self._held.remove(asked)

    # Held.

    def _owner(self, entity: str) -> int | None:
        """As Ownership's, but of those who still take something."""
        owner = self._ownership.owner(entity)
        return owner if owner not in self._left else None

    def _look_for(self, entity: str, *, former: int | None = None) -> None:
        """Have the rows read, unless it is known whose it is: while shards move, all that waits would have that done
        again and again. `former`: does not own it."""
        owner = self._owner(entity)
        if owner in (None, former) or (owner == self._node and not self._ownership.owns(entity)):
            self._look()

    def _hold(self, asked: Asked, former: int | None = None) -> None:
        """Until its owner is known; behind those of its entity that were sent before it. `former`: the node that it
        comes back from, and that does not own it."""
        entity = asked.entity
        if asked.envelope.slot is not None and asked.tick is None:
            self._await(asked)
        now = trio.current_time()
        if self._held.add(asked, now):
            self._look_later(entity, now)
        self._look_at_whoever_follows(entity, former)

    def _look_at_whoever_follows(self, entity: str, former: int | None) -> None:
        """All that could come back from its former owner has: where somebody else is known to own it, go on at once."""
        if former is None or entity not in self._held or entity in self._under_way:
            return
        if self._owner(entity) not in (former, None):
            self._look_now(entity, trio.current_time())

    def _look_now(self, entity: str, now: float) -> None:
        if self._held.look_now(entity, now):
            self._wake.set()

    def _look_later(self, entity: str, now: float) -> None:
        if self._held.look_later(entity, now):
            self._wake.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled."""
        async with trio.open_nursery() as nursery:  # owner: this call
            await nursery.start(self._deadlines.run)
            task_status.started()
            while True:
                self._wake = trio.Event()
                with trio.move_on_at(self._held.next_at):
                    await self._wake.wait()
                looked_at = 0
                while (entity := self._held.due(trio.current_time())) is not None:
                    self._send_held(entity)
                    if entity in self._held:
                        self._look_for(entity)
                        self._look_later(entity, trio.current_time())
                    looked_at += 1
                    if not looked_at % STEP:
                        await trio.lowlevel.checkpoint()

    def _send_held(self, entity: str) -> None:
        """Send on what is held of an entity; not while others of its messages, which may come back, are under way."""
        now = trio.current_time()
        for asked in self._held.of(entity):
            if asked.tick is None and asked.held_at is not None and now - asked.held_at > HELD_S:
                self.end(asked, NotHere(f"who owns {entity} is not known"))
        if entity in self._under_way:
            return
        if self._ownership.owns(entity):
            self._submit_held(entity)
            return
        node = self._owner(entity)
        if node is not None and node != self._node:
            while entity in self._held:  # sending one may bring another, behind them
                if not self._send_held_to(node, entity):
                    return

    def _send_held_to(self, node: int, entity: str) -> bool:
        """False when some of it is held longer."""
        for asked in self._held.of(entity):
            if asked.held_at is None:
                continue  # ended meanwhile
            try:
                self._send(asked, node)
            except HandlerFailed as error:
                self.end(asked, error)
            except ActorError as error:
                log.debug("held_longer", entity=entity, error=error.name)
                return False
            else:
                self._held.remove(asked)
        return True

    def _submit_held(self, entity: str) -> None:
        """The entity has come to live here: none of them is kept any more when the first of them wakes it."""
        in_order = self._held.of(entity)
        for asked in in_order:
            self._leave(asked)
        for asked in in_order:
            self._submit_here(asked)

    def _submit_here(self, asked: Asked) -> None:
        try:
            self._submit(asked.entity, asked.envelope)
        except ActorError as error:
            if asked.envelope.slot is not None:
                asked.envelope.slot.reject(error)
            else:
                log.info("tell_dropped", entity=asked.entity, message=type(asked.envelope.message).__qualname__)


def _asker(slot: ReplySlot | None) -> ReplySlot | None:
    """Who waits, behind any doubt."""
    return slot.slot if type(slot) is PerhapsDone else slot
