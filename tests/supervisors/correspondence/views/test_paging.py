"""A page of a view lives on B, whoever folds its rows is on A, and it is watched on A, B and C."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.views.page_actor import Loaded, page_kind
from greenroom.supervisors.correspondence.wire import PagesChanged, PagesStale
from greenroom.supervisors.views.pages import Pages
from tests.actors.views.boards import Board
from tests.actors.views.memory_board import MemoryBoard
from tests.supervisors.correspondence.seeing import by_type, counting
from tests.supervisors.correspondence.small_cluster import A, B, C, Cluster, cluster
from tests.supervisors.views.watching import Watcher

PAGE = "board:finale"


class ReadOn:
    """The table as it is read on one node."""

    def __init__(self, table: MemoryBoard, pages: Pages) -> None:
        self._table = table
        self._pages = pages

    async def load(self, view: str, key: str, *, spare: int) -> Loaded:
        self._pages.read(view)
        return await self._table.load(view, key, spare=spare)


class Boards:
    """The cluster, the table, and the pages of each node."""

    def __init__(self, run: Cluster) -> None:
        self.cluster = run
        self.table = MemoryBoard()
        self.pages: dict[int, Pages] = {}
        for incarnation, node in run.nodes.items():
            pages = self.pages[incarnation] = Pages(
                ["board"],
                is_present=node.kernel.is_present,
                present=node.kernel.present,
                layout=lambda view, number: self.table.layout if number == self.table.layout.version else None,
                put=node.kernel.router.put,
                ownership=node.ownership,
                elsewhere=node.correspondence.pages,
                node=incarnation,
            )
            node.kinds.install(page_kind(Board, ReadOn(self.table, pages)))
            node.correspondence.pages.here = pages
        run.owners.move(PAGE, B)

    def fold(self, user: str, claps: int | None, *, at: int = A, telling: bool = True) -> None:
        changes = self.table.change(user, claps)
        if telling:
            self.pages[at].changed(changes)

    def watch(self, node: int) -> Watcher:
        return Watcher(self.cluster.nodes[node], PAGE, key=("show", "user")).watch()

    def best(self) -> dict[str, int]:
        rows = sorted(self.table.claps.items(), key=lambda one: (one[1], one[0]), reverse=True)
        return dict(rows[:3])


@asynccontextmanager
async def boards(rng: random.Random | None = None) -> AsyncIterator[Boards]:
    async with cluster(A, B, C, rng=rng, flush_s=0.01) as run, trio.open_nursery() as nursery:
        found = Boards(run)
        for pages in found.pages.values():
            await nursery.start(pages.run)
        yield found
        nursery.cancel_scope.cancel()


def claps(watcher: Watcher) -> dict[str, int]:
    return {row["user"]: row["claps"] for row in watcher.rows.values()}


async def test_rows_that_are_folded_on_one_node_are_seen_on_all(autojump_clock: MockClock) -> None:
    async with boards() as run:
        run.fold("ann", 1)
        watchers = [run.watch(node) for node in (A, B, C)]
        await trio.sleep(0.1)
        frames = counting(run.cluster)
        run.fold("bob", 2)
        await trio.sleep(0.5)
        run.fold("ann", None)
        await trio.sleep(0.5)
        for watcher in watchers:
            assert (claps(watcher), watcher.pages, watcher.starts_over) == ({"bob": 2}, 1, 0)
            assert [next(iter(one)) for one in watcher.said] == ["set", "gone"]
        assert len(by_type(frames, PagesChanged)) == 2
        assert run.table.loads == 1


async def test_a_page_that_nobody_watches_is_not_woken(autojump_clock: MockClock) -> None:
    async with boards() as run:
        run.fold("ann", 1)
        await trio.sleep(1)
        assert run.cluster.nodes[B].awake() == set()
        assert run.table.loads == 0


async def test_nothing_is_told_to_a_node_on_which_nobody_watches(autojump_clock: MockClock) -> None:
    async with boards() as run:
        await trio.sleep(0.1)
        frames = counting(run.cluster)
        run.fold("ann", 1)
        await trio.sleep(0.1)
        assert by_type(frames, PagesChanged) == []
        watcher = run.watch(C)
        await trio.sleep(0.1)
        run.fold("bob", 2)
        await trio.sleep(0.5)
        assert len(by_type(frames, PagesChanged)) == 1
        assert claps(watcher) == {"ann": 1, "bob": 2}


async def test_what_is_folded_while_a_page_is_read_that_nobody_knows_of_is_read_once_they_do(
    autojump_clock: MockClock,
) -> None:
    async with boards() as run:
        await trio.sleep(0.1)
        run.cluster.network.full.add((B, A))  # what B says of itself is late
        watcher = run.watch(C)
        await trio.sleep(0.1)
        run.fold("ann", 1)
        await trio.sleep(0.1)
        assert (claps(watcher), run.table.loads) == ({}, 1)
        run.cluster.network.full.clear()
        await trio.sleep(1)
        assert claps(watcher) == {"ann": 1}


@pytest.mark.parametrize("how", ["full", "lost", "lost after it was read"])
async def test_what_does_not_reach_the_pages_node_is_read_there(autojump_clock: MockClock, how: str) -> None:
    async with boards() as run:
        watcher = run.watch(C)
        await trio.sleep(0.1)
        if how == "full":
            run.cluster.network.full.add((A, B))
        elif how == "lost":
            run.cluster.network.stuck.add((A, B))
        else:
            run.cluster.network.filter = lambda sender, receiver, frame: {sender, receiver} != {A, B}
            run.cluster.network.part_first(B, A)
            await trio.sleep(1)
        run.fold("ann", 1)
        await trio.sleep(1)
        assert claps(watcher) == {}
        if how == "full":
            run.cluster.network.full.clear()
        elif how == "lost":
            run.cluster.network.stuck.clear()
            run.cluster.network.part(A, B)
        else:
            run.cluster.network.filter = lambda sender, receiver, frame: True
            run.cluster.network.all_hear()
        await trio.sleep(1)
        assert (claps(watcher), watcher.starts_over) == ({"ann": 1}, 0)


async def test_what_a_node_folded_and_told_nobody_is_read_once_it_has_gone(autojump_clock: MockClock) -> None:
    async with boards() as run:
        watcher = run.watch(C)
        await trio.sleep(0.1)
        run.fold("ann", 1, telling=False)
        run.cluster.kill(A)
        await trio.sleep(1)
        assert claps(watcher) == {"ann": 1}


async def test_a_page_that_moves_begins_anew_where_it_comes_to(autojump_clock: MockClock) -> None:
    async with boards() as run:
        run.fold("ann", 1)
        watchers = [run.watch(node) for node in (A, B, C)]
        await trio.sleep(0.1)
        await run.cluster.move(PAGE, C)
        run.fold("bob", 2)
        for node in run.cluster.nodes.values():
            node.correspondence.moved([0])
        await trio.sleep(3)
        run.fold("eve", 3)
        await trio.sleep(1)
        for watcher in watchers:
            assert (claps(watcher), watcher.pages) == ({"ann": 1, "bob": 2, "eve": 3}, 2), "anew once"


async def test_what_was_told_to_a_former_owner_is_read_by_the_present_one(autojump_clock: MockClock) -> None:
    async with boards() as run:
        watcher = run.watch(C)
        await trio.sleep(0.1)
        run.cluster.nodes[A].ownership.believed[PAGE] = B
        await run.cluster.move(PAGE, C)
        for node in (B, C):
            run.cluster.nodes[node].correspondence.moved([0])
        await trio.sleep(3)
        frames = counting(run.cluster)
        run.fold("ann", 1)
        await trio.sleep(1)
        assert claps(watcher) == {}, "it was told on B, where it lives no longer"
        run.cluster.nodes[A].ownership.believed.clear()
        run.cluster.nodes[A].correspondence.moved([0])
        await trio.sleep(1)
        assert claps(watcher) == {"ann": 1}
        assert by_type(frames, PagesStale)


async def test_a_view_that_may_differ_is_read_on_every_node(autojump_clock: MockClock) -> None:
    async with boards() as run:
        watcher = run.watch(A)
        await trio.sleep(0.1)
        run.fold("ann", 1, telling=False)
        run.pages[C].may_differ("board")
        await trio.sleep(1)
        assert claps(watcher) == {"ann": 1}


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_happens_to_links_and_owners_all_come_to_what_is_stored(
    autojump_clock: MockClock, seed: int
) -> None:
    chance = random.Random(seed)
    async with boards(random.Random(seed + 100)) as run:
        nodes = list(run.cluster.nodes)
        watchers = [run.watch(chance.choice(nodes)) for _ in range(6)]
        for _ in range(120):
            user = f"u{chance.randrange(7)}"
            is_there = user in run.table.claps
            run.fold(
                user,
                None if is_there and chance.random() < 0.2 else chance.randrange(20),
                at=chance.choice(nodes),
            )
            happens = chance.random()
            if happens < 0.03:
                run.cluster.network.part(*chance.sample(nodes, 2))
            elif happens < 0.05:
                run.cluster.network.part_first(*chance.sample(nodes, 2))
            elif happens < 0.08:
                await run.cluster.move(PAGE, chance.choice(nodes))
                for node in run.cluster.nodes.values():
                    node.correspondence.moved([0])
            elif happens < 0.15:
                watcher = chance.choice(watchers)
                watcher.leave()
                watcher.watch()
            elif happens < 0.2:
                run.cluster.network.full = {tuple(chance.sample(nodes, 2))}  # type: ignore[arg-type]
            elif happens < 0.3:
                run.cluster.network.full = set()
            await trio.sleep(chance.random() * 0.1)
            for watcher in watchers:
                watcher.again()
        run.cluster.network.full = set()
        run.cluster.network.all_hear()
        for _ in range(10):
            await trio.sleep(2)
            for watcher in watchers:
                watcher.again()
        for watcher in watchers:
            assert claps(watcher) == run.best()
