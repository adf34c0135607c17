"""Shards that are handed over while their entities are spoken to: two kernels on one journal, in virtual time."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.model.errors import NotHere, Overloaded
from greenroom.actors.model.lifecycle import Passivate
from greenroom.config.limits import ClientConfig, MailboxConfig
from greenroom.store.errors import StoreUnavailable
from greenroom.store.journal.journal_memory import MemoryRows
from greenroom.supervisors.cluster import slices
from greenroom.supervisors.cluster.moving import ENTITIES_S, STRAGGLES_S, Moving
from greenroom.supervisors.cluster.pacing import PACE_S, SHARE, Pacing
from greenroom.supervisors.cluster.reach import BACK_S, LOST_S, SKEW_S
from greenroom.supervisors.kernel.router import Awake
from tests.supervisors.cluster.memory_cluster import Cluster, Node, cluster
from tests.supervisors.kernel.small_kernel import Do, Heard, Kernel, Log, Note, Read, Slot

SHARDS = 40
ENTITIES = [f"log:{number}" for number in range(60)]


class Seat:
    """A node with its kernel. What lives on another goes there: what comes for it at once, as over a wire without
    length."""

    def __init__(self, node: Node, kernel: Kernel) -> None:
        self.node = node
        self.kernel = kernel
        self.latency_s = 0.001
        node.on_announce = self._announced
        self.moving = Moving(
            node.membership,
            kernel.system,
            pacing=Pacing(lambda: [self.latency_s]),
            commit_s=lambda: kernel.journal.delay_s,
        )
        self.others: list[Seat] = []
        self._activate = kernel.system.activate
        kernel.router._activate = self._found

    def _found(self, entity: str) -> Awake:
        try:
            return self._activate(entity)
        except NotHere:
            owner = self.node.membership.owner(entity)
            for seat in self.others:
                if seat.node.referee.incarnation == owner:
                    awake: Awake | None = seat.kernel.kernel._cells.get(entity)
                    return awake or seat._activate(entity)
            raise

    def _announced(self, node: int, terms: Mapping[int, int]) -> None:
        for seat in self.others:
            seat.node.membership.hear(node, terms)


@asynccontextmanager
async def seats(count: int = 2) -> AsyncIterator[tuple[Cluster, list[Seat]]]:
    """All of them up, and the first owns everything."""
    rows = MemoryRows()
    async with cluster(SHARDS) as run, trio.open_nursery() as nursery:
        made: list[Seat] = []
        for number in range(1, count + 1):
            node = run.node()
            kernel = Kernel(rows=rows, incarnation=number, ownership=node.membership)

            async def live(
                kernel: Kernel = kernel, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
            ) -> None:
                async with kernel.running():
                    task_status.started()
                    await trio.sleep_forever()

            await nursery.start(live)
            await run.start(node)
            made.append(Seat(node, kernel))
        for seat in made:
            seat.others = [one for one in made if one is not seat]
        await trio.sleep(1.5)
        yield run, made
        nursery.cancel_scope.cancel()


async def all_moved(seat: Seat) -> None:
    """It has handed over whatever is another's."""
    while seat.node.membership.unwanted():
        await seat.node.membership.changed()


def answers(slots: list[Slot]) -> list[Any]:
    return [slot.answer for slot in slots]


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


async def test_the_last_one_keeps_all_of_it(autojump_clock: MockClock) -> None:
    async with seats(1) as (run, (first,)):
        with trio.fail_after(1.0):
            await first.moving.give_all()
        assert set(run.owners()) == {1} and len(first.node.owned) == SHARDS


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
