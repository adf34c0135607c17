"""Versions: from being installed to being dropped, whoever does it."""

from typing import Any

import msgspec
import pytest
import trio

from greenroom.store.errors import ViewRefused
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.pool import Pool
from greenroom.store.views import versions as versions_module
from greenroom.store.views.made_of import of_kind
from greenroom.store.views.shape import Column
from greenroom.store.views.store import Version
from tests.store.views.tables import NOTHING, SHAPE, Stores, Tables, replace, stores, tables, wanted

OTHER = msgspec.structs.replace(SHAPE, columns=(*SHAPE.columns, Column(name="more", type="bigint")))


async def states(made: Tables) -> list[tuple[int, int, str]]:
    return [(one.version, one.build, one.state) for one in await made.versions.all()]


async def test_the_first_is_live_and_a_later_one_is_filled(where: str) -> None:
    async with tables(where) as made:
        await made.make()
        await made.make()  # again is once
        assert await states(made) == [(1, 1, "live")]
        await made.make(wanted(2, shape=OTHER))
        assert await states(made) == [(1, 1, "live"), (2, 1, "filling")]


async def test_nodes_that_start_together_make_it_once(where: str) -> None:
    async with tables(where) as made:
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(made.versions.install, [wanted()])
        assert await states(made) == [(1, 1, "live")]


async def test_who_starts_waits_for_who_makes_tables_for_longer_than_a_statement_may_take(database_url: str) -> None:
    async with (
        Bridge() as bridge,
        Pool(bridge, database_url, incarnation=1) as other,
        Pool(bridge, database_url, incarnation=2, statement_s=2.0) as pool,
    ):
        starting = Stores(pool)
        async with trio.open_nursery() as nursery, other.connection() as connection:
            async with connection.transaction() as transaction:
                await transaction.fetch(versions_module.LOCK)
                nursery.start_soon(starting.versions.install, [wanted()])
                await transaction.fetch("SELECT pg_sleep(2.5)")
                assert await states(starting) == []
        assert await states(starting) == [(1, 1, "live")]


async def test_other_rows_of_the_same_version_are_refused(where: str) -> None:
    async with tables(where) as made:
        await made.make()
        with pytest.raises(ViewRefused, match=r"version=2.*more is new"):
            await made.versions.install([wanted(shape=OTHER)])


CLAPS = of_kind("show", ["clapped"], ["clapped", "closed"])
MORE_CLAPS = of_kind("show", ["clapped", "closed"], ["clapped", "closed"])


async def test_an_event_that_was_passed_over_is_folded_by_another_version_alone(database_url: str) -> None:
    async with stores(database_url) as made:
        await made.make()  # of a release that did not say
        await made.make(wanted(shape=replace(SHAPE, events=(CLAPS,))))
        more = wanted(shape=replace(SHAPE, events=(MORE_CLAPS,)))
        with pytest.raises(ViewRefused, match=r"events of the view.*version=2.*closed was passed over until now"):
            await made.versions.install([more])
        with pytest.raises(ViewRefused, match="closed was passed over"):
            await made.versions.rebuild(more)
        await made.make(replace(more, version=2))
        assert [one.shape.events for one in await made.versions.all()] == [(CLAPS,), (MORE_CLAPS,)]


async def test_what_a_table_was_made_of_outlives_a_release_without_it(database_url: str) -> None:
    async with stores(database_url) as made:
        await made.make(wanted(shape=replace(SHAPE, events=(CLAPS,))))
        room = of_kind("room", ["joined"], ["joined", "left"])
        other = replace(wanted(shape=replace(SHAPE, events=(room,))), kinds=frozenset({"room"}))
        await made.make(other)
        assert (await made.versions.all())[0].shape.events == (room, CLAPS)
        with pytest.raises(ViewRefused, match="closed was passed over"):
            await made.versions.install([wanted(shape=replace(SHAPE, events=(MORE_CLAPS,)))])


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
        now_s = (await made.progress.behind(first, entities_max=9)).at_s
        assert not await made.versions.switch(second, until_s=now_s - 1.0)
        assert await made.versions.switch(second, until_s=now_s + 3_600.0)
        assert not await made.versions.switch(second)
        assert await states(made) == [(1, 1, "old"), (2, 1, "live")]
        assert [tuple(row) for row in await made.pool.fetch('SELECT * FROM views."standings"')] == [
            ("a", "b", 1, "[]", 5)
        ]
        assert await made.versions.drop([first, second]) == 1
        assert await states(made) == [(2, 1, "live")]


