"""Who comes and who leaves, as whoever listens to that is shown, on all nodes: A owns what is not moved."""

import random

import pytest
import trio
from trio.testing import MockClock

from greenroom.supervisors.correspondence import feeding, feeds, rosters
from greenroom.supervisors.correspondence.wire import Came, Roster
from tests.supervisors.correspondence.seeing import by_type, counting
from tests.supervisors.correspondence.small_cluster import A, B, C, Cluster, Seat, cluster
from tests.supervisors.correspondence.small_entities import Say, named

NODES = (A, B, C)
GONE_S = rosters.GONE_S + 2 * feeding.SWEEP_S + 0.1


async def listening(run: Cluster, *nodes: int) -> dict[int, Seat]:
    """Somebody on each node, or these, who has been there for a while, and nobody else."""
    seats = {node: run.nodes[node].watch("talk:a", named(f"on{node}"), wants_joins=True) for node in nodes or run.nodes}
    await trio.sleep(rosters.BEGINNING_S + 1)
    for seat in seats.values():
        seat.comings.clear()
    return seats


def seen(seats: dict[int, Seat]) -> dict[int, list[str]]:
    """Since the last time."""
    found = {node: seat.comings[:] for node, seat in seats.items()}
    for seat in seats.values():
        seat.comings.clear()
    return found


def everywhere(*comings: str) -> dict[int, list[str]]:
    return {node: list(comings) for node in NODES}


@pytest.mark.parametrize("node", NODES)
async def test_who_comes_and_leaves_is_shown_once_on_every_node(autojump_clock: MockClock, node: int) -> None:
    async with cluster(*NODES, flush_s=0.02) as run:
        seats = await listening(run)
        ann = run.nodes[node].watch("talk:a", named("ann"))
        await trio.sleep(0.1)
        assert seen(seats) == everywhere("join ann")
        ann.leave()
        await trio.sleep(0.1)
        assert seen(seats) == everywhere("leave ann")


@pytest.mark.parametrize("node", NODES)
async def test_who_was_there_before_is_not_shown_to_come_and_is_shown_to_leave(
    autojump_clock: MockClock, node: int
) -> None:
    async with cluster(*NODES, flush_s=0.02) as run:
        ann = run.nodes[node].watch("talk:a", named("ann"))
        await trio.sleep(5)
        seats = {at: run.nodes[at].watch("talk:a", named(f"on{at}"), wants_joins=True) for at in NODES}
        await trio.sleep(5)
        assert not any("ann" in one for found in seen(seats).values() for one in found)
        ann.leave()
        await trio.sleep(0.1)
        assert seen(seats) == everywhere("leave ann")


async def test_those_who_do_not_listen_cost_nothing(autojump_clock: MockClock) -> None:
    async with cluster(*NODES, flush_s=0.02) as run:
        frames = counting(run)
        seats = [run.nodes[node].watch("talk:a", named(f"on{node}")) for node in NODES]
        await trio.sleep(1)
        await run.move("talk:a", B)
        await trio.sleep(5)
        seats[2].leave()
        await trio.sleep(1)
        assert by_type(frames, Came) == by_type(frames, Roster) == []
        assert all(len(node.correspondence.audiences._attendance._rosters) == 0 for node in run.nodes.values())


async def test_what_is_no_longer_listened_to_is_forgotten(autojump_clock: MockClock) -> None:
    async with cluster(*NODES, flush_s=0.02) as run:
        seats = await listening(run)
        for seat in seats.values():
            seat.leave()
        await trio.sleep(5)
        assert all(len(node.correspondence.audiences._attendance._rosters) == 0 for node in run.nodes.values())


async def test_an_entity_moves_and_nobody_seems_to_leave_or_come(autojump_clock: MockClock) -> None:
    async with cluster(*NODES, flush_s=0.02) as run:
        seats = await listening(run)
        stays = [run.nodes[node].watch("talk:a", named(f"ann{node}")) for node in NODES]
        await trio.sleep(1)
        seen(seats)
        for owner in (B, C, A):
            await run.move("talk:a", owner)
            await trio.sleep(4)
            assert seen(seats) == everywhere(), owner
        assert len(stays) == 3


