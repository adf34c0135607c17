"""Versions: from being installed to being dropped, whoever does it."""

import msgspec
import pytest
import trio

from greenroom.store.errors import ViewRefused
from greenroom.store.views.shape import Column
from tests.store.views.tables import NOTHING, SHAPE, Stores, replace, stores, wanted

OTHER = msgspec.structs.replace(SHAPE, columns=(*SHAPE.columns, Column(name="more", type="bigint")))


async def states(made: Stores) -> list[tuple[int, int, str]]:
    return [(one.version, one.build, one.state) for one in await made.versions.all()]


async def test_the_first_is_live_and_a_later_one_is_filled(database_url: str) -> None:
    async with stores(database_url) as made:
        await made.make()
        await made.make()  # again is once
        assert await states(made) == [(1, 1, "live")]
        await made.make(wanted(2, shape=OTHER))
        assert await states(made) == [(1, 1, "live"), (2, 1, "filling")]


async def test_nodes_that_start_together_make_it_once(database_url: str) -> None:
    async with stores(database_url) as made:
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(made.versions.install, [wanted()])
        assert await states(made) == [(1, 1, "live")]


async def test_other_rows_of_the_same_version_are_refused(database_url: str) -> None:
    async with stores(database_url) as made:
        await made.make()
        with pytest.raises(ViewRefused, match=r"version=2.*more is new"):
            await made.versions.install([wanted(shape=OTHER)])


async def test_another_index_is_made_where_rows_are_the_same(database_url: str) -> None:
    async with stores(database_url) as made:
        await made.make()
        await made.make(wanted(shape=replace(SHAPE, orders=(("show", "-claps", "user"),))))
        found = await made.pool.fetch("SELECT indexdef FROM pg_indexes WHERE schemaname = 'views'")
        assert any("claps DESC" in row[0] for row in found)
        assert await states(made) == [(1, 1, "live")]


async def test_one_takes_the_place_of_another_once(database_url: str) -> None:
    async with stores(database_url) as made:
        first = await made.make()
        second = await made.make(wanted(2, shape=OTHER))
        async with made.store.transaction(second) as transaction:
            await transaction.write(replace(NOTHING, inserted=[("a", "b", 1, "[]", 5)]))
        assert await made.pool.fetch('SELECT * FROM views."standings"') == []
        assert await made.versions.switch(second)
        assert not await made.versions.switch(second)
        assert await states(made) == [(1, 1, "old"), (2, 1, "live")]
        assert [tuple(row) for row in await made.pool.fetch('SELECT * FROM views."standings"')] == [
            ("a", "b", 1, "[]", 5)
        ]
        assert await made.versions.drop([first, second]) == 1
        assert await states(made) == [(2, 1, "live")]


async def test_a_lower_one_never_takes_the_place_of_a_higher_one(database_url: str) -> None:
    async with stores(database_url) as made:
        await made.make(wanted(5))
        lower = await made.make(wanted(4, shape=OTHER))
        assert not await made.versions.switch(lower)
        assert await states(made) == [(4, 1, "filling"), (5, 1, "live")]


async def test_a_rebuild_is_another_table_of_the_same_version(database_url: str) -> None:
    async with stores(database_url) as made:
        await made.make()
        assert await made.versions.rebuild("nobody") is None
        built = await made.versions.rebuild("standings")
        assert built is not None and built.table.rows == 'views."standings_v1_2"'
        again = await made.versions.rebuild("standings")  # one that is under way begins anew
        assert again is not None and again.build == 3 and again.id != built.id
        assert await states(made) == [(1, 1, "live"), (1, 3, "filling")]
        assert await made.versions.switch(again)
        assert await states(made) == [(1, 1, "old"), (1, 3, "live")]


async def test_a_live_one_is_dropped_only_as_a_whole(database_url: str) -> None:
    async with stores(database_url) as made:
        live = await made.make()
        assert await made.versions.drop([live]) == 0
        assert await made.versions.drop([live], whole=True) == 1
        assert await states(made) == []
        assert await made.pool.fetch("SELECT 1 FROM pg_tables WHERE schemaname = 'views'") == []


async def test_trimmed_entities_refuse_a_view_without_a_seed(database_url: str) -> None:
    async with stores(database_url) as made:
        await made.heads("show:a", "show:c")
        await made.heads("show:b", offset=9, trimmed=3)
        await made.heads("showcase:x", offset=9, trimmed=3)  # of another kind
        with pytest.raises(ViewRefused, match="show:b"):
            await made.versions.install([wanted()])
        assert await states(made) == []
        await made.make(wanted(seeds=True))
        await made.make()  # it is there, so nothing was missed since
        assert await states(made) == [(1, 1, "live")]


async def test_pausing_and_ringing_are_seen_in_the_row(database_url: str) -> None:
    async with stores(database_url) as made:
        before = await made.make()
        assert await made.versions.pause("standings", paused=True) == 1
        assert await made.versions.pause("nobody", paused=True) == 0
        await made.versions.ring("standings")
        (after,) = await made.versions.all()
        assert after.paused and after.rung == before.rung + 2


async def test_a_shape_of_tomorrow_is_passed_over(database_url: str) -> None:
    async with stores(database_url) as made:
        await made.make()
        await made.pool.fetch("UPDATE view_versions SET shape = '{\"columns\": 7}'")
        assert await made.versions.all() == []
