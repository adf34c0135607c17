"""Each guard of views, taken away, is missed: within SEEDS seeds the talks show it. With all of them that seed passes.

What shows it is a table that is not the fold of the journals, a page that is not what the table holds, or an entity
that can't be folded any more.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest
from msgspec.structs import replace

from greenroom.actors.views.stretch import Stretch
from greenroom.store.views.store import Standing
from greenroom.supervisors.kernel.system import System
from greenroom.supervisors.views import runner as runners
from greenroom.supervisors.views.pages import Pages
from greenroom.supervisors.views.runner import Runner
from greenroom.supervisors.views.switching import Switching
from greenroom.testing import ALL_GUARDS, NO_FAULTS, Faults, Guards, run_seed
from tests.simulation.views.talks import talks

SEEDS = 32
MINUTES = 0.5
# What one of several has not told a page it hears in other ways: its links are broken, and nodes come and go.
NODES = {"in flight": 3, "tails lost": 3, "made anew": 3, "outcomes lost": 1}
# Where they are missed as things are; the other seeds are tried after it.
FIRST = {
    "view_progress": 4, "view_rows": 0, "view_together": 2, "view_retention": 2, "follow_anything": 2,
    "follow_any_history": 7, "switch_at_once": 0, "lineage_changed": 2, "untold": 7, "unheard": 2,
}  # fmt: skip
FAULTS = {
    "in flight": Faults(upgrade_every_s=0.0, failover_every_s=0.0),
    "tails lost": replace(NO_FAULTS, failover_every_s=4.0, lost_tail=1.0, lag_s=4.0, lost=0.05),
    "made anew": Faults(rebuild_every_s=6.0, upgrade_every_s=15.0, trim_every_s=0.0, failover_every_s=0.0, skew_s=0.0),
    "outcomes lost": replace(NO_FAULTS, lost=0.15, unanswered=0.05, latency_s=0.2),
}
# Where what a page was not told is to be seen, its rows must not change again soon.
TALKS = {"in flight": 6, "tails lost": 6, "made anew": 6, "outcomes lost": 40}
IN_THE_DATABASE = [
    ("view_progress", "in flight"),
    ("view_rows", "in flight"),
    ("view_together", "in flight"),
    ("view_retention", "in flight"),
]


def follow_anything(stretches: Sequence[Stretch], standings: dict[int, Standing]) -> tuple[list[Stretch], list[int]]:
    """As `follow`, of what does not follow directly too."""
    usable: list[Stretch] = []
    at: dict[int, int] = {}
    for stretch in stretches:
        standing = standings.get(stretch.head_id)
        if standing is None or standing.parked or stretch.state is not None:
            continue
        offset = at.get(stretch.head_id, standing.offset)
        if stretch.through > offset:
            usable.append(stretch.part(max(offset, stretch.after), stretch.through))
            at[stretch.head_id] = stretch.through
    return usable, []


def follow_any_history(stretches: Sequence[Stretch], standings: dict[int, Standing]) -> tuple[list[Stretch], list[int]]:
    """As `follow`, whether or not the journal holds it."""
    believed = {
        head_id: one._replace(fence=stretch.fence, head_offset=1 << 60, lineage=stretch.lineage)
        for stretch in stretches
        if (one := standings.get(head_id := stretch.head_id)) is not None
    }
    return FOLLOW(stretches, believed)


FOLLOW = runners.follow


async def switch_at_once(switching: Switching) -> None:
    """As `_look`, without looking."""
    await switching._versions.switch(switching._runner.version)
    switching._switched()


def untold(runner: Runner, head_ids: Iterable[int]) -> None:
    """As `_beyond_doubt`, without a word to the pages."""
    runner._doubted.difference_update(head_ids)


def unheard(pages: Pages, view: str) -> None:
    """As `may_differ`, that another table is live."""


def lineage_changed(system: System, lineage: str) -> None:
    """As `System.lineage_changed`, of entities with a journal alone."""
    begins = [cell.kind for cell in system._cells.values() if cell.kind.begins]
    for kind in begins:
        kind.begins = False
    CHANGED(system, lineage)
    for kind in begins:
        kind.begins = True


CHANGED = System.lineage_changed


IN_THE_RUNTIME: list[tuple[Any, str, Callable[..., object], str]] = [
    (runners, "follow", follow_anything, "in flight"),
    (runners, "follow", follow_any_history, "tails lost"),
    (Switching, "_look", switch_at_once, "made anew"),
    (System, "lineage_changed", lineage_changed, "tails lost"),
    (Runner, "_beyond_doubt", untold, "outcomes lost"),
    (Pages, "may_differ", unheard, "made anew"),
]


def shown(guards: Guards, faults: str, seed: int) -> list[str]:
    """What is wrong in this seed's world with these guards."""
    scenario, weather = talks(TALKS[faults]), FAULTS[faults]
    run = run_seed(scenario, seed, minutes=MINUTES, faults=weather, guards=guards, swarm=False, nodes=NODES[faults])
    return run.violations


@cache
def shown_with_all(faults: str, seed: int) -> list[str]:
    """Several guards are missed in the same world; with all of them it need not be run for each."""
    return shown(ALL_GUARDS, faults, seed)


def seeds(guard: str) -> Iterator[int]:
    first = FIRST[guard]
    yield first
    yield from (seed for seed in range(SEEDS) if seed != first)


@pytest.mark.parametrize(("guard", "faults"), IN_THE_DATABASE)
def test_a_removed_guard_of_the_database_is_missed(guard: str, faults: str) -> None:
    without = Guards(**{guard: False})
    missed = next(seed for seed in seeds(guard) if shown(without, faults, seed))
    assert not shown_with_all(faults, missed)


@contextmanager
def removed(where: Any, name: str, without: Callable[..., object]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(where, name, without)
        yield


@pytest.mark.parametrize(("where", "guard", "without", "faults"), IN_THE_RUNTIME)
def test_a_removed_guard_of_the_runtime_is_missed(
    where: Any, guard: str, without: Callable[..., object], faults: str
) -> None:
    with removed(where, guard, without):
        missed = next(seed for seed in seeds(without.__name__) if shown(ALL_GUARDS, faults, seed))
    assert not shown_with_all(faults, missed)
