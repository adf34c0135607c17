"""Inline views of a node: rows are there with the answer, and whatever goes wrong they come to the same as others."""

import enum
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any

import asyncpg
import msgspec
import pytest
import trio
from msgspec import Struct
from trio.testing import MockClock

from greenroom import Key, Origin, Page, Principal, View
from greenroom.actors.life.turn import Turn
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.views.changes import Changes
from greenroom.actors.views.installed import Views
from greenroom.config.telemetry.instruments import Instruments
from greenroom.store.errors import OutcomeLost
from greenroom.store.journal.consequences.consequences import Consequences
from greenroom.store.journal.consequences.inline import SET, Inline, InlineRow, InlineTable
from greenroom.store.journal.records import Append, Head, Outcome, StoredEvent
from greenroom.store.views.inline import inline_table
from greenroom.store.views.store import Version
from greenroom.supervisors.views import inline as inline_module
from greenroom.supervisors.views.inline import InlineViews
from greenroom.supervisors.views.own_rows import ROW_BYTES_MAX, OwnRow, OwnRows
from tests.actors.views.shows import Clapped, Show, Standings, Summary
from tests.store.journal.clusters import claim
from tests.supervisors.views.inline.test_own_rows import ByName, live_of
from tests.supervisors.views.stage import Stage, stage, until


class Second(View, name="summary", version=2, inline=True):
    """Summary, otherwise."""

    of = (Clapped,)

    class Row(Struct):
        show: Key[str]
        claps: int = 0
        times: int = 0

    entity_key = "show"

    def fold(self, event: Clapped, of: Origin) -> None:
        row = self.row(show=of.key)
        row.claps += event.times
        row.times += 1


async def row(node: Stage, show: str) -> tuple[int, list[str]] | None:
    found = await node.pool.fetch('SELECT claps, users FROM views.summary WHERE "show" = $1', show)
    return (found[0][0], msgspec.json.decode(found[0][1])) if found else None


async def truth(node: Stage) -> Counter[str]:
    """Claps by show, as the journal says."""
    found: Counter[str] = Counter()
    for entity, payload in await node.pool.fetch("SELECT h.entity, j.payload FROM journal j JOIN heads h USING (id)"):
        found[entity.partition(":")[2]] += msgspec.json.decode(payload).get("times", 0)
    return found


async def held(node: Stage, version: Version) -> Counter[str]:
    table = version.table
    return Counter({row[0]: row[1] for row in await node.pool.fetch(f'SELECT "show", claps FROM {table.rows}')})


async def is_in_step(node: Stage, show: str) -> bool:
    """Is its row written with the next append?"""
    await node.clap(show, "ann", 1)
    own_rows = node.kernel._cells[f"show:{show}"].in_flight._own_rows
    assert isinstance(own_rows, OwnRows)
    return own_rows.rows[0].number == (await node.version("summary")).id


def skips(node: Stage) -> int:
    return sum(node.instruments.view_skips.values())


async def test_a_row_is_there_with_the_answer(database_url: str) -> None:
    """Nobody folds but the appends themselves."""
    async with stage(database_url, Summary, is_running=False) as node:
        await node.clap("finale", "ann", 3)
        assert await row(node, "finale") == (3, ["ann"])
        await node.clap("finale", "bob", 1)
        assert await row(node, "finale") == (4, ["ann", "bob"])
        await node.rename("finale", "The end")  # of which the view is not told
        await node.clap("finale", "ann", 1)
        assert await row(node, "finale") == (5, ["ann", "bob"])
        await node.close("finale")
        assert await row(node, "finale") is None
        await node.clap("finale", "ann", 2)
        assert await row(node, "finale") == (2, ["ann"])
    async with stage(database_url, Summary, is_running=False) as node:
        await node.clap("finale", "bob", 1)
        assert await row(node, "finale") == (3, ["ann", "bob"])
        assert skips(node) == 0


