"""The world `assorted`, at random; and each of its guards, taken away, is missed."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest

from greenroom.actors.jobs.installed import InstalledJob
from greenroom.actors.jobs.queue.desk.expiries import Expiries
from greenroom.actors.jobs.queue.keys import Keys
from greenroom.actors.jobs.queue.order import Order
from greenroom.actors.jobs.queue.rates.windows import FixedWindow, SlidingWindow
from greenroom.actors.jobs.queue.waiting import Waiting
from greenroom.supervisors.jobs.attempt import Attempt, outcomes
from greenroom.supervisors.jobs.chunks import chunk, gathering
from greenroom.testing import Faults, run_seed
from tests.simulation.jobs.jobs_world import assorted
from tests.simulation.jobs.test_guards_of_jobs import TROUBLED

AT_RANDOM = [(3, 2)]  # nodes and seed; CI searches more, beside the suite
SEEDS = 40  # each change of the code moves what happens in them
MINUTES = 0.5


def test_nothing_goes_wrong_in_assorted_worlds() -> None:
    happened: set[str] = set()
    for nodes, seed in AT_RANDOM:
        run = run_seed(assorted(), seed, minutes=MINUTES, nodes=nodes)
        how = f"python -m tests.simulation --scenario assorted --nodes {nodes} --minutes {MINUTES:g} --seed {seed}"
        assert not run.violations, f"{run.violations[0]}\n{how}"
        happened |= set(run.timeline.counts)
    assert "worker killed" in happened


def nobody(expiries: Expiries, now_ms: int, jobs: Any, most: int) -> list[Waiting]:
    return []


def also_begun(job: Waiting) -> int:
    return 0 if job.options is None else job.options.expires_ms


def forgotten(*_: Any) -> int:
    return 0


def all_of_it(window: Any, spent: int, now_ms: int) -> int:
    return int(window.burst)


def always(*_: Any) -> bool:
    return True


def turned_round(found: Sequence[Any], count: int) -> list[Any]:
    return OUTCOMES(found, count)[::-1]


def as_they_are(_: Any, given: Any, *place: str) -> Any:
    return given


def nothing(*_: Any) -> None: ...


def of_any_key(job: Any, installed: Any) -> str:
    return ""


OUTCOMES = outcomes
IN_THE_RUNTIME: dict[str, tuple[Any, str, Any]] = {
    "what has expired is not begun": (Expiries, "due", nobody),
    "what has begun does not expire": (Waiting, "expires_ms", property(also_begun)),
    "a heavy job waits for room": (Order, "_fits", always),
    "a fixed window is counted": (FixedWindow, "tokens", all_of_it),
    "a sliding window is counted": (SlidingWindow, "tokens", all_of_it),
    "what has begun in a window counts in the next life": (SlidingWindow, "as_of", forgotten),
    "each of a chunk has its own outcome": (chunk, "outcomes", turned_round),
    "a chunk is of one key": (gathering, "_key_of", of_any_key),
    "arguments are sealed": (InstalledJob, "sealed", as_they_are),
    "results are sealed": (Attempt, "_sealed", as_they_are),
    "what has begun makes no room for another": (Keys, "put_back", nothing),
}
# Where it is missed as things are; the other seeds are tried after it.
FIRST = {
    "what has begun does not expire": 2,
    "a fixed window is counted": 7,
    "a sliding window is counted": 13,
    "what has begun in a window counts in the next life": 18,
    "what has begun makes no room for another": 7,
}


def shown(seed: int, faults: Faults = TROUBLED) -> list[str]:
    return run_seed(assorted(), seed, minutes=MINUTES, faults=faults, swarm=False).violations


@cache
def shown_with_all(seed: int) -> list[str]:
    return shown(seed)


@pytest.mark.parametrize("guard", IN_THE_RUNTIME)
def test_a_removed_guard_is_missed(guard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    of, name, without = IN_THE_RUNTIME[guard]
    first = FIRST.get(guard, 0)
    with monkeypatch.context() as patch:
        patch.setattr(of, name, without)
        missed = next(seed for seed in (first, *range(SEEDS)) if shown(seed))
    assert not shown_with_all(missed)
