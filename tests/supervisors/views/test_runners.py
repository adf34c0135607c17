"""Views of a node on a real Postgres: what is recorded comes into their rows, whatever stops and starts meanwhile."""

from collections.abc import Awaitable
from typing import Any

import pytest
import trio
from msgspec import Struct
from msgspec.structs import replace
from trio.testing import MockClock

from greenroom import Key, Origin, View
from greenroom.actors.life.turn import Turn
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.views.installed import Views
from greenroom.config.telemetry.instruments import Instruments
from greenroom.store.errors import OutcomeLost, StoreUnavailable, ViewRefused
from greenroom.store.views.memory.progress import MemoryProgress
from greenroom.store.views.memory.rows import MemoryViewRows
from greenroom.store.views.memory.store import MemoryViewStore
from greenroom.store.views.memory.versions import MemoryVersions
from greenroom.store.views.shape import Shape
from greenroom.store.views.store import Version
from greenroom.store.views.stores import Stores
from greenroom.store.views.wanted import Wanted
from greenroom.supervisors.supervision.backoff import new_backoff
from greenroom.supervisors.views import abandoned
from greenroom.supervisors.views.runners import LOOK_S, Runners
from tests.actors.views.shows import Clapped, Closed, Directory, Everything, Renamed, Show, Standings
from tests.supervisors.views.stage import Stage, record, stage, until


async def test_what_is_recorded_comes_into_the_rows(database_url: str) -> None:
    async with stage(database_url, Standings, Directory, Everything) as node:
        await node.clap("finale", "ann", 3)
        await node.clap("finale", "bob", 1)
        await node.clap("opening", "ann", 1)
        await node.rename("finale", "The End")
        for name in ("standings", "shows", "everything"):
            await node.folded(name)
        assert await node.rows("standings") == [("finale", "ann", 3), ("finale", "bob", 1), ("opening", "ann", 1)]
        assert await node.rows("everything") == [("claps", 5)]
        assert (await node.rows("shows"))[0][:3] == ("finale", "The End", 4)
        await node.close("finale")
        await node.folded("shows")
        assert [row[0] for row in await node.rows("shows")] == ["opening"]


async def test_what_was_recorded_while_nobody_ran_is_found_by_the_sweep(database_url: str) -> None:
    async with stage(database_url, Standings, is_running=False) as node:
        await node.clap("finale", "ann", 3)
        assert await node.rows("standings") == []
    async with stage(database_url, Standings) as node:
        await node.folded("standings")
        assert await node.rows("standings") == [("finale", "ann", 3)]
        await node.clap("finale", "ann", 1)  # by another activation, and after a hole
        await node.folded("standings")
        assert await node.rows("standings") == [("finale", "ann", 4)]


async def test_each_event_is_folded_once_however_many_nodes_bring_it(database_url: str) -> None:
    async with stage(database_url, Standings, Everything) as one, stage(database_url, Standings, Everything) as other:
        async with trio.open_nursery() as nursery:
            for number in range(100):
                node = one if number % 2 else other
                nursery.start_soon(node.clap, f"show{number % 7}-{number % 2}", f"user{number % 3}", 1)
        for name in ("standings", "everything"):
            await one.folded(name)
        assert sum(row[2] for row in await one.rows("standings")) == 100
        assert await one.rows("everything") == [("claps", 100)]


async def test_two_runners_on_the_same_shards_fold_each_event_once(database_url: str) -> None:
    async with stage(database_url, Everything) as one, stage(database_url, Everything) as other:
        for number in range(1, 7):
            for show in range(20):
                await record(one.pool, f"show:{show}", *(Clapped(user="ann") for _ in range(5)))
            heads = [row[0] for row in await one.pool.fetch("SELECT id FROM heads")]
            for node in (one, other):
                (runner,) = [filled.runner for filled in node.runners.filled.values()]
                runner.backlog.fall_behind(heads)
            await one.folded("everything")
            assert await one.rows("everything") == [("claps", 100 * number)]