async def test_watchers_are_told_once_with_rising_revisions(database_url: str) -> None:
    async with stage(database_url, Summary) as node:
        for _ in range(5):
            await node.clap("finale", "ann", 1)
        await node.close("finale")
        await node.clap("other", "ann", 1)
        await node.folded("summary")
    rows = [change for changes in node.changes for change in changes.rows]
    assert [(one.key, None if one.values is None else one.values[1]) for one in rows] == [
        *((("finale",), number) for number in range(1, 6)),
        (("finale",), None),
        (("other",), 1),
    ]
    revisions = [one.revision for one in rows]
    assert revisions == sorted(set(revisions))
    assert node.instruments.view_events["summary", "1"] == 7  # and nothing was folded twice


async def test_appends_that_are_joined_write_the_last_row(database_url: str) -> None:
    async with stage(database_url, Summary, is_running=False) as node:
        async with trio.open_nursery() as nursery:
            for number in range(300):
                nursery.start_soon(node.clap, f"show{number % 3}", f"user{number % 7}", 1)
        assert [(await row(node, f"show{number}") or (0,))[0] for number in range(3)] == [100, 100, 100]
        assert skips(node) == 0
        told = [one.revision for changes in node.changes for one in changes.rows]
        assert len(told) < 300 and len(set(told)) == len(told)


async def test_a_fold_that_raises_parks_its_entity_and_no_command_fails(database_url: str) -> None:
    async with stage(database_url, Summary) as node:
        await node.clap("finale", "ann", 1)
        await node.clap("finale", "poison", 1)
        await node.clap("finale", "ann", 1)
        await node.clap("other", "ann", 1)
        assert await row(node, "other") == (1, ["ann"])

        async def is_parked() -> bool:
            return "poison" in (await node.parked("summary")).get("show:finale", "")

        await until(is_parked)
        assert await row(node, "finale") == (1, ["ann"])


async def test_a_fold_that_asks_for_the_row_of_another_parks_its_entity(database_url: str) -> None:
    """Another activation may have that row in memory."""
    async with stage(database_url, Summary) as node:
        await node.clap("other", "ann", 1)
        await node.clap("finale", "show other", 1)

        async def is_parked() -> bool:
            return "show:finale" in await node.parked("summary")

        await until(is_parked)
        await node.clap("other", "bob", 1)
        assert await row(node, "other") == (2, ["ann", "bob"]) and await row(node, "finale") is None


async def test_an_append_is_not_held_up_by_who_folds_and_its_row_comes_later(database_url: str) -> None:
    async with stage(database_url, Summary) as node:
        await node.clap("finale", "ann", 1)
        bridge = node.pool._bridge
        session = await bridge.run(asyncpg.connect, database_url)
        await bridge.run(session.execute, "BEGIN; SELECT 1 FROM view_progress FOR UPDATE")
        with trio.fail_after(5):
            await node.clap("finale", "bob", 1)
        assert await row(node, "finale") == (1, ["ann"]) and skips(node) == 1
        await bridge.run(session.execute, "COMMIT")
        await bridge.run(session.close)
        await node.folded("summary")
        assert await row(node, "finale") == (2, ["ann", "bob"])

        await until(lambda: is_in_step(node, "finale"))
        assert skips(node) == 1


@pytest.mark.bound("bytes of a row that an append writes")
async def test_a_row_that_has_grown_large_is_left_to_the_runner(database_url: str) -> None:
    async with stage(database_url, Summary) as node:
        await node.clap("finale", "ann", 1)
        await node.clap("finale", "b" * ROW_BYTES_MAX, 1)
        await node.clap("finale", "ann", 1)
        await node.folded("summary")
        found = await row(node, "finale")
        assert found is not None and found[0] == 3
        assert node.instruments.view_events["summary", "1"] == 3


@pytest.mark.bound("entities whose rows are not in step, to be read again")
async def test_no_more_entities_are_remembered_than_may_be(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inline_module, "BEHIND_MAX", 2)
    async with stage(database_url, Summary, is_running=False) as node:
        inline = node.runners.inline
        inline.learn([])
        for number in range(3):
            await node.clap(f"show{number}", "ann")
        inline.learn(node.runners.known)
        for number in (0, 1, 2, 0):
            await node.clap(f"show{number}", "ann")
        assert len(inline._behind) == 2


