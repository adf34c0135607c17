"""The simulated world: whole nodes in one process under one seed, for the tests of whoever writes an entity."""

from supervisors.simulation.client import Work
from supervisors.simulation.database import ALL_GUARDS, Guards
from supervisors.simulation.faults import NO_FAULTS, Faults
from supervisors.simulation.simulate import Run, SimulationFailed, Summary, run_seed, simulate
from supervisors.simulation.world import Scenario

__all__ = [
    "ALL_GUARDS",
    "NO_FAULTS",
    "Faults",
    "Guards",
    "Run",
    "Scenario",
    "SimulationFailed",
    "Summary",
    "Work",
    "run_seed",
    "simulate",
]
