"""Loads of what tables have of waking entities: together where many wait, and nobody waits for ever."""

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.store.errors import StoreUnavailable
from greenroom.store.views.inline import Own
from greenroom.store.views.store import Version
from greenroom.supervisors.views.own_loads import AT_ONCE, HEADS_MAX, OwnLoads
from tests.supervisors.views.test_sweep import VERSION


class Table:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.go = trio.Event()
        self.fails = False

    async def read(self, version: Version, heads: list[tuple[int, str]]) -> dict[int, Own]:
        self.asked.append(len(heads))
        await self.go.wait()
        if self.fails:
            raise StoreUnavailable("away")
        return {head_id: Own(head_id, is_parked=False, rows=[]) for head_id, _ in heads}


@pytest.mark.bound("waking entities whose rows of an inline view are read at once")
async def test_who_comes_while_others_are_read_is_read_with_all_that_wait(autojump_clock: MockClock) -> None:
    table = Table()
    loads = OwnLoads(table.read)
    found: list[int] = []

    async def load(head_id: int, version: Version = VERSION) -> None:
        own = await loads.load(version, head_id, f"show:{head_id}")
        assert own is not None and own.offset == head_id
        found.append(head_id)

    async with trio.open_nursery() as nursery:
        for number in range(AT_ONCE):
            nursery.start_soon(load, number)
            await wait_all_tasks_blocked()
        for number in range(AT_ONCE, HEADS_MAX + 40):
            nursery.start_soon(load, number)
        nursery.start_soon(load, 9_999, replace(VERSION, id=VERSION.id + 1))
        await wait_all_tasks_blocked()
        assert table.asked == [1] * AT_ONCE
        table.go.set()
    assert sorted(table.asked) == [*[1] * AT_ONCE, 1, 40 - AT_ONCE, HEADS_MAX]
    assert sorted(found) == [*range(HEADS_MAX + 40), 9_999]


@pytest.mark.parametrize("is_cancelled", [True, False])
async def test_whoever_waits_for_one_that_fails_goes_without(is_cancelled: bool, autojump_clock: MockClock) -> None:
    table = Table()
    loads = OwnLoads(table.read)
    table.fails = True
    went_without: list[int] = []

    async def load(head_id: int) -> None:
        assert await loads.load(VERSION, head_id, "show:a") is None
        went_without.append(head_id)

    async def lead(scope: trio.CancelScope) -> None:
        with scope:
            with pytest.raises(StoreUnavailable):
                await loads.load(VERSION, 0, "show:a")

    async with trio.open_nursery() as nursery:
        scopes = [trio.CancelScope() for _ in range(AT_ONCE + 1)]
        for scope in scopes:
            nursery.start_soon(lead, scope)
            await wait_all_tasks_blocked()
        nursery.start_soon(load, 1)
        nursery.start_soon(load, 2)
        await wait_all_tasks_blocked()
        if is_cancelled:
            scopes[-1].cancel()  # before it was its turn
            await wait_all_tasks_blocked()
            assert sorted(went_without) == [1, 2]
        table.go.set()
    assert sorted(went_without) == [1, 2] and not loads._open
