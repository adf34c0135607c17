"""A few seeds of every world, for the ordinary suite; `python -m tests.simulation` runs as many as one has time for."""

import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from greenroom.testing import NO_FAULTS, run_seed
from tests.simulation.ledger import ledgers
from tests.simulation.scenarios import SCENARIOS, WITHOUT_VIEWS

SEEDS = (3, 4)  # in which all that can happen does; CI searches more, beside the suite
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("scenario", WITHOUT_VIEWS)
def test_nothing_goes_wrong_in_a_world_where_everything_does(scenario: str) -> None:
    happened: set[str] = set()
    for seed in SEEDS:
        run = run_seed(SCENARIOS[scenario](), seed)
        assert not run.violations, (
            f"{run.violations[0]}\npython -m tests.simulation --scenario {scenario} --seed {seed}"
        )
        assert run.acknowledged > 100
        happened |= run.timeline.counts.keys()
    expected = {"killed", "stalled", "drains", "wire is cut", "append lost", "append refused", "late statement runs"}
    assert expected | {"failover", "database restarts", "told to resynchronise", "append twice"} <= happened


def test_an_append_that_is_lost_costs_no_command_its_deadline() -> None:
    """A client repeats what has expired, which would hide that an entity had dropped it."""
    for seed in range(3):
        run = run_seed(ledgers(), seed, minutes=5.0, faults=replace(NO_FAULTS, lost=0.2), swarm=False)
        assert not run.violations
        assert run.timeline.counts["append lost"] > 20
        expired = [line for line in run.timeline.lines() if "deadline_exceeded" in line]
        assert not expired


def test_nobody_who_reads_slowly_is_late_once_all_is_calm() -> None:
    """A rest that was begun before would be taken for the server's."""
    for seed in range(4):
        run = run_seed(
            ledgers(), seed, minutes=0.3, faults=replace(NO_FAULTS, slow_reader=1.0, refused=0.6), swarm=False
        )
        assert not run.violations, seed
        assert run.acknowledged


def test_one_seed_can_be_replayed_from_the_command_line() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "--scenario", "ledgers", "--seed", "3", "--minutes", "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    assert "acknowledged" in run.stdout
    assert "seed 3: nothing wrong" in run.stdout
