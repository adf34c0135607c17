"""A few seeds of every world, for the ordinary suite; `python -m tests.simulation` runs as many as one has time for."""

import subprocess
import sys
from pathlib import Path

import pytest

from supervisors.simulation import run_seed
from tests.simulation.scenarios import SCENARIOS

SEEDS = 8
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_nothing_goes_wrong_in_a_world_where_everything_does(scenario: str) -> None:
    happened: set[str] = set()
    for seed in range(SEEDS):
        run = run_seed(SCENARIOS[scenario](), seed)
        assert not run.violations, (
            f"{run.violations[0]}\npython -m tests.simulation --scenario {scenario} --seed {seed}"
        )
        assert run.acknowledged > 100
        happened |= run.timeline.counts.keys()
    expected = {"killed", "stalled", "drains", "wire is cut", "append lost", "append refused", "late statement runs"}
    assert expected | {"failover", "database restarts", "told to resynchronise", "append twice"} <= happened


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
