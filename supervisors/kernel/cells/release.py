"""Release: how each kind of departure leaves, once the events before it are durable."""

from collections.abc import Iterable
from contextlib import suppress
from typing import assert_never

import msgspec
import structlog
from msgspec.structs import replace

from greenroom.actors.jobs.queue.actor import QUEUE_KIND
from greenroom.actors.jobs.queue.messages import Found
from greenroom.actors.life.departures import (
    Answer,
    Departure,
    GivenUp,
    JobsStarted,
    Posted,
    Reading,
    Rejection,
    SnapshotDue,
    TimersSet,
)
from greenroom.actors.life.life import Life
from greenroom.actors.model.effects import After, Ephemeral, Kick, Nudge, Told
from greenroom.actors.model.errors import ActorError, HandlerFailed
from greenroom.actors.model.mailbox import Mailbox
from greenroom.config.telemetry.shown import shown
from greenroom.store.journal.epoch import lineage_of
from greenroom.store.journal.records import StoredEvent
from greenroom.supervisors.kernel.host import Host

log = structlog.get_logger("greenroom.cell")


def release(host: Host, life: Life, mailbox: Mailbox, departures: Iterable[Departure]) -> None:
    """Each in turn. One that fails is logged and holds up neither the others nor the committer that called."""
    publish = host.audiences.publish
    entity, epoch = life.entity, life.epoch
    for departure in departures:
        cls = type(departure)
        try:
            # The frequent kinds by their type: a class pattern costs more than all else that happens to them here.
            if cls is StoredEvent:
                publish(entity, epoch, departure)  # type: ignore[arg-type]
            elif cls is Answer:
                departure.slot.resolve(departure.reply, departure.encoded)  # type: ignore[union-attr]
            elif cls is Ephemeral:
                _show(host, entity, departure)  # type: ignore[arg-type]
            elif cls is Posted:
                host.relay.post(
                    departure.row,  # type: ignore[union-attr]
                    departure.messages,  # type: ignore[union-attr]
                    lineage_of(epoch),
                    departure.first_to,  # type: ignore[union-attr]
                    departure.at,  # type: ignore[union-attr]
                )
            elif cls is TimersSet:
                for due_ms in departure.due_ms:  # type: ignore[union-attr]
                    host.waker.soon(due_ms, entity)
            else:
                _release_rare(host, life, mailbox, departure)
        except Exception as error:  # the edge: most likely something of the entity's own that can't be encoded
            log.exception("departure_failed", entity=entity, error=shown(error))
            if isinstance(departure, Answer):
                departure.slot.reject(HandlerFailed(shown(error)))


def known_to_have_landed(departure: Departure) -> Departure:
    """Of a former life, whose append was looked up: then nobody can say that it was not sent before."""
    if isinstance(departure, Posted) and departure.first_to:
        return replace(departure, first_to=frozenset())
    return departure


def _release_rare(host: Host, life: Life, mailbox: Mailbox, departure: Departure) -> None:
    match departure:
        case Rejection():
            departure.slot.reject(departure.error)
        case Reading():
            host.asides.start(life, departure)
        case Told():
            host.router.tell(departure.entity, departure.message)
        case Nudge():
            host.router.nudge(departure.entities, departure.message)
        case After():
            host.afters.start(life, mailbox, departure.seconds, departure.message)
        case SnapshotDue():
            if life.head is not None:
                host.snapshots.write_later(life.head, departure.offset, departure.body, life.kind.limits)
        case Kick():
            host.audiences.kick(life.entity, departure)
        case GivenUp():
            if departure.letter is not None:
                host.letters.note(departure.letter)
        case JobsStarted():
            for queue in dict.fromkeys(one.row.queue for one in departure.started):
                with suppress(ActorError):  # a hint: its queue looks by itself too
                    host.router.put(f"{QUEUE_KIND}:{queue}", Found())
        case StoredEvent() | Answer() | Ephemeral() | Posted() | TimersSet():
            raise AssertionError("released above")
        case _:
            assert_never(departure)


def _show(host: Host, entity: str, ephemeral: Ephemeral) -> None:
    host.audiences.publish_ephemeral(entity, msgspec.json.encode(ephemeral.data), ephemeral.key)
