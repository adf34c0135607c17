"""What can be done about tables of views and sinks, on a real Postgres."""

from collections.abc import AsyncIterator

import pytest

from greenroom import Batch, Sink
from greenroom.actors.model.errors import Refused
from greenroom.supervisors.admin.tables import Tables
from greenroom.supervisors.views.runners import wanted_of, wanted_of_sinks
from tests.actors.views.shows import Clapped, Directory, Standings
from tests.supervisors.views.stage import Stage, stage, until


class Ringing(Sink):
    of = (Clapped,)

    async def deliver(self, batch: Batch) -> None:
        pass


def tables_of(node: Stage, *without: str) -> Tables:
    code = [*wanted_of(node.views), *wanted_of_sinks(node.sinks)]
    return Tables(node.pool, lambda: [one for one in code if one.name not in without])


@pytest.fixture
async def node(database_url: str) -> AsyncIterator[Stage]:
    async with stage(database_url, Standings, Directory, Ringing) as made:
        yield made


async def test_a_view_is_paused_and_goes_on(node: Stage) -> None:
    tables = tables_of(node)
    await tables.pause("shows", paused=True)
    assert [one.paused for one in await tables.of("shows")] == [True]
    assert [one.paused for one in await tables.of("standings")] == [False]
    await tables.pause("shows", paused=False)
    assert [one.paused for one in await tables.of("shows")] == [False]


async def test_parked_entities_are_tried_again_one_or_all(node: Stage) -> None:
    tables = tables_of(node)
    for show in ("a", "b"):
        await node.clap(show, "poison")

    async def both_are_parked() -> bool:
        return len(await node.parked("standings")) == 2

    await until(both_are_parked)
    assert await tables.retry("standings", "show:a") == 1
    await until(both_are_parked)  # its fold is as it was
    assert await tables.retry("standings", "show:c") == 0
    assert await tables.retry("standings") == 2


async def test_another_table_is_filled_and_the_one_before_dropped(node: Stage) -> None:
    tables = tables_of(node)
    assert await tables.drop_old("shows") == 0
    made = await tables.rebuild("shows")
    assert (made.build, made.state) == (2, "filling")

    async def is_live() -> bool:
        return (await node.version("shows")).build == 2

    await until(is_live)
    assert await tables.abandoned(await tables.of("shows")) == set()
    assert await tables.drop_old("shows") == 1
    assert [one.build for one in await tables.of("shows")] == [2]


async def test_what_is_being_filled_and_nobody_has_code_of_is_abandoned_and_can_go(node: Stage) -> None:
    tables = tables_of(node, "shows")
    await node.pool.fetch("UPDATE nodes SET state = 'dead'")
    await node.pool.fetch(
        "INSERT INTO view_versions (name, version, shape, digest, kinds, state) "
        "SELECT name, 9, shape, digest, kinds, 'filling' FROM view_versions WHERE name = 'shows'"
    )
    of_it = await tables.of("shows")
    assert await tables.abandoned(of_it) == {one.id for one in of_it if one.version == 9}
    assert await tables.drop_old("shows") == 1


@pytest.mark.parametrize("what", ["of", "pause", "retry", "rebuild", "drop_old"])
async def test_a_name_that_is_none_is_refused(node: Stage, what: str) -> None:
    more = {"paused": True} if what == "pause" else {}
    with pytest.raises(Refused, match="no view nobody") as refused:
        await getattr(tables_of(node), what)("nobody", **more)
    assert (refused.value.name, refused.value.status) == ("no_such_view", 404)


async def test_what_can_t_be_filled_is_not(node: Stage) -> None:
    with pytest.raises(Refused, match="has no table") as refused:
        await tables_of(node).rebuild("ringing")
    assert refused.value.name == "is_a_sink"
    with pytest.raises(Refused, match="no view of this release") as refused:
        await tables_of(node, "shows").rebuild("shows")
    assert (refused.value.name, refused.value.status) == ("not_of_this_release", 409)