async def test_a_poison_event_parks_its_entity_and_nobody_else(database_url: str) -> None:
    async with stage(database_url, Standings) as node:
        await node.clap("bad", "ann", 1)
        await node.clap("bad", "poison", 1)
        await node.clap("bad", "ann", 1)
        await node.clap("good", "ann", 1)
        await node.folded("standings")
        await until(lambda: parked(node, "show:bad"))
        await node.clap("bad", "ann", 1)
        await node.clap("good", "ann", 1)
        await node.folded("standings")
        assert await node.rows("standings") == [("bad", "ann", 1), ("good", "ann", 2)]


async def parked(node: Stage, entity: str) -> bool:
    return entity in await node.parked("standings")


class Mended(View, name="standings"):
    """Standings, with its fold mended and its rows as they were."""

    of = (Clapped, Closed)
    Row = Standings.Row

    def fold(self, event: Clapped | Closed, of: Origin) -> None:
        if isinstance(event, Clapped):
            self.row(show=of.key, user=event.user).claps += event.times


async def test_a_parked_entity_goes_on_where_it_was_once_its_fold_is_mended(database_url: str) -> None:
    async with stage(database_url, Standings) as node:
        await node.clap("bad", "ann", 1)
        await node.clap("bad", "poison", 5)
        await node.clap("bad", "ann", 1)
        await until(lambda: parked(node, "show:bad"))
    async with stage(database_url, Mended) as node:
        await node.folded("standings")
        assert await node.rows("standings") == [("bad", "ann", 1)]  # until somebody says so
        version = await node.version("standings")
        assert await node.runners.progress.retry([version], "show:good") == 0
        assert await node.runners.progress.retry([version]) == 1
        await node.runners.versions.ring("standings")
        await node.folded("standings")
        assert await node.rows("standings") == [("bad", "ann", 2), ("bad", "poison", 5)]


async def test_a_view_that_is_paused_is_late_and_then_is_not(database_url: str) -> None:
    async with stage(database_url, Standings) as node:
        await node.runners.versions.pause("standings", paused=True)
        node.runners.look_soon()
        await until(lambda: is_paused(node))
        await node.clap("finale", "ann", 1)
        await trio.sleep(0.2)
        assert await node.rows("standings") == []
        await node.runners.versions.pause("standings", paused=False)
        await node.folded("standings")
        assert await node.rows("standings") == [("finale", "ann", 1)]


async def is_paused(node: Stage) -> bool:
    return all(one.runner.version.paused for one in node.runners.filled.values())


async def test_watchers_are_told_of_rows_with_revisions_that_rise(database_url: str) -> None:
    async with stage(database_url, Directory) as node:
        for number in range(3):
            await node.clap("finale", "ann", 1)
            await node.folded("shows")
            assert len(node.changes) == number + 1
        await node.close("finale")
        await node.folded("shows")
        rows = [row for changes in node.changes for row in changes.rows]
        assert [row.key for row in rows] == [("finale",)] * 4
        assert [row.values and row.values[2] for row in rows] == [1, 2, 3, None]
        revisions = [row.revision for row in rows]
        assert revisions == sorted(set(revisions))


class Narrow(View, name="standings"):
    of = (Clapped,)

    class Row(Struct):
        show: Key[str]

    def fold(self, event: Clapped, of: Origin) -> None:
        self.row(show=of.key)


async def test_rows_that_changed_without_another_version_are_refused(database_url: str) -> None:
    async with stage(database_url, Standings):
        pass
    with pytest.RaisesGroup(pytest.RaisesExc(ViewRefused, match=r"version=2.*user is gone"), flatten_subgroups=True):
        async with stage(database_url, Narrow):
            pass


async def test_a_view_of_entities_that_are_trimmed_needs_a_seed(database_url: str) -> None:
    class Seeded(Standings):
        def seed(self, state: Any, of: Origin) -> None:
            self.row(show=of.key, user="before").claps = state.total

    async with stage(database_url) as node:
        for _ in range(5):
            await node.clap("old", "ann", 1)
        await node.clap("new", "ann", 1)
        head_id, fence = (await node.pool.fetch("SELECT id, fence FROM heads WHERE entity = 'show:old'"))[0]
        assert await node.journal.save_snapshot(head_id, fence=fence, offset=4, body=b'{"total":4}')
        await node.journal.trim(head_id, keep_count=1, keep_after_ms=0, ids_after_ms=0)
    with pytest.RaisesGroup(pytest.RaisesExc(ViewRefused, match=r"show:old.*seed"), flatten_subgroups=True):
        async with stage(database_url, Standings):
            pass
    async with stage(database_url, Seeded) as node:
        await node.folded("seeded")
        assert await node.rows("seeded") == [("new", "ann", 1), ("old", "ann", 1), ("old", "before", 4)]


