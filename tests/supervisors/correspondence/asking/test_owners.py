"""Entities that move, and those whose owner nobody knows: the order is kept, and what waits is bounded."""

import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.model.envelope import Envelope, TaskSlot
from greenroom.actors.model.errors import (
    DeadlineExceeded,
    NotHere,
    OutcomeUnknown,
    Overloaded,
)
from greenroom.actors.model.lifecycle import Inspect
from greenroom.supervisors.correspondence import asking
from tests.supervisors.correspondence.small_cluster import A, Answer, B, C, cluster
from tests.supervisors.correspondence.small_entities import ANN, Heard, Say


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
