"""Who gives all of it away: a node that leaves, and one that reaches no other."""

from collections.abc import Mapping

import trio
from trio.testing import MockClock

from greenroom.store.errors import StoreUnavailable
from greenroom.supervisors.cluster.pacing import PACE_S
from greenroom.supervisors.cluster.reach import BACK_S, LOST_S, SKEW_S
from tests.supervisors.cluster.moving.seats import ENTITIES, SHARDS, all_moved, answers, seats
from tests.supervisors.kernel.small_kernel import Heard, Note, Read


async def test_who_leaves_gives_all_of_it_away_while_it_goes_on(autojump_clock: MockClock) -> None:
    async with seats(3) as (run, (first, *others)):
        slots = [first.kernel.send(entity, Note(text="one")) for entity in ENTITIES]
        await trio.sleep(0.5)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(first.moving.give_all)
            for _ in range(10):
                slots += [first.kernel.send(entity, Read()) for entity in ENTITIES]
                await trio.sleep(0.01)
        assert set(run.owners()) == {2, 3}
        assert first.kernel.awake() == set()
        await trio.sleep(0.5)
        assert answers(slots) == [1] * len(ENTITIES) + [["one"]] * 10 * len(ENTITIES)
        assert all(seat.node.owned for seat in others)


async def test_who_leaves_gives_it_to_one_that_has_only_just_come(autojump_clock: MockClock) -> None:
    async with seats(1) as (run, (first,)):
        newcomer = run.node()
        await run.start(newcomer)
        await first.moving.give_all()
        assert set(run.owners()) == {newcomer.referee.incarnation}


async def test_who_reaches_no_other_gives_all_of_it_away_soon_and_has_its_part_again_later(
    autojump_clock: MockClock,
) -> None:
    """It lives, but most clients can't speak to what it owns: that is not paced as a move that nobody needs."""
    async with seats(3) as (_, (first, *others)), trio.open_nursery() as nursery:
        for seat in (first, *others):
            nursery.start_soon(seat.moving.run)
        with trio.fail_after(SHARDS * PACE_S):
            await all_moved(first)
        first.node.on_announce = lambda node, terms: None  # nobody hears it
        for seat in others:
            seat.node.on_announce = lambda node, terms: None
        owned = first.node.owned
        assert owned
        first.node.unreached = [first.node.referee.incarnation]
        await trio.sleep(LOST_S + 1.0)
        assert first.node.owned == owned, "it may pass"
        await trio.sleep(1.5 + SKEW_S + 8.0)
        assert not first.node.owned and first.node.membership.is_left_out
        assert len(others[0].node.owned) + len(others[1].node.owned) == SHARDS
        for seat in others:
            assert not seat.node.membership.is_left_out
            assert seat.node.membership.others_up() == 1, "clients are not sent to the one that is left out"
        assert first.node.membership.others_up() == 2
        first.node.unreached = []
        await trio.sleep(BACK_S + 3.0 + len(owned) * PACE_S)
        assert first.node.owned == owned
        nursery.cancel_scope.cancel()


async def test_where_nobody_reaches_anybody_everything_stays_where_it_is(autojump_clock: MockClock) -> None:
    async with seats(3) as (run, made), trio.open_nursery() as nursery:
        for seat in made:
            nursery.start_soon(seat.moving.run)
        with trio.fail_after(SHARDS * PACE_S):
            await all_moved(made[0])
        before = [row.owner for row in run.rows.shards]
        for seat in made:
            seat.node.unreached = [seat.node.referee.incarnation]
            await trio.sleep(0.7)  # they find out one after another
        await trio.sleep(60.0)
        assert [row.owner for row in run.rows.shards] == before
        nursery.cancel_scope.cancel()


async def test_who_leaves_gives_away_too_what_it_was_given_meanwhile(autojump_clock: MockClock) -> None:
    """By one that has not heard yet that it leaves."""
    async with seats() as (run, (first, second)):
        drain = first.node.membership.drain

        async def be_given_something() -> None:
            await drain()
            term = run.rows.change(3, 1, "moved")
            first.node.membership.hear(1, {3: term})

        first.node.membership.drain = be_given_something  # type: ignore[method-assign]
        await first.moving.give_all()
        assert (first.node.owned, second.node.owned) == (set(), set(range(SHARDS)))


async def test_the_last_one_keeps_all_of_it(autojump_clock: MockClock) -> None:
    async with seats(1) as (run, (first,)):
        with trio.fail_after(1.0):
            await first.moving.give_all()
        assert set(run.owners()) == {1} and len(first.node.owned) == SHARDS


async def test_nothing_is_given_to_one_that_has_died_meanwhile(autojump_clock: MockClock) -> None:
    async with seats() as (_, (first, second)), trio.open_nursery() as nursery:
        slots = [first.kernel.send(entity, Note(text="one")) for entity in ENTITIES]
        await trio.sleep(0.5)
        second.node.kill()
        await first.node.referee.bury(2, is_proven=True, why="seen")
        nursery.start_soon(first.moving.run)
        await trio.sleep(0.5)
        slots += [first.kernel.send(entity, Note(text="two")) for entity in ENTITIES]
        await trio.sleep(5.0)
        assert len(first.node.owned) == SHARDS
        assert answers(slots) == [1] * len(ENTITIES) + [2] * len(ENTITIES)
        nursery.cancel_scope.cancel()


async def test_a_statement_that_lands_after_its_shard_was_kept_gives_nothing_away(autojump_clock: MockClock) -> None:
    """Its answer was lost, and the rows said that the shard was ours still: then it must not land any more."""
    async with seats() as (run, (first, second)), trio.open_nursery() as nursery:
        membership, referee = first.node.membership, first.node.referee
        shard = next(iter(membership.unwanted()))
        brief = next(name for number in range(9999) if membership.shard(name := f"brief:{number}") == shard)
        give = referee.give

        async def give_late(shards: Mapping[int, tuple[int, int]], why: str) -> dict[int, int]:
            async def land() -> None:
                await trio.sleep(1.0)
                await give(shards, why)

            nursery.start_soon(land)
            referee.give = give  # type: ignore[method-assign]
            raise StoreUnavailable("no answer")

        referee.give = give_late  # type: ignore[method-assign]
        nursery.start_soon(first.moving.run)
        await trio.sleep(0.5)
        assert membership.owns(brief), "kept"
        first.kernel.router.tell(brief, Heard(text="one"))
        await trio.sleep(1.0)
        assert run.rows.owner(shard) == 1
        assert await first.kernel.ask(brief, Read()) == ["one"]
        with trio.fail_after(SHARDS * PACE_S):  # another time it goes
            while not second.node.membership.owns(brief):
                await membership.changed()
        nursery.cancel_scope.cancel()


async def test_who_leaves_can_keep_what_it_could_not_give(autojump_clock: MockClock) -> None:
    """It is not up any more, and so is given nothing but what is its own."""
    async with seats() as (run, (first, _)):
        referee = first.node.referee
        give = referee.give

        async def refuse(shards: Mapping[int, tuple[int, int]], why: str) -> dict[int, int]:
            referee.give = give  # type: ignore[method-assign]
            raise StoreUnavailable("no answer")

        referee.give = refuse  # type: ignore[method-assign]
        with trio.fail_after(10.0):
            await first.moving.give_all()
        assert set(run.owners()) == {2}