async def test_of_an_append_whose_outcome_was_lost_the_rows_are_told_by_the_next_life(database_url: str) -> None:
    async with stage(database_url, Summary, is_running=False) as node:
        await node.clap("finale", "ann", 1)
        node.changes.clear()
        append, lost = node.journal.append, 0

        async def lose(batch: Sequence[Append], *, lane: int = 0) -> list[Outcome]:
            nonlocal lost
            outcomes = await append(batch, lane=lane)
            if not lost:
                lost += 1
                raise OutcomeLost("its answer did not come")
            return outcomes

        node.journal.append = lose  # type: ignore[method-assign]
        await node.clap("finale", "bob", 1)
        (changes,) = node.changes
        (change,) = changes.rows
        assert change.values is not None and change.values[:2] == ("finale", 2)
        stored = await node.pool.fetch("SELECT _revision FROM views.summary_v1")
        assert change.revision == stored[0][0]
        await node.clap("finale", "ann", 1)
        assert await row(node, "finale") == (3, ["ann", "bob"]) and skips(node) == 0


class Told:
    """InlineViews of which all that it tells is kept, with when it was."""

    def __init__(self, *, fails: bool = False) -> None:
        self.unsure: list[tuple[str, float]] = []
        self.changes: list[Changes] = []
        self.fails = fails
        pool: Any = None
        views = Views(Kinds((Show,)), (Summary,))
        self.installed = views["summary"]
        self.inline = InlineViews(
            views,
            pool,
            turn=Turn(),
            instruments=Instruments(),
            changed=self._changed,
            unsure=lambda view: self.unsure.append((view, trio.current_time())),
            statement_s=10.0,
        )

    def _changed(self, changes: Changes) -> None:
        if self.fails:
            raise TypeError("no JSON can be made of this")
        self.changes.append(changes)

    def append(self, table: InlineTable, values: tuple[Any, ...]) -> tuple[str, Append]:
        """One that has landed, with its row."""
        row = InlineRow(table, 0, 1, "finale", OwnRow(self.installed), SET, values, has_landed=True, revision=7)
        return "show:finale", Append(1, 1, 0, [StoredEvent(1, 1, b"{}")], Consequences(inline=Inline({5: row})))


async def test_a_view_is_looked_at_when_an_entity_has_ended_whose_rows_may_land(autojump_clock: MockClock) -> None:
    told = Told()
    async with trio.open_nursery() as nursery:
        await nursery.start(told.inline.run)
        began = trio.current_time()
        told.inline.left_unknown("show")
        told.inline.left_unknown("room")  # of which there is none
        await trio.sleep(60)
        nursery.cancel_scope.cancel()
    ((view, at),) = told.unsure
    assert view == "summary" and 15 < at - began < 30


async def test_entities_that_go_on_ending_put_that_look_off_no_further(autojump_clock: MockClock) -> None:
    told = Told()
    async with trio.open_nursery() as nursery:
        await nursery.start(told.inline.run)
        began = trio.current_time()
        for _ in range(20):
            told.inline.left_unknown("show")
            await trio.sleep(1)
        await trio.sleep(60)
        nursery.cancel_scope.cancel()
    first, *_, last = (at - began for _, at in told.unsure)
    assert 15 < first < 20 and 19 + 15 < last < 50  # the latter is for those that ended last
    assert len(told.unsure) < 5


async def test_a_view_is_looked_at_once_for_many_entities_that_may_have_changed(autojump_clock: MockClock) -> None:
    """Also where no table is known to be served as they wake: it may have been as they were written."""
    told = Told()
    async with trio.open_nursery() as nursery:
        await nursery.start(told.inline.run)
        for number in range(50):
            head = Head(number, f"show:{number}", 1, "", 3)
            await told.inline.own_rows(Kinds((Show,))["show"], head.entity, head, in_doubt=True)
            await told.inline.own_rows(Kinds((Show,))["show"], head.entity, head, in_doubt=False)
        assert not told.unsure
        await trio.sleep(60)
        nursery.cancel_scope.cancel()
    assert [view for view, _ in told.unsure] == ["summary"]


