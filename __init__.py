"""Greenroom: a realtime backend made of supervised actors. What an entity of one's own needs is here.

    from greenroom import Actor, Ask, Event, Refused

`greenroom.testing` has the kit and the simulated world for its tests. docs/guides/writing-an-entity.md is the place to
begin.
"""

from greenroom.actors.jobs.job import Job, JobLimits
from greenroom.actors.jobs.limits import JobQueue as Queue
from greenroom.actors.jobs.limits import Rate
from greenroom.actors.jobs.retry import Retry
from greenroom.actors.jobs.schedule.declared import schedule
from greenroom.actors.jobs.unique import Unique
from greenroom.actors.jobs.waits import WaitFor
from greenroom.actors.jobs.work import Cancel, Child, Discard, Pause, Snooze, WaitsForChildren, Work
from greenroom.actors.model.actor import Actor, Aside, KindLimits, Reads
from greenroom.actors.model.errors import ActorError, InvalidCommand, Refused
from greenroom.actors.model.lifecycle import Answered, Undelivered
from greenroom.actors.model.message import Ask, Done, Event, Message, Tell
from greenroom.actors.model.principal import ANONYMOUS, SYSTEM, Principal, UserId
from greenroom.actors.personal.fields import Personal, Secret, Subject
from greenroom.actors.saga import Saga, SoFar, Step, parallel, race, wait_for
from greenroom.actors.sinks.errors import BatchRefused, Gone, Unreachable
from greenroom.actors.sinks.sink import Batch, Sink
from greenroom.actors.views.columns import Index, Key, Text
from greenroom.actors.views.page import Page
from greenroom.actors.views.view import Origin, View
from greenroom.store.views.asked import Rows

__all__ = [
    "ANONYMOUS",
    "SYSTEM",
    "Actor",
    "ActorError",
    "Answered",
    "Aside",
    "Ask",
    "Batch",
    "BatchRefused",
    "Cancel",
    "Child",
    "Discard",
    "Done",
    "Event",
    "Gone",
    "Index",
    "InvalidCommand",
    "Job",
    "JobLimits",
    "Key",
    "KindLimits",
    "Message",
    "Origin",
    "Page",
    "Pause",
    "Personal",
    "Principal",
    "Queue",
    "Rate",
    "Reads",
    "Refused",
    "Retry",
    "Rows",
    "Saga",
    "Secret",
    "Sink",
    "Snooze",
    "SoFar",
    "Step",
    "Subject",
    "Tell",
    "Text",
    "Undelivered",
    "Unique",
    "Unreachable",
    "UserId",
    "View",
    "WaitFor",
    "WaitsForChildren",
    "Work",
    "parallel",
    "race",
    "schedule",
    "wait_for",
]
