"""Worlds with jobs, for the ordinary suite: at random, and with what happens written down."""

import pytest
import trio
from msgspec.structs import replace

from greenroom.store.journal.consequences.jobs import JobTables
from greenroom.supervisors.simulation.jobs.crew import SimulatedCrew
from greenroom.supervisors.simulation.troubles import Trouble
from greenroom.supervisors.simulation.world import World
from greenroom.testing import NO_FAULTS, Run, run_seed
from tests.simulation.jobs.jobs_world import chores

MINUTES = 1.0
AT_RANDOM = [(1, 3), (1, 4), (3, 6)]  # nodes and seed; CI searches more, beside the suite
FOUND = [(1, 207, 2.0), (1, 1, 1.5)]  # seeds that failed once: nodes, seed and minutes
NEAR_S, FAR_S = 1.0, 15.0  # within which nothing is left in the hands of a worker that has ended


def sound(run: Run, nodes: int = 1) -> set[str]:
    """Nothing went wrong. Gives what happened."""
    how = f"python -m tests.simulation --scenario jobs --nodes {nodes} --minutes {MINUTES:g} --seed {run.seed}"
    assert not run.violations, f"{run.violations[0]}\n{how}"
    return set(run.timeline.counts)


def test_nothing_goes_wrong_in_worlds_of_jobs() -> None:
    happened: set[str] = set()
    for nodes, seed in AT_RANDOM:
        happened |= sound(run_seed(chores(), seed, minutes=MINUTES, nodes=nodes), nodes)
    assert {"worker killed", "worker stops", "stalled", "killed"} <= happened


@pytest.mark.parametrize(("nodes", "seed", "minutes"), FOUND)
def test_what_was_found_once_is_mended(nodes: int, seed: int, minutes: float) -> None:
    sound(run_seed(chores(), seed, minutes=minutes, nodes=nodes), nodes)


def test_a_seed_is_the_same_world_again() -> None:
    first, again = (run_seed(chores(), 3, minutes=0.5) for _ in range(2))
    assert first.trace == again.trace and first.steps == again.steps


def test_who_stops_as_it_should_loses_no_attempt() -> None:
    faults = replace(NO_FAULTS, worker_stop_every_s=6.0)
    happened: set[str] = set()
    for seed in range(2):
        happened |= sound(run_seed(chores(lossless=True), seed, minutes=1.0, faults=faults, swarm=False))
    assert "log: jobs_interrupted" in happened


def in_hand(world: World, crew: SimulatedCrew) -> list[str]:
    """What its workers have, by the rows."""
    tables = world.database.rows.consequences.of(JobTables)
    return [
        job
        for take in tables.takes.values()
        for job in take.ids
        if take.worker.startswith(f"{crew.name}/") and job in tables.jobs and tables.jobs[job].let_go < take.token
    ]


def killing(late: list[str], had: list[str], within_s: float) -> Trouble:
    """One worker after the other ends; `late`: what it has still after so long, `had`: all that any had then."""

    async def look(world: World, crew: SimulatedCrew) -> None:
        await trio.sleep(within_s)
        late.extend(in_hand(world, crew))

    async def trouble(world: World) -> None:
        async with trio.open_nursery() as nursery:  # owner: this call
            for _ in range(10):
                await trio.sleep(world.draw.uniform(4.0, 10.0))
                alive = [one for one in world.crews if not one.dead]
                if not alive:  # a job has ended them
                    continue
                crew = world.draw.choice(alive)
                had.extend(in_hand(world, crew))
                crew.kill()
                nursery.start_soon(look, world, crew)

    return trouble


@pytest.mark.parametrize(("proven", "within_s"), [(0.0, FAR_S), (1.0, NEAR_S)])
def test_what_a_dead_worker_had_goes_to_others_in_time(proven: float, within_s: float) -> None:
    """Also what it was given after its death: nobody knew yet. On its queue's host it is seen to have ended."""
    late: list[str] = []
    had: list[str] = []
    faults = replace(NO_FAULTS, proven=proven)
    scenario = chores(pace_s=6.0, all_near=bool(proven))
    sound(run_seed(scenario, 1, faults=faults, swarm=False, trouble=killing(late, had, within_s)))
    assert had and not late
