"""Reading entities for others: the view, and the history among what is hidden."""

from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.actors.model.errors import ActorError, Overloaded, Refused
from greenroom.actors.model.lifecycle import NOTED, Inspected
from greenroom.actors.model.principal import Principal
from greenroom.config.limits import ClientConfig
from greenroom.store.journal.records import StoredEvent
from greenroom.transports.hub.reading import READ_MAX, SEARCHED_MAX, HistoryRange, Page, page_json
from tests.transports.hub.auction import Auction, Bid, Reserve
from tests.transports.small_node import small_node
from tests.transports.world import World, world

A = "note:a"
ANN = Principal(user="ann")


class Heard:
    """What came of one question."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.errors: list[ActorError] = []
        self.mistakes: list[Exception] = []

    @property
    def page(self) -> Page:
        (page,) = self.seen
        assert isinstance(page, Page)
        assert not self.errors
        assert not self.mistakes
        return page


def store(made: World, shown: set[int], newest: int) -> None:
    """A journal in which only the events `shown` are not hidden."""
    found = made.entity(A)
    found.offset = newest
    found.events = [
        StoredEvent(offset, offset, b'{"type":"note.said"}' if offset in shown else NOTED)
        for offset in range(1, newest + 1)
    ]


async def history(made: World, gone: Any = lambda: False, deadline: float | None = None, **wanted: Any) -> Heard:
    heard = Heard()
    made.services.reading.history(
        A,
        ANN,
        HistoryRange(**wanted),
        heard.seen.append,
        heard.errors.append,
        heard.mistakes.append,
        gone=gone,
        deadline=deadline,
    )
    made.answer_all()
    await wait_all_tasks_blocked()
    return heard


def of(page: Page) -> list[int]:
    return [one.offset for one in page.publications]


async def test_a_page_is_filled_up_with_what_comes_behind_the_hidden() -> None:
    async with world() as made:
        store(made, {1, 2500, 2600, 3000}, 3000)
        page = (await history(made, limit=3)).page
        assert (of(page), page.next, page.offset) == ([1, 2500, 2600], None, 3000)
        page = (await history(made, limit=3, reverse=True)).page
        assert (of(page), page.next) == ([3000, 2600, 2500], None)
        page = (await history(made, limit=10)).page
        assert (of(page), page.next) == ([1, 2500, 2600, 3000], None), "all there is"


@pytest.mark.bound("events that one history answer costs")
async def test_a_search_among_the_hidden_ends_at_its_bound_and_says_where_to_go_on() -> None:
    newest = 3 * SEARCHED_MAX
    shown = {5, SEARCHED_MAX + 7, newest - 3}
    async with world() as made:
        store(made, shown, newest)
        for reverse in (False, True):
            found: list[int] = []
            at, pages = 0, 0
            while True:
                made.journal.reads = 0
                page = (await history(made, offset=at, limit=100, reverse=reverse)).page
                assert made.journal.reads <= SEARCHED_MAX / READ_MAX + 1
                found += of(page)
                pages += 1
                if page.next is None:
                    break
                at = page.next
            assert found == sorted(shown, reverse=reverse)
            assert pages in (3, 4)


async def test_a_page_that_bytes_cut_short_says_where_to_go_on() -> None:
    async with world(client=ClientConfig(queue_bytes_max=1000)) as made:
        for _ in range(5):
            made.publish(A, "x" * 150)
        page = (await history(made)).page
        assert of(page) == [1, 2]
        assert page.next == 2
        assert of((await history(made, offset=2)).page) == [3, 4]


async def test_nothing_more_is_read_once_nobody_waits() -> None:
    async with world() as made:
        store(made, {1}, SEARCHED_MAX)
        heard = await history(made, gone=lambda: True)
        assert made.journal.reads == 1
        assert [one.name for one in heard.errors] == ["deadline_exceeded"]


async def test_nothing_more_is_read_behind_the_deadline(autojump_clock: MockClock) -> None:
    async with world() as made:
        store(made, {1}, SEARCHED_MAX)
        made.journal.hold()
        heard = Heard()
        made.services.reading.history(
            A,
            ANN,
            HistoryRange(),
            heard.seen.append,
            heard.errors.append,
            heard.mistakes.append,
            gone=lambda: False,
            deadline=trio.current_time() + 2.0,
        )
        made.answer_all()
        await trio.sleep(3.0)
        made.journal.release()
        await trio.sleep(1.0)
        assert (made.journal.reads, heard.seen) == (1, [])
        assert [one.name for one in heard.errors] == ["deadline_exceeded"]


@pytest.mark.parametrize("most", [1, 2])
async def test_a_journal_that_gives_less_at_once_than_was_asked_for_is_read_on(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it does where events are large."""
    async with world() as made:
        store(made, {1, 3, 4, 5}, 6)
        read = made.journal.read

        async def some(entity: str, *, limit: int, **how: Any) -> Any:
            return await read(entity, limit=min(limit, most), **how)

        monkeypatch.setattr(made.journal, "read", some)
        for limit, reverse, offsets in (
            (10, False, [1, 3, 4, 5]),
            (3, False, [1, 3, 4]),
            (10, True, [5, 4, 3, 1]),
            (2, True, [5, 4]),
        ):
            page = (await history(made, limit=limit, reverse=reverse)).page
            assert (of(page), page.next) == (offsets, None)


