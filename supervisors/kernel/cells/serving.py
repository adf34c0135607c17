"""Serving: a life at work. Its cell's task takes what has piled up as one burst, has it handled, submits all events of
the burst as one append, and goes on with the next burst while that commits.

Between two bursts it obeys what the mailbox was told (`actors/model/lifecycle.py`), and waits where too much is on its
way to the disk. Whatever a handler raises ends it: memory may be ahead of the journal then, and `lives.py` decides.
"""

from types import CoroutineType

import trio

from greenroom.actors.life.async_handler import await_handler
from greenroom.actors.life.flights import Flight
from greenroom.actors.life.life import Life
from greenroom.actors.life.once import Unknown
from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.errors import OutcomeUnknown, StoreAway, is_away
from greenroom.actors.model.lifecycle import (
    BeginAnew,
    Forget,
    HandOver,
    Overreached,
    Passivate,
    Rebuild,
    Reclaim,
    Stop,
    TimersDue,
)
from greenroom.actors.model.mailbox import Item
from greenroom.store.errors import StoreUnavailable
from greenroom.store.journal.epoch import lineage_of
from greenroom.store.journal.records import Remembered
from greenroom.supervisors.kernel.cells.again import has_rested
from greenroom.supervisors.kernel.cells.cell import Cell, enveloped
from greenroom.supervisors.kernel.cells.ending import Ending
from greenroom.supervisors.kernel.cells.in_flight import FLIGHTS_MAX
from greenroom.supervisors.kernel.ownership import lease_or_fast
from greenroom.supervisors.supervision.watched_steps import watched_steps

TURN = 16  # messages after which others have a turn; fewer came of one another, as presence does of a connect


async def serve(cell: Cell) -> Ending:
    """The present life, until it ends or the cell does. Raises: whatever its handlers raise."""
    mailbox = cell.mailbox
    committer = cell.host.committer
    burst_max = cell.host.mailbox.burst
    ownership = cell.host.ownership
    in_flight = cell.in_flight
    life = cell.life
    assert life is not None
    task = trio.lowlevel.current_task()
    flight: Flight | None = None
    since = 0  # messages handled since others had a turn
    while True:
        if mailbox.control is not None:
            ending = await _obey(cell, mailbox.take_control())
            if ending is not None:
                return ending
        if in_flight.failure is not None:
            return Ending.REBUILD
        if len(in_flight.flights) >= FLIGHTS_MAX or committer.congested:
            await in_flight.catch_up()
            continue
        if cell.suspects and in_flight.flights:
            await in_flight.catch_up_all()  # each alone in its append
            continue
        if cell.again is not None and cell.again.due <= trio.current_time():
            cell.come_again()
        burst = mailbox.take(1 if cell.suspects else burst_max)
        if burst:
            now = trio.current_time()
            if mailbox.nudges < len(burst):
                cell.last_active = now
            if mailbox.nudges:
                mailbox.nudges = max(mailbox.nudges - len(burst), 0)
            if now > ownership.valid_until:  # somebody else may own it by now: what we remember may be old
                mailbox.put_back(burst)
                fast = await lease_or_fast(mailbox, ownership)
                if fast and in_flight.failure is None:
                    _answer_fast(cell, life, fast)
                else:
                    mailbox.put_back(fast)
                continue
            if cell.suspects:
                cell.suspects -= 1
            try:
                handled = life.handle(burst, 0, now, in_flight=bool(in_flight.flights))
            except Exception as error:
                cell.struck(burst[: life.position], burst[life.position], burst[life.position + 1 :], error)
                raise
            if handled == len(burst):
                flight = life.decided.take(burst)
                if flight is not None:
                    in_flight.launch(flight)
            else:
                await _serve_rest(cell, life, burst, handled)
                since = TURN  # it has taken long
            since += handled
            if len(mailbox):
                if since >= TURN:
                    await trio.lowlevel.checkpoint()
                    since = 0
                continue
        if mailbox.control is None:  # which may have come while the last one was obeyed
            since = 0
            del burst  # or the frame of an idle entity keeps what that did last
            flight = None
            mailbox.park(task)
            if not cell.again:
                await trio.lowlevel.wait_task_rescheduled(mailbox.abandon)
            else:
                with trio.move_on_at(cell.again.due):
                    await trio.lowlevel.wait_task_rescheduled(mailbox.abandon)


async def _serve_rest(cell: Cell, life: Life, burst: list[Item], position: int) -> None:
    """A burst that has stopped at a message which waits for something, or because it has taken long enough."""
    departed = 0  # messages before this one have been taken care of
    try:
        while life.waits_for is not None:
            waits_for, life.waits_for = life.waits_for, None
            cell.take_off(burst[departed:position])  # those before need not wait for this one
            departed = position
            if isinstance(waits_for, Unknown):
                await _learn(cell, life, burst[position:])
            else:
                envelope = burst[position] = enveloped(burst[position])
                await _await_handler(cell, life, waits_for, envelope)
                position += 1
                if _has_to_look_up(cell):
                    break  # that took its time: what has happened meanwhile comes before the next one
            position = life.handle(burst, position, trio.current_time(), in_flight=bool(cell.in_flight.flights))
    except Exception as error:
        position = life.position
        cell.struck(burst[departed:position], burst[position], burst[position + 1 :], error)
        raise
    except BaseException:  # cancelled: nobody knows how far an async handler came
        item = burst[position]
        if type(item) is Envelope and item.slot is not None:
            item.slot.reject(OutcomeUnknown("the entity stopped while it handled this"))
        elif has_rested(item):  # as those that rest still
            cell.host.letters.keep(cell.entity, item, OutcomeUnknown("the entity stopped while it handled this"))
        cell.mailbox.put_back(burst[departed:position] + burst[position + 1 :])
        raise
    cell.take_off(burst[departed:position])
    cell.mailbox.put_back(burst[position:])


