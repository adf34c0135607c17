"""Testing an entity of one's own: `Kit` runs one without a server, `simulate` whole nodes with faults under a seed."""

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
    "Notice",
    "Run",
    "Scenario",
    "SimulationFailed",
    "Summary",
    "Work",
    "run_seed",
    "simulate",
]
