"""Gathered: what one handling has recorded and named, encoded, so that nothing of it fails once some of it is kept."""

from collections.abc import Sequence
from typing import assert_never

import msgspec

from greenroom.actors.life.departures import Answer, Departure
from greenroom.actors.life.durable_timers import DurableTimers
from greenroom.actors.life.outgoing import Outgoing, sequence
from greenroom.actors.model.effects import (
    After,
    AnswerLater,
    CancelTimer,
    Effect,
    Ephemeral,
    Kick,
    Nudge,
    SetTimer,
    StartJob,
    Told,
    WriteJobs,
)
from greenroom.actors.model.envelope import Origin
from greenroom.actors.model.errors import ActorError, HandlerFailed
from greenroom.actors.model.kinds import Kind
from greenroom.actors.model.lifecycle import Answered, Undelivered
from greenroom.actors.model.message import Done
from greenroom.actors.model.schedule import encode_timer
from greenroom.store.journal.consequences.jobs import Jobs
from greenroom.store.journal.consequences.timers import TimerRow

encode = msgspec.json.encode
DONE = Done()


class Gathered:
    """The effects of one handling, by what becomes of them."""

    __slots__ = ("afters", "jobs", "kicks", "leaving", "started", "timers", "told")

    def __init__(self) -> None:
        self.told: list[Told] = []  # through the outbox
        self.timers: dict[str, TimerRow | None] = {}  # name -> its row; None ends that timer
        self.leaving: list[Departure] = []
        self.kicks: list[Departure] = []  # leave behind the reply: one may close the connection that asked
        self.jobs: Jobs | None = None
        self.started: list[StartJob] = []  # among `jobs` too
        self.afters = 0  # how many of `leaving` are messages to oneself after a while


NOTHING = Gathered()  # of a handling that named none; nobody adds to it


def gather(kind: Kind, effects: Sequence[Effect], present: DurableTimers | None) -> Gathered:
    """Raises: TypeError for a timer's message that the kind does not take, and whatever encoding it raises."""
    found = Gathered()
    for effect in effects:  # the frequent ones by their type: class patterns are tried one after the other, and slowly
        if type(effect) is Told and effect.durable:
            found.told.append(effect)
        elif type(effect) is SetTimer:
            if type(effect.message) not in kind.messages:
                raise TypeError(f"{kind.name} takes no {type(effect.message).__qualname__}: see `internal`")
            body = encode_timer(effect.message, effect.schedule)
            found.timers[effect.name] = TimerRow(effect.name, effect.due_ms, body)
        else:
            _gather_rare(effect, found, present)
    return found


def _gather_rare(effect: Effect, found: Gathered, present: DurableTimers | None) -> None:
    match effect:
        case Told() | Ephemeral() | Nudge():
            found.leaving.append(effect)
        case After():
            found.leaving.append(effect)
            found.afters += 1
        case WriteJobs():
            if found.jobs is None:
                found.jobs = effect.jobs
            else:
                found.jobs.merge(effect.jobs)
        case StartJob():
            found.jobs = found.jobs or Jobs()
            found.jobs.started.append(effect.row)
            found.started.append(effect)
        case Kick():
            found.kicks.append(effect)
        case AnswerLater():
            found.leaving.append(Answer(effect.later, DONE if effect.reply is None else effect.reply, None))
        case CancelTimer():
            if effect.name in found.timers or (present is not None and effect.name in present.rows):
                found.timers[effect.name] = None
        case SetTimer():
            raise AssertionError("gathered above")
        case _:
            assert_never(effect)


def encode_outgoing(position: int, told: list[Told], trace: str | None) -> list[Outgoing]:
    """What an entity sends with the event at `position`. Raises: whatever encoding the messages raises."""
    return [
        Outgoing(sequence(position, number), one.entity, msgspec.Raw(encode(one.message)), one.about, trace)
        for number, one in enumerate(told)
    ]


def answer_to(origin: Origin, entity: str, reply: object) -> Told:
    """The report to a sender that wants to hear what became of its message. Raises: whatever encoding it raises."""
    encoded = msgspec.Raw(encode(DONE if reply is None else reply))
    return Told(origin.entity, Answered(entity=entity, about=origin.about, reply=encoded))


def undelivered_to(origin: Origin, entity: str, error: ActorError | None) -> Told:
    """The report to a sender that its message was given up: refused with `error`, or for crashing the actor."""
    name, detail = (HandlerFailed.name, "") if error is None else (error.name, getattr(error, "detail", ""))
    return Told(origin.entity, Undelivered(entity=entity, about=origin.about, name=name, detail=detail))
