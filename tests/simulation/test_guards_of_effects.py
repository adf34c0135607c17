"""Each guard of effects between entities, taken away, is missed: within SEEDS seeds the couriers show it.

With all of them the seed that shows it passes.
"""

from collections.abc import Callable
from functools import cache

import pytest

from greenroom.actors.life.durable_timers import DurableTimers
from greenroom.actors.life.life import Life
from greenroom.actors.life.marks import Marks
from greenroom.supervisors.delivery.relay import Relay
from greenroom.testing import ALL_GUARDS, Guards, run_seed
from tests.simulation.couriers import couriers
from tests.simulation.test_guards import FAULTS

SEEDS = 4
SEEDS_MORE = {"is_due": 8}  # a timer must be moved while its message waits behind the one that moves it
FIRST = {"is_due": 2, "deletion": 1}  # where it is missed as things are; the other seeds are tried after it
MINUTES = 3.0

IN_THE_DATABASE = [
    ("outbox", "in flight"),
    ("marks", "in flight"),
    ("timers", "in flight"),
    ("letters", "in flight"),
    ("learning", "in flight"),
    ("handover", "in flight"),
    ("deletion", "tails lost"),
]


def begin_lineage(relay: Relay, lineage: str) -> None:
    """As the relay's own, without forgetting what was on its way in the former one."""
    relay._lineage = lineage


IN_THE_RUNTIME: list[tuple[type, str, Callable[..., object], str]] = [
    (Marks, "is_overtaken", lambda marks, origin: False, "in flight"),
    (DurableTimers, "is_due", lambda timers, firing: firing.name in timers.rows, "in flight"),
    (Life, "_shares_history", lambda life, origin: True, "tails lost"),
    (Relay, "begin_lineage", begin_lineage, "tails lost"),
]


def shown(guards: Guards, faults: str, seed: int) -> list[str]:
    """What is wrong in this seed's world with these guards."""
    scenario = couriers(clients=6, pace_s=4.0)
    return run_seed(scenario, seed, minutes=MINUTES, faults=FAULTS[faults], guards=guards, swarm=False).violations


@cache
def shown_with_all(faults: str, seed: int) -> list[str]:
    """Most guards are missed in the same world; with all of them it need not be run for each."""
    return shown(ALL_GUARDS, faults, seed)


def seeds(guard: str) -> list[int]:
    first = FIRST.get(guard, 0)
    return [first, *(seed for seed in range(SEEDS_MORE.get(guard, SEEDS)) if seed != first)]


@pytest.mark.parametrize(("guard", "faults"), IN_THE_DATABASE)
def test_a_removed_guard_of_the_database_is_missed(guard: str, faults: str) -> None:
    without = Guards(**{guard: False})
    missed = next(seed for seed in seeds(guard) if shown(without, faults, seed))
    assert not shown_with_all(faults, missed)


@pytest.mark.parametrize(("cls", "guard", "without", "faults"), IN_THE_RUNTIME)
def test_a_removed_guard_of_the_runtime_is_missed(
    cls: type, guard: str, without: Callable[..., object], faults: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(cls, guard, without)
        missed = next(seed for seed in seeds(guard) if shown(ALL_GUARDS, faults, seed))
    assert not shown_with_all(faults, missed)