def _answer_fast(cell: Cell, life: Life, looks: list[Item]) -> None:
    """From memory, whoever owns the entity by now."""
    try:
        handled = life.handle(looks, 0, trio.current_time(), in_flight=bool(cell.in_flight.flights))
    except Exception as error:
        cell.struck(looks[: life.position], looks[life.position], looks[life.position + 1 :], error)
        raise
    cell.take_off(looks[:handled])
    cell.mailbox.put_back(looks[handled:])


def _has_to_look_up(cell: Cell) -> bool:
    """Is there what `serve` looks at between two bursts? A failed append, a signal, too much on its way."""
    in_flight = cell.in_flight
    return (
        in_flight.failure is not None
        or cell.mailbox.told
        or len(in_flight.flights) >= FLIGHTS_MAX
        or cell.host.committer.congested
    )


async def _await_handler(
    cell: Cell, life: Life, waiting: "CoroutineType[object, object, object]", envelope: Envelope
) -> None:
    actor = life.actor
    actor.chain = envelope.chain
    reading = cell.host.admission.turn(envelope.deadline, is_command=envelope.is_command)
    actor.reading = reading
    try:
        steps = watched_steps(waiting, cell.host.turn, life, envelope.message)
        refusal = await await_handler(life, steps, envelope)
    except Exception as error:
        if is_away(error) and reading.has_asked:
            envelope.strikes += 1  # handled again, it would ask others again, and they may have done something
        raise
    finally:
        actor.reading = None
        reading.end()
    if isinstance(refusal, StoreAway):
        cell.host.note_store_unavailable(refusal)
        if envelope.slot is None and envelope.source is None:
            envelope.strikes += reading.has_asked  # as above
            cell.bring_again(envelope)
    await cell.host.ownership.fresh()  # that took its time, and the answer is not out yet


async def _learn(cell: Cell, life: Life, items: list[Item]) -> None:
    """Ask the journal what must be known before these messages are handled."""
    assert life.head is not None
    unknown, head_id, journal = life.once.unknown(items), life.head.id, cell.host.journal

    async def ask() -> tuple[dict[int, int], dict[str, Remembered]]:
        marks = await journal.received(head_id, unknown.senders) if unknown.senders else {}
        replies = await journal.replies(head_id, unknown.command_ids) if unknown.command_ids else {}
        return marks, replies

    marks, replies = await cell.host.insist(ask)
    life.once.learn(unknown, marks, replies, under_way_max=FLIGHTS_MAX * cell.host.mailbox.burst)
    await cell.host.ownership.fresh()  # that took its time too


async def _obey(cell: Cell, signals: list[object]) -> Ending | None:
    """In their order; when one fails, those behind it are for the next life, and a stop is however far it came."""
    ending: Ending | None = None
    try:
        while signals:
            match signals[0]:
                case Rebuild():
                    pass  # what is in flight has failed, and says so
                case TimersDue():
                    cell.fire_due()
                case BeginAnew():
                    ending = Ending.REBUILD
                case Overreached(error):
                    raise error
                case Forget():
                    return Ending.ERASED
                case Reclaim():
                    head = cell.head  # perhaps claimed anew since that was asked; None of one without a journal
                    if head is None or lineage_of(head.epoch) != cell.host.lineage():
                        ending = Ending.REBUILD  # after the others, one of which may end us
                case Passivate():
                    # Not while anything else is asked: asleep it would be forgotten.
                    if ending is None and len(signals) == 1 and cell.fall_asleep():
                        return Ending.ASLEEP
                case Stop() | HandOver():
                    await cell.in_flight.catch_up_all()
                    if cell.in_flight.failure is None:
                        is_stop = isinstance(signals[0], Stop)
                        await _save_snapshot(cell, is_stop=is_stop)
                        return Ending.STOPPED if is_stop else Ending.MOVED
                    cell.mailbox.put_control(signals[0])  # again, after the rebuild
            del signals[0]
    except Exception:
        for signal in signals if isinstance(signals[0], Stop | HandOver) else signals[1:]:
            cell.mailbox.put_control(signal)
        raise
    return ending


async def _save_snapshot(cell: Cell, *, is_stop: bool) -> None:
    snapshot = cell.last_snapshot(is_stop=is_stop)
    if snapshot is None:
        return
    try:
        await cell.host.snapshots.write(*snapshot)
    except StoreUnavailable as error:
        cell.host.note_store_unavailable(error)  # the journal has it all; waking will replay more
