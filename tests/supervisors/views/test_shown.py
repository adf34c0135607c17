"""Pages of views, watched on a node with a real Postgres."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio
from msgspec import Struct

from greenroom.actors.model.errors import Refused
from greenroom.actors.model.lifecycle import Passivate
from greenroom.actors.model.principal import Principal
from greenroom.actors.views.columns import Key
from greenroom.actors.views.page import Page
from greenroom.actors.views.view import Origin, View
from greenroom.config.limits import HubConfig
from greenroom.store.errors import OutcomeLost, StoreUnavailable
from greenroom.store.postgres.pool import Pool
from greenroom.store.views.store import FoldTransaction, Version
from tests.actors.views.boards import Board, Clapped, Closed, Notes, Quit, refuse_mallory
from tests.supervisors.views.shown_stage import Fetch, ShownStage, shown_stage, until
from tests.supervisors.views.watching import Watcher


class Second(View, version=2, name="board"):
    """Board with another row, and twice the claps."""

    of = (Clapped, Quit)

    class Row(Struct):
        show: Key[str]
        user: Key[str]
        claps: int = 0
        times: int = 0

    watch = Page(by="show", order="-claps", limit=3, per_s=10.0)

    def fold(self, event: Clapped | Quit, of: Origin) -> None:
        row = self.row(show=of.key, user=event.user)
        if isinstance(event, Clapped):
            row.claps += 2 * event.times
            row.times += 1
        else:
            del self[row]

    @classmethod
    def may_watch(cls, principal: Principal, key: str) -> None:
        refuse_mallory(principal, key)


def claps(watcher: Watcher) -> dict[str, int]:
    return {row["user"]: row["claps"] for row in watcher.rows.values()}


async def shows(watcher: Watcher, **wanted: int) -> None:
    await until(lambda: claps(watcher) == wanted)


async def best(node: ShownStage, show: str, limit: int = 3) -> dict[str, int]:
    sql = 'SELECT "user", claps FROM views.board WHERE show = $1 ORDER BY claps DESC, "user" DESC LIMIT $2'
    return {row[0]: row[1] for row in await node.pool.fetch(sql, show, limit)}


async def test_the_page_and_then_what_changes(database_url: str) -> None:
    async with shown_stage(database_url, Board) as node:
        await node.clap("a", "ann", 2)
        await node.clap("b", "zoe", 9)
        watcher = node.watch("board:a")
        await shows(watcher, ann=2)
        await node.clap("a", "bob", 5)
        await shows(watcher, ann=2, bob=5)
        assert watcher.said[-1] == {"set": {"show": "a", "user": "bob", "claps": 5}}
        await node.leave("a", "ann")
        await shows(watcher, bob=5)
        assert watcher.said[-1] == {"gone": {"show": "a", "user": "ann"}}
        assert (watcher.pages, watcher.starts_over) == (1, 0)


async def test_a_row_that_leaves_the_page_is_a_removal_and_the_next_one_comes(database_url: str) -> None:
    async with shown_stage(database_url, Board) as node:
        for user, times in (("ann", 4), ("bob", 3), ("eve", 2), ("joe", 1)):
            await node.clap("a", user, times)
        watcher = node.watch("board:a")
        await shows(watcher, ann=4, bob=3, eve=2)
        await node.clap("a", "joe", 9)
        await shows(watcher, joe=10, ann=4, bob=3)
        assert {"gone": {"show": "a", "user": "eve"}} in watcher.said
        await node.leave("a", "joe")
        await shows(watcher, ann=4, bob=3, eve=2)
        assert watcher.pages == 1


async def test_a_page_that_nobody_watches_costs_nothing(database_url: str) -> None:
    async with shown_stage(database_url, Board) as node:
        await node.clap("b", "first")
        watcher = node.watch("board:b")
        await shows(watcher, first=1)
        before = node.reads
        for number in range(20):
            await node.clap("a", f"u{number}")
        await node.clap("b", "last")
        await shows(watcher, first=1, last=1)
        assert node.awake() & {"board:a", "board:b"} == {"board:b"}
        assert node.reads == before, "nor is one that is watched read for what it is told"


async def test_who_comes_between_commit_and_push_misses_nothing(database_url: str) -> None:
    """Watchers come all the time while rows change all the time; each ends with what is stored."""
    chance = random.Random(3)
    async with shown_stage(database_url, Board) as node:
        await node.clap("a", "ann")
        watchers: list[Watcher] = []
        async with trio.open_nursery() as nursery:

            async def clapping(seed: int) -> None:
                mine = random.Random(seed)
                for _ in range(60):
                    user = f"u{mine.randrange(8)}"
                    if mine.random() < 0.15:
                        await node.leave("a", user)
                    else:
                        await node.clap("a", user, mine.randrange(5))

            for seed in range(3):
                nursery.start_soon(clapping, seed)
            for _ in range(40):
                watchers.append(node.watch("board:a"))
                await trio.sleep(chance.random() * 0.02)
                if chance.random() < 0.3:
                    gone = chance.choice(watchers)
                    gone.leave()
                    await trio.sleep(chance.random() * 0.02)
                    gone.watch()
        stored: dict[str, int] = {}

        async def settled() -> bool:
            nonlocal stored
            before, stored = stored, await best(node, "a")
            return before == stored and all(claps(one) == stored for one in watchers)

        with trio.fail_after(20):
            while not await settled():  # noqa: ASYNC110
                await trio.sleep(0.2)
        assert all(one.starts_over == 0 for one in watchers)


async def test_resuming_gives_what_was_missed_and_from_nowhere_the_page(database_url: str) -> None:
    async with shown_stage(database_url, Board) as node:
        await node.clap("a", "ann")
        keeps, away = node.watch("board:a"), node.watch("board:a")
        await shows(away, ann=1)
        away.leave()
        await node.clap("a", "bob", 2)
        await node.leave("a", "ann")
        await shows(keeps, bob=2)
        await until(lambda: {"gone": {"show": "a", "user": "ann"}} in keeps.said)
        assert claps(away) == {"ann": 1}
        away.watch()
        await shows(away, bob=2)
        assert away.pages == 1, "by what it missed alone"
        away.leave()
        assert away.position is not None
        away.position.epoch = "none"  # as reading says where no page is awake
        away.watch()
        await until(lambda: away.pages == 2)


async def test_a_page_whose_watchers_were_all_away_for_long_is_given_anew(database_url: str) -> None:
    async with shown_stage(database_url, Board, hub=HubConfig(linger_s=0)) as node:
        await node.clap("a", "ann")
        watcher = node.watch("board:a")
        await shows(watcher, ann=1)
        watcher.leave()
        cell = node.kernel.system.cell("board:a")
        assert cell is not None
        cell.mailbox.put_control(Passivate())
        await until(lambda: "board:a" not in node.awake())
        await node.clap("a", "bob", 3)
        watcher.watch()
        await shows(watcher, ann=1, bob=3)
        assert watcher.pages == 2


async def test_a_page_that_crashed_is_given_anew_though_nothing_more_happens(database_url: str) -> None:
    async with shown_stage(database_url, Board) as node:
        await node.clap("a", "ann")
        watcher = node.watch("board:a")
        await shows(watcher, ann=1)
        await node.pool.fetch("UPDATE views.board_v1 SET claps = 7")  # of which nobody tells
        cell = node.kernel.system.cell("board:a")
        assert cell is not None and cell.actor is not None
        actor: Any = cell.actor
        actor._layout = None
        await node.clap("a", "bob")
        await shows(watcher, ann=7, bob=1)
        assert (watcher.pages, watcher.starts_over) == (2, 1)


async def test_a_page_begins_anew_with_the_history_of_its_database(database_url: str) -> None:
    """After a failover that lost its last transactions, rows are others than were shown."""
    async with shown_stage(database_url, Board) as node:
        await node.clap("a", "ann", 5)
        watcher = node.watch("board:a")
        await shows(watcher, ann=5)
        await node.pool.fetch("UPDATE views.board_v1 SET claps = 4")
        node.kernel.system.lineage_changed("another")
        await shows(watcher, ann=4)
        assert watcher.starts_over in (1, 2), "twice where it is back before the page has begun anew"


async def test_when_the_version_switches_watchers_come_to_the_new_rows_once(database_url: str) -> None:
    async with shown_stage(database_url, Board) as old:
        await old.clap("a", "ann", 3)
        await old.clap("a", "bob", 1)
        before = old.watch("board:a")
        await shows(before, ann=3, bob=1)
        before.said.clear()
        async with shown_stage(database_url, Second) as new:
            watcher = new.watch("board:a")
            await shows(watcher, ann=6, bob=2)
            assert watcher.rows["a", "ann"] == {"show": "a", "user": "ann", "claps": 6, "times": 1}
            await shows(before, ann=6, bob=2)
            assert (before.starts_over, len(before.said)) == (0, 2), "each row once"
            await new.clap("b", "zoe")
            await new.clap("c", "zoe")
            zoe = new.watch("board:b")
            await shows(zoe, zoe=2)
            await new.clap("b", "zoe")
            await shows(zoe, zoe=4)
            states = sorted((one.version, one.state) for one in await new.versions("board"))
            assert states == [(1, "old"), (2, "live")]


async def test_a_page_that_was_not_told_reads_when_it_is_told_to(database_url: str) -> None:
    async with shown_stage(database_url, Board) as node:
        await node.clap("a", "ann")
        watcher = node.watch("board:a")
        await shows(watcher, ann=1)
        await node.pool.fetch("UPDATE views.board_v1 SET claps = 9")
        node.shown.pages.may_differ("board")
        await shows(watcher, ann=9)
        assert watcher.starts_over == 0


async def test_a_batch_of_which_nobody_knows_whether_it_has_landed_is_seen_if_it_has(database_url: str) -> None:
    async with shown_stage(database_url, Board) as node:
        await node.clap("a", "ann")
        watcher = node.watch("board:a")
        await shows(watcher, ann=1)
        store = node.runners.store
        transaction = store.transaction
        lost: list[str] = []

        @asynccontextmanager
        async def cut_off(version: Version) -> AsyncIterator[FoldTransaction]:
            async with transaction(version) as inside:
                yield inside
            if not lost:
                lost.append(version.name)
                raise OutcomeLost("the confirmation of the commit")

        store.transaction = cut_off  # type: ignore[method-assign]
        await node.clap("a", "bob", 2)
        await shows(watcher, ann=1, bob=2)
        assert lost == ["board"]


async def test_a_store_that_is_away_makes_pages_late(database_url: str) -> None:
    is_away = True

    def fetch(pool: Pool) -> Fetch:
        async def fetching(*arguments: Any) -> Any:
            if is_away:
                raise StoreUnavailable("away")
            return await pool.fetch(*arguments)

        return fetching

    async with shown_stage(database_url, Board, fetch=fetch) as node:
        await node.clap("a", "ann")
        watcher = node.watch("board:a")
        await trio.sleep(0.2)
        assert watcher.pages == 0
        is_away = False
        await shows(watcher, ann=1)


async def test_who_may_not_watch_does_not(database_url: str) -> None:
    async with shown_stage(database_url, Board, Closed) as node:
        for entity, user, rule in (
            ("board:a", "mallory", "board.private"),
            ("board:private", "ann", "board.private"),
            ("closed:all", "ann", "view.closed"),
        ):
            watcher = node.watch(entity, user=user)
            await until(lambda watcher=watcher: bool(watcher.refusals))  # type: ignore[misc]
            (error,) = watcher.refusals
            assert isinstance(error, Refused)
            assert error.name == rule


async def test_a_page_in_a_mixed_order_keeps_it(database_url: str) -> None:
    async with shown_stage(database_url, Notes) as node:
        for user in ("c", "a", "b"):
            await node.clap("r", user)
        watcher = node.watch("notes:r", "number")
        await until(lambda: len(watcher.rows) == 3)
        await node.clap("r", "d")
        await until(lambda: len(watcher.rows) == 4)
        assert watcher.rows[4,]["title"] == "d"
        assert watcher.pages == 1