@pytest.mark.parametrize("node", NODES)
async def test_who_comes_or_leaves_while_an_entity_moves_is_shown(autojump_clock: MockClock, node: int) -> None:
    async with cluster(*NODES, flush_s=0.02) as run:
        seats = await listening(run)
        ann = run.nodes[node].watch("talk:a", named("ann"))
        await trio.sleep(1)
        seen(seats)
        await run.move("talk:a", B)  # nobody has heard of that yet
        ann.leave()
        run.nodes[node].watch("talk:a", named("bob"))
        await trio.sleep(4)
        assert {at: sorted(found) for at, found in seen(seats).items()} == everywhere("join bob", "leave ann")


async def test_of_an_owner_that_is_killed_its_own_watchers_alone_leave(autojump_clock: MockClock) -> None:
    async with cluster(*NODES, flush_s=0.02) as run:
        seats = await listening(run)
        run.nodes[A].watch("talk:a", named("ann"))
        run.nodes[C].watch("talk:a", named("bob"))
        await trio.sleep(1)
        seen(seats)
        run.kill(A)
        run.owners.move("talk:a", B)
        del seats[A]
        await trio.sleep(rosters.GONE_S - 0.1)
        assert seen(seats) == {B: [], C: []}
        await trio.sleep(GONE_S - rosters.GONE_S + 0.1)
        assert {at: sorted(found) for at, found in seen(seats).items()} == {
            node: ["leave ann", f"leave on{A}"] for node in (B, C)
        }


async def test_of_another_node_that_is_killed_all_leave(autojump_clock: MockClock) -> None:
    async with cluster(*NODES, flush_s=0.02) as run:
        seats = await listening(run)
        run.kill(C)
        del seats[C]
        await trio.sleep(rosters.GONE_S - 0.1)
        assert seen(seats) == {A: [], B: []}
        await trio.sleep(GONE_S - rosters.GONE_S + 0.1)
        assert seen(seats) == {A: [f"leave on{C}"], B: [f"leave on{C}"]}


async def test_a_link_that_parts_shows_nothing_unless_it_stays_so(autojump_clock: MockClock) -> None:
    async with cluster(*NODES, flush_s=0.02) as run:
        seats = await listening(run)
        run.network.part(A, C)
        await trio.sleep(4)
        assert seen(seats) == everywhere()
        run.network.full = {(C, A)}
        run.network.part(A, C)
        await trio.sleep(GONE_S)
        found = seen(seats)
        assert (found[A], found[B]) == ([f"leave on{C}"], [f"leave on{C}"])
        run.network.full = set()
        await trio.sleep(5)
        found = seen(seats)
        assert (found[A], found[B], found[C]) == ([f"join on{C}"], [f"join on{C}"], [])


async def look(run: Cluster, *nodes: int) -> None:
    """These look who owns what; all others have yet to."""
    for node in nodes:
        run.nodes[node].correspondence.feeds.look_soon()
    await trio.sleep(0.1)


