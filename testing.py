"""Testing what is one's own: `Kit` runs an entity, `fold` a view, `deliver` a sink; `JobKit` runs jobs;
`simulate` runs whole nodes."""

from greenroom.actors.testing.deliver import deliver
from greenroom.actors.testing.fold import NotPure, fold
from greenroom.actors.testing.kit import Kit, Notice
from greenroom.supervisors.simulation import (
    ALL_GUARDS,
    NO_FAULTS,
    BadCommand,
    Faults,
    Guards,
    Moment,
    Run,
    Scenario,
    SimulationFailed,
    Summary,
    Work,
    run_seed,
    simulate,
)
from greenroom.supervisors.testing.enqueued import Enqueued, Outcome
from greenroom.supervisors.testing.jobs import JobKit

__all__ = [
    "ALL_GUARDS",
    "NO_FAULTS",
    "BadCommand",
    "Enqueued",
    "Faults",
    "Guards",
    "JobKit",
    "Kit",
    "Moment",
    "NotPure",
    "Notice",
    "Outcome",
    "Run",
    "Scenario",
    "SimulationFailed",
    "Summary",
    "Work",
    "deliver",
    "fold",
    "run_seed",
    "simulate",
]
