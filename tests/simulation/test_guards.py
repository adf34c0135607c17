"""Each guard of the journal, taken away, is missed: within SEEDS seeds of troubled times the world shows it.

What shows it is never a copy of the guard: an event that happens twice, an owner that does not know its own journal,
an assertion of the runtime's own. And it is the guard that was missed: with all of them the same seed passes.
"""

from functools import cache

import pytest

from greenroom.testing import ALL_GUARDS, Faults, Guards, run_seed
from tests.simulation.ledger import ledgers

SEEDS = 12
SEEDS_MORE = {"lineage": 40}  # it takes a node that writes before it hears of the failover
FIRST = {"fence": 1, "above": 2, "lineage": 9}  # where it is missed as things are; the other seeds are tried after it
MINUTES = 3.0
FAULTS = {
    "in flight": Faults(  # appends that are slow, given up on, late or sent twice, and nodes that come and go
        crash_every_s=20.0,
        zombie_every_s=15.0,
        stop_every_s=0.0,
        stall_every_s=20.0,
        down_s=2.0,
        stall_s=8.0,
        lost=0.3,
        slow=0.15,
        repeated=0.03,
        restart_every_s=60.0,
        failover_every_s=0.0,
        late_s=5.0,
        reset_every_s=15.0,
    ),
    "claims lost": Faults(  # zombies, and a database that forgets who has claimed
        crash_every_s=40.0,
        zombie_every_s=10.0,
        stop_every_s=0.0,
        stall_every_s=0.0,
        down_s=2.0,
        stall_s=8.0,
        repeated=0.0,
        restart_every_s=0.0,
        failover_every_s=5.0,
        lost_tail=0.0,
        reset_every_s=15.0,
    ),
    "claims granted again": Faults(  # the same, of nodes that live on, whose appends come twice
        crash_every_s=10.0,
        zombie_every_s=0.0,
        stop_every_s=0.0,
        stall_every_s=0.0,
        down_s=1.0,
        refused=0.0,
        lost=0.0,
        slow=0.0,
        repeated=0.8,
        restart_every_s=0.0,
        failover_every_s=1.0,
        lost_tail=0.0,
        reset_every_s=5.0,
    ),
    "tails lost": Faults(  # zombies, and standbys that take over without the newest events and claims
        crash_every_s=0.0,
        zombie_every_s=4.0,
        stop_every_s=0.0,
        stall_every_s=0.0,
        down_s=2.0,
        zombie_s=30.0,
        restart_every_s=0.0,
        failover_every_s=4.0,
        lost_tail=1.0,
        lag_s=8.0,
        reset_every_s=0.0,
    ),
}
REMOVALS = [
    ("fence", "in flight"),
    ("incarnation", "claims lost"),
    ("offset", "in flight"),
    ("above", "claims granted again"),
    ("barrier", "in flight"),
    ("separate_load", "in flight"),
    ("timeline", "tails lost"),
    ("lineage", "tails lost"),
]


def shown(guards: Guards, faults: str, seed: int) -> list[str]:
    """What is wrong in this seed's world with these guards."""
    scenario = ledgers(16, clients=6, pace_s=4.0)
    return run_seed(scenario, seed, minutes=MINUTES, faults=FAULTS[faults], guards=guards, swarm=False).violations


@cache
def shown_with_all(faults: str, seed: int) -> list[str]:
    """Several guards are missed in the same world; with all of them it need not be run for each."""
    return shown(ALL_GUARDS, faults, seed)


@pytest.mark.parametrize(("guard", "faults"), REMOVALS)
def test_a_removed_guard_is_missed(guard: str, faults: str) -> None:
    without = Guards(**{guard: False})
    first = FIRST.get(guard, 0)
    seeds = [first, *(seed for seed in range(SEEDS_MORE.get(guard, SEEDS)) if seed != first)]
    missed = next(seed for seed in seeds if shown(without, faults, seed))
    assert not shown_with_all(faults, missed)
