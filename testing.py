"""Testing what is one's own: `Kit` runs an entity, `fold` a view, `deliver` a sink; `simulate` runs whole nodes."""

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

__all__ = [
    "ALL_GUARDS",
    "NO_FAULTS",
    "BadCommand",
    "Faults",
    "Guards",
    "Kit",
    "Moment",
    "NotPure",
    "Notice",
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
