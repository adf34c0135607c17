"""Commands to entities on other nodes: A owns everything that is not moved, B asks."""

import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.model.errors import (
    DeadlineExceeded,
    Overloaded,
)
from greenroom.supervisors.correspondence import asking
from tests.supervisors.correspondence.small_cluster import A, B, C, Node, cluster
from tests.supervisors.correspondence.small_entities import ANN, Heard, Pass, Say, Slow, Talk, Through


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
