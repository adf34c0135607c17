"""Each guard of jobs, taken away, is missed: within SEEDS seeds the world shows it. With all of them it passes."""

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from msgspec.structs import replace

from greenroom.actors.jobs.queue.desk import Desk
from greenroom.actors.jobs.queue.keys import Keys
from greenroom.actors.jobs.queue.looking import Looking
from greenroom.actors.jobs.queue.order import Order
from greenroom.testing import ALL_GUARDS, NO_FAULTS, Faults, Guards, run_seed
from tests.simulation.jobs.jobs_world import chores

SEEDS = 64  # each change of the code moves what happens in them
MINUTES = 1.0
TROUBLED = replace(
    NO_FAULTS,
    crash_every_s=25.0,
    down_s=1.0,
    stall_s=30.0,
    lost=0.06,
    slow=0.03,
    late_s=5.0,
    skew_s=0.0,
    worker_kill_every_s=15.0,
    worker_stall_every_s=8.0,
    worker_stop_every_s=20.0,
    worker_cut_every_s=30.0,
    steer_every_s=4.0,
)
CLOCKS = replace(TROUBLED, skew_s=300.0, jump_every_s=20.0)
STOPS = replace(NO_FAULTS, worker_stop_every_s=5.0, steer_every_s=5.0)


def by_any_token(desk: Desk, worker: str, finished: Any, now_ms: int, writes: Any) -> list[str]:
    """Whoever says it, and under whichever lease."""
    refused: list[str] = []
    for one in finished:
        job = desk.jobs.get(one.id)
        who = next((name for name, hand in desk.hands.items() if job is not None and job.token in hand.held), worker)
        if job is not None and job.token:
            one = replace(one, token=job.token)
        refused += FINISH(desk, who, [one], now_ms, writes)
    return refused


def whatever_was_seen(looking: Looking, since: Any, look: Any, now_ms: int, chance: float) -> bool:
    return FOUND(looking, looking.seen, look, now_ms, chance)


def not_counted(order: Order, job: Any, now_ms: int) -> None:
    order._key(job.partition, now_ms)


def never_blocks(order: Order) -> None:
    MEASURE(order)
    order.blocks = False


def as_failed(desk: Desk, worker: str, finished: Any, now_ms: int, writes: Any) -> list[str]:
    """What was interrupted."""
    given = [
        replace(one, refund=False, error="interrupted") if one.refund and one.retry_s is None else one
        for one in finished
    ]
    return FINISH(desk, worker, given, now_ms, writes)


def without_tokens(desk: Desk, rows: Any, now_ms: int) -> None:
    token = desk._token
    LOAD(desk, rows, now_ms)
    desk._token = token


FINISH, FOUND, MEASURE, LOAD = Desk.finish, Looking.found, Order._measure, Desk.load

IN_THE_RUNTIME: dict[str, tuple[type, str, Callable[..., object], Faults]] = {
    "a result under an old lease is refused": (Desk, "finish", by_any_token, TROUBLED),
    "what is found counts from what was seen": (Looking, "found", whatever_was_seen, TROUBLED),
    "what is under way counts in the next life": (Order, "restore", not_counted, TROUBLED),
    "who falls silent loses its jobs": (Desk, "expire", lambda desk, now_ms, writes: [], TROUBLED),
    "none goes before one that is tried again": (Order, "_measure", never_blocks, TROUBLED),
    "who stops as it should has made no attempt": (Desk, "finish", as_failed, STOPS),
    "tokens are above those that were let go": (Desk, "load", without_tokens, CLOCKS),
    "keys are known in the next life": (Keys, "hold_taken", lambda keys, unique, id: "", TROUBLED),
}
# Where it is missed as things are; the other seeds are tried after it.
FIRST = {
    "a result under an old lease is refused": 35,
    "tokens are above those that were let go": 1,
    "keys are known in the next life": 1,
}


def shown(seed: int, faults: Faults, guards: Guards = ALL_GUARDS) -> list[str]:
    scenario = chores(lossless=faults is STOPS)
    return run_seed(scenario, seed, minutes=MINUTES, faults=faults, guards=guards, swarm=False).violations


@cache
def shown_with_all(seed: int, faults: Faults) -> list[str]:
    return shown(seed, faults)


def seeds_of(guard: str) -> list[int]:
    first = FIRST.get(guard, 0)
    return [first, *(seed for seed in range(SEEDS) if seed != first)]


def test_rows_that_land_apart_from_their_events_are_missed() -> None:
    missed = next(seed for seed in seeds_of("rows") if shown(seed, TROUBLED, Guards(jobs=False)))
    assert not shown_with_all(missed, TROUBLED)


@pytest.mark.parametrize("guard", IN_THE_RUNTIME)
def test_a_removed_guard_is_missed(guard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cls, name, without, faults = IN_THE_RUNTIME[guard]
    with monkeypatch.context() as patch:
        patch.setattr(cls, name, without)
        missed = next(seed for seed in seeds_of(guard) if shown(seed, faults))
    assert not shown_with_all(missed, faults)