async def test_rows_that_can_not_be_told_do_no_harm_to_the_committer(autojump_clock: MockClock) -> None:
    told = Told(fails=True)
    append = told.append(inline_table(live_of(told.installed).version), ("finale", 1, "", "[]"))
    async with trio.open_nursery() as nursery:
        await nursery.start(told.inline.run)
        told.inline.landed([append])
        told.fails = False
        told.inline.landed([append])
        await trio.sleep(60)
        nursery.cancel_scope.cancel()
    assert [view for view, _ in told.unsure] == ["summary"] and len(told.changes) == 1


class Loud(str):
    """As a template's markup is: a text that is no str exactly."""


class Place(enum.IntEnum):
    FIRST = 1


class Styled(View, name="styled", inline=True):
    """Its fold gives what is derived from the fields' types."""

    of = (Clapped,)

    class Row(Struct):
        show: Key[str]
        user: str = ""
        place: int = 0

    entity_key = "show"
    watch = Page(order="-place")

    def fold(self, event: Clapped, of: Origin) -> None:
        row = self.row(show=Loud(of.key))
        row.user, row.place = Loud(event.user), Place.FIRST

    @classmethod
    def may_watch(cls, principal: Principal, key: str) -> None:
        pass


async def test_what_is_derived_from_a_fields_type_is_written_and_told_as_the_type_itself(database_url: str) -> None:
    async with stage(database_url, Styled, is_running=False) as node:
        await node.clap("finale", "ann")
        rows = await node.pool.fetch('SELECT "show", "user", place FROM views.styled')
        assert [tuple(one) for one in rows] == [("finale", "ann", 1)] and skips(node) == 0
        (changes,) = node.changes
        assert msgspec.json.encode(changes.rows[0].values) == b'["finale","ann",1]'


async def test_an_entity_that_ends_before_its_append_is_answered_says_so(database_url: str) -> None:
    async with stage(database_url, Summary, is_running=False) as node:
        await node.clap("finale", "ann", 1)
        waits = trio.Event()

        async def append(batch: Sequence[Append], *, lane: int = 0) -> list[Outcome]:
            waits.set()
            await trio.sleep_forever()
            raise AssertionError

        node.journal.append = append  # type: ignore[method-assign]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(node.clap, "finale", "bob")
            await waits.wait()
            assert not node.runners.inline._unknown
            nursery.cancel_scope.cancel()
    assert list(node.runners.inline._unknown) == ["summary"]


async def test_of_a_row_that_may_have_gone_its_view_is_looked_at(database_url: str) -> None:
    async with stage(database_url, Summary, is_running=False) as node:
        unsure: list[str] = []
        node.runners.inline._unsure = unsure.append
        head = (await claim(node.journal, "show:finale")).head
        await node.runners.inline.own_rows(node.kinds["show"], head.entity, head, in_doubt=True)
        await node.runners.inline.own_rows(node.kinds["show"], head.entity, head, in_doubt=False)
        async with trio.open_nursery() as nursery:
            await nursery.start(node.runners.inline.run)

            async def has_said() -> bool:
                return bool(unsure)

            await until(has_said)
            nursery.cancel_scope.cancel()
        assert unsure == ["summary"] and not node.changes


async def test_the_row_of_another_whose_name_is_an_entitys_key_is_not_told_as_its_own(database_url: str) -> None:
    async with stage(database_url, Summary, is_running=False) as node:
        await node.clap("a", "show show:a")
        assert await row(node, "show:a") is not None
        node.changes.clear()
        head = (await claim(node.journal, "show:show:a")).head
        await node.runners.inline.own_rows(node.kinds["show"], head.entity, head, in_doubt=True)
        assert not node.changes and node.runners.inline._untold == {"summary"}


async def test_joined_appends_of_two_rows_of_one_entity_lose_neither(database_url: str) -> None:
    async with stage(database_url, ByName) as node:
        append = node.journal.append
        batches: list[int] = []
        begun, may_go = trio.Event(), trio.Event()

        async def held(batch: Sequence[Append], *, lane: int = 0) -> list[Outcome]:
            batches.append(len(batch[0].events))
            begun.set()
            await may_go.wait()
            return await append(batch, lane=lane)

        node.journal.append = held  # type: ignore[method-assign]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(node.clap, "finale", "ann")
            await begun.wait()
            nursery.start_soon(node.clap, "finale", "ann")
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(node.rename, "finale", "x")
            await trio.testing.wait_all_tasks_blocked()
            may_go.set()
        assert batches == [1, 2]
        await node.folded("by_name")
        rows = await node.pool.fetch('SELECT "show", claps FROM views.by_name ORDER BY 1')
        assert [tuple(one) for one in rows] == [("finale", 1), ("show:finale", 2)]