@pytest.fixture
def nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless it is told to."""
    monkeypatch.setattr(feeds, "LAP_S", 600.0)


async def test_what_changed_while_an_entity_was_elsewhere_for_a_moment_is_shown(
    autojump_clock: MockClock, nobody_looks: None
) -> None:
    async with cluster(*NODES, flush_s=0.02) as run:
        seats = await listening(run)
        ann = run.nodes[A].watch("talk:a", named("ann"))
        await trio.sleep(0.1)
        seen(seats)
        await run.move("talk:a", B)
        ann.leave()
        run.nodes[A].watch("talk:a", named("bob"))
        await trio.sleep(0.1)
        await run.move("talk:a", A)  # and neither A nor C has heard that it ever was elsewhere
        await trio.sleep(3)
        assert {at: sorted(found) for at, found in seen(seats).items()} == everywhere("join bob", "leave ann")


async def test_those_of_a_node_that_had_the_entity_for_a_moment_do_not_seem_to_leave(
    autojump_clock: MockClock, nobody_looks: None
) -> None:
    async with cluster(*NODES, flush_s=0.02) as run:
        seats = await listening(run)
        await trio.sleep(0.1)  # until after a sweep
        await run.move("talk:a", B)
        await look(run, B)
        await run.move("talk:a", A)
        await run.nodes[A].ask("talk:a", Say(text="x"))  # A goes on to feed B, which has not asked for it
        await trio.sleep(5)
        assert seen(seats) == everywhere()


async def test_those_of_a_former_owner_do_not_seem_to_leave(autojump_clock: MockClock, nobody_looks: None) -> None:
    async with cluster(*NODES, flush_s=0.02) as run:
        seats = await listening(run)
        await run.move("talk:a", B)
        await look(run, B, C)
        await trio.sleep(6)
        assert seen(seats) == everywhere()


async def test_of_who_has_left_on_the_way_no_later_owner_tells_that_they_came(
    autojump_clock: MockClock, nobody_looks: None
) -> None:
    async with cluster(*NODES, flush_s=0.02) as run:
        seats = await listening(run)
        bob = run.nodes[C].watch("talk:a", named("bob"))
        await trio.sleep(0.1)
        seen(seats)
        await run.move("talk:a", B)
        await look(run, B, C)
        bob.leave()
        await trio.sleep(0.1)
        run.network.full = {(C, A)}
        await run.move("talk:a", A)  # where bob was last known to watch
        await look(run, B, C)
        run.network.full = set()
        await trio.sleep(3)
        assert seen(seats) == everywhere("leave bob")


async def test_who_has_left_on_the_way_is_not_taken_to_be_there(autojump_clock: MockClock, nobody_looks: None) -> None:
    async with cluster(*NODES, flush_s=0.02) as run:
        run.nodes[C].watch("talk:a", named("ann"))
        bob = run.nodes[C].watch("talk:a", named("bob"))
        await trio.sleep(4.1)
        await run.move("talk:a", B)
        await look(run, B, C)
        bob.leave()
        await trio.sleep(0.1)
        run.network.full = {(C, A)}
        await run.move("talk:a", A)
        run.nodes[B].correspondence.audiences.end_moved()
        await trio.sleep(0.1)
        assert {who.user for who in run.nodes[A].correspondence.audiences.watching("talk:a")} == {"ann"}


async def test_what_a_former_owner_said_long_ago_does_not_count_where_the_entity_lives(
    autojump_clock: MockClock, nobody_looks: None
) -> None:
    async with cluster(*NODES, flush_s=0.02) as run:
        seats = await listening(run)
        run.network.stuck = {(A, B)}
        ann = run.nodes[C].watch("talk:a", named("ann"))
        await trio.sleep(0.1)
        await run.move("talk:a", B)
        await look(run, C)
        ann.leave()
        await trio.sleep(0.1)
        run.network.stuck = set()
        await trio.sleep(3)
        assert seen(seats) == everywhere("join ann", "leave ann")


async def test_the_last_of_a_node_who_leaves_unheard_is_shown(autojump_clock: MockClock) -> None:
    async with cluster(*NODES, flush_s=0.02) as run:
        seats = await listening(run, A, B)
        ann = run.nodes[C].watch("talk:a", named("ann"))
        await trio.sleep(0.1)
        seen(seats)
        run.network.full = {(A, B)}
        ann.leave()
        await trio.sleep(0.1)
        run.network.full = set()
        await trio.sleep(1)
        assert seen(seats) == {A: ["leave ann"], B: ["leave ann"]}


async def test_who_leaves_while_an_entity_is_nobodys_is_shown_though_its_next_owner_never_heard_of_them(
    autojump_clock: MockClock,
) -> None:
    other = 44
    async with cluster(*NODES, other, flush_s=0.02) as run:
        seats = await listening(run, B, other)
        ann = run.nodes[C].watch("talk:a", named("ann"))
        await trio.sleep(0.1)
        seen(seats)
        run.kill(A)
        ann.leave()
        await trio.sleep(feeds.IDLE_S + 10)  # so that C has forgotten it
        assert run.nodes[C].hub.position("talk:a") is None
        assert seen(seats) == {B: [], other: []}
        run.owners.move("talk:a", B)
        await trio.sleep(GONE_S + 2)
        assert seen(seats) == {B: ["leave ann"], other: ["leave ann"]}


async def test_whoever_listens_right_after_the_last_who_did_is_shown_who_comes(autojump_clock: MockClock) -> None:
    async with cluster(*NODES, flush_s=0.02) as run:
        seats = await listening(run, A, B)
        await trio.sleep(0.1)  # until after a sweep
        seats[B].leave()
        run.network.part(A, B)
        await trio.sleep(0.1)  # so that B is fed again, with nobody there who listens
        seats[B] = run.nodes[B].watch("talk:a", named("onB"), wants_joins=True)
        await trio.sleep(0.1)
        seen(seats)
        run.nodes[C].watch("talk:a", named("ann"))
        await trio.sleep(0.1)
        assert seen(seats) == {A: ["join ann"], B: ["join ann"]}


async def test_whoever_listened_before_the_entity_came_to_live_there_is_shown_who_comes(
    autojump_clock: MockClock,
) -> None:
    async with cluster(*NODES, flush_s=0.02) as run:
        run.nodes[C].watch("talk:a", named("ann"))
        await trio.sleep(1)
        seat = run.nodes[B].watch("talk:a", named("onB"), wants_joins=True)
        run.network.full = {(B, A)}  # from now on: so that A does not hear of it
        await trio.sleep(0.1)
        assert seat.topic is not None
        await run.move("talk:a", B)
        run.network.full = set()
        await trio.sleep(4)
        run.nodes[C].watch("talk:a", named("bob"))
        await trio.sleep(0.1)
        assert seat.comings == ["join onB", "join bob"]


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_parts_and_moves_what_was_shown_adds_up(autojump_clock: MockClock, seed: int) -> None:
    rng = random.Random(seed)
    async with cluster(*NODES, rng=rng, flush_s=0.02) as run:
        seats = await listening(run)
        stays = [run.nodes[node].watch("talk:a", named(f"stays{node}")) for node in NODES]
        present: dict[str, Seat] = {}
        await trio.sleep(0.5)
        for step in range(30):
            match rng.randrange(6):
                case 0:
                    run.network.part(*rng.sample(NODES, 2))
                case 1:
                    await run.move("talk:a", rng.choice(NODES))
                case 2:
                    pair = tuple(rng.sample(NODES, 2))
                    run.network.full.add((pair[0], pair[1]))
                    await trio.sleep(0.1)
                    run.network.full.clear()
                case 3 if present:
                    present.pop(rng.choice(list(present))).leave()
                case _:
                    seat = run.nodes[rng.choice(NODES)].watch("talk:a", named(f"u{step}"))
                    present[f"u{step}"] = seat
                    while seat.topic is None:  # noqa: ASYNC110 - virtual time
                        await trio.sleep(0.01)
            await trio.sleep(rng.random() * 0.5)
        await trio.sleep(8)
        for node, seat in seats.items():
            there: set[str] = set()
            for coming in seat.comings:
                kind, _, who = coming.partition(" ")
                assert kind == "join" or not who.startswith("stays"), (node, coming)
                assert (who in there) is (kind == "leave"), (node, coming)
                there ^= {who}
            assert there == {*present, *(f"stays{at}" for at in NODES)}, node
        assert len(stays) == 3
