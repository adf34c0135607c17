"""An entity's task: it wakes, serves and sleeps, one life after another.

When a handler raises, or an append fails, memory may be ahead of the journal. Then the life ends, and the next one
begins from a fresh claim (`waking.py`), whose events tell which flights had landed. A message that keeps killing its
actor goes to the dead letters, and the rest of the mailbox goes on.
"""

import math

import structlog
import trio

from greenroom.actors.life.life import Life
from greenroom.actors.model.errors import HandlerStuck, is_away
from greenroom.actors.model.upcasters import UnreadableEvent
from greenroom.store.errors import Erased, JournalDamaged, NotOwner
from greenroom.store.journal.records import Outcome
from greenroom.supervisors.kernel.cells.cell import Cell
from greenroom.supervisors.kernel.cells.ending import Ending
from greenroom.supervisors.kernel.cells.serving import serve
from greenroom.supervisors.kernel.cells.waking import wake

log = structlog.get_logger("greenroom.cell")

CALM_S = 10.0  # without trouble for so long, the next restart is quick again


async def run(cell: Cell) -> None:
    """Wake, serve, sleep. Owner: the system's nursery. Never raises but by cancellation."""
    rebuilt_at = -math.inf
    ending: Ending | None = None  # cancelled
    try:
        while True:
            woken = False
            try:
                await _awaken(cell)
                woken = cell.is_serving = True
                try:
                    found = await serve(cell)
                finally:
                    cell.is_serving = False
                if found is not Ending.REBUILD:
                    ending = found
                    return
                if cell.in_flight.failure is Outcome.REPEATED:
                    continue  # nothing is broken
            except NotOwner as error:
                log.info("entity_moved", entity=cell.entity, reason=str(error))
                ending = Ending.MOVED if cell.host.ownership.lost(cell.entity) else Ending.REFUSED
                return
            except Erased:
                log.info("entity_erased", entity=cell.entity)
                ending = Ending.ERASED
                return
            except JournalDamaged as error:
                log.error("entity_damaged", entity=cell.entity, error=str(error))
                cell.host.failures.note(cell.entity, "damaged", str(error))
                ending = Ending.DAMAGED
                return
            except Exception as error:  # the supervisor's one place: a handler, `apply` or a snapshot failed
                if isinstance(error, UnreadableEvent) and cell.kind.is_behind:
                    log.warning("entity_of_newer_release", entity=cell.entity, error=str(error))
                    ending = Ending.BEHIND
                    return
                hangs = isinstance(error, HandlerStuck) and not woken  # in `apply`, and would again
                if woken and is_away(error):  # out of a handler that had recorded: only a life anew takes that back
                    cell.host.note_store_unavailable(error)
                elif not cell.may_restart(error) or hangs:
                    ending = Ending.FAILED
                    await cell.in_flight.catch_up_all()  # what is on its way to the disk need not be unknown
                    return
            if trio.current_time() - rebuilt_at > CALM_S:
                backoff = cell.host.new_backoff()
            rebuilt_at = trio.current_time()
            await trio.sleep(backoff.next())
    finally:
        cell.close(Ending.STOPPED if ending is None else ending)


async def _awaken(cell: Cell) -> None:
    """Begin the next life. Until that has succeeded, flights and failure of the former one stay as they are."""
    host = cell.host
    if not cell.kind.actor.durable:
        life = Life(cell.kind, cell.entity, host.world, host.turn)
        if cell.kind.begins:
            await host.insist(life.actor.begin)
        ended = cell.life
        cell.adopt(life)
        if ended is not None:
            ended.end_laters()
        if cell.kind.begins:
            host.audiences.began(cell.entity, life.epoch, 0)
        return
    in_flight = cell.in_flight
    former = cell.life
    if former is not None:
        await in_flight.catch_up_all()  # its appends are under way: their outcome comes first
        in_flight.forget_queued()  # what the new fence would refuse anyway
    flights, failure = in_flight.flights, in_flight.failure
    cell.begin(await host.insist(lambda: wake(host, cell.kind, cell.entity, former, flights, failure)))
