"""How far tables are, and parked entities."""

import time
from collections.abc import Sequence
from typing import Any

import pytest

from greenroom.store.views import progress
from greenroom.store.views.store import ParkedEntity
from greenroom.store.views.stores import Lacking
from tests.actors.views.shows import Clapped
from tests.store.views.tables import NOTHING, replace, stores, tables, wanted

WHY = ParkedEntity(offset=1, error="e", traceback="t", at_ms=1)


async def test_what_is_left_is_counted(where: str) -> None:
    async with tables(where) as made:
        version = await made.make()
        began_ms = int(time.time() * 1000)
        for entity, count in (("show:a", 3), ("show:b", 5), ("show:c", 1), ("room:x", 9)):
            await made.record(entity, *(Clapped(user="ann") for _ in range(count)))
        ids = await made.ids()
        begun = {ids["show:a"]: 1, ids["show:b"]: 5, ids["show:c"]: 0}
        async with made.store.transaction(version) as transaction:
            await transaction.write(replace(NOTHING, begun=begun, parked={ids["show:c"]: WHY}))
        left = await made.progress.left(version, entities_max=100)
        assert (left.entities, left.events) == (1, 2)
        at_s, ended_s, lacking, _ = await made.progress.behind(version, entities_max=2)
        assert (
            lacking == {ids["show:a"]: Lacking(1, 3), ids["show:c"]: Lacking(0, 1)}
            and ended_s >= at_s >= began_ms // 1000
        )
        assert (await made.progress.behind(version, entities_max=1)).lacking is None
        assert await made.progress.kept_on(version, 0) == 9
        assert left.oldest_ms is not None and left.oldest_ms >= began_ms
        assert await made.progress.folded(version, "show:b") == 5
        assert await made.progress.folded(version, "show:c") is None
        assert await made.progress.folded(version, "show:nobody") == 0


async def test_what_was_looked_at_in_two_histories_says_nothing(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failover comes between two pages of heads."""
    monkeypatch.setattr(progress, "HEADS_AT_ONCE", 1)
    async with stores(database_url) as made:
        version = await made.make()
        await made.heads("show:a", "show:b")
        before = await made.progress.behind(version, entities_max=9)
        assert before.lacking is not None and len(before.lacking) == 2
        fetch = made.pool.fetch

        async def fetch_and_fail_over(sql: str, *arguments: Any) -> Sequence[Any]:
            rows = await fetch(sql, *arguments)
            await fetch("UPDATE generation SET label = '.restored'")
            return rows

        monkeypatch.setattr(made.pool, "fetch", fetch_and_fail_over)
        between = await made.progress.behind(version, entities_max=9)
        assert between.lacking is None and between.lineage != before.lineage
        after = await made.progress.behind(version, entities_max=9)
        assert after.lacking == before.lacking and after.lineage == between.lineage


async def test_parked_entities_are_tried_again_one_or_all(where: str) -> None:
    async with tables(where) as made:
        version = await made.make()
        one, two = await made.heads("show:a", "show:b")
        async with made.store.transaction(version) as transaction:
            await transaction.write(replace(NOTHING, begun={one: 0, two: 0}, parked={one: WHY, two: WHY}))
        assert await made.progress.parked_count(version) == 2
        (first,) = await made.progress.parked(version, limit=1)
        assert first == (one, "show:a", WHY)
        assert await made.progress.parked(version, limit=9, after=first.head_id) == [(two, "show:b", WHY)]
        assert await made.progress.retry([version], "show:b") == 1
        assert [one.entity for one in await made.progress.parked(version, limit=9)] == ["show:a"]
        assert await made.progress.retry([version]) == 1
        assert await made.progress.parked_count(version) == 0


async def test_progress_of_tables_that_are_gone_goes_too(where: str) -> None:
    async with tables(where) as made:
        first = await made.make()
        second = await made.make(wanted(2))
        ids = await made.heads(*(f"show:{number}" for number in range(30)))
        for version in (first, second):
            async with made.store.transaction(version) as transaction:
                await transaction.write(replace(NOTHING, begun=dict.fromkeys(ids, 1)))
        assert await made.progress.clean() == 0
        await made.versions.drop([first], whole=True)
        assert await made.progress.clean() == 30
        assert await made.progress_rows() == 30
