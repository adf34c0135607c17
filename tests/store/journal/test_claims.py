from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.store.errors import NotOwner, StoreUnavailable
from greenroom.store.journal.claims import Claims
from greenroom.store.journal.records import Claimed
from tests.store.journal.faulty_journal import Fault, FaultyJournal


@asynccontextmanager
async def running(journal: FaultyJournal, **how: int) -> AsyncIterator[Claims]:
    claims = Claims(journal, **{"workers": 1, **how})
    async with trio.open_nursery() as nursery:
        await nursery.start(claims.run)
        yield claims
        nursery.cancel_scope.cancel()


async def test_those_who_wait_are_claimed_together(autojump_clock: MockClock) -> None:
    journal = FaultyJournal()
    journal.delay_s = 1.0
    claimed: list[Claimed] = []

    async with running(journal, batch_max=50) as claims:

        async def wake(number: int) -> None:
            claimed.append(await claims.claim(f"c:{number}", term=1))

        async with trio.open_nursery() as nursery:
            for number in range(100):
                nursery.start_soon(wake, number)
    assert journal.calls == ["claim"] * 2
    assert {one.head.entity for one in claimed} == {f"c:{number}" for number in range(100)}


async def test_two_claims_of_one_entity_raise_the_fence_twice() -> None:
    journal = FaultyJournal()
    fences: list[int] = []
    async with running(journal) as claims:

        async def wake() -> None:
            fences.append((await claims.claim("c:a", term=1)).head.fence)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wake)
            nursery.start_soon(wake)
    assert sorted(fences) == [1 << 32 | 1, 1 << 32 | 2]


async def test_an_older_term_is_told_that_it_owns_nothing_and_others_of_the_batch_get_their_entities() -> None:
    journal = FaultyJournal()
    async with running(journal) as claims:
        await claims.claim("c:a", term=2)
        with pytest.raises(NotOwner):
            await claims.claim("c:a", term=1)
        assert (await claims.claim("c:b", term=1)).head.offset == 0


async def test_entities_under_different_terms_are_claimed_together(autojump_clock: MockClock) -> None:
    journal = FaultyJournal()
    journal.delay_s = 1.0
    fences: dict[str, int] = {}
    async with running(journal) as claims:

        async def wake(number: int) -> None:
            claimed = await claims.claim(f"c:{number}", term=number % 7 + 1)
            fences[claimed.head.entity] = claimed.head.fence

        async with trio.open_nursery() as nursery:
            for number in range(100):
                nursery.start_soon(wake, number)
    assert journal.calls == ["claim"]
    assert fences == {f"c:{number}": (number % 7 + 1) << 32 | 1 for number in range(100)}


async def test_a_store_that_is_down_is_told_to_each_with_an_error_of_its_own() -> None:
    journal = FaultyJournal()
    journal.faults["claim"].append(Fault.UNAVAILABLE)
    errors: list[StoreUnavailable] = []
    async with running(journal) as claims:

        async def wake(number: int) -> None:
            try:
                await claims.claim(f"c:{number}", term=1)
            except StoreUnavailable as error:
                errors.append(error)

        async with trio.open_nursery() as nursery:
            for number in range(3):
                nursery.start_soon(wake, number)
        assert len({id(error) for error in errors}) == 3
        assert (await claims.claim("c:0", term=1)).head.offset == 0, "and the next one is served"


@pytest.mark.parametrize("first", [True, False])
async def test_who_no_longer_waits_does_not_take_the_fence_from_who_does(
    first: bool, autojump_clock: MockClock
) -> None:
    journal = FaultyJournal()
    journal.delay_s = 1.0
    async with running(journal) as claims:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_claim, claims, "c:other")  # keeps the only worker busy
            await wait_all_tasks_blocked()
            if not first:
                nursery.start_soon(_claim, claims, "c:before")
                await wait_all_tasks_blocked()
            with trio.move_on_after(0.5):
                await claims.claim("c:a", term=1)
        assert (await claims.claim("c:a", term=1)).head.fence == 1 << 32 | 1


@pytest.mark.bound("entities that wait to be claimed")
async def test_too_many_waiting_is_said_at_once() -> None:
    claims = Claims(FaultyJournal(), waiting_max=1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_claim, claims, "c:a")
        await wait_all_tasks_blocked()
        with pytest.raises(StoreUnavailable):
            await claims.claim("c:b", term=1)
        nursery.cancel_scope.cancel()


async def _claim(claims: Claims, entity: str) -> None:
    await claims.claim(entity, term=1)
