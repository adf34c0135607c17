"""Shards that are handed over while their entities are spoken to: two kernels on one journal, in virtual time."""

import trio
from trio.testing import MockClock

from greenroom.actors.model.errors import Overloaded
from greenroom.actors.model.lifecycle import Passivate
from greenroom.config.limits import MailboxConfig
from greenroom.supervisors.cluster.pacing import PACE_S, SHARE
from tests.supervisors.cluster.moving.seats import ENTITIES, SHARDS, all_moved, answers, seats
from tests.supervisors.kernel.small_kernel import Do, Heard, Log, Note, Read, Slot


async def test_nobody_is_refused_and_nothing_is_lost_while_entities_move(autojump_clock: MockClock) -> None:
    async with seats() as (run, (first, second)), trio.open_nursery() as nursery:
        slots: dict[str, list[Slot]] = {entity: [] for entity in ENTITIES}
        for seat in (first, second):
            seat.kernel.journal.delay_s = 0.02  # so that all of them have something in flight

        async def speak(entity: str) -> None:
            for number in range(400):
                seat = (first, second)[number % 7 == 0]  # over either node
                slots[entity].append(seat.kernel.send(entity, Note(text=str(number))))
                await trio.sleep(0.05)

        async with trio.open_nursery() as speakers:
            for entity in ENTITIES:
                speakers.start_soon(speak, entity)
            await trio.sleep(1.0)
            nursery.start_soon(first.moving.run)
            with trio.fail_after(SHARDS / 2 * PACE_S + 5):
                await all_moved(first)
        await trio.sleep(1.0)
        moved = [entity for entity in ENTITIES if second.node.membership.owns(entity)]
        assert 10 < len(moved) < 50
        for entity in ENTITIES:
            assert answers(slots[entity]) == list(range(1, 401)), "each is answered, in order, once"
            assert first.kernel.texts(entity) == [str(number) for number in range(400)]
        assert set(first.kernel.awake()).isdisjoint(moved)
        told = [shard for node, terms in first.node.announced for shard in terms if node == 2]
        assert sorted(told) == sorted(second.node.owned)
        assert run.owners().count(2) == len(second.node.owned)
        nursery.cancel_scope.cancel()


async def test_an_entity_is_away_for_no_longer_than_its_last_burst_takes(autojump_clock: MockClock) -> None:
    async with seats() as (_, (first, second)), trio.open_nursery() as nursery:
        entity = next(one for one in ENTITIES if first.node.membership.shard(one) in first.node.membership.unwanted())
        first.kernel.journal.delay_s = second.kernel.journal.delay_s = 0.01
        nursery.start_soon(first.moving.run)
        longest = 0.0
        while not second.node.membership.owns(entity):
            slot = first.kernel.send(entity, Note(text="x"))
            began = trio.current_time()
            await slot.answered.wait()
            longest = max(longest, trio.current_time() - began)
        assert longest < 0.1
        nursery.cancel_scope.cancel()


