"""What is watched on one node of entities on another: A owns everything that is not moved, B watches."""

import os
import random

import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.model.errors import Refused
from greenroom.actors.model.principal import Principal
from greenroom.supervisors.correspondence import feeds
from greenroom.supervisors.correspondence.wire import Feed, FeedEnded, Published, Unfeed
from tests.supervisors.correspondence.seeing import all_but, by_type, counting, saw_all
from tests.supervisors.correspondence.small_cluster import A, B, C, cluster
from tests.supervisors.correspondence.small_entities import ANN, BOB, Put, Say


async def test_a_room_of_another_node_is_watched_in_order(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        await run.nodes[A].ask("talk:a", Say(text="0"))
        seat = run.nodes[B].watch("talk:a", ANN)
        await trio.sleep(0.1)
        assert seat.began_at == 1
        assert seat.view["texts"] == ["0"]
        for n in range(20):
            await run.nodes[A if n % 2 else B].ask("talk:a", Say(text=f"{n}"))
        await trio.sleep(0.1)
        assert saw_all(seat, 21)
        assert seat.starts_over == 0


async def test_nobody_is_fed_who_only_reads(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        frames = counting(run)
        await run.nodes[B].ask("talk:a", Say(text="x"))
        assert by_type(frames, Feed) == []
        assert run.nodes[A].correspondence.audiences.feeds == 0


async def test_who_may_not_watch_does_not(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        await run.nodes[A].ask("talk:a", Put(user="ann"))
        seat = run.nodes[B].watch("talk:a", ANN)
        await trio.sleep(0.1)
        (error,) = seat.refusals
        assert isinstance(error, Refused)
        assert error.name == "talk.out"
        await trio.sleep(feeds.IDLE_S + 1)
        assert (len(run.nodes[B].correspondence.feeds), run.nodes[A].correspondence.audiences.feeds) == (0, 0)


async def test_a_feed_ends_when_nobody_watches_any_more(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        seat = run.nodes[B].watch("talk:a", ANN)
        await trio.sleep(0.1)
        frames = counting(run)
        seat.leave()
        await trio.sleep(feeds.IDLE_S + 20)
        assert len(by_type(frames, Unfeed)) == 1
        assert (len(run.nodes[B].correspondence.feeds), run.nodes[A].correspondence.audiences.feeds) == (0, 0)


async def test_a_feed_that_could_not_be_ended_is_ended_when_more_comes_of_it(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        seat = run.nodes[B].watch("talk:a", ANN)
        await trio.sleep(0.1)
        seat.leave()
        await trio.sleep(1)
        run.network.full.add((B, A))
        await trio.sleep(feeds.IDLE_S + 20)
        run.network.full.clear()
        assert (len(run.nodes[B].correspondence.feeds), run.nodes[A].correspondence.audiences.feeds) == (0, 1)
        await run.nodes[A].ask("talk:a", Say(text="x"))
        await trio.sleep(0.1)
        assert run.nodes[A].correspondence.audiences.feeds == 0


async def test_an_answer_from_before_the_feed_that_there_is_by_now_is_asked_for_again(
    autojump_clock: MockClock,
) -> None:
    """Behind it something was published that neither feed brings."""
    async with cluster(A, B, C) as run:
        run.nodes[A].journal.hold()
        run.nodes[A].send("talk:a", Say(text="1"))
        seat = run.nodes[B].watch("talk:a", ANN)  # is answered behind that
        await trio.sleep(0.1)
        run.owners.move("talk:a", A)  # under another term: the feed of B ends once A looks at it
        run.nodes[C].watch("talk:a", BOB)
        await trio.sleep(0.1)
        assert run.nodes[B].correspondence.feeds.number("talk:a") == 0
        run.network.stuck.add((A, B))
        run.nodes[A].journal.release()
        await run.nodes[A].ask("talk:a", Say(text="2"))
        run.nodes[B].audience("talk:a", BOB)  # has it fed again
        await trio.sleep(0.1)
        assert run.nodes[B].correspondence.feeds.number("talk:a") > 0
        run.network.stuck.clear()
        await trio.sleep(5)
        assert saw_all(seat, 2)
        await run.nodes[A].ask("talk:a", Say(text="3"))
        await trio.sleep(0.1)
        assert saw_all(seat, 3)
        assert seat.starts_over == 0


async def test_what_has_moved_away_is_found_however_often_something_moves(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "STEP", 1)
    async with cluster() as run:
        rooms = [f"talk:{n}" for n in range(10)]
        for room in rooms:
            run.owners.move(room, B)
        seats = [run.nodes[B].watch(room, ANN) for room in rooms]
        await trio.sleep(1)
        await run.move(rooms[-1], A)
        for _ in range(100):
            run.nodes[B].correspondence.feeds.look_soon()
            await trio.sleep(feeds.TICK_S)
        await run.nodes[A].ask(rooms[-1], Say(text="x"))
        await trio.sleep(0.1)
        assert saw_all(seats[-1], 1)


async def test_a_feed_names_no_more_watchers_than_fit(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "WATCHERS_BYTES_MAX", 100)
    async with cluster() as run:
        for n in range(5):
            run.nodes[B].watch("talk:a", Principal(user="u", client=f"{n}", info=b'"%b"' % (b"i" * 40)))
        await trio.sleep(0.1)
        frames = counting(run)
        run.network.part(A, B)
        await trio.sleep(1)
        assert [len(one.watchers) for one in by_type(frames, Feed)] == [2]
        assert len(run.nodes[A].correspondence.audiences.watching("talk:a")) == 5


async def test_a_feed_that_could_not_be_kept_up_is_asked_for_again(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        seat = run.nodes[B].watch("talk:a", ANN)
        await trio.sleep(0.1)
        frames = counting(run)
        run.network.full.add((A, B))
        for n in range(5):
            await run.nodes[A].ask("talk:a", Say(text=f"{n}"))
        await trio.sleep(1)
        assert seat.offsets == []
        run.network.full.clear()
        await trio.sleep(2)
        assert len(by_type(frames, FeedEnded)) == 1
        assert saw_all(seat, 5)
        assert seat.starts_over == 0


async def test_a_watched_room_moves(autojump_clock: MockClock) -> None:
    """From another node to a third, to this one, and away from it."""
    async with cluster(A, B, C) as run:
        seats = {node: run.nodes[node].watch("talk:a", Principal(user="u", client=f"{node}")) for node in (A, B, C)}
        await trio.sleep(0.1)
        said = 0
        for owner in (A, C, B, A, B):
            await run.move("talk:a", owner)
            for _ in range(3):
                said += 1
                await run.nodes[C].ask("talk:a", Say(text=f"{said}"))
            await trio.sleep(3)
            for node, seat in seats.items():
                assert saw_all(seat, said), (node, owner, seat.offsets)
        assert [seat.starts_over for seat in seats.values()] == [0, 0, 0]
        audience = run.nodes[B].correspondence.audiences.watching("talk:a")
        assert sorted(who.client for who in audience) == ["11", "22", "33"]


async def test_a_room_that_nobody_speaks_in_is_fed_again_all_the_same(autojump_clock: MockClock) -> None:
    """Its last words were lost with its owner."""
    async with cluster(A, B, C) as run:
        seat = run.nodes[B].watch("talk:a", ANN)
        await trio.sleep(0.1)
        run.network.filter = all_but(Published)
        await run.nodes[A].ask("talk:a", Say(text="last"))
        run.kill(A)
        run.owners.move("talk:a", C)
        await trio.sleep(2)
        assert saw_all(seat, 1)
        assert seat.starts_over == 0


@pytest.mark.parametrize("seed", range(3 if os.environ.get("GREENROOM_TEST_ALL") == "1" else 1))  # 10 s each
async def test_whatever_parts_and_moves_nothing_is_lost_doubled_or_reordered(
    autojump_clock: MockClock, seed: int
) -> None:
    rng = random.Random(seed)
    async with cluster(A, B, C, rng=rng) as run:
        nodes = [A, B, C]
        rooms = ["talk:a", "talk:b"]
        seats = [
            run.nodes[node].watch(room, Principal(user=f"u{n}", client=f"{room}-{node}-{n}"))
            for room in rooms
            for node in nodes
            for n in range(2)
        ]
        sent: dict[str, list[str]] = {room: [] for room in rooms}
        known: dict[str, list[str]] = {room: [] for room in rooms}

        async def speak(room: str, node: int, name: str) -> None:
            for n in range(40):
                text = f"{name}-{n}"
                sent[room].append(text)
                while True:
                    try:
                        with trio.fail_after(30):
                            await run.nodes[node].ask(room, Say(text=text, idempotency_key=text), principal=ANN)
                    except (Exception, trio.TooSlowError) as error:
                        assert getattr(error, "temporary", True), error
                        await trio.sleep(0.01)
                    else:
                        break
                known[room].append(text)
                await trio.sleep(rng.random() * 0.05)

        async def trouble() -> None:
            while True:
                await trio.sleep(rng.random() * 0.3)
                match rng.randrange(4):
                    case 0:
                        run.network.part(*rng.sample(nodes, 2))
                    case 1:
                        run.network.part_first(*rng.sample(nodes, 2))
                    case 2:
                        room = rng.choice(rooms)
                        await run.move(room, rng.choice(nodes))
                    case 3:
                        pair = tuple(rng.sample(nodes, 2))
                        run.network.full.add((pair[0], pair[1]))
                        await trio.sleep(0.05)
                        run.network.full.clear()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(trouble)
            async with trio.open_nursery() as speakers:
                for room in rooms:
                    for node in nodes:
                        speakers.start_soon(speak, room, node, f"{room}@{node}")
            nursery.cancel_scope.cancel()
        run.network.full.clear()
        run.network.all_hear()
        await trio.sleep(20)
        for room in rooms:
            texts = run.texts(room)
            assert sorted(texts) == sorted(sent[room])
            for node in nodes:
                name = f"{room}@{node}-"
                assert [one for one in texts if one.startswith(name)] == [
                    one for one in sent[room] if one.startswith(name)
                ]
            for seat in seats:
                if seat.entity == room:
                    assert saw_all(seat, len(texts)), (seat.principal, seat.offsets, len(texts))
            owner = next(node for node in run.nodes.values() if node.ownership.owns(room))
            audience = owner.correspondence.audiences.watching(room)
            assert sorted(who.client for who in audience) == sorted(
                seat.principal.client for seat in seats if seat.entity == room
            )
        for one in run.nodes.values():
            assert len(one.correspondence.asking) == len(one.correspondence.answering) == 0
            assert not any(one.correspondence.asking.keeps(room) for room in rooms)