@pytest.mark.parametrize("reverse", [False, True])
async def test_nothing_more_is_read_than_fits_into_the_answer(reverse: bool) -> None:
    async with world(client=ClientConfig(queue_bytes_max=1_000_000)) as made:
        store(made, set(), 4)
        made.entity(A).events = [
            StoredEvent(one, one, b'{"type":"note.said","text":"%b"}' % (b"x" * made.services.reading.bytes_max))
            for one in range(1, 5)
        ]
        read, limits = made.journal.read, list[int]()

        async def one(entity: str, *, limit: int, **how: Any) -> Any:
            limits.append(limit)
            return await read(entity, limit=1, **how)

        made.journal.read = one  # type: ignore[method-assign]
        page = (await history(made, limit=4, reverse=reverse)).page
        first = 4 if reverse else 1
        assert (of(page), page.next, len(limits)) == ([first], first, 1)


async def test_who_may_not_watch_may_not_read_and_is_told_once() -> None:
    async with world() as made:
        made.entity(A).refuses = Refused("note.private")
        heard = await history(made)
        assert ([one.name for one in heard.errors], heard.seen, made.journal.reads) == (["note.private"], [], 0)
        made.overloaded = True
        heard = await history(made)
        assert ([type(one) for one in heard.errors], heard.seen) == ([Overloaded], [])


async def test_a_mistake_behind_the_answer_reaches_who_asked_and_nobody_else() -> None:
    made = World()
    heard = Heard()

    def seen(_: Inspected) -> None:
        raise ZeroDivisionError("boom")

    made.services.reading.inspect(A, ANN, seen, heard.errors.append, heard.mistakes.append)
    made.answer_all()
    assert [type(one) for one in heard.mistakes] == [ZeroDivisionError]
    assert heard.errors == []


async def test_an_entity_that_does_not_answer_is_given_up_at_the_deadline(autojump_clock: MockClock) -> None:
    async with world() as made:
        heard = Heard()
        made.services.reading.inspect(A, ANN, heard.seen.append, heard.errors.append, heard.mistakes.append)
        await trio.sleep(made.services.client.command_deadline_s + 1)
        made.answer_all()
        assert ([one.name for one in heard.errors], heard.seen) == (["deadline_exceeded"], [])


def test_only_a_page_cut_short_says_where_to_go_on() -> None:
    assert msgspec.json.decode(page_json(Page("e", 7, []))) == {"publications": [], "epoch": "e", "offset": 7}
    assert msgspec.json.decode(page_json(Page("e", 7, [], next=3)))["next"] == 3


async def test_both_transports_say_so(monkeypatch: Any) -> None:
    monkeypatch.setattr("greenroom.transports.hub.reading.SEARCHED_MAX", 3)
    async with small_node(kinds=(Auction,)) as node:
        await node.kernel.router.ask("auction:a", Bid(amount=1))
        for price in range(5):
            await node.kernel.router.ask("auction:a", Reserve(price=price))
        await node.kernel.router.ask("auction:a", Bid(amount=2))
        peer, client = await node.connect(), await node.websocket()
        found = (await peer.request("GET", "/api/auction/a/history?limit=2")).json
        assert ([one["offset"] for one in found["publications"]], found["next"], found["offset"]) == ([1], 3, 7)
        found = (await peer.request("GET", f"/api/auction/a/history?limit=2&since={found['next']}")).json
        assert ([one["offset"] for one in found["publications"]], found["next"]) == ([], 6)
        found = (await peer.request("GET", f"/api/auction/a/history?limit=2&since={found['next']}")).json
        assert ([one["offset"] for one in found["publications"]], "next" in found) == ([7], False)
        await client.command({"history": {"channel": "auction:a", "limit": 2}, "id": 5})
        assert (await client.reply(5))["history"]["next"] == 3
