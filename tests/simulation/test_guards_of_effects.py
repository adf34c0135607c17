"""Each guard of effects between entities, taken away, is missed: within SEEDS seeds the couriers show it."""

from collections.abc import Callable

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


def first_violation(guards: Guards, faults: str, seeds: int = SEEDS) -> tuple[int, str] | None:
    for seed in range(seeds):
        scenario = couriers(clients=6, pace_s=4.0)
        run = run_seed(scenario, seed, minutes=MINUTES, faults=FAULTS[faults], guards=guards, swarm=False)
        if run.violations:
            return seed, run.violations[0]
    return None


@pytest.mark.parametrize(("guard", "faults"), IN_THE_DATABASE)
def test_a_removed_guard_of_the_database_is_missed(guard: str, faults: str) -> None:
    assert first_violation(Guards(**{guard: False}), faults) is not None


@pytest.mark.parametrize(("cls", "guard", "without", "faults"), IN_THE_RUNTIME)
def test_a_removed_guard_of_the_runtime_is_missed(
    cls: type, guard: str, without: Callable[..., object], faults: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cls, guard, without)
    assert first_violation(ALL_GUARDS, faults, SEEDS_MORE.get(guard, SEEDS)) is not None


@pytest.mark.parametrize("faults", FAULTS)
def test_with_all_guards_the_same_seeds_pass(faults: str) -> None:
    assert first_violation(ALL_GUARDS, faults) is None
