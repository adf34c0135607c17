"""How pages hear of their rows: this node is 1, and it is told who is present and who owns what."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.model.errors import Overloaded
from greenroom.actors.model.message import Message
from greenroom.actors.views.changes import Change, Changes
from greenroom.actors.views.layout import Layout
from greenroom.actors.views.page_actor import PageChanged, PageStale
from greenroom.supervisors.kernel.ownership import OwnsAll
from greenroom.supervisors.views import pages as pages_module
from greenroom.supervisors.views.pages import Pages, ToldRows
from tests.actors.views.boards import Board, installed

LAYOUT = Layout("board", 7, installed(Board).shape, Board.watch)
ME, OTHER = 1, 2


class Owning(OwnsAll):
    def __init__(self) -> None:
        super().__init__()
        self.of: dict[str, int | None] = {}

    def owner(self, entity: str) -> int | None:
        return self.of.get(entity, ME)

    def shard(self, entity: str) -> int:
        return len(entity)


class Surroundings:
    """What the pages of a node are told of, and what they tell."""

    def __init__(self) -> None:
        self.present: set[str] = set()
        self.told: list[tuple[str, Message]] = []
        self.sent: list[tuple[Any, ...]] = []
        self.full: set[object] = set()  # entities and nodes that take nothing
        self.others = [OTHER]
        self.said: list[tuple[int, list[str]]] = []  # what is watched here
        self.ownership = Owning()
        self.pages = Pages(
            ["board"],
            is_present=lambda entity: entity in self.present,
            present=lambda: self.present,
            layout=lambda view, number: LAYOUT if (view, number) == ("board", 7) else None,
            put=self._put,
            ownership=self.ownership,
            elsewhere=self,
            node=ME,
        )

    def _put(self, entity: str, message: Message) -> None:
        if entity in self.full:
            raise Overloaded
        self.told.append((entity, message))

    def changed(self, node: int, view: str, version: int, rows: ToldRows) -> None:
        if node in self.full:
            raise Overloaded
        self.sent.append((node, view, version, rows))

    def stale(self, node: int, view: str, shards: Collection[int]) -> None:
        if node in self.full:
            raise Overloaded
        self.sent.append((node, view, tuple(shards)))

    def watched(self, node: int, views: Collection[str]) -> None:
        if node in self.full:
            raise Overloaded
        self.said.append((node, [*views]))

    def nodes(self) -> Collection[int]:
        return self.others

    def stale_ones(self) -> list[str]:
        return sorted(entity for entity, message in self.told if isinstance(message, PageStale))


@asynccontextmanager
async def surroundings(*present: str) -> AsyncIterator[Surroundings]:
    found = Surroundings()
    found.present.update(present)
    async with trio.open_nursery() as nursery:
        await nursery.start(found.pages.run)
        yield found
        nursery.cancel_scope.cancel()


def row(show: str, user: str, claps: int | None = 1, revision: int = 1) -> Change:
    return Change((show, user), None if claps is None else (show, user, claps), revision)


def changes(*rows: Change, version: int = 7, view: str = "board") -> Changes:
    return Changes(view, version, list(rows))


async def test_a_page_hears_of_its_rows_in_one_message(autojump_clock: MockClock) -> None:
    async with surroundings("board:a", "board:b") as run:
        run.pages.changed(changes(row("a", "ann"), row("b", "bob"), row("a", "eve", None, 5), row("c", "joe")))
        assert [entity for entity, _ in run.told] == ["board:a", "board:b"]
        message = run.told[0][1]
        assert isinstance(message, PageChanged)
        assert message.version == 7
        assert [(bytes(one.key), one.revision, bytes(one.row)) for one in message.rows] == [
            (b'{"show":"a","user":"ann"}', 1, b'{"show":"a","user":"ann","claps":1}'),
            (b'{"show":"a","user":"eve"}', 5, b"null"),
        ]


async def test_nobody_is_woken_and_nothing_is_made_for_them(autojump_clock: MockClock) -> None:
    async with surroundings() as run:
        run.pages.changed(changes(row("a", "ann")))
        assert (run.told, run.sent) == ([], [])


async def test_of_a_table_that_is_not_live_or_a_view_that_is_not_watched_nothing_is_told(
    autojump_clock: MockClock,
) -> None:
    async with surroundings("board:a", "notes:a") as run:
        run.pages.changed(changes(row("a", "ann"), version=8))
        run.pages.changed(changes(row("a", "ann"), view="notes"))
        assert run.told == []


async def test_pages_of_another_node_are_told_in_one_frame_which_drops_what_nobody_there_watches(
    autojump_clock: MockClock,
) -> None:
    async with surroundings() as here, surroundings("board:b") as there:
        here.ownership.of = {"board:a": OTHER, "board:b": OTHER}
        here.pages.changed(changes(row("a", "ann"), row("b", "bob", 3), row("b", "eve", None)))
        (frame,) = here.sent
        assert frame[:3] == (OTHER, "board", 7)
        there.pages.heard(ME, *frame[1:])
        ((entity, message),) = there.told
        assert entity == "board:b"
        assert isinstance(message, PageChanged)
        assert [bytes(one.row) for one in message.rows] == [b'{"show":"b","user":"bob","claps":3}', b"null"]


async def test_a_page_that_could_not_be_told_reads_once_it_can(autojump_clock: MockClock) -> None:
    async with surroundings("board:a") as run:
        run.full.add("board:a")
        run.pages.changed(changes(row("a", "ann")))
        await trio.sleep(1)
        assert run.told == []
        run.full.clear()
        await trio.sleep(1)
        assert run.stale_ones() == ["board:a"]


async def test_a_page_that_was_not_told_and_sleeps_by_then_is_left_alone(autojump_clock: MockClock) -> None:
    async with surroundings("board:a") as run:
        run.full.add("board:a")
        run.pages.changed(changes(row("a", "ann")))
        run.present.clear()
        run.full.clear()
        await trio.sleep(1)
        assert run.told == []


async def test_a_node_that_could_not_be_told_has_all_its_pages_read(autojump_clock: MockClock) -> None:
    async with surroundings() as run:
        run.ownership.of = {"board:a": OTHER}
        run.full.add(OTHER)
        run.pages.changed(changes(row("a", "ann")))
        await trio.sleep(1)
        assert run.sent == []
        run.full.clear()
        await trio.sleep(1)
        assert run.sent == [(OTHER, "", ())]


async def test_a_node_whose_link_has_parted_reads_after_we_have_heard_so(autojump_clock: MockClock) -> None:
    """It may have heard long before, and what it was told since is lost."""
    async with surroundings() as run:
        run.ownership.of["board:a"] = OTHER
        run.pages.changed(changes(row("a", "ann")))
        run.pages.parted(OTHER)
        await trio.sleep(1)
        assert run.sent[1:] == [(OTHER, "", ())]


async def test_a_node_that_has_gone_is_owed_nothing(autojump_clock: MockClock) -> None:
    async with surroundings() as run:
        run.ownership.of = {"board:a": OTHER}
        run.full.add(OTHER)
        run.pages.changed(changes(row("a", "ann")))
        run.others = []
        await trio.sleep(1)
        run.full.clear()
        await trio.sleep(1)
        assert run.sent == []


async def test_what_may_have_been_missed_is_read_by_pages_of_views_alone(autojump_clock: MockClock) -> None:
    async with surroundings("board:a", "board:bb", "room:a") as run:
        run.pages.parted(OTHER)
        await trio.sleep(1)
        assert run.stale_ones() == ["board:a", "board:bb"]
        run.told.clear()
        run.pages.heard_stale(OTHER, "other", ())
        await trio.sleep(1)
        assert run.stale_ones() == []
        run.pages.heard_stale(OTHER, "", [len("board:bb")])
        await trio.sleep(1)
        assert run.stale_ones() == ["board:bb"]


async def test_once_a_view_may_differ_its_pages_read_on_every_node(autojump_clock: MockClock) -> None:
    async with surroundings("board:a") as run:
        run.pages.may_differ("board")
        run.pages.may_differ("notes")
        await trio.sleep(1)
        assert run.stale_ones() == ["board:a"]
        assert run.sent == [(OTHER, "board", ())]


async def test_of_shards_that_have_moved_the_pages_read_wherever_they_are(autojump_clock: MockClock) -> None:
    """Whoever folds may have told their former owner until just now."""
    async with surroundings("board:a", "board:bb") as run:
        run.pages.moved([len("board:a")])
        await trio.sleep(1)
        assert run.stale_ones() == ["board:a"]
        assert run.sent == [(OTHER, "", (len("board:a"),))]


async def test_many_pages_read_a_few_at_a_time(autojump_clock: MockClock) -> None:
    async with surroundings(*(f"board:{number}" for number in range(1_000))) as run:
        run.pages.parted(OTHER)
        await trio.testing.wait_all_tasks_blocked()
        assert len(run.told) <= pages_module.STALE_AT_ONCE
        await trio.sleep(1)
        assert len(run.stale_ones()) == 1_000


@pytest.mark.bound("rows of one page that it is told of at once")
async def test_more_rows_than_are_worth_telling_are_read(autojump_clock: MockClock) -> None:
    async with surroundings("board:a") as run:
        some = [row("a", f"u{number}", revision=number) for number in range(pages_module.ROWS_MAX + 1)]
        run.pages.changed(changes(*some))
        assert run.stale_ones() == ["board:a"]


async def test_a_node_is_told_of_nothing_that_nobody_watches_there(autojump_clock: MockClock) -> None:
    async with surroundings() as run:
        run.ownership.of = {"board:a": OTHER}
        run.pages.heard_watched(OTHER, [])
        run.pages.changed(changes(row("a", "ann"), row("a", "bob")))
        assert run.sent == []
        run.pages.heard_watched(OTHER, ["board"])
        assert run.sent == [(OTHER, "board", ())], "it may have read its page before that"
        run.pages.heard_watched(OTHER, ["board", "others"])
        run.pages.changed(changes(row("a", "ann")))
        assert [frame[0] for frame in run.sent[1:]] == [OTHER]
        run.pages.heard_watched(OTHER, [])
        run.pages.parted(OTHER)
        run.pages.changed(changes(row("a", "ann")))
        assert len(run.sent) == 3, "what it watches is not known"


async def test_all_nodes_hear_what_is_watched_here_before_it_is_read(autojump_clock: MockClock) -> None:
    async with surroundings() as run:
        await trio.testing.wait_all_tasks_blocked()
        assert run.said == [(OTHER, [])]
        run.pages.read("board")
        run.pages.read("board")
        assert run.said[1:] == [(OTHER, ["board"])]
        run.others = [OTHER, 3]
        await trio.sleep(pages_module.LOOK_S + 1)
        assert run.said[2:] == [(3, ["board"])], "one that has come is told"
        await trio.sleep(pages_module.LOOK_S)
        assert run.said[3:] == [(OTHER, []), (3, [])], "its page sleeps"
        run.full.add(OTHER)
        run.pages.read("board")
        await trio.sleep(1)
        assert run.said[5:] == [(3, ["board"])]
        run.full.clear()
        await trio.sleep(1)
        assert run.said[6:] == [(OTHER, ["board"])]
        run.pages.parted(3)
        await trio.sleep(1)
        assert run.said[7:] == [(3, ["board"])], "it may not have heard"


@pytest.mark.bound("rows of a view in one frame to another node")
async def test_many_rows_are_told_in_several_frames(autojump_clock: MockClock) -> None:
    async with surroundings() as run:
        run.ownership.of = {"board:a": OTHER, "board:b": OTHER}
        wide = "x" * (pages_module.FRAME_BYTES // 8)
        some = [row(show, f"{wide}{number}", revision=number) for number in range(20) for show in "ab"]
        run.pages.changed(changes(*some))
        frames = [frame[3] for frame in run.sent]
        sizes = [sum(len(key) + len(json) for told in rows.values() for key, _, json in told) for rows in frames]
        assert len(frames) > 2 and max(sizes) < 2 * pages_module.FRAME_BYTES
        told = {page: [one for rows in frames for one in rows.get(page, [])] for page in "ab"}
        assert {page: [revision for _, revision, _ in rows] for page, rows in told.items()} == {
            "a": [*range(20)],
            "b": [*range(20)],
        }


async def test_a_page_elsewhere_of_which_too_many_rows_have_changed_reads_again_alone(
    autojump_clock: MockClock,
) -> None:
    async with surroundings() as run:
        run.ownership.of = {"board:a": OTHER, "board:bb": OTHER}
        some = [row("a", f"u{number}", revision=number) for number in range(pages_module.ROWS_MAX + 1)]
        run.pages.changed(changes(*some, row("bb", "ann")))
        told, stale = run.sent
        assert list(told[3]) == ["bb"]
        assert stale == (OTHER, "board", (len("board:a"),))
