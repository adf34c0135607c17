"""Claims: who has lost one notes nothing by it."""

import pytest

from greenroom.store.views import versions
from greenroom.store.views.claims import Settled
from greenroom.store.views.store import ParkedEntity
from greenroom.store.views.wanted import Wanted
from tests.actors.views.shows import Clapped
from tests.store.views.tables import replace, tables, wanted

WHY = ParkedEntity(offset=2, error="e", traceback="t", at_ms=1)


async def test_who_has_claimed_it_last_notes_it(where: str) -> None:
    async with tables(where) as made:
        version = await made.make()
        (head_id,) = await made.heads("show:a")
        late, next_one = (made.claims(number) for number in (101, 102))  # of no node that is up
        assert await late.claim(version, {head_id: 0}, lasts_s=60.0)
        assert await next_one.claim(version, {head_id: 0}, lasts_s=60.0)
        assert await late.settle(version, {head_id: Settled(0, 1)}) == set()
        assert await next_one.settle(version, {head_id: Settled(0, 1)}) == {head_id}


async def test_what_was_delivered_from_elsewhere_is_not_noted(where: str) -> None:
    """As after a replay that came in the middle, with the same node claiming it anew."""
    async with tables(where) as made:
        version = await made.make()
        (head_id,) = await made.heads("show:a")
        claims = made.claims(101)
        assert await claims.claim(version, {head_id: 0}, lasts_s=60.0)
        assert await claims.settle(version, {head_id: Settled(1, 2)}) == set()
        assert await claims.claim(version, {head_id: 1}, lasts_s=60.0) == {}
        assert await claims.claim(version, {999: 0}, lasts_s=60.0) == {}


async def test_what_is_parked_is_claimed_again_after_a_replay(where: str) -> None:
    async with tables(where) as made:
        version = await made.make()
        one, other = await made.heads("show:a", "show:b", offset=9)
        claims = made.claims(101)
        assert (await claims.claim(version, {one: 0, other: 0}, lasts_s=60.0)).keys() == {one, other}
        assert await claims.settle(version, {one: Settled(0, 1, WHY), other: Settled(0, 5)}) == {one, other}
        assert await claims.claim(version, {one: 1}, lasts_s=60.0) == {}
        assert await claims.replay([version], offset=1, entity="show:a") == 1
        assert (await claims.claim(version, {one: 0, other: 5}, lasts_s=60.0)).keys() == {one, other}
        assert await claims.replay([version], offset=3) == 1  # the other one; of the first nothing was delivered
        assert await claims.settle(version, {other: Settled(5, 6)}) == set()  # what was claimed is not any more
        assert await claims.claim(version, {other: 2}, lasts_s=60.0)


async def test_a_sink_begins_behind_what_is_gone_or_is_older_than_it(where: str) -> None:
    async with tables(where) as made:
        await made.record("show:a", *(Clapped(user="ann") for _ in range(3)))
        await made.heads("show:b", offset=9, trimmed=4)
        ids = await made.ids()
        version = await made.make(wanted(seeds=True))
        claims = made.claims(101)
        await claims.begin(version, ids.values(), now=True)
        await claims.begin(version, ids.values(), now=False)  # it has begun
        assert await claims.claim(version, {ids["show:a"]: 3, ids["show:b"]: 4}, lasts_s=60.0)


def from_now(*kinds: str) -> Wanted:
    return replace(wanted(seeds=True), kind="sink", from_now=True, kinds=frozenset(kinds))


@pytest.mark.parametrize("ahead_s", [3_600.0, -3_600.0])
async def test_where_a_sink_begins_no_clock_says(where: str, ahead_s: float) -> None:
    """Of those that record, against the database's."""
    async with tables(where) as made:
        await made.record("show:a", *(Clapped(user="ann") for _ in range(3)))
        await made.heads("show:b", offset=9, trimmed=4)
        version = await made.make(from_now("show"))
        await made.age(version, ahead_s)
        await made.record("show:c", Clapped(user="ann"))
        await made.heads("show:d", offset=9, trimmed=4)
        ids = await made.ids()
        claims = made.claims(101)
        await claims.begin(version, ids.values(), now=True)
        at = {"show:a": 3, "show:b": 9, "show:c": 0, "show:d": 4}
        claimed = await claims.claim(version, {ids[one]: offset for one, offset in at.items()}, lasts_s=60.0)
        assert claimed.keys() == set(ids.values())


async def test_a_kind_that_a_sink_from_now_on_hears_of_later_begins_then(where: str) -> None:
    async with tables(where) as made:
        await made.heads("show:a", offset=2)
        await made.make(from_now("show"))
        await made.heads("film:a", offset=5)
        await made.heads("show:b", offset=1)
        version = await made.make(from_now("show", "film"))
        await made.heads("film:b", offset=1)
        ids = await made.ids()
        claims = made.claims(101)
        await claims.begin(version, ids.values(), now=True)
        at = {"show:a": 2, "film:a": 5, "show:b": 0, "film:b": 0}
        claimed = await claims.claim(version, {ids[one]: offset for one, offset in at.items()}, lasts_s=60.0)
        assert claimed.keys() == set(ids.values())


async def test_all_pages_of_what_there_is_are_begun_with(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "HEADS_AT_ONCE", 2)
    async with tables(where) as made:
        await made.heads(*(f"show:{number}" for number in range(5)), offset=3)
        await made.heads("shop:a", offset=3)
        version = await made.make(from_now("show"))
        assert await made.progress_rows() == 5
        assert len(await made.claims(101).claim(version, dict.fromkeys((await made.ids()).values(), 3), lasts_s=9)) == 6


async def test_nothing_is_noted_of_another_that_has_its_number(where: str) -> None:
    """A failover has lost the version that was delivered to, and another sink was made under its number."""
    async with tables(where) as made:
        theirs = await made.make()
        (head_id,) = await made.heads("show:a")
        ours = replace(theirs, name="others")
        claims = made.claims(101)
        assert await claims.claim(ours, {head_id: 0}, lasts_s=60.0) == {}
        assert await claims.claim(theirs, {head_id: 0}, lasts_s=60.0)
        assert await claims.settle(ours, {head_id: Settled(0, 1)}) == set()
        assert await claims.settle(theirs, {head_id: Settled(0, 1)}) == {head_id}
        assert await claims.replay([ours], offset=1) == 0
        (other,) = await made.heads("show:b", offset=9, trimmed=4)
        await claims.begin(ours, [other], now=False)
        assert await claims.claim(theirs, {other: 0}, lasts_s=60.0), "it has not begun"
