"""The router: the way to an entity, by its name. Hop 3 on the way of a message.

Whatever names an entity goes through here: to its mailbox on this node, waking it where it sleeps, or to the node that
owns it (`Elsewhere`). Who is awake here is found first, so a message that stays pays nothing for those that travel.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import structlog
import trio

from greenroom.actors.life.waits import Waits
from greenroom.actors.model.entity import split_entity
from greenroom.actors.model.envelope import Envelope, Firing, TaskSlot, asker_command_id, digest_of, own_command_id
from greenroom.actors.model.errors import ActorError, CallCycle, NotHere, Unavailable
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.lifecycle import TimersDue
from greenroom.actors.model.mailbox import Item, Mailbox, Sealed
from greenroom.actors.model.message import Ask, Message, Reply
from greenroom.actors.model.principal import SYSTEM, Principal

log = structlog.get_logger("greenroom.router")


class Draining(Unavailable):
    """This node stops, and wakes nobody any more."""


class Awake(Protocol):
    """An entity that is awake."""

    @property
    def mailbox(self) -> Mailbox: ...

    def glance(self, message: Message) -> object:
        """What it would answer just now; None where that is not certain."""


class Elsewhere(Protocol):
    """The way to entities that other nodes own: see supervisors/correspondence/asking.py."""

    def submit(self, entity: str, envelope: Envelope) -> None:
        """As `Router.submit`. What becomes of it later its slot hears."""

    def keeps(self, entity: str) -> bool:
        """Are messages to it on their way that were sent before it came to live here? What is sent now goes behind."""

    def wake(self, entity: str) -> None:
        """A durable timer of it is due: a hint, which may be lost."""

    def nudge(self, entities: list[str], message: Message) -> None:
        """See `Router.nudge`; what of it is lost, nobody hears."""

    def abandon(self, slot: TaskSlot) -> None:
        """Nobody waits for that answer any more. Does nothing where it is not on its way."""

    def chase(self, asker: str, entity: str) -> None:
        """That one's handler waits for that entity, which waits itself: perhaps in a circle over several nodes. Nothing
        more happens before it returns."""


class Router:
    """Finds mailboxes. `awake` is the system's directory, by entity; `activate` wakes one that is not in it.

    `elsewhere` is None where no other node owns anything: then `activate` is asked at once, and says so where it must.
    """

    def __init__(
        self,
        *,
        kinds: Kinds,
        awake: Mapping[str, Awake],
        activate: Callable[[str], Awake],
        keep_letter: Callable[[str, Envelope, Exception], None],
        lives_here: Callable[[str], bool],
        elsewhere: Elsewhere | None = None,
    ) -> None:
        self._kinds = kinds
        self._awake = awake
        self._activate = activate
        self._keep_letter = keep_letter
        self._lives_here = lives_here
        self._elsewhere = elsewhere
        self.waits = Waits()

    def ref(self, entity: str) -> "ActorRef":
        """Raises: BadEntity, UnknownKind."""
        kind, _ = split_entity(entity)
        self._kinds[kind]
        return ActorRef(self, entity)

    def mailbox(self, entity: str) -> Mailbox | None:
        """The entity's mailbox, woken if it sleeps; None when messages to it go elsewhere. Raises: as `submit`."""
        found = self._awake.get(entity)
        if found is None:
            if self._elsewhere is not None and self._goes_elsewhere(entity, self._elsewhere):
                return None
            found = self._activate(entity)
        return found.mailbox

    def _goes_elsewhere(self, entity: str, elsewhere: Elsewhere) -> bool:
        """Who is not awake here may have come to live here just now, with messages on their way that go first."""
        return not self._lives_here(entity) or elsewhere.keeps(entity)

    def is_here(self, entity: str) -> bool:
        """Does it live on this node, awake or asleep?"""
        return entity in self._awake or self._lives_here(entity)

    def submit(self, entity: str, envelope: Envelope) -> None:
        """Queue an envelope. Raises, with nothing queued: BadEntity, UnknownKind, NotHere, Unavailable, Overloaded."""
        found = self._awake.get(entity)
        if found is None:
            if self._elsewhere is not None and self._goes_elsewhere(entity, self._elsewhere):
                self._elsewhere.submit(entity, envelope)
                return
            found = self._activate(entity)
        found.mailbox.put_envelope(envelope)

    def glance(self, entity: str, message: Ask[Reply]) -> Reply | None:
        """What an entity would answer just now that is awake here: see Actor.glance."""
        found = self._awake.get(entity)
        return None if found is None else found.glance(message)  # type: ignore[return-value]

    def tell(self, entity: str, message: Message) -> None:
        """A message between entities of which one has no journal. One that can't be queued becomes a dead letter, but
        not when this node stops: it promises to arrive at most once."""
        try:
            self.put(entity, message)
        except Draining:
            log.info("tell_dropped", entity=entity, message=type(message).__qualname__)
        except ActorError as error:
            self._keep_letter(entity, Envelope(message=message), error)

    def tell_here(self, entity: str, message: Message) -> bool:
        """To who is awake here alone, of what is of no use elsewhere or later. Was it queued?"""
        found = self._awake.get(entity)
        if found is None:
            return False
        try:
            found.mailbox.put(message)
        except (Sealed, ActorError):
            return False
        return True

    def nudge(self, entities: Iterable[str], message: Message) -> None:
        """To those of them that are awake, on whichever node; it wakes nobody, and keeps nobody awake. Lost where it
        finds no room, or no way. Raises: BadEntity, ValueError, TypeError: see Kinds.nudged."""
        elsewhere = [one for one in self._kinds.nudged(entities, message) if not self.nudge_here(one, message)]
        if self._elsewhere is not None and elsewhere:
            self._elsewhere.nudge(elsewhere, message)

    def nudge_here(self, entity: str, message: Message) -> bool:
        """As `nudge`, of this node. Does the entity live here, awake or asleep?"""
        found = self._awake.get(entity)
        if found is None:
            return self._lives_here(entity)
        found.mailbox.nudge(message)
        return True

    def put(self, entity: str, message: Message) -> Mailbox | None:
        """Queue a bare message. The mailbox that it lies in; None when it went elsewhere. Raises: as `submit`."""
        mailbox = self.mailbox(entity)
        if mailbox is not None:
            mailbox.put(message)
        else:
            assert self._elsewhere is not None
            self._elsewhere.submit(entity, Envelope(message=message))
        return mailbox

    def send_on(self, entity: str, items: Iterable[Item]) -> None:
        """What has waited for an entity that is not where it was goes its way once more, in order. Whoever waits for
        the answer to what can't hears so."""
        for item in items:
            if not isinstance(item, Envelope):
                self.tell(entity, item)
            elif type(item.source) is Firing:
                pass  # of a durable timer: wherever the entity is, it fires there
            elif item.failure is not None and item.slot is not None:
                item.slot.reject(NotHere("the entity has moved"))  # its sender brings it once more
            else:
                try:
                    self.submit(entity, item)
                except ActorError as error:
                    if item.slot is not None:
                        item.slot.reject(error)
                    elif item.source is None and not isinstance(error, Draining):  # as in `tell`
                        self._keep_letter(entity, item, error)

    def wake(self, entity: str) -> None:
        """A durable timer of it is due. Raises: NotHere, Unavailable, Overloaded, UnknownKind."""
        mailbox = self.mailbox(entity)
        if mailbox is not None:
            mailbox.put_control(TimersDue())
        else:
            assert self._elsewhere is not None
            self._elsewhere.wake(entity)

    async def ask(
        self,
        entity: str,
        message: Ask[Reply],
        *,
        chain: tuple[str, ...] = (),
        principal: Principal = SYSTEM,
        command_id: str | None = None,
        trace: str | None = None,
    ) -> Reply:
        """The reply, once the events before it are durable. The deadline is the caller's cancel scope. `chain`: the
        entities whose handlers wait for this, outermost first. `trace`: the W3C traceparent that it is a part of.

        Raises: CallCycle when one of those would wait for itself; what the entity refused with, Overloaded,
        NotHere, Unavailable, HandlerFailed, OutcomeUnknown.
        """
        if entity in chain:
            raise CallCycle(" -> ".join((*chain, entity)))
        slot = TaskSlot()
        if command_id is None and message.idempotency_key is not None:
            key = message.idempotency_key
            command_id = asker_command_id(chain[-1], key) if chain else own_command_id(principal, key)
        envelope = Envelope(
            message=message,
            principal=principal,
            slot=slot,
            deadline=trio.current_effective_deadline(),
            command_id=command_id,
            digest=digest_of(message) if command_id is not None else None,
            chain=chain,
            trace=trace,
            queued_at=trio.current_time(),
        )
        if not chain:
            self.submit(entity, envelope)
            reply: Reply = await (slot.wait() if self._elsewhere is None else _abandoning(self._elsewhere, slot))
            return reply
        asker = chain[-1]
        if self.waits.close(asker, entity):
            raise circle(asker, entity)
        self.submit(entity, envelope)
        self.waits.begin(asker, entity)
        if self._elsewhere is not None and self.waits.asked(entity):
            self._elsewhere.chase(asker, entity)
        try:
            reply = await (slot.wait() if self._elsewhere is None else _abandoning(self._elsewhere, slot))
            return reply
        finally:
            self.waits.end(asker, entity)


