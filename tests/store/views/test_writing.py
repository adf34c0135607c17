"""One transaction into a table: what it locks, loads and writes, and what it does when another was first."""

import msgspec
import pytest
import trio

from greenroom.store.errors import DataRefused, StoreUnavailable
from greenroom.store.views.store import ParkedEntity, Raced, Writing
from tests.store.views.tables import NOTHING, Stores, replace, tables

ANN = ("finale", "ann", 3, '["a"]')
BOB = ("finale", "bob", 1, "[]")


async def test_rows_are_written_loaded_changed_and_removed(where: str) -> None:
    async with tables(where) as made:
        version = await made.make()
        async with made.store.transaction(version) as transaction:
            assert await transaction.load([ANN[:2], BOB[:2]]) == {ANN[:2]: None, BOB[:2]: None}
            first = await transaction.write(replace(NOTHING, inserted=[ANN, BOB]))
        assert len(set(first.inserted)) == 2 and first.updated == first.removed == []
        async with made.store.transaction(version) as transaction:
            loaded = await transaction.load([ANN[:2], BOB[:2], ("gone", "x")])
            assert loaded[BOB[:2]] == BOB and loaded["gone", "x"] is None
            ann = (*ANN[:2], 4, '["a", "b"]')
            second = await transaction.write(
                replace(NOTHING, inserted=[("new", "x", 0, "null")], updated=[ann], removed=[BOB[:2]])
            )
        assert await made.rows(version) == [ann, ("new", "x", 0, "null")]
        revisions = [*second.inserted, *second.updated, *second.removed]
        assert len(set(revisions)) == 3 and min(revisions) > max(first.inserted)


async def test_revisions_come_in_the_order_of_the_rows(where: str) -> None:
    async with tables(where) as made:
        version = await made.make()
        rows = [(f"show{number:03}", "ann", number, "[]") for number in range(50)]
        async with made.store.transaction(version) as transaction:
            written = await transaction.write(replace(NOTHING, inserted=rows))
        assert await made.revisions(version) == written.inserted


async def test_progress_begins_and_moves_with_the_rows(where: str) -> None:
    async with tables(where) as made:
        version = await made.make()
        one, two = await made.heads("show:a", "show:b", offset=9)
        async with made.store.transaction(version) as transaction:
            found = await transaction.lock([two, one, 999])
            assert list(found) == [one, two]
            assert found[one][:6] == (0, False, False, 7, 9, 0)
            await transaction.write(replace(NOTHING, begun={one: 5, two: 6}))
        why = ParkedEntity(offset=8, error="e", traceback="t", at_ms=1)
        async with made.store.transaction(version) as transaction:
            assert (await transaction.lock([one]))[one][:3] == (5, True, False)
            await transaction.write(replace(NOTHING, moved={one: 7}, parked={one: why}))
        async with made.store.transaction(version) as transaction:
            found = await transaction.lock([one, two])
        assert (found[one][:3], found[two][:3]) == ((7, True, True), (6, True, False))
        assert [one[1:] for one in await made.progress.parked(version, limit=10)] == [("show:a", why)]


async def test_nothing_is_locked_of_a_version_that_is_not_there(where: str) -> None:
    """Its number may be another's by now, after a failover that lost it; and so would be what is noted under it."""
    async with tables(where) as made:
        version = await made.make()
        (head_id,) = await made.heads("show:a")
        async with made.store.transaction(msgspec.structs.replace(version, build=2)) as transaction:
            assert await transaction.lock([head_id]) == {}
        async with made.store.transaction(version) as transaction:
            assert (await transaction.lock([head_id])).keys() == {head_id}