async def clap_on(node: Stage, seed: int, stop: trio.Event) -> None:
    rng = Random(seed)
    while not stop.is_set():
        await node.clap(f"show{rng.randrange(12)}", f"user{rng.randrange(5)}", rng.randrange(1, 9))


async def test_killed_at_any_moment_nothing_is_lost_or_counted_twice(database_url: str) -> None:
    rng = Random(7)
    for life in range(8):
        async with stage(database_url, Summary, is_running=life % 2 == 0) as node:
            async with trio.open_nursery() as nursery:
                for seed in range(4):
                    nursery.start_soon(clap_on, node, seed, trio.Event())
                await trio.sleep(rng.uniform(0.05, 0.3))
                nursery.cancel_scope.cancel()
    async with stage(database_url, Summary) as node:
        await node.folded("summary")
        assert await held(node, await node.version("summary")) == await truth(node) != {}


async def test_two_that_fold_the_same_come_to_the_same(database_url: str) -> None:
    """Runners that are told of everything, and take what they can, beside appends that write their rows."""
    async with stage(database_url, Summary, Standings) as node:
        stop = trio.Event()
        hints, inline = node.runners.hints, node.runners.inline
        async with trio.open_nursery() as nursery:
            for seed in range(4):
                nursery.start_soon(clap_on, node, seed, stop)
            for number in range(40):
                heads = [row[0] for row in await node.pool.fetch("SELECT id FROM heads")]
                for filled in node.runners.filled.values():
                    filled.runner.backlog.fall_behind(heads)
                if number % 10 == 0:
                    inline.learn([])  # so that the runners have something to do
                elif number % 10 == 3:
                    inline.learn(node.runners.known)
            stop.set()
        assert hints is node.runners.hints
        await node.folded("summary")
        assert await held(node, await node.version("summary")) == await truth(node)
        assert node.instruments.view_events["summary", "1"] == sum(
            row[0] for row in await node.pool.fetch('SELECT "offset" FROM heads')
        )


async def test_while_it_is_paused_nothing_is_written_and_later_all_of_it(database_url: str) -> None:
    async with stage(database_url, Summary) as node:
        await node.clap("finale", "ann", 1)
        await node.runners.versions.pause("summary", paused=True)
        await node.clap("finale", "ann", 1)
        assert await row(node, "finale") == (1, ["ann"])
        await node.runners.versions.pause("summary", paused=False)
        await node.folded("summary")
        assert await row(node, "finale") == (2, ["ann"])


async def test_a_rebuild_takes_its_place_under_load_and_rows_are_written_at_once_again(database_url: str) -> None:
    async with stage(database_url, Summary) as node:
        stop = trio.Event()
        async with trio.open_nursery() as nursery:
            for seed in range(3):
                nursery.start_soon(clap_on, node, seed, stop)
            built = await node.runners.rebuild("summary")

            async def has_switched() -> bool:
                return (await node.version("summary")).id == built.id

            await until(has_switched)
            stop.set()
        await node.folded("summary")
        live = await node.version("summary")
        assert await held(node, live) == await truth(node)

        await until(lambda: is_in_step(node, "show1"))


async def test_another_version_is_filled_under_load_and_lacks_nothing(database_url: str) -> None:
    async with stage(database_url, Summary) as node:
        async with trio.open_nursery() as nursery:
            stop = trio.Event()
            for seed in range(3):
                nursery.start_soon(clap_on, node, seed, stop)
            await trio.sleep(0.3)
            stop.set()
    async with stage(database_url, Second) as node:
        stop = trio.Event()
        async with trio.open_nursery() as nursery:
            for seed in range(3):
                nursery.start_soon(clap_on, node, seed, stop)

            async def is_live() -> bool:
                return (await node.version("summary")).version == 2

            await until(is_live)
            stop.set()
        await node.folded("summary")
        assert await held(node, await node.version("summary")) == await truth(node)