class Second(View, name="standings", version=2):
    """Another row: only by show."""

    of = (Clapped, Renamed)

    class Row(Struct):
        show: Key[str]
        claps: int = 0
        people: int = 0

    def fold(self, event: Clapped | Renamed, of: Origin) -> None:
        row = self.row(show=of.key)
        if isinstance(event, Clapped):
            row.claps += event.times


async def test_another_version_is_filled_beside_and_takes_the_place_of_the_one_before(database_url: str) -> None:
    async with stage(database_url, Standings) as node:
        for number in range(30):
            await node.clap(f"show{number % 10}", "ann", 1)
        await node.folded("standings")
        first = await node.version("standings")
    async with stage(database_url, Second) as node:
        assert (await node.version("standings", 2)).state == "filling"
        assert await node.rows("standings") == [(f"show{number}", "ann", 3) for number in range(10)]
        await until(lambda: is_live(node, 2))
        assert await node.rows("standings") == [(f"show{number}", 3, 0) for number in range(10)]
        assert (await node.version("standings", 1)).state == "old"
        assert len(await node.rows_of(first)) == 10  # until it is dropped
        assert await node.runners.versions.drop([first]) == 1
        assert await node.runners.progress.clean() == 10
        assert [one.version for one in await node.runners.versions.all()] == [2]


async def test_a_release_that_is_taken_back_serves_what_it_folds(database_url: str) -> None:
    async with stage(database_url, Standings) as node:
        await node.clap("a", "ann", 1)
        await node.folded("standings")
    async with stage(database_url, Second) as node:
        await until(lambda: is_live(node, 2))
        await node.clap("a", "ann", 2)
        await node.folded("standings")
    async with stage(database_url, Standings) as node:
        await node.clap("a", "bob", 5)
        await until(lambda: is_live(node, 1))
        await node.folded("standings")
        assert await node.rows("standings") == [("a", "ann", 3), ("a", "bob", 5)]
        assert (await node.version("standings", 2)).state == "old"


async def is_live(node: Stage, number: int) -> bool:
    return (await node.version("standings")).version == number


async def test_nodes_of_which_no_release_is_known_are_of_another(database_url: str) -> None:
    async with stage(database_url, Standings) as node:
        await node.pool.fetch(
            """
            INSERT INTO nodes (incarnation, url, version, host, process, state, lease_until, release)
            VALUES (99, '', '', '', '', 'up', now() + interval '1 hour', '')
            ON CONFLICT DO NOTHING
            """
        )
        node.runners.look_soon()
        (filled,) = node.runners.filled.values()

        async def is_mixed() -> bool:
            return filled.runner.is_mixed

        await until(is_mixed)
        await node.clap("finale", "ann", 2)
        await node.folded("standings")
        assert await node.rows("standings") == [("finale", "ann", 2)]


class ByShow(View, name="standings", version=2):
    """Standings by show alone."""

    of = (Clapped,)

    class Row(Struct):
        show: Key[str]
        claps: int = 0

    def fold(self, event: Clapped, of: Origin) -> None:
        self.row(show=of.key).claps += event.times


async def test_a_live_table_whose_code_no_node_has_is_known_as_such(database_url: str) -> None:
    async with stage(database_url, Standings, is_running=False) as first:
        async with stage(database_url, ByShow, is_running=False) as node, trio.open_nursery() as nursery:
            await node.runners.versions.pause("standings", paused=True)  # so that it is not filled meanwhile
            await nursery.start(node.runners.run)

            async def kept_up() -> dict[int, bool]:
                return {one.version: one.is_kept_up for one in node.runners.known}

            await until(lambda: _equals(kept_up(), {1: True, 2: True}))
            assert await node.runners.versions.running() == {("standings", 1), ("standings", 2)}
            await first.pool.fetch("UPDATE nodes SET state = 'dead' WHERE incarnation = $1", first.number)
            await until(lambda: _equals(kept_up(), {1: False, 2: True}))
            assert await node.runners.versions.running() == {("standings", 2)}
            nursery.cancel_scope.cancel()


