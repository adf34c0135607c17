"""The world `jobs`: its entities, its people and its audit together."""

from typing import Any

from greenroom.actors.jobs.queue import queue_of
from greenroom.actors.jobs.single import SingleJob
from greenroom.testing import Scenario
from tests.simulation.jobs.audit import JobsAudit
from tests.simulation.jobs.chores import CLASSES, INSTALLED, QUEUES, STUDIOS, Present, Studio, Wishes, Yard, mark
from tests.simulation.jobs.people import People


def chores(*, lossless: bool = False, all_near: bool = False, **how: Any) -> Scenario:
    """`lossless`: no worker ends but as it should, so no attempt is lost. `all_near`: all are on the nodes' host."""
    yard = Present.yard = Yard()
    wishes = Wishes(0.0) if lossless else Wishes()
    people = People(yard, wishes)
    return Scenario(
        kinds=(Studio, queue_of(INSTALLED), SingleJob),
        channels=STUDIOS,
        work=wishes,
        mark=mark,
        audit=lambda: JobsAudit(yard, lossless=lossless),
        jobs=CLASSES,
        near=1.0 if all_near else 0.5,
        slots=dict.fromkeys(QUEUES, 2),
        operators=people.operators,
        tidy=people.tidy,
        **{"pace_s": 18.0} | how,
    )