def circle(asker: str, entity: str) -> CallCycle:
    """Why that one's handler is not to wait for that entity."""
    return CallCycle(f"{asker} -> {entity} -> … -> {asker}: each would wait for the other")


async def _abandoning(elsewhere: Elsewhere, slot: TaskSlot) -> Any:
    """The answer. Cancelled, whoever may be about to give it on another node hears so."""
    try:
        return await slot.wait()
    except trio.Cancelled:
        elsewhere.abandon(slot)
        raise


class ActorRef:
    """An entity's address. Outlives restarts and sleep; remembers the present mailbox to be quick."""

    __slots__ = ("_put", "_router", "entity")

    def __init__(self, router: Router, entity: str) -> None:
        self.entity = entity
        self._router = router
        self._put: Callable[[Message | Envelope], None] | None = None

    def tell(self, message: Message) -> None:
        """Raises: Overloaded, NotHere, Unavailable, UnknownKind; then nothing was queued."""
        put = self._put
        if put is not None:
            try:
                put(message)
                return
            except Sealed:
                pass
        mailbox = self._router.put(self.entity, message)
        self._put = (
            mailbox.put if mailbox is not None else None
        )  # elsewhere it is looked for each time: it may come here

    async def ask(self, message: Ask[Reply], *, principal: Principal = SYSTEM, command_id: str | None = None) -> Reply:
        """As Router.ask, of nobody's handler."""
        return await self._router.ask(self.entity, message, principal=principal, command_id=command_id)
