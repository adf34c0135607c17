"""The world `plans`: its entities, its people and its audit together."""

from typing import Any

from greenroom.actors.jobs.queue import queue_of
from greenroom.actors.jobs.schedule import Book, schedule_of
from greenroom.actors.jobs.single import SingleJob
from greenroom.testing import Scenario
from tests.simulation.jobs.plans import (
    ENDLESS_S,
    INSTALLED,
    PLANNERS,
    Errands,
    Lone,
    Make,
    Part,
    Planner,
    Planners,
    Whole,
    Wishes,
    mark,
)
from tests.simulation.jobs.plans_audit import PlansAudit


def plans(endless_s: float = ENDLESS_S, **how: Any) -> Scenario:
    """Flows over two queues, errands, and schedules. `endless_s`: what jobs of one of these take, unless cancelled."""
    wishes = Wishes()
    planners = Planners(wishes, endless_s)
    return Scenario(
        kinds=(Planner, Errands, queue_of(INSTALLED), SingleJob, schedule_of(INSTALLED), Book),
        channels=PLANNERS,
        work=wishes,
        mark=mark,
        records=lambda message: isinstance(message, Make),
        audit=lambda: PlansAudit(planners),
        jobs=(Part, Lone, Whole),
        slots={"parts": 3, "wholes": 2},
        operators=planners.operators,
        tidy=planners.tidy,
        **{"pace_s": 20.0} | how,
    )
