"""Snapshots made in the background, and heads removed, while nodes fight over entities and the database loses its tail.

Every node folds whatever there is, all the time: also what another one owns, and what it has read before a failover.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from random import Random

import pytest
import trio

from greenroom.store.errors import StoreUnavailable
from greenroom.store.journal.journal_memory import MemoryJournal
from greenroom.store.journal.retention import CannotFold
from greenroom.supervisors.duties.folding import Folding
from greenroom.supervisors.simulation.database import Wire
from greenroom.supervisors.simulation.node import SimulatedNode
from greenroom.testing import run_seed
from tests.simulation.ledger import ledgers
from tests.simulation.test_guards import FAULTS, MINUTES

SEEDS = 1
SAVE_S = 8.0  # a snapshot may be so old when it is saved


class Sweeping:
    """In all nodes that begin while this is in place."""

    def __init__(self) -> None:
        self.folded = self.removed = 0

    @contextmanager
    def in_place(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        tick = SimulatedNode._tick

        async def with_sweep(node: SimulatedNode) -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(tick, node)
                nursery.start_soon(self._sweep, node, nursery)

        monkeypatch.setattr(SimulatedNode, "_tick", with_sweep)
        yield

    async def _sweep(self, node: SimulatedNode, nursery: trio.Nursery) -> None:
        draw = Random(node.incarnation)
        rows = node._database.rows
        save = node.journal.save_folded

        async def save_late(head_id: int, *, fence: int, offset: int, body: bytes) -> bool:
            await trio.sleep(draw.uniform(0.0, SAVE_S))
            saved = await save(head_id, fence=fence, offset=offset, body=body)
            self.folded += saved
            return saved

        node.journal.save_folded = save_late  # type: ignore[method-assign]
        folding = Folding(
            kinds=node._services.kinds, journal=node.journal, world=node.kernel.world, turn=node.kernel.turn
        )
        wire = Wire()
        while True:
            await trio.sleep(draw.uniform(0.1, 0.5))
            entities = sorted(rows.by_entity)
            if not entities:
                continue
            entity = draw.choice(entities)
            try:
                if draw.random() < 0.3:
                    self.removed += await node._database.call(
                        "removal", node, wire, partial(self._remove, node, entity), write=False
                    )
                else:
                    nursery.start_soon(self._fold, folding, entity)
            except StoreUnavailable:
                continue

    async def _fold(self, folding: Folding, entity: str) -> None:
        with suppress(StoreUnavailable, CannotFold):
            await folding.fold(entity)

    async def _remove(self, node: SimulatedNode, entity: str) -> int:
        """As if nobody had claimed it for long: also where somebody has just now."""
        row = node._database.rows.by_entity.get(entity)
        if row is None:
            return 0
        async with node._database.locked([row.head.id]):
            removed = await node.journal._tables.remove_unused([row.head.id], claimed_before_ms=1 << 60)
        if removed:
            node._database._before_claim.pop(row.head.id, None)
            node._checker.failovers += 1  # it gets another epoch, and whoever watched it starts over
        return removed


def first_violation(faults: str, seeds: int) -> tuple[int, str] | None:
    for seed in range(seeds):
        scenario = ledgers(16, clients=6, pace_s=4.0)
        run = run_seed(scenario, seed, minutes=MINUTES, faults=FAULTS[faults], swarm=False)
        if run.violations:
            return seed, run.violations[0]
    return None


@pytest.mark.parametrize("faults", ["in flight", "claims lost", "tails lost"])
def test_nothing_goes_wrong_where_all_fold_and_remove(faults: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sweeping = Sweeping()
    with sweeping.in_place(monkeypatch):
        assert first_violation(faults, SEEDS) is None
    assert sweeping.folded > 10 and sweeping.removed > 0


def test_a_snapshot_that_needs_no_fence_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read before a failover, saved after it: a state that never was."""
    save = MemoryJournal.save_folded

    async def unfenced(journal: MemoryJournal, head_id: int, *, fence: int, offset: int, body: bytes) -> bool:
        row = journal.rows.by_id.get(head_id)
        return await save(journal, head_id, fence=fence if row is None else row.head.fence, offset=offset, body=body)

    monkeypatch.setattr(MemoryJournal, "save_folded", unfenced)
    with Sweeping().in_place(monkeypatch):
        assert first_violation("tails lost", 12) is not None