async def test_a_twentieth_at_a_time_and_then_a_pause(autojump_clock: MockClock) -> None:
    async with seats() as (run, (first, _)), trio.open_nursery() as nursery:
        began = trio.current_time()
        total = len(first.node.membership.unwanted())
        nursery.start_soon(first.moving.run)
        await trio.sleep(PACE_S / 2)
        assert run.owners().count(2) == SHARDS // SHARE
        await all_moved(first)
        assert trio.current_time() - began > (total / (SHARDS // SHARE) - 1.5) * PACE_S
        nursery.cancel_scope.cancel()


async def test_it_rests_while_latencies_are_higher_than_before(autojump_clock: MockClock) -> None:
    async with seats() as (run, (first, _)), trio.open_nursery() as nursery:
        nursery.start_soon(first.moving.run)
        await trio.sleep(PACE_S / 2)
        first.latency_s = 0.1
        moved = run.owners().count(2)
        await trio.sleep(3 * PACE_S)
        assert run.owners().count(2) == moved > 0
        first.latency_s = 0.001
        await trio.sleep(2 * PACE_S)
        assert run.owners().count(2) > moved
        first.latency_s = 0.1
        await first.moving.give_all()
        assert run.owners().count(2) == SHARDS, "who leaves does not rest"
        nursery.cancel_scope.cancel()


async def test_what_is_long_has_a_snapshot_before_it_goes(autojump_clock: MockClock) -> None:
    """Its next owner would else read and apply it all while somebody waits; nobody does while it is written here."""
    async with seats() as (_, (first, second)), trio.open_nursery() as nursery:
        for entity in ENTITIES:
            await first.kernel.ask(entity, Note(text="x", times=100))
        busy = ENTITIES[:5]

        async def speak(entity: str) -> None:
            while True:
                await first.kernel.ask(entity, Note(text="y"))

        for entity in busy:
            nursery.start_soon(speak, entity)
        first.kernel.journal.delay_s = second.kernel.journal.delay_s = 0.01
        await trio.sleep(1.0)
        await first.moving.give_all()
        nursery.cancel_scope.cancel()
        rows = first.kernel.journal.rows.by_entity
        assert all(rows[entity].snapshot_offset == 100 for entity in ENTITIES[5:])
        assert all(rows[entity].snapshot_offset > 100 for entity in busy), "with what was in flight"


async def test_who_wakes_while_shards_are_handed_over_is_handed_over_too(autojump_clock: MockClock) -> None:
    """And who has ended is not waited for."""
    async with seats() as (_, (first, second)), trio.open_nursery() as nursery:
        membership = first.node.membership
        nursery.start_soon(first.moving.run)
        await trio.sleep(0.5)  # all are known by their shards from here on, and nobody is awake
        late = [one for one in ENTITIES if membership.owns(one) and membership.shard(one) in membership.unwanted()]
        for entity in late:
            assert await first.kernel.ask(entity, Note(text="x")) == 1
        first.kernel.system.awake()[0].mailbox.put_control(Passivate())
        await trio.sleep(0.1)
        await all_moved(first)
        await trio.sleep(0.5)
        assert not set(late) & first.kernel.awake()
        for entity in late:
            assert await second.kernel.ask(entity, Note(text="y")) == 2
        assert not first.kernel.system.departing
        nursery.cancel_scope.cancel()


async def test_what_waits_is_bounded_as_a_mailbox_is(autojump_clock: MockClock) -> None:
    async with seats() as (_, (first, _second)), trio.open_nursery() as nursery:
        membership = first.node.membership
        batch = list(membership.unwanted())[: SHARDS // SHARE]
        entity = next(name for number in range(9999) if membership.shard(name := f"log:{number}") == batch[0])
        first.node.is_cut_off = True
        nursery.start_soon(first.moving.run)
        await trio.sleep(0.5)
        slots: list[Slot] = []
        refused = 0
        for _ in range(1500):
            try:
                slots.append(first.kernel.send(entity, Read()))
            except Overloaded:
                refused += 1
        assert (len(slots), refused) == (MailboxConfig().capacity, 1500 - MailboxConfig().capacity)
        first.node.is_cut_off = False
        await trio.sleep(5.0)
        assert answers(slots) == [[]] * len(slots)
        nursery.cancel_scope.cancel()


async def test_an_entity_that_is_another_nodes_by_the_rows_does_not_go_on_here(autojump_clock: MockClock) -> None:
    """As when a shard is given away by a statement that was believed lost: what it remembers is old from then on."""
    async with seats() as (run, (first, second)), trio.open_nursery() as nursery:
        membership = first.node.membership
        entity, bystander = [one for one in ENTITIES if membership.shard(one) not in membership.unwanted()][:2]
        shard = membership.shard(entity)
        brief = next(name for number in range(9999) if membership.shard(name := f"brief:{number}") == shard)
        assert await first.kernel.ask(entity, Note(text="ours")) == 1
        await first.kernel.ask(bystander, Note(text="ours"))
        first.kernel.router.tell(brief, Heard(text="ours"))
        nursery.start_soon(first.moving.run)
        run.rows.change(shard, 2, "late")
        await second.node.membership.looked()
        assert await second.kernel.ask(entity, Note(text="theirs")) == 2
        await trio.sleep(1.5)
        assert not {entity, brief} & first.kernel.awake() and bystander in first.kernel.awake()
        assert await first.kernel.ask(entity, Read()) == ["ours", "theirs"]
        assert await first.kernel.ask(brief, Read()) == []
        nursery.cancel_scope.cancel()


async def test_an_entity_whose_shard_was_away_and_is_back_is_built_anew(autojump_clock: MockClock) -> None:
    async with seats() as (run, (first, second)), trio.open_nursery() as nursery:
        membership = first.node.membership
        entity = next(one for one in ENTITIES if membership.shard(one) not in membership.unwanted())
        assert await first.kernel.ask(entity, Note(text="ours")) == 1
        nursery.start_soon(first.moving.run)
        shard = membership.shard(entity)
        run.rows.change(shard, 2, "late")
        await second.node.membership.looked()
        assert await second.kernel.ask(entity, Note(text="theirs")) == 2
        run.rows.change(shard, 1, "back")
        await second.node.membership.looked()
        await membership.looked()
        await trio.sleep(0.5)
        assert await first.kernel.ask(entity, Read()) == ["ours", "theirs"]
        nursery.cancel_scope.cancel()


async def test_nothing_overtakes_what_waits_when_a_departing_shard_turns_out_to_be_ours(
    autojump_clock: MockClock,
) -> None:
    """A claim was refused while it departed, and the rows say that it is ours all the same."""

    async def wait(actor: Log) -> str:
        await trio.sleep(3.0)
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
        before = first.kernel.send(entity, Note(text="before"))
        assert membership.lost(entity)
        await membership.looked()
        assert membership.owns(entity) and first.kernel.system.departs(entity)
        behind = first.kernel.send(entity, Note(text="behind"))
        await trio.sleep(10.0)
        assert answers([before, behind]) == [1, 2]
        nursery.cancel_scope.cancel()


async def test_what_waits_for_those_on_their_way_counts_as_waiting(autojump_clock: MockClock) -> None:
    async with seats() as (_, (first, _second)), trio.open_nursery() as nursery:
        membership, system = first.node.membership, first.kernel.system
        batch = list(membership.unwanted())[: SHARDS // SHARE]
        entity = next(name for number in range(9999) if membership.shard(name := f"log:{number}") == batch[0])
        first.node.is_cut_off = True
        nursery.start_soon(first.moving.run)
        await trio.sleep(0.5)
        for _ in range(3):
            first.kernel.send(entity, Read(), queued_at=trio.current_time())
        await trio.sleep(1.0)
        assert (system.mailbox_depth(), round(system.mailbox_age_s(), 3)) == (3, 1.0)
        first.node.is_cut_off = False
        await trio.sleep(PACE_S + 1.0)
        assert (system.mailbox_depth(), system.mailbox_age_s()) == (0, 0.0)
        nursery.cancel_scope.cancel()