async def _equals(found: Awaitable[Any], wanted: Any) -> bool:
    return bool(await found == wanted)


async def test_what_nobody_can_fill_any_more_holds_back_retention_no_longer(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(abandoned, "AGE_S", 0.0)
    monkeypatch.setattr(abandoned, "SEEN_S", 0.1)
    async with stage(database_url, Standings, is_running=False) as node:
        await node.runners.versions.pause("standings", paused=True)
        async with stage(database_url, ByShow, is_running=False):
            pass  # which is gone now

        async def given_up() -> bool:
            return (await node.version("standings", 2)).state == "old"

        async with trio.open_nursery() as nursery:
            await nursery.start(node.runners.run)
            await until(given_up)
            nursery.cancel_scope.cancel()
        assert (await node.version("standings")).version == 1


@pytest.mark.parametrize("error", [StoreUnavailable, OutcomeLost])
async def test_what_came_of_giving_up_may_be_lost(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    """And what is looked at next is what the rows say."""
    monkeypatch.setattr(abandoned, "AGE_S", 0.0)
    rows = MemoryViewRows(now=trio.current_time)
    runners = in_memory(rows, Everything)
    await runners.install()
    await runners.versions.install([Wanted("everything", 2, Shape(()), frozenset({"show"}), seeds=False)])
    give_up, asked = runners.versions.give_up, list[str]()

    async def loses(version: Version) -> bool:
        asked.append(version.name)
        if len(asked) == 1:
            raise error("lost")
        return await give_up(version)

    monkeypatch.setattr(runners.versions, "give_up", loses)
    async with trio.open_nursery() as nursery:
        await nursery.start(runners.run)
        await trio.sleep(2 * abandoned.SEEN_S + 10 * LOOK_S)
        assert asked == ["everything"] * 2
        assert [(one.version, one.state) for one in runners.known] == [(1, "live"), (2, "old")]
        nursery.cancel_scope.cancel()


def in_memory(rows: MemoryViewRows, *views: type[View]) -> Runners:
    kinds = Kinds((Show,))
    return Runners(
        Views(kinds, views),
        Stores(MemoryViewStore(rows), MemoryVersions(rows), MemoryProgress(rows)),
        kinds=kinds,
        owned=lambda: None,
        turn=Turn(),
        now=trio.current_time,
        new_backoff=new_backoff,
        instruments=Instruments(),
        statement_s=25.0,
    )


async def test_a_number_that_was_given_again_is_another_table(autojump_clock: MockClock) -> None:
    """A failover has lost two tables, and others were made under their numbers: each is folded into its own."""
    rows = MemoryViewRows(now=trio.current_time)
    runners = in_memory(rows, Standings, Everything)
    await runners.install()
    async with trio.open_nursery() as nursery:
        await nursery.start(runners.run)
        one, other = rows.versions.values()
        for id_, row in ((one.version.id, other), (other.version.id, one)):
            rows.versions[id_] = replace(row, version=replace(row.version, id=id_))
        runners.look_soon()
        await trio.sleep(2 * LOOK_S)
        for id_, filled in runners.filled.items():
            assert filled.runner.installed is runners._views[rows.versions[id_].version.name]
        assert len(runners.filled) == 2
        nursery.cancel_scope.cancel()


async def test_a_failover_has_all_tables_looked_through(autojump_clock: MockClock) -> None:
    """It may have lost that something was folded, and of an entity that records nothing more nobody hears."""
    runners = in_memory(MemoryViewRows(now=trio.current_time), Standings, Everything)
    await runners.install()
    runners.history_changed("")  # until its first failover
    async with trio.open_nursery() as nursery:
        await nursery.start(runners.run)
        await trio.sleep(LOOK_S)
        sweeps = [filled.sweep for filled in runners.filled.values()]
        assert [sweep.late_s for sweep in sweeps] == [30.0] * 2, "behind the longest statement that there may be"
        await trio.sleep(30 + 5)
        laps = [sweep.laps for sweep in sweeps]
        await trio.sleep(5)
        assert [sweep.laps for sweep in sweeps] == laps and len(laps) == 2
        runners.history_changed(".2")
        await trio.sleep(2)
        assert [sweep.laps for sweep in sweeps] == [one + 1 for one in laps]
        nursery.cancel_scope.cancel()
