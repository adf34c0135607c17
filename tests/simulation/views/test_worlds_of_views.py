"""A few worlds with views, for the ordinary suite; `python -m tests.simulation --scenario views` searches more."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from greenroom.testing import Faults, run_seed
from tests.simulation.views.talks import talks

ROOT = Path(__file__).parents[3]
TROUBLED = Faults(  # so often that all of it happens in a minute
    crash_every_s=20.0,
    stall_every_s=20.0,
    restart_every_s=20.0,
    failover_every_s=15.0,
    lost=0.05,
    rebuild_every_s=8.0,
    pause_every_s=10.0,
    retry_every_s=10.0,
    upgrade_every_s=25.0,
)
EXPECTED = {
    *("rebuild", "paused", "resumed", "trimmed", "release", "parked are tried again", "old tables dropped"),
    *("view commit lost", "view write lost", "view page lost", "failover", "killed", "stalled"),
    *("log: view_parked", "log: view_switched", "log: view_not_switched", "log: view_postponed"),
}
WORLD = """
from greenroom.testing import run_seed
from tests.simulation.views.talks import talks
run = run_seed(talks(), 2, minutes=0.3, nodes=3)
print(f"{run.trace:08x} {run.steps} {run.acknowledged} {run.seen}", *run.violations)
"""


SEEDS_MAX = 8  # in which all of that happens, whatever else changes


@pytest.mark.parametrize("nodes", [1, 3])
def test_tables_and_pages_are_what_the_journals_say_whatever_happens(nodes: int) -> None:
    happened: set[str] = set()
    for seed in range(1, 1 + SEEDS_MAX):
        run = run_seed(talks(), seed, minutes=0.8, faults=TROUBLED, swarm=False, nodes=nodes)
        how = f"python -m tests.simulation --scenario views --nodes {nodes} --seed {seed}"
        assert not run.violations, f"{run.violations[0]}\n{how}"
        assert run.acknowledged > 10 and run.seen > 10
        happened |= run.timeline.counts.keys()
        if happened >= EXPECTED:
            break
    assert happened >= EXPECTED


def world(hash_seed: int) -> str:
    """What becomes of it in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", WORLD],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": str(hash_seed), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout


def test_the_same_world_with_views_is_the_same_to_the_step() -> None:
    first = world(hash_seed=1)
    assert int(first.split()[1]) > 1000
    assert world(hash_seed=2) == first
