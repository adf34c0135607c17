"""Departures: what an entity lets out once the events before it are durable, and how each kind of it leaves.

A reply is `(slot, reply or error, the reply as JSON where that exists already)`, a publication the stored event itself,
and the rest are the effects that the handler named.
"""

from typing import TYPE_CHECKING, Any

import msgspec
import structlog
from msgspec import Struct

from greenroom.actors.model.effects import Ephemeral, Kick, Timer, Told, Watch
from greenroom.actors.model.envelope import Envelope, ReplySlot
from greenroom.actors.model.errors import ActorError, HandlerFailed, Refused
from greenroom.actors.model.mailbox import Item
from greenroom.actors.model.message import Done, reply_type
from greenroom.store.journal.journal import Remembered, StoredEvent
from greenroom.supervisors.kernel.exactly_once import Posted, TimersSet

if TYPE_CHECKING:
    from greenroom.supervisors.kernel.cell import Cell
    from greenroom.supervisors.kernel.system import System

log = structlog.get_logger("greenroom.cell")
encode = msgspec.json.encode


class Flight(Struct, gc=False):
    """What one burst sends out once all events up to `through` are durable."""

    through: int
    departures: list[Any]
    items: list[Item]  # the messages it came from, to be handled again should the events prove lost


class SnapshotDue(Struct):
    offset: int
    body: bytes


def let_out(cell: "Cell", system: "System", departures: list[Any]) -> None:
    """Each in turn. One that fails is logged and holds up neither the others nor the committer that called."""
    for departure in departures:
        try:
            cls = type(departure)
            if cls is StoredEvent:
                system.audiences.publish(cell.entity, cell.epoch, departure)
            elif cls is tuple:
                slot, reply, encoded = departure
                if isinstance(reply, ActorError):
                    slot.reject(reply)
                else:
                    slot.resolve(reply, encoded)
            elif cls is Posted:
                system.relay.post(departure.row, departure.messages)
            elif cls is TimersSet:
                for due_ms in departure.due_ms:
                    system.timers.soon(due_ms, cell.entity)
            elif cls is Told:
                system.tell(departure.entity, departure.message)
            elif cls is Ephemeral:
                system.audiences.publish_ephemeral(cell.entity, encode(departure.data), departure.key)
            elif cls is Timer:
                system.start_timer(cell, departure)
            elif cls is SnapshotDue:
                if cell.head is not None:
                    system.snapshot_later(cell.head, departure.offset, departure.body, cell.kind.limits)
            elif cls is Kick:
                system.audiences.kick(cell.entity, departure)
            else:
                assert cls is Watch
                system.watch(cell.entity, departure.entity)
        except Exception as error:  # the edge: most likely something of the entity's own that can't be encoded
            log.exception("departure_failed", entity=cell.entity, error=repr(error))
            if cls is tuple:
                departure[0].reject(HandlerFailed(repr(error)))


def repeated_reply(envelope: Envelope, slot: ReplySlot, known: Remembered) -> tuple[ReplySlot, Any, bytes | None]:
    """The first reply to a repeated command, as a departure; a refusal when it is another command with the same id."""
    if known.digest is not None and envelope.digest is not None and known.digest != envelope.digest:
        text = "this idempotency key was used before, for a command with other fields"
        return slot, Refused("command_id.reused", text, status=409), None
    encoded = known.reply
    wanted = reply_type(type(envelope.message)) or Done
    try:
        return slot, msgspec.json.decode(encoded, type=wanted), encoded
    except (msgspec.MsgspecError, TypeError):  # the reply's type has changed since, or is none that can be decoded
        return slot, msgspec.json.decode(encoded), encoded
