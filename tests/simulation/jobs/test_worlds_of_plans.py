"""Worlds with flows and schedules, at random; and each of their guards, taken away, is missed."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from greenroom.actors.jobs.queue.desk import Desk
from greenroom.actors.jobs.queue.desk.expiries import Expiries
from greenroom.actors.jobs.queue.flows import blocked, flowing
from greenroom.actors.jobs.queue.flows.blocked import GO, Blocked, Decided
from greenroom.actors.jobs.queue.flows.others import Others
from greenroom.actors.jobs.queue.messages import Finished
from greenroom.actors.jobs.queue.single import single_jobs
from greenroom.actors.jobs.schedule import firing
from greenroom.actors.jobs.schedule.due import Due, due
from greenroom.actors.jobs.schedule.firing import Firing
from greenroom.actors.jobs.schedule.messages import Ended, Fired
from greenroom.actors.jobs.schedule.spec import Scheduled
from greenroom.actors.saga import plan
from greenroom.testing import ALL_GUARDS, NO_FAULTS, Guards, run_seed
from tests.simulation.jobs.plans_world import plans
from tests.simulation.jobs.timed import EVERY_MS

AT_RANDOM = [(3, 2)]  # nodes and seed; CI searches more, beside the suite
SEEDS = 12
TROUBLED = replace(
    NO_FAULTS, crash_every_s=20.0, down_s=1.0, lost=0.04, slow=0.03, late_s=5.0, worker_kill_every_s=15.0
)


def test_nothing_goes_wrong_in_worlds_of_plans() -> None:
    happened: set[str] = set()
    for nodes, seed in AT_RANDOM:
        run = run_seed(plans(), seed, minutes=1.0, nodes=nodes)
        how = f"python -m tests.simulation --scenario plans --nodes {nodes} --minutes 1 --seed {seed}"
        assert not run.violations, f"{run.violations[0]}\n{how}"
        happened |= set(run.timeline.counts)
    assert "worker killed" in happened


def shown(seed: int, guards: Guards = ALL_GUARDS) -> list[str]:
    return run_seed(plans(), seed, minutes=0.5, faults=TROUBLED, guards=guards, swarm=False).violations


def at_once(one: Blocked, job_id: str, waits: Any) -> None:
    """It waits for nothing."""
    BLOCK(one, job_id, waits)
    one.due[job_id] = GO


def is_forgiven(when: Any, on_failure: Any, job_id: str, state: str, left: int) -> Decided | None:
    """As if it had succeeded."""
    return JUDGE(when, on_failure, job_id, "completed", left)


def whatever_runs(overlap: Any, *, running: int, waiting: int) -> str:
    return "start"


def without_looking_ahead(one: Firing, tick_ms: int, why: Any, overlap: Any) -> Any:
    """The same tick once more."""
    found = BEGIN(one, tick_ms, why, overlap)
    if why == "tick" and overlap == "allow":
        one.record(Fired(tick_ms=tick_ms, why=why, job=one.start_job(Scheduled(one._spec, tick_ms, None), about="run")))
    return found


def without_the_first(*given: Any) -> Due:
    """A tick that was looked at comes to nothing."""
    found = DUE(*given)
    return replace(found, ticks=found.ticks[1:])


def goes_on_with_nothing(one: Firing, entity: str, outcome: str, detail: str) -> None:
    job_id = entity.partition(":")[2]
    if job_id in one.state.running:
        one.record(Ended(job=job_id, outcome=outcome, detail=detail))


def every_other(one: Firing, tick_ms: int, why: Any, overlap: Any) -> Any:
    """Of what is made up for."""
    return BEGIN(one, tick_ms, why, overlap) if why != "backfill" or tick_ms // EVERY_MS % 2 else None


def none(*_: Any) -> list[Any]:
    return []


def not_yet(*_: Any) -> None: ...


def nobody(*_: Any) -> str:
    return ""


def if_it_asks(desk: Desk, job: Any, one: Finished) -> bool:
    """One that returns is completed."""
    return one.rests and REST(desk, job, one)


def at_once_stored(one: Others, job_id: str, queue: str = "") -> None:
    """It is looked for before its row is there."""
    WAIT(one, job_id, queue)
    one.stored([job_id])


def says_nothing(*_: Any) -> None: ...


def never(*_: Any) -> bool:
    return False


BLOCK, JUDGE, BEGIN, DUE = Blocked.block, blocked.judge, Firing._begin, due
REST, WAIT = Desk._is_to_rest, Others.wait
IN_THE_RUNTIME: dict[str, tuple[Any, str, Callable[..., Any]]] = {
    "a job waits for others": (Blocked, "block", at_once),
    "it fails with what it waits for": (blocked, "judge", is_forgiven),
    "a schedule waits for what runs": (firing, "decide", whatever_runs),
    "a tick fires once": (Firing, "_begin", without_looking_ahead),
    "a tick that was looked at is taken": (firing, "due", without_the_first),
    "what waits goes once it may": (Firing, "_end", goes_on_with_nothing),
    "each tick is made up for": (Firing, "_begin", every_other),
    "what has expired is not begun": (Expiries, "due", none),
    "a job is looked for once its row would be there": (Others, "wait", at_once_stored),
    "a job that has added others waits for them": (Desk, "_is_to_rest", if_it_asks),
    "a job adds once what it adds once": (flowing, "spawned_before", not_yet),
    "a step that is over is not begun anew": (single_jobs, "settled_with", nobody),
    "a step is taken back once its job has ended": (plan, "is_under_way", never),
}


FIRST = {  # where it is missed as things are; the other seeds are tried after it
    "each tick is made up for": 5,
    "a job is looked for once its row would be there": 1,
    "a job that has added others waits for them": 2,
}


@pytest.mark.parametrize("guard", IN_THE_RUNTIME)
def test_a_removed_guard_is_missed(guard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    of, name, without = IN_THE_RUNTIME[guard]
    with monkeypatch.context() as patch:
        patch.setattr(of, name, without)
        missed = next(seed for seed in (FIRST.get(guard, 0), *range(SEEDS)) if shown(seed))
    assert not shown(missed)


def test_what_is_not_cancelled_to_make_room_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_cancelled(seed: int) -> list[str]:
        return run_seed(plans(endless_s=15.0), seed, minutes=0.5, faults=NO_FAULTS, swarm=False).violations

    with monkeypatch.context() as patch:
        patch.setattr(Firing, "_cancel_running", says_nothing)
        missed = next(seed for seed in range(SEEDS) if not_cancelled(seed))
    assert not not_cancelled(missed)


def test_rows_that_land_apart_from_their_events_are_missed() -> None:
    missed = next(seed for seed in range(SEEDS) if shown(seed, Guards(jobs=False)))
    assert not shown(missed)
