from typing import Any

import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.model.entity import BadEntity
from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.errors import ActorError, NotHere, Unavailable, UnknownKind
from greenroom.actors.model.lifecycle import Passivate
from greenroom.config.limits import PassivationConfig
from greenroom.store.ownership.sharding import SHARDS, shard_of
from greenroom.supervisors.kernel import system
from greenroom.supervisors.kernel.ownership import OwnsAll
from tests.store.journal.faulty_journal import Fault
from tests.supervisors.kernel.small_kernel import Do, Heard, Kernel, Log, Note, Read, kernel, settled

A = "log:a"
B = "log:b"

# Routing and waking.


async def test_the_first_message_wakes_an_entity_and_looking_for_its_ref_does_not() -> None:
    async with kernel() as run:
        ref = run.router.ref(A)
        assert run.awake() == set()
        assert await ref.ask(Read()) == []
        assert run.awake() == {A}
        assert (run.instruments.activations, run.instruments.awake) == (1, 1)


@pytest.mark.parametrize(("entity", "error"), [("nokind:x", UnknownKind), ("log", BadEntity), ("Log:x", BadEntity)])
async def test_what_is_no_entity_is_refused_before_anything_is_queued(entity: str, error: type[ActorError]) -> None:
    async with kernel() as run:
        with pytest.raises(error):
            run.router.ref(entity)
        with pytest.raises(error):
            run.send(entity, Read())
        assert run.awake() == set()


async def test_an_entity_of_another_node_is_refused_for_now_by_its_name_and_what_it_is_told_waits(
    autojump_clock: MockClock,
) -> None:
    class Half(OwnsAll):
        def owns(self, entity: str) -> bool:
            return entity != B

    async with kernel(ownership=Half()) as run:
        with pytest.raises(NotHere) as refused:
            await run.ask(B, Note(text="x"))
        assert (refused.value.name, refused.value.status, refused.value.temporary) == ("not_owner", 503, True)

        def tell(actor: Log) -> int:
            actor.set_timer("later", Heard(text="rang"), after=3)
            actor.tell(B, Heard(text="x"))
            return actor.offset

        await run.ask(A, Do(act=tell))
        await trio.sleep(60)
        assert run.texts(A)[-1] == "rang", "waker and relay go on"
        assert (run.kernel.relay.waiting, run.texts(B)) == (1, [])


