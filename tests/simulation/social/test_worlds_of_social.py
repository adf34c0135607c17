"""Worlds of people and posts, for the ordinary suite; `python -m tests.simulation --scenario social` searches more."""

import pytest
import trio
from msgspec.structs import replace

from greenroom.actors.social.post.state import PostState
from greenroom.supervisors.simulation.node import STARTED
from greenroom.supervisors.simulation.world import World
from greenroom.testing import NO_FAULTS, Faults, Run, run_seed
from tests.simulation.social.small import SHORT_MS
from tests.simulation.social.social_world import people, social

# Clocks are right: who is in a feed for how long is said by them.
TROUBLED = Faults(skew_s=0.0, jump_every_s=0.0)
CALM_VIEWS = replace(TROUBLED, pause_every_s=0.0, upgrade_every_s=0.0, rebuild_every_s=0.0)
AT_RANDOM = [(1, 1, 1.0), (3, 4, 0.5)]  # nodes, seed and minutes
# Seeds in which a post was in no feed, since rows of followers or of walls came late.
FOUND = [(1, 3, 1.0), (1, 8, 1.0)]


def sound(run: Run) -> None:
    assert not run.violations, f"{run.violations[0]}\nseed {run.seed}"
    assert run.acknowledged


@pytest.mark.parametrize(("nodes", "seed", "minutes"), AT_RANDOM)
def test_feeds_counters_and_notices_follow_from_the_journals(nodes: int, seed: int, minutes: float) -> None:
    sound(run_seed(social(), seed, minutes=minutes, nodes=nodes, faults=TROUBLED))


@pytest.mark.parametrize(("nodes", "seed", "minutes"), FOUND)
def test_what_was_found_once_is_mended(nodes: int, seed: int, minutes: float) -> None:
    sound(run_seed(people(), seed, minutes=minutes, nodes=nodes, faults=CALM_VIEWS))


def test_a_story_ends_though_nobody_runs_at_its_end() -> None:
    ended_meanwhile: list[str] = []

    async def down(world: World) -> None:
        await trio.sleep(20.0)
        for node in world.nodes[:]:
            await world.bury(node)
        await trio.sleep(SHORT_MS / 1000 + 5.0)
        now_ms = (STARTED + trio.current_time()) * 1000
        for entity, stream in world.checker.streams.items():
            state = stream.fold.state if stream.fold is not None else None
            if isinstance(state, PostState) and 0 < state.content.ends_ms < now_ms:
                ended_meanwhile.append(entity)
        await world.start_node()

    run = run_seed(social(settle_s=60.0), 2, trouble=down, faults=NO_FAULTS, swarm=False)
    sound(run)
    assert ended_meanwhile, "no story was to end"


def test_a_seed_is_the_same_world_again() -> None:
    first, again = (run_seed(social(), 2, minutes=0.3, faults=TROUBLED) for _ in range(2))
    assert first.trace == again.trace and first.steps == again.steps