async def test_it_takes_no_place_in_another_history_than_it_was_looked_at_in(where: str) -> None:
    async with tables(where) as made:
        await made.make()
        second = await made.make(wanted(2, shape=OTHER))
        lineage = (await made.progress.behind(second, entities_max=9)).lineage
        assert not await made.versions.switch(second, lineage=f"{lineage}.other")
        assert await made.versions.switch(second, lineage=lineage)


async def test_it_takes_no_place_while_a_node_is_up_that_lacks_its_code(where: str) -> None:
    """Whoever has looked before may have stood still since, and others may have come."""
    async with tables(where) as made:
        await made.make()
        second = await made.make(wanted(2, shape=OTHER))
        await made.node(101, release=2)
        await made.node(102, release=1)
        assert await made.versions.releases(["r2"]) == {"r1": {"standings": 1}, "r2": None}
        assert not await made.versions.switch(second)
        await made.node(102, release=1, is_up=False)
        assert await made.versions.switch(second)
        assert await states(made) == [(1, 1, "old"), (2, 1, "live")]


async def test_a_release_that_is_taken_back_fills_its_table_again_and_is_served(where: str) -> None:
    async with tables(where) as made:
        await made.make()
        assert await made.versions.switch(await made.make(wanted(2, shape=OTHER)))
        await made.versions.install([wanted()])
        assert await states(made) == [(1, 1, "filling"), (2, 1, "live")]
        first, _ = await made.versions.all()
        assert await made.versions.switch(first)
        assert await states(made) == [(1, 1, "live"), (2, 1, "old")]


@pytest.mark.parametrize("seeds", [False, True])
async def test_a_table_that_retention_has_passed_is_not_gone_back_to(where: str, seeds: bool) -> None:
    async with tables(where) as made:
        await made.make()
        assert await made.versions.switch(await made.make(wanted(2, shape=OTHER)))
        await made.heads("show:a", offset=9, trimmed=3)
        if seeds:
            await made.versions.install([wanted(seeds=True)])
            assert await states(made) == [(1, 2, "filling"), (2, 1, "live")]
        else:
            with pytest.raises(ViewRefused, match=r"gone back to.*show:a"):
                await made.versions.install([wanted()])
            assert await states(made) == [(1, 1, "old"), (2, 1, "live")]


async def test_a_build_never_takes_the_place_of_a_later_one(database_url: str) -> None:
    async with stores(database_url) as made:
        await made.make()
        earlier = await made.versions.rebuild(wanted())
        await made.pool.fetch("UPDATE view_versions SET state = 'old' WHERE state = 'live'")
        await made.pool.fetch("UPDATE view_versions SET state = 'live', build = 3 WHERE build = 1")
        assert not await made.versions.switch(earlier)


async def test_a_rebuild_is_another_table_of_the_same_version(where: str) -> None:
    async with tables(where) as made:
        with pytest.raises(ViewRefused, match="no table of it"):
            await made.versions.rebuild(wanted(name="nobody"))
        await made.make()
        built = await made.versions.rebuild(wanted())
        assert built.table.rows == 'views."standings_v1_2"'
        again = await made.versions.rebuild(wanted())  # one that is under way begins anew
        assert again.build == 3 and again.id != built.id
        assert await states(made) == [(1, 1, "live"), (1, 3, "filling")]
        assert await made.versions.switch(again)
        assert await states(made) == [(1, 1, "old"), (1, 3, "live")]


async def test_a_rebuild_leaves_what_other_code_fills_and_refuses_what_is_trimmed(where: str) -> None:
    async with tables(where) as made:
        await made.make()
        await made.make(wanted(2, shape=OTHER))
        assert (await made.versions.rebuild(wanted())).version == 1
        assert await states(made) == [(1, 1, "live"), (1, 2, "filling"), (2, 1, "filling")]
        with pytest.raises(ViewRefused, match="version 3"):
            await made.versions.rebuild(wanted(3))
        await made.heads("show:a", offset=9, trimmed=3)
        with pytest.raises(ViewRefused, match="show:a"):
            await made.versions.rebuild(wanted())


async def test_what_nobody_fills_any_more_is_dropped(where: str) -> None:
    async with tables(where) as made:
        await made.make()
        orphan = await made.make(wanted(2, shape=OTHER))
        found = await made.versions.all()
        assert await made.versions.abandoned(found, [wanted(2)]) == set()
        abandoned = await made.versions.abandoned(found, [wanted()])
        assert abandoned == {orphan.id}
        assert await made.versions.drop(found) == 0
        assert await made.versions.drop(found, abandoned=abandoned) == 1
        assert await states(made) == [(1, 1, "live")]