async def test_messages_of_one_sender_arrive_in_order_also_while_the_entity_wakes(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        run.journal.delay_s = 1.0
        ref = run.router.ref(A)
        for number in range(10):
            ref.tell(Heard(text=str(number)))
        await trio.sleep(0.5)
        for number in range(10, 20):
            ref.tell(Heard(text=str(number)))
        await trio.sleep(10)
        assert run.texts(A) == [str(number) for number in range(20)]


async def test_a_ref_outlives_the_actors_sleep() -> None:
    async with kernel() as run:
        ref = run.router.ref(A)
        ref.tell(Heard(text="x"))
        await settled()
        run.cell(A).mailbox.put_control(Passivate())
        await settled()
        assert run.awake() == set()
        ref.tell(Heard(text="y"))
        assert await ref.ask(Read()) == ["x", "y"]
        assert run.instruments.passivations == 1


async def test_an_ask_that_is_cancelled_leaves_its_message_to_be_handled(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        run.journal.hold()
        with trio.move_on_after(1.0) as scope:
            await run.ask(A, Note(text="x"))
        assert scope.cancelled_caught
        run.journal.release()
        await settled()
        assert run.texts(A) == ["x"]


async def test_entities_without_a_journal_answer_at_once_and_forget_when_they_stop(autojump_clock: MockClock) -> None:
    async with kernel(passivation=PassivationConfig(idle_s=5.0, sweep_s=1.0)) as run:
        run.router.ref("brief:a").tell(Heard(text="x"))
        assert await run.ask("brief:a", Read()) == ["x"]
        await trio.sleep(10)
        assert await run.ask("brief:a", Read()) == []
        assert set(run.journal.calls) <= {"outbox", "due", "lineage"}  # looked at for others' sake


# Stopping, and starting again.


async def test_draining_finishes_turns_flushes_commits_and_wakes_nobody(autojump_clock: MockClock) -> None:
    async with kernel() as run:

        async def act(actor: Log) -> str:
            await trio.sleep(2)
            actor.note("late")
            return "done"

        turn = run.send("slow:a", Do(act=act))
        await settled()
        run.journal.delay_s = 1.0
        committing = run.send(A, Note(text="x"))
        await trio.sleep(1.5)
        queued = run.send("slow:a", Read())
        add = run.letters.add

        async def slowly(letter: Any, *, key: int | None = None) -> None:
            await trio.sleep(20)
            await add(letter)

        run.letters.add = slowly  # type: ignore[method-assign]
        run.router.tell("nokind:x", Heard(text="x"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run.kernel.drain)
            nursery.start_soon(run.kernel.drain)  # twice does no harm
            await trio.sleep(0.1)
            with pytest.raises(Unavailable):
                run.send(B, Read())
        assert (turn.answer, committing.answer, type(queued.answer)) == ("done", 1, Unavailable)
        assert (run.awake(), run.kernel.committer.pending_count) == (set(), 0)
        assert len(await run.letters.list(limit=10)) == 1


async def test_a_drain_outlasts_a_commit_that_fails_meanwhile(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        run.send(A, Read())
        await settled()
        run.journal.faults["append"] += [Fault.LOST]
        run.journal.hold()
        slot = run.send(A, Note(text="x"))
        await settled()
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(run.kernel.drain)
                await settled()
                run.journal.release()
        assert isinstance(slot.answer, (int, Unavailable))
        assert run.texts(A) == (["x"] if slot.answer == 1 else [])


async def test_a_system_that_has_not_started_wakes_nobody() -> None:
    run = Kernel()
    with pytest.raises(Unavailable):
        run.router.submit(A, Envelope(message=Read()))


class Share(OwnsAll):
    """Of one of two nodes."""

    def __init__(self, shards: frozenset[int]) -> None:
        super().__init__()
        self.mine = shards

    def owns(self, entity: str) -> bool:
        return shard_of(entity, SHARDS) in self.mine

    def shards(self) -> frozenset[int]:
        return self.mine


async def test_two_nodes_on_one_database_never_wake_one_anothers_entities_by_looking(autojump_clock: MockClock) -> None:
    """And when one is gone, the other finds what it has left within a second or so."""
    even, odd = (Share(frozenset(range(first, SHARDS, 2))) for first in (0, 1))
    names = [f"log:{number}" for number in range(10)]
    others = [name for name in names if odd.owns(name)]
    mine = [name for name in names if even.owns(name)]
    assert mine and others

    def begin(actor: Log) -> None:
        actor.set_timer("t", Heard(text="rang"), after=30)
        actor.tell(mine[0], Heard(text="told"))
        actor.note("began")

    async with kernel(ownership=even) as one:
        async with kernel(rows=one.journal.rows, incarnation=2, ownership=odd) as two:
            for name in names:
                await (one if even.owns(name) else two).ask(name, Do(act=begin))
            await trio.sleep(10)
            assert two.kernel.relay.waiting == len(others), "who is told lives elsewhere"
        assert one.awake() == set(mine)
        claims = {name: one.journal.rows.by_entity[name].head.fence for name in others}
        await trio.sleep(60)
        assert {name: one.journal.rows.by_entity[name].head.fence for name in others} == claims, "claimed by nobody"
        assert one.awake() == set(mine)
        assert one.texts(mine[0]).count("told") == len(mine)
        assert all(one.texts(name)[-1] == "rang" for name in mine)
        even.mine |= odd.mine
        await trio.sleep(2.5)
        assert one.awake() == set(names)
        assert one.texts(mine[0]).count("told") == len(names)
        assert all(one.texts(name)[-1] == "rang" for name in others)


# Who is awake in which shard.


async def test_a_survey_that_was_cut_off_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is missing in it would not be told to end where its shard goes to another node."""
    monkeypatch.setattr(system, "STEPS", 1)
    owns = OwnsAll()
    async with kernel(ownership=owns) as run:
        for entity in (A, B):
            await run.router.ref(entity).ask(Read())
        with trio.CancelScope() as scope:
            scope.cancel()
            await run.system.survey()
        assert scope.cancelled_caught
        await run.system.survey()
        assert sum(run.system.awake_in(shard) for shard in {owns.shard(A), owns.shard(B)}) == 2
