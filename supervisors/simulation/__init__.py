"""The simulated world: whole nodes in one process under one seed, for the tests of whoever writes an entity."""

from greenroom.supervisors.simulation.client import Work
from greenroom.supervisors.simulation.database import ALL_GUARDS, Guards
from greenroom.supervisors.simulation.faults import NO_FAULTS, Faults
from greenroom.supervisors.simulation.simulate import (
    BadCommand,
    Moment,
    Run,
    SimulationFailed,
    Summary,
    run_seed,
    simulate,
)
from greenroom.supervisors.simulation.world import Scenario

__all__ = [
    "ALL_GUARDS",
    "NO_FAULTS",
    "BadCommand",
    "Faults",
    "Guards",
    "Moment",
    "Run",
    "Scenario",
    "SimulationFailed",
    "Summary",
    "Work",
    "run_seed",
    "simulate",
]
