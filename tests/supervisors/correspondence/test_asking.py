"""Commands to entities on other nodes: A owns everything that is not moved, B asks."""

from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.life.flights import PerhapsDone
from greenroom.actors.model.envelope import Envelope, TaskSlot
from greenroom.actors.model.errors import (
    ActorError,
    DeadlineExceeded,
    NotHere,
    OutcomeUnknown,
    Overloaded,
    Refused,
)
from greenroom.actors.model.lifecycle import Attended, Inspect
from greenroom.actors.model.principal import Principal
from greenroom.supervisors.correspondence import asking
from greenroom.supervisors.correspondence.wire import Replied, Sent, decode
from tests.supervisors.correspondence.small_cluster import NOBODY, A, Answer, B, C, Node, cluster
from tests.supervisors.correspondence.small_entities import ANN, Heard, Pass, Put, Say, Slow, Talk, Through, named


async def test_a_command_to_an_entity_on_another_node(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        assert await run.nodes[B].ask("talk:a", Say(text="one")) == 1
        assert await run.nodes[A].ask("talk:a", Say(text="two")) == 2
        assert run.texts("talk:a") == ["one", "two"]
        assert (run.nodes[A].awake(), run.nodes[B].awake()) == ({"talk:a"}, set())
        assert len(run.nodes[B].correspondence.asking) == len(run.nodes[A].correspondence.answering) == 0


async def test_the_answer_comes_with_the_bytes_that_it_travelled_as(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        answer = run.nodes[B].send("talk:a", Say(text="one"), principal=ANN)
        await trio.sleep(0.1)
        assert (answer.only, answer.encoded) == (1, b"1")


async def test_many_commands_keep_their_order(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        answers = [run.nodes[B].send("talk:a", Say(text=f"{n}")) for n in range(500)]
        await trio.sleep(1)
        assert [answer.only for answer in answers] == list(range(1, 501))
        assert run.texts("talk:a") == [f"{n}" for n in range(500)]


async def test_a_tell_arrives(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        run.nodes[B].kernel.router.tell("talk:a", Heard(text="one"))
        ref = run.nodes[B].kernel.router.ref("talk:a")
        ref.tell(Heard(text="two"))
        await trio.sleep(0.1)
        assert run.texts("talk:a") == ["one", "two"]
        await run.move("talk:a", B)
        ref.tell(Heard(text="three"))
        await trio.sleep(0.1)
        assert run.nodes[B].awake() == {"talk:a"}
        await run.move("talk:a", A)
        ref.tell(Heard(text="four"))
        await trio.sleep(0.1)
        assert run.texts("talk:a") == ["one", "two", "three", "four"]


async def test_a_durable_tell_takes_effect_once_over_every_parting(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        run.owners.move("talk:b", B)
        lost: list[type[Any]] = []

        def first_of_each(sender: int, receiver: int, frame: bytes) -> bool:
            kind = type(decode(frame))
            if kind in (Sent, Replied) and kind not in lost:
                lost.append(kind)
                return False
            return True

        run.network.filter = first_of_each
        await run.nodes[A].ask("talk:a", Pass(entity="talk:b", text="x"))
        for _ in range(3):
            await trio.sleep(0.5)
            run.network.part(A, B)
        await trio.sleep(10)
        assert lost == [Sent, Replied]
        assert run.texts("talk:b") == ["x"]
        assert run.nodes[A].kernel.relay.waiting == 0


async def test_the_deadline_holds_on_both_nodes(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        answer = run.nodes[B].send("slow:a", Slow(seconds=3.0), deadline=trio.current_time() + 1)
        behind = run.nodes[B].send("slow:a", Slow(seconds=0.0), deadline=trio.current_time() + 1)
        await trio.sleep(1.2)
        assert isinstance(answer.only, DeadlineExceeded)
        assert isinstance(behind.only, DeadlineExceeded)
        await trio.sleep(5)
        assert len(answer.given) == len(behind.given) == 1
        assert len(run.nodes[B].correspondence.asking) == len(run.nodes[A].correspondence.answering) == 0


async def test_an_ask_through_two_nodes(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        run.owners.move("talk:b", B)
        assert await run.nodes[B].ask("slow:a", Through(entity="talk:b", text="x")) == 1
        assert run.texts("talk:b") == ["x"]


async def test_a_trace_goes_on_at_the_other_node_and_from_there(autojump_clock: MockClock) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    def traces(node: Node, entity: str) -> list[str | None]:
        actor = next(one for one in node.kernel.system.awake() if one.entity == entity).actor
        assert isinstance(actor, Talk)
        return actor.traces

    async with cluster() as run:
        await run.move("talk:b", B)
        run.nodes[B].send("talk:a", Say(text="a command"), trace=trace)
        run.nodes[B].send("slow:x", Through(entity="talk:b", text="what its handler asks"), trace=trace)
        run.nodes[B].send("talk:a", Pass(entity="talk:b", text="what is told durably"), trace=trace)
        run.nodes[B].send("talk:a", Say(text="of no trace"))
        await trio.sleep(1.0)
        assert traces(run.nodes[A], "talk:a") == [trace, trace, None]
        assert sorted(run.texts("talk:b")) == ["what is told durably", "what its handler asks"]
        assert traces(run.nodes[B], "talk:b") == [trace, trace]


async def test_a_message_that_was_lost_before_it_arrived_has_an_unknown_outcome(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        answer = run.nodes[B].send("talk:a", Say(text="x"))
        run.network.part(A, B)
        await trio.sleep(1)
        assert isinstance(answer.only, OutcomeUnknown)
        assert run.texts("talk:a") == []


async def test_one_whose_answer_was_lost_too(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        run.network.filter = lambda sender, receiver, frame: type(decode(frame)) is not Replied
        answer = run.nodes[B].send("talk:a", Say(text="x"))
        await trio.sleep(1)
        run.network.part(A, B)
        await trio.sleep(1)
        assert isinstance(answer.only, OutcomeUnknown)
        assert run.texts("talk:a") == ["x"]


@pytest.mark.parametrize("lost", [Sent, Replied])
async def test_a_command_with_an_id_is_sent_again(autojump_clock: MockClock, lost: type[Any]) -> None:
    async with cluster() as run:
        run.network.filter = lambda sender, receiver, frame: type(decode(frame)) is not lost
        answer = run.nodes[B].send("talk:a", Say(text="x"), command_id="k", digest=1, deadline=trio.current_time() + 5)
        await trio.sleep(1)
        run.network.filter = lambda sender, receiver, frame: True
        run.network.part(A, B)
        await trio.sleep(1)
        assert answer.only == 1
        assert run.texts("talk:a") == ["x"]
        assert run.nodes[B].instruments.remote_repeats == 1


@pytest.mark.parametrize("delay_s", [0.0005, 0.03])
async def test_the_order_is_kept_across_a_move(autojump_clock: MockClock, delay_s: float) -> None:
    """Some were on their way to the former owner, and some come after."""
    async with cluster(A, B, C) as run:
        run.network.delay_s = delay_s
        answers: list[Answer] = []
        for n in range(300):
            answers.append(run.nodes[B].send("talk:a", Say(text=f"{n}")))
            if n == 100:
                run.nodes[B].ownership.believed["talk:a"] = A
                await run.move("talk:a", C)
            if n % 7 == 0:
                await trio.sleep(0.001)
        await trio.sleep(5)
        assert [answer.only for answer in answers] == list(range(1, 301))
        assert run.texts("talk:a") == [f"{n}" for n in range(300)]


async def test_the_order_is_kept_of_what_comes_back_late(autojump_clock: MockClock) -> None:
    """The first has come back, the second is under way to the former owner yet, the third comes now."""
    async with cluster(A, B, C) as run:
        run.owners.move("talk:a", C)
        run.nodes[B].ownership.believed["talk:a"] = A
        run.network.stuck.add((A, B))
        answers = [run.nodes[B].send("talk:a", Say(text="1"))]
        await trio.sleep(0.1)
        run.network.stuck.add((B, A))
        answers.append(run.nodes[B].send("talk:a", Say(text="2")))
        run.network.stuck.remove((A, B))
        await trio.sleep(1)
        answers.append(run.nodes[B].send("talk:a", Say(text="3")))
        await trio.sleep(1)
        run.network.stuck.clear()
        await trio.sleep(2)
        assert [answer.only for answer in answers] == [1, 2, 3]
        assert run.texts("talk:a") == ["1", "2", "3"]


async def test_an_entity_that_comes_to_live_here(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        run.nodes[B].ownership.believed["talk:a"] = None
        answer = run.nodes[B].send("talk:a", Say(text="x"))
        run.nodes[B].ownership.believed["talk:a"] = None
        await run.move("talk:a", B)
        await trio.sleep(1)
        assert answer.only == 1
        assert run.nodes[B].awake() == {"talk:a"}


async def test_while_nobody_owns_it_messages_wait_until_their_deadlines(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        run.owners.of["talk:a"] = C
        node = run.nodes[B]
        node.ownership.look = lambda: None  # type: ignore[method-assign]
        node.ownership.believed["talk:a"] = None
        soon = node.send("talk:a", Say(text="soon"), deadline=trio.current_time() + 1)
        later = node.send("talk:a", Say(text="later"), deadline=trio.current_time() + 8)
        endless = node.send("talk:b", Say(text="b"))
        node.ownership.believed["talk:c"] = None
        never = node.send("talk:c", Say(text="c"))
        await trio.sleep(2)
        assert isinstance(soon.only, DeadlineExceeded)
        assert later.given == []
        run.owners.move("talk:a", A)
        del node.ownership.believed["talk:a"]
        await trio.sleep(2)
        assert (later.only, endless.only) == (1, 1)
        await trio.sleep(asking.HELD_S)
        assert isinstance(never.only, NotHere)


async def test_what_waits_for_an_owner_goes_on_as_soon_as_one_is_known(autojump_clock: MockClock) -> None:
    """However seldom it has come to be looked at."""
    async with cluster() as run:
        node = run.nodes[B]
        node.ownership.look = lambda: None  # type: ignore[method-assign]
        node.ownership.believed["talk:a"] = node.ownership.believed["talk:b"] = None
        answers = [node.send("talk:a", Say(text="1")), node.send("talk:a", Say(text="2"))]
        other = node.send("talk:b", Say(text="b"))
        await trio.sleep(5.013)
        node.ownership.believed.clear()
        node.correspondence.moved({node.ownership.shard("talk:a")})
        await trio.sleep(0.01)
        assert [answer.only for answer in answers] == [1, 2]
        assert other.only == 1
        node.ownership.believed["talk:c"] = None
        third = node.send("talk:c", Say(text="c"))
        await trio.sleep(5.013)
        node.ownership.believed.clear()
        node.correspondence.moved({7})
        await trio.sleep(0.01)
        assert third.given == [], "nothing is known of its own shard"


async def test_what_comes_back_goes_at_once_to_whom_it_is_known_to_belong(autojump_clock: MockClock) -> None:
    """Who gives a shard away says so to all, before it turns away what has come too late. So nobody need read that in
    the rows, which all would do whenever something moves."""
    async with cluster(A, B, C) as run:
        node = run.nodes[B]
        run.owners.move("talk:a", C)
        run.owners.looks = 0
        node.ownership.believed["talk:a"] = A
        answers = [node.send("talk:a", Say(text=f"{n}")) for n in range(3)]
        await trio.sleep(0.0001)  # they are under way to who owned it
        node.ownership.believed.clear()
        await trio.sleep(0.01)
        assert [answer.only for answer in answers] == [1, 2, 3]
        assert (node.instruments.remote_repeats, run.owners.looks) == (3, 0)


async def test_two_nodes_that_take_each_other_for_the_owner(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        run.owners.of["talk:a"] = C
        for node, other in ((A, B), (B, A)):
            run.nodes[node].ownership.look = lambda: None  # type: ignore[method-assign]
            run.nodes[node].ownership.believed["talk:a"] = other
        answer = run.nodes[B].send("talk:a", Say(text="x"))
        run.nodes[B].kernel.router.tell("talk:a", Heard(text="y"))
        await trio.sleep(60)
        assert isinstance(answer.only, NotHere)
        assert run.network.frames < 100


@pytest.mark.bound("messages that one other node has yet to answer")
async def test_more_than_one_node_may_have_to_answer_is_overloaded(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "PENDING_MAX", 3)
    async with cluster(A, B, C) as run:
        node = run.nodes[B]
        run.owners.move("talk:c", C)
        answers = [node.send("slow:a", Slow(seconds=1.0)) for _ in range(3)]
        with pytest.raises(Overloaded):
            node.send("talk:a", Say(text="x"))
        assert await node.ask("talk:c", Say(text="x")) == 1
        await trio.sleep(4)
        assert [answer.only for answer in answers] == ["1.0"] * 3
        assert await node.ask("talk:a", Say(text="x")) == 1


@pytest.mark.bound("messages whose entity's owner is not known")
async def test_more_than_may_wait_for_an_owner_is_overloaded(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that wait hear so at their deadlines, or after a while. What comes back waits within the same bound."""
    monkeypatch.setattr(asking, "HELD_MAX", 2)
    async with cluster() as run:
        node = run.nodes[B]
        node.ownership.look = lambda: None  # type: ignore[method-assign]
        node.ownership.believed["talk:b"] = None
        soon = node.send("talk:b", Say(text="x"), deadline=trio.current_time() + 1)
        endless = node.send("talk:b", Say(text="x"))
        with pytest.raises(Overloaded):
            node.send("talk:b", Say(text="x"))
        assert await node.ask("talk:a", Say(text="x")) == 1
        await trio.sleep(asking.HELD_S + 1)
        assert isinstance(soon.only, DeadlineExceeded)
        assert isinstance(endless.only, NotHere)
        back = [node.send("talk:a", Say(text=f"{n}"), command_id=f"{n}", digest=1) for n in range(3)]
        run.network.part(A, B)
        assert len(node.correspondence.asking) == 2
        await trio.sleep(1)
        assert isinstance(back[2].only, OutcomeUnknown)
        assert [answer.only for answer in back[:2]] == [2, 3]


async def test_what_waits_is_looked_at_as_often_however_often_it_has_begun_to(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        node = run.nodes[B]
        looks = 0

        def look() -> None:
            nonlocal looks
            looks += 1

        node.ownership.look = look  # type: ignore[method-assign]
        node.ownership.believed["talk:b"] = None
        node.send("talk:b", Say(text="x"), deadline=trio.current_time() + 0.15)
        await trio.sleep(0.32)
        for _ in range(50):
            slot = TaskSlot()
            node.kernel.router.submit("talk:b", Envelope(message=Say(text="x"), slot=slot))
            node.correspondence.asking.abandon(slot)
        node.send("talk:b", Say(text="x"), deadline=trio.current_time() + 8)
        await trio.sleep(2)
        looks = 0
        await trio.sleep(5)
        assert looks <= 11


async def test_what_is_sent_to_an_entity_that_has_come_to_live_here_goes_behind_what_was_sent_before(
    autojump_clock: MockClock,
) -> None:
    async with cluster() as run:
        answers = [run.nodes[B].send("talk:a", Say(text="1"))]
        run.owners.move("talk:a", B)
        answers.append(run.nodes[B].send("talk:a", Say(text="2")))
        await trio.sleep(0.001)
        answers += [run.nodes[B].send("talk:a", Say(text="3")), run.nodes[A].send("talk:a", Say(text="4"))]
        await trio.sleep(2)
        assert [answer.only for answer in answers[:3]] == [1, 2, 3]
        assert answers[3].only == 4
        assert run.nodes[B].awake() == {"talk:a"}


async def test_whoever_hears_of_a_parting_may_send_again_at_once(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        router = run.nodes[B].kernel.router
        second = Answer()

        class SendsAgain(Answer):
            def reject(self, error: ActorError) -> None:
                super().reject(error)
                router.submit("talk:a", Envelope(message=Say(text="second"), slot=second))

        first = SendsAgain()
        router.submit("talk:a", Envelope(message=Say(text="first"), slot=first))
        run.network.part(A, B)
        await trio.sleep(1)
        assert isinstance(first.only, OutcomeUnknown)
        assert second.only == 1
        assert len(run.nodes[B].correspondence.asking) == 0


async def test_a_durable_tell_that_was_turned_away_is_taken_later(autojump_clock: MockClock) -> None:
    """By a node that learns of owning its receiver after whoever sends it does."""
    async with cluster() as run:
        run.owners.move("talk:b", B)
        run.owners.of["talk:c"] = C  # who is not there
        node = run.nodes[B]
        node.ownership.look = lambda: None  # type: ignore[method-assign]
        node.ownership.believed["talk:c"] = A
        for n in range(3):
            await node.ask("talk:b", Pass(entity="talk:c", text=f"{n}"))
        await trio.sleep(1)
        run.owners.move("talk:c", A)
        with trio.fail_after(30):
            while node.kernel.relay.waiting:  # noqa: ASYNC110 - virtual time
                await trio.sleep(0.1)
        assert run.texts("talk:c") == ["0", "1", "2"]


async def test_an_owner_that_is_killed(autojump_clock: MockClock) -> None:
    """What was under way to it goes on to the next owner, where that may be done; the others hear that nobody knows."""
    async with cluster() as run:
        await run.nodes[B].ask("talk:a", Say(text="before"))
        with_id = run.nodes[B].send("talk:a", Say(text="x"), command_id="k", digest=1, deadline=trio.current_time() + 5)
        plain = run.nodes[B].send("talk:a", Say(text="y"), deadline=trio.current_time() + 5)
        seen = run.nodes[B].send("talk:a", Inspect(), deadline=trio.current_time() + 5)
        run.kill(A)
        await trio.sleep(0.5)
        run.owners.move("talk:a", B)
        await trio.sleep(1)
        assert isinstance(plain.only, OutcomeUnknown)
        assert with_id.only == 2
        assert msgspec.json.decode(seen.only.view)["texts"] == ["before", "x"]
        assert run.texts("talk:a") == ["before", "x"]


async def test_what_a_held_message_brings_with_it_is_not_forgotten(autojump_clock: MockClock) -> None:
    """The room is watched here: before an Inspect goes to its new owner, that is asked to feed, and where it stands."""
    async with cluster(A, B, C) as run:
        run.nodes[B].watch("talk:a", ANN)
        await trio.sleep(0.1)
        run.nodes[B].ownership.believed["talk:a"] = A
        await run.move("talk:a", C)
        answers = [run.nodes[B].send("talk:a", Say(text="1"))]
        run.nodes[B].send("talk:a", Inspect())
        answers.append(run.nodes[B].send("talk:a", Say(text="2")))
        await trio.sleep(0.2)
        answers.append(run.nodes[B].send("talk:a", Say(text="3")))
        await trio.sleep(2)
        assert [answer.only for answer in answers] == [1, 2, 3]
        assert len(run.nodes[B].correspondence.asking) == 0


async def test_of_what_may_have_been_handled_nobody_says_that_it_was_not(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        run.network.filter = lambda sender, receiver, frame: type(decode(frame)) is not Replied
        answer = run.nodes[B].send("talk:a", Say(text="one"), principal=ANN, command_id="user 3 ann k")
        await trio.sleep(0.1)
        assert run.texts("talk:a") == ["one"]
        run.owners.of["talk:a"] = NOBODY
        run.network.part(A, B)
        await trio.sleep(2 * asking.HELD_S)
        assert type(answer.only) is OutcomeUnknown


async def test_what_comes_back_in_doubt_is_asked_again_under_its_id(autojump_clock: MockClock) -> None:
    """As where an append's outcome was open when the entity moved away."""
    async with cluster() as run:
        held: list[Envelope] = []
        run.nodes[A].kernel.router.submit = lambda entity, envelope: held.append(envelope)  # type: ignore[method-assign]
        answer = run.nodes[B].send("talk:a", Say(text="one"), principal=ANN, command_id="user 3 ann k")
        await trio.sleep(0.1)
        (envelope,) = held
        assert envelope.slot is not None
        envelope.slot = PerhapsDone(envelope.slot)
        del run.nodes[A].kernel.router.submit
        run.nodes[A].correspondence.asking.submit("talk:a", envelope)
        await trio.sleep(1)
        assert answer.only == 1 and run.texts("talk:a") == ["one"]


async def test_who_watches_is_answered_for_all_nodes_at_each(autojump_clock: MockClock) -> None:
    async with cluster(A, B, C) as run:
        for node in (A, B, C):
            run.nodes[node].watch("talk:a", named(f"on{node}"))
            run.nodes[node].watch("talk:a", Principal(user="ann", client=f"ann-{node}"))  # who is not shown by name
        await trio.sleep(0.1)
        for node in (A, B, C):
            names = run.nodes[node].audience("talk:a", ANN, names_max=6)
            count = run.nodes[node].audience("talk:a", ANN)
            few = run.nodes[node].audience("talk:a", ANN, names_max=5)
            await trio.sleep(0.1)
            assert {client: bytes(info) for client, info in names.only.named.items()} == {
                f"on{at}-1": b'{"user":"on%d"}' % at for at in (A, B, C)
            }
            assert (names.only.clients, names.only.users) == (6, 4)
            assert count.only == few.only == Attended(6, 4, None, names.only.fence)
            assert names.only.fence
        assert all(len(node.correspondence.asking) == 0 for node in run.nodes.values())


async def test_who_may_not_watch_is_not_told_who_does(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        await run.nodes[A].ask("talk:a", Put(user="ann"))
        for node in run.nodes.values():
            answer = node.audience("talk:a", ANN)
            await trio.sleep(0.1)
            assert isinstance(answer.only, Refused)


async def test_whoever_asks_who_watches_is_counted_wherever_the_entity_has_gone(autojump_clock: MockClock) -> None:
    """What is watched here is said before that is asked."""
    async with cluster(A, B, C) as run:
        run.nodes[B].watch("talk:a", named("bob"))
        run.nodes[A].watch("talk:a", named("ann"))
        await trio.sleep(1)
        await run.move("talk:a", C)
        for node in (A, B):
            answer = run.nodes[node].audience("talk:a", ANN, names_max=5)
            await trio.sleep(0.01)
            assert ("ann-1" if node == A else "bob-1") in answer.only.named
        await trio.sleep(1)
        answer = run.nodes[C].audience("talk:a", ANN, names_max=5)
        await trio.sleep(0.1)
        assert answer.only.named.keys() == {"ann-1", "bob-1"}


async def test_nobody_waits_longer_than_a_command_may_take_to_hear_who_watches(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        run.network.stuck = {(A, B)}
        answer = run.nodes[B].audience("talk:a", ANN)
        await trio.sleep(run.nodes[B].services.client.command_deadline_s + 0.2)
        assert isinstance(answer.only, DeadlineExceeded)
        assert len(run.nodes[B].correspondence.asking) == 0


async def test_nothing_overtakes_what_may_come_back_from_the_former_owner(autojump_clock: MockClock) -> None:
    """The rows tell of the new owner before the former one does."""
    async with cluster(A, B, C) as run:
        run.owners.move("talk:a", C)
        run.nodes[B].ownership.believed["talk:a"] = A
        run.network.stuck.add((B, A))
        run.nodes[B].send("talk:a", Say(text="1"))
        del run.nodes[B].ownership.believed["talk:a"]
        run.nodes[B].send("talk:a", Say(text="2"))
        await trio.sleep(0.1)
        run.network.stuck.clear()
        await trio.sleep(2)
        assert run.texts("talk:a") == ["1", "2"]