async def test_what_is_left_by_an_error_has_not_landed(where: str) -> None:
    async with tables(where) as made:
        version = await made.make()
        with pytest.raises(RuntimeError):
            async with made.store.transaction(version) as transaction:
                await transaction.write(replace(NOTHING, inserted=[ANN]))
                raise RuntimeError
        assert await made.rows(version) == []
        with trio.move_on_after(1) as scope:
            async with made.store.transaction(version) as transaction:
                await transaction.write(replace(NOTHING, inserted=[ANN]))
                scope.cancel()
        assert await made.rows(version) == []
        async with made.store.transaction(version) as transaction:
            await transaction.write(replace(NOTHING, inserted=[ANN]))
        assert await made.rows(version) == [ANN]


@pytest.mark.parametrize("what", ["row", "progress"])
async def test_who_comes_second_with_something_new_does_it_again(where: str, what: str) -> None:
    async with tables(where) as made:
        version = await made.make()
        (head_id,) = await made.heads("show:a")
        writing = replace(NOTHING, inserted=[ANN]) if what == "row" else replace(NOTHING, begun={head_id: 1})
        async with trio.open_nursery() as nursery:

            async def second() -> None:
                with pytest.raises(Raced):
                    async with made.store.transaction(version) as late:
                        await late.lock([head_id])
                        await late.write(writing)

            async with made.store.transaction(version) as early:
                await early.lock([head_id])
                await early.write(writing)
                nursery.start_soon(second)
                await trio.sleep(0.2)


async def test_a_row_is_locked_from_its_loading_on(where: str) -> None:
    """Two that count in the same row: neither's count is lost."""
    async with tables(where) as made:
        version = await made.make()
        async with made.store.transaction(version) as transaction:
            await transaction.write(replace(NOTHING, inserted=[ANN]))

        async def count() -> None:
            async with made.store.transaction(version) as transaction:
                row = (await transaction.load([ANN[:2]]))[ANN[:2]]
                assert row is not None
                await trio.sleep(0.05)
                await transaction.write(replace(NOTHING, updated=[(*row[:2], row[2] + 1, row[3])]))

        async with trio.open_nursery() as nursery:
            for _ in range(6):
                nursery.start_soon(count)
        assert [row[2] for row in await made.rows(version)] == [9]


@pytest.mark.parametrize("row", [("a", "b", 2**70, "[]"), ("a", "b", 1, "{"), ("a", "\0", 1, "[]")])
async def test_what_fits_no_column_is_refused_and_the_connection_goes_on(where: str, row: tuple[object, ...]) -> None:
    async with tables(where) as made:
        version = await made.make()
        with pytest.raises(DataRefused):
            async with made.store.transaction(version) as transaction:
                await transaction.write(replace(NOTHING, inserted=[row]))
        connects = made.pool.connects if isinstance(made, Stores) else 0
        async with made.store.transaction(version) as transaction:
            await transaction.write(replace(NOTHING, inserted=[ANN]))
        assert await made.rows(version) == [ANN]
        assert not isinstance(made, Stores) or made.pool.connects == connects


async def test_a_transaction_of_which_a_statement_failed_does_not_land(where: str) -> None:
    """Also where whoever ran it did not care."""
    async with tables(where) as made:
        version = await made.make()
        with pytest.raises(StoreUnavailable, match="rolled back"):
            async with made.store.transaction(version) as transaction:
                await transaction.write(replace(NOTHING, inserted=[ANN]))
                with pytest.raises(DataRefused):
                    await transaction.write(replace(NOTHING, inserted=[("a", "b", 1, "{")]))
        assert await made.rows(version) == []


async def test_who_stops_in_the_middle_holds_others_up_for_a_second(where: str) -> None:
    """As a process that is paused: the server ends its session, and with it its locks."""
    async with tables(where) as made:
        version = await made.make()
        async with made.store.transaction(version) as transaction:
            await transaction.write(replace(NOTHING, inserted=[ANN]))
        with pytest.raises(StoreUnavailable):
            async with made.store.transaction(version) as paused:
                await paused.load([ANN[:2]])
                async with made.store.transaction(version) as other:
                    with trio.fail_after(5):
                        assert (await other.load([ANN[:2]]))[ANN[:2]] == ANN
                await paused.write(Writing([], [ANN], [], {}, {}, {}))