async def test_what_is_given_up_is_old_and_filled_again_by_a_release_with_its_code(where: str) -> None:
    async with tables(where) as made:
        live = await made.make()
        orphan = await made.make(wanted(2, shape=OTHER))
        assert await made.versions.give_up(orphan)
        assert not await made.versions.give_up(orphan) and not await made.versions.give_up(live)
        assert await states(made) == [(1, 1, "live"), (2, 1, "old")]
        await made.make(wanted(2, shape=OTHER))
        assert await states(made) == [(1, 1, "live"), (2, 1, "filling")]


async def test_one_that_is_filled_again_is_as_old_as_that(where: str) -> None:
    """So a release that is taken forth again has its day, however long ago its table was made."""
    async with tables(where) as made:
        await made.make()
        orphan = await made.make(wanted(2, shape=OTHER))
        await made.age(orphan, 100_000.0)
        assert (await aged(made, 2)).age_s >= 100_000
        await made.versions.give_up(await aged(made, 2))
        assert (await aged(made, 2)).age_s >= 100_000
        await made.make(wanted(2, shape=OTHER))
        again = await aged(made, 2)
        assert (again.state, again.id) == ("filling", orphan.id) and again.age_s < 1_000
        assert await made.versions.switch(again)
        assert (await aged(made, 2)).age_s >= 100_000, "else it is as old as its table"


async def aged(made: Tables, number: int) -> Version:
    return next(one for one in await made.versions.all() if one.version == number)


async def test_a_live_one_is_dropped_only_as_a_whole(where: str) -> None:
    async with tables(where) as made:
        live = await made.make()
        assert await made.versions.drop([live]) == 0
        assert await made.versions.drop([live], whole=True) == 1
        assert await states(made) == []
        assert await made.tables() == 0


async def test_trimmed_entities_refuse_a_view_without_a_seed(where: str) -> None:
    async with tables(where) as made:
        await made.heads("show:a", "show:c")
        await made.heads("show:b", offset=9, trimmed=3)
        await made.heads("showcase:x", offset=9, trimmed=3)  # of another kind
        with pytest.raises(ViewRefused, match="show:b"):
            await made.versions.install([wanted()])
        assert await states(made) == []
        await made.make(wanted(seeds=True))
        await made.make()  # it is there, so nothing was missed since
        assert await states(made) == [(1, 1, "live")]


async def test_what_is_trimmed_while_the_table_is_made_refuses_it_too(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stores(database_url) as made:
        check = versions_module._refuse_trimmed

        async def check_then_trim(*arguments: Any) -> None:
            await check(*arguments)
            await made.heads("show:b", offset=9, trimmed=3)

        monkeypatch.setattr(versions_module, "_refuse_trimmed", check_then_trim)
        with pytest.raises(ViewRefused, match="show:b"):
            await made.versions.install([wanted()])
        assert await states(made) == []


async def test_a_kind_is_added_unless_its_events_are_gone(where: str) -> None:
    async with tables(where) as made:
        await made.make()
        await made.make(replace(wanted(), kinds=frozenset({"show", "room"})))
        assert (await made.versions.all())[0].kinds == {"show", "room"}
        await made.heads("cast:b", offset=9, trimmed=3)
        cast = of_kind("cast", ["joined"], ["joined"])
        more = replace(wanted(shape=replace(SHAPE, events=(cast,))), kinds=frozenset({"show", "cast"}))
        for _ in range(2):  # nor at the second try
            with pytest.raises(ViewRefused, match=r"events of cast now.*cast:b"):
                await made.versions.install([more])
            assert (await made.versions.all())[0].shape == SHAPE
        await made.make(replace(more, seeds=True))


async def test_pausing_and_ringing_are_seen_in_the_row(where: str) -> None:
    async with tables(where) as made:
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


async def test_of_each_version_that_is_being_filled_another_table_is_made(where: str) -> None:
    """Nodes of two releases are up while one takes the other's place, and neither makes its table again by itself."""
    async with tables(where) as made:
        await made.make()
        second, third = await made.make(wanted(2, shape=OTHER)), await made.make(wanted(3, shape=OTHER))
        remade = await made.versions.remake("standings")
        assert remade is not None and (remade.version, remade.build) == (3, 2)
        assert await states(made) == [(1, 1, "live"), (2, 2, "filling"), (3, 2, "filling")]
        assert {second.id, third.id}.isdisjoint(one.id for one in await made.versions.all())
