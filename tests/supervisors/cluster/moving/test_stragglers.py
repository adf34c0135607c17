"""What holds up a shard on its way: entities that do not end in time, and a database that does not answer."""

import pytest
import trio
from trio.testing import MockClock

from greenroom.config.limits import ClientConfig
from greenroom.supervisors.cluster import slices
from greenroom.supervisors.cluster.moving import ENTITIES_S, STRAGGLES_S
from greenroom.supervisors.cluster.pacing import PACE_S, SHARE
from tests.supervisors.cluster.moving.seats import SHARDS, all_moved, answers, seats
from tests.supervisors.kernel.small_kernel import Do, Log, Note, Read


async def test_an_entity_that_does_not_end_in_time_keeps_its_shard_here(autojump_clock: MockClock) -> None:
    """Its handler waits for longer than others may be kept from it."""

    async def wait(actor: Log) -> str:
        await trio.sleep(ENTITIES_S + 3.0)
        return "done"

    async with seats() as (run, (first, second)), trio.open_nursery() as nursery:
        membership = first.node.membership
        unwanted = membership.unwanted()
        batch = list(unwanted)[: SHARDS // SHARE]
        entity = next(name for number in range(9999) if membership.shard(name := f"slow:{number}") == batch[0])
        slow = first.kernel.send(entity, Do(act=wait))
        await trio.sleep(0.1)
        nursery.start_soon(first.moving.run)
        await trio.sleep(0.1)
        assert not membership.owns(entity) and first.kernel.system.lives_here(entity)
        assert run.rows.owner(batch[1]) == 2, "the others do not wait for it"
        behind = [first.kernel.send(entity, Note(text="late")), first.kernel.send(entity, Read())]
        await trio.sleep(ENTITIES_S)
        assert membership.owns(entity)
        await trio.sleep(4.0)
        assert (slow.answer, *answers(behind)) == ("done", 1, ["late"])
        await all_moved(first)
        assert second.node.membership.owns(entity), "the next time it has nothing to wait for"
        assert second.kernel.system.lives_here(entity) and not first.kernel.system.lives_here(entity)
        nursery.cancel_scope.cancel()


async def test_where_commits_are_slow_those_who_are_busy_are_moved_all_the_same(autojump_clock: MockClock) -> None:
    """They end only after the commits of what they have begun, each of which takes longer than that may otherwise."""
    async with seats() as (_, (first, second)), trio.open_nursery() as nursery:
        membership = first.node.membership
        shard = next(iter(membership.unwanted()))
        entity = next(name for number in range(9999) if membership.shard(name := f"log:{number}") == shard)
        first.kernel.journal.delay_s = second.kernel.journal.delay_s = ENTITIES_S + 0.2

        async def speak() -> None:
            while True:
                first.kernel.send(entity, Note(text="x"))
                await trio.sleep(0.05)

        async with trio.open_nursery() as speaking:
            speaking.start_soon(speak)
            await trio.sleep(3.0)
            nursery.start_soon(first.moving.run)
            with trio.fail_after(4.0):
                while not second.node.membership.owns(entity):
                    await membership.changed()
            speaking.cancel_scope.cancel()
        await trio.sleep(10.0)
        nursery.cancel_scope.cancel()


async def test_others_of_the_shard_of_one_that_does_not_end_are_answered_before_their_clients_give_up(
    autojump_clock: MockClock,
) -> None:
    async def wait(actor: Log) -> str:
        await trio.sleep(9.0)
        return "done"

    async with seats() as (_, (first, _second)), trio.open_nursery() as nursery:
        membership = first.node.membership
        shard = next(iter(membership.unwanted()))
        slow = next(name for number in range(9999) if membership.shard(name := f"slow:{number}") == shard)
        entity = next(name for number in range(9999) if membership.shard(name := f"log:{number}") == shard)
        first.kernel.send(slow, Do(act=wait))
        await trio.sleep(0.1)
        nursery.start_soon(first.moving.run)
        await trio.sleep(0.1)
        command_s = ClientConfig().command_deadline_s
        began = trio.current_time()
        slot = first.kernel.send(entity, Note(text="one"), deadline=began + command_s)
        await slot.answered.wait()
        assert slot.answer == 1
        assert trio.current_time() - began < command_s / 2, "there are hops to other nodes yet, and hosts that are busy"
        await trio.sleep(10.0)
        nursery.cancel_scope.cancel()


async def test_what_comes_while_the_database_does_not_answer_waits(autojump_clock: MockClock) -> None:
    async with seats() as (_, (first, second)), trio.open_nursery() as nursery:
        membership = first.node.membership
        batch = list(membership.unwanted())[: SHARDS // SHARE]
        entity = next(name for number in range(9999) if membership.shard(name := f"log:{number}") == batch[0])
        assert await first.kernel.ask(entity, Note(text="one")) == 1
        first.node.is_cut_off = True
        nursery.start_soon(first.moving.run)
        await trio.sleep(0.5)
        slots = [first.kernel.send(entity, Read()) for _ in range(3)]
        await trio.sleep(1.0)
        assert not any(slot.answers for slot in slots)
        first.node.is_cut_off = False
        await trio.sleep(PACE_S + 1.0)
        assert answers(slots) == [["one"]] * 3
        await all_moved(first)
        assert second.node.membership.owns(entity)
        nursery.cancel_scope.cancel()


async def test_a_slow_entity_holds_up_the_next_slice_for_a_moment_only(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices, "FIRST", 1)

    async def wait(actor: Log) -> str:
        await trio.sleep(0.4)  # it ends in time
        return "done"

    async with seats() as (run, (first, _second)), trio.open_nursery() as nursery:
        membership = first.node.membership
        one, other = list(membership.unwanted())[: SHARDS // SHARE]
        slow, quick = (
            next(name for number in range(9999) if membership.shard(name := f"{kind}:{number}") == shard)
            for kind, shard in (("slow", one), ("log", other))
        )
        first.kernel.send(slow, Do(act=wait))
        await first.kernel.ask(quick, Note(text="x"))
        nursery.start_soon(first.moving.run)
        await trio.sleep(STRAGGLES_S - 0.05)
        assert membership.owns(quick), "one entity at a time"
        await trio.sleep(0.1)
        assert run.rows.owner(other) == 2
        assert run.rows.owner(one) == 1
        await trio.sleep(1.0)
        assert run.rows.owner(one) == 2
        nursery.cancel_scope.cancel()


async def test_the_others_of_a_shard_go_on_while_one_that_does_not_end_keeps_it_here(autojump_clock: MockClock) -> None:
    """This node leaves, and looks again and again whether it can give the shard away."""

    async def wait(actor: Log) -> str:
        await trio.sleep(9.0)
        return "done"

    async with seats() as (_, (first, second)), trio.open_nursery() as nursery:
        membership = first.node.membership
        shard = next(iter(membership.unwanted()))
        slow = next(name for number in range(9999) if membership.shard(name := f"slow:{number}") == shard)
        entity = next(name for number in range(9999) if membership.shard(name := f"log:{number}") == shard)
        slot = first.kernel.send(slow, Do(act=wait))
        await trio.sleep(0.1)
        nursery.start_soon(first.moving.give_all)
        waited_s: list[float] = []
        while not second.node.membership.owns(entity):
            began = trio.current_time()
            note = first.kernel.send(entity, Note(text="x"))
            with trio.fail_after(20.0):
                await note.answered.wait()
            waited_s.append(trio.current_time() - began)
            await trio.sleep(0.05)
        assert slot.answer == "done"
        assert max(waited_s) < ENTITIES_S + 0.1
        assert sum(one > 0.1 for one in waited_s) <= 2, "once for the slow one, and once to go"
        assert len(waited_s) > 100
        assert not first.kernel.system.departing.late
        nursery.cancel_scope.cancel()
