"""What watchers have missed of an entity on another node, and what comes meanwhile."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.model.principal import Principal
from greenroom.store.errors import StoreUnavailable
from greenroom.supervisors.correspondence import catching_up, feeds
from greenroom.supervisors.correspondence.wire import Kicked, Published, Sent
from tests.supervisors.correspondence.seeing import all_but, by_type, counting, saw_all
from tests.supervisors.correspondence.small_cluster import A, B, Cluster, Node, cluster
from tests.supervisors.correspondence.small_entities import ANN, BOB, Put, Say, Shut, named


class HeldReads:
    """A journal's reads, each of which takes until the test lets it go on."""

    def __init__(self, node: Node) -> None:
        self._read = node.journal.read
        self._goes_on = trio.Event()
        node.journal.read = self._reads  # type: ignore[method-assign]

    async def _reads(self, *args: Any, **how: Any) -> Any:
        await self._goes_on.wait()
        return await self._read(*args, **how)

    def let_go(self) -> None:
        """Those under way; later ones wait again."""
        self._goes_on.set()
        self._goes_on = trio.Event()

    def end(self) -> None:
        self._goes_on.set()


async def missed_one(run: Cluster, entity: str) -> None:
    """B knows by the second event that it has missed the first."""
    run.network.filter = all_but(Published)
    await run.nodes[A].ask(entity, Say(text="missed"))
    await trio.sleep(0.1)
    run.network.filter = lambda sender, receiver, frame: True
    await run.nodes[A].ask(entity, Say(text="by which it is found"))
    await trio.sleep(0.1)


async def test_a_gap_is_filled_after_a_parting(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        seat = run.nodes[B].watch("talk:a", ANN)
        await trio.sleep(0.1)
        await run.nodes[A].ask("talk:a", Say(text="1"))
        await trio.sleep(0.1)
        run.network.filter = all_but(Published)
        for n in range(30):
            await run.nodes[A].ask("talk:a", Say(text=f"{n}"))
        await trio.sleep(0.1)
        assert seat.offsets == [1]
        run.network.filter = lambda sender, receiver, frame: True
        run.network.part(A, B)
        await trio.sleep(1)
        assert saw_all(seat, 31)
        await run.nodes[A].ask("talk:a", Say(text="x"))
        await trio.sleep(0.1)
        assert saw_all(seat, 32)
        assert seat.starts_over == 0
        assert run.nodes[B].instruments.gaps_filled == 1


async def test_what_comes_while_a_gap_is_filled_waits_for_it(autojump_clock: MockClock) -> None:
    """Publications, and somebody who begins to watch: each sees what follows what it was told."""
    async with cluster() as run:
        seat = run.nodes[B].watch("talk:a", ANN)
        await trio.sleep(0.1)
        run.network.filter = all_but(Published)
        for n in range(10):
            await run.nodes[A].ask("talk:a", Say(text=f"{n}"))
        run.network.filter = lambda sender, receiver, frame: True
        run.nodes[B].journal.down = True  # so that it takes long
        run.network.part(A, B)
        await trio.sleep(0.2)
        await run.nodes[A].ask("talk:a", Say(text="x"))
        late = run.nodes[B].watch("talk:a", BOB)
        await run.nodes[A].ask("talk:a", Say(text="y"))
        await trio.sleep(0.2)
        assert (seat.offsets, late.began_at) == ([], None)
        run.nodes[B].journal.down = False
        await trio.sleep(2)
        assert saw_all(seat, 12)
        assert saw_all(late, 12)
        assert (seat.starts_over, late.starts_over) == (0, 0)


async def test_an_answer_that_waited_while_its_feed_was_lost_is_asked_for_again(autojump_clock: MockClock) -> None:
    """Also where nobody watches by then: what followed it may have been published when nobody was fed."""
    async with cluster() as run:
        seat = run.nodes[B].watch("talk:a", ANN)
        await trio.sleep(0.1)
        seat.leave()
        reads = HeldReads(run.nodes[B])
        await missed_one(run, "talk:a")
        late = run.nodes[B].watch("talk:a", BOB)
        await trio.sleep(0.1)
        run.network.part(A, B)
        await run.nodes[A].ask("talk:a", Say(text="while nobody is fed"))
        await trio.sleep(15)
        assert run.nodes[A].correspondence.audiences.feeds == 1
        assert run.nodes[B].hub.position("talk:a") is None, "it lingers no longer"
        reads.end()
        await trio.sleep(5)
        assert saw_all(late, 3)
        assert (late.began_at, late.starts_over) == (3, 0)


async def test_whoever_waits_to_watch_is_not_forgotten_however_long_that_takes(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catching_up, "RETRY_S", 2 * feeds.IDLE_S)
    monkeypatch.setattr(catching_up, "ANSWERS_S", 10 * feeds.IDLE_S)
    async with cluster() as run:
        seat = run.nodes[B].watch("talk:a", ANN)
        await trio.sleep(0.1)
        seat.leave()
        run.nodes[B].journal.down = True
        await missed_one(run, "talk:a")
        late = run.nodes[B].watch("talk:a", BOB)
        await trio.sleep(feeds.IDLE_S + 10)
        assert run.nodes[B].hub.position("talk:a") is None
        run.nodes[B].journal.down = False
        await trio.sleep(feeds.IDLE_S)
        assert saw_all(late, 2)


async def test_whoever_waits_where_nobody_watches_any_more_hears_that_the_entity_is_not_to_be_reached(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    """It waited for what others had missed, and of them none is left."""
    monkeypatch.setattr(catching_up, "ANSWERS_S", 60.0)
    async with cluster() as run:
        seat = run.nodes[B].watch("talk:a", ANN)
        await trio.sleep(0.1)
        seat.leave()
        reads = HeldReads(run.nodes[B])
        await missed_one(run, "talk:a")
        late = run.nodes[B].watch("talk:a", BOB)
        late.comes_again = False
        await trio.sleep(0.1)
        run.network.part(A, B)
        run.network.full.add((B, A))
        await trio.sleep(15)
        assert run.nodes[B].hub.position("talk:a") is None
        reads.end()
        await trio.sleep(1)
        assert [error.name for error in late.refusals] == ["overloaded"]
        assert not run.nodes[B].correspondence.catching_up.catching


@pytest.mark.bound("answers with which somebody is about to watch an entity, that wait until a gap is filled")
async def test_whoever_waits_for_long_is_told_to_come_again_and_others_go_on_waiting(
    autojump_clock: MockClock,
) -> None:
    async with cluster() as run:
        seat = run.nodes[B].watch("talk:a", ANN)
        await trio.sleep(0.1)
        reads = HeldReads(run.nodes[B])
        await missed_one(run, "talk:a")
        late = run.nodes[B].watch("talk:a", BOB)
        late.comes_again = False
        await trio.sleep(catching_up.ANSWERS_S / 2)
        later = run.nodes[B].watch("talk:a", named("cid"))
        await trio.sleep(catching_up.ANSWERS_S / 2 + 1)
        assert [error.name for error in late.refusals] == ["unavailable"] and not later.refusals
        reads.end()
        await trio.sleep(1)
        assert saw_all(seat, 2) and saw_all(later, 2) and late.began_at is None
        assert not run.nodes[B].correspondence.catching_up.catching


async def test_what_comes_of_a_new_feed_waits_until_it_is_known_what_was_lost_with_the_old_one(
    autojump_clock: MockClock,
) -> None:
    async with cluster() as run:
        ann = run.nodes[B].watch("talk:a", ANN)
        await trio.sleep(0.1)
        reads = HeldReads(run.nodes[B])
        await missed_one(run, "talk:a")
        late = run.nodes[B].watch("talk:a", BOB)
        await trio.sleep(0.1)
        run.network.part(A, B)
        reads.let_go()  # so that the answer's turn comes before anybody else has asked for the feed
        await run.nodes[A].ask("talk:a", Say(text="while nobody is fed"))
        await trio.sleep(0.01)
        assert run.nodes[A].correspondence.audiences.feeds == 1
        await run.nodes[A].ask("talk:a", Shut(user="ann"))
        await trio.sleep(0.1)
        assert (ann.offsets, ann.kicks) == ([1, 2], [])
        reads.end()
        await trio.sleep(1)
        assert (ann.offsets, ann.kicks) == ([1, 2, 3], [2100])
        assert saw_all(late, 3)


@pytest.mark.bound("events read for one gap")
async def test_more_than_is_read_for_a_gap_has_watchers_start_over(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("greenroom.supervisors.correspondence.catching_up.FILL_MAX", 5)
    async with cluster() as run:
        seat = run.nodes[B].watch("talk:a", ANN)
        await trio.sleep(0.1)
        for missed, starts_over, last in ((5, 0, 5), (6, 1, 11)):
            run.network.filter = all_but(Published)
            for n in range(missed):
                await run.nodes[A].ask("talk:a", Say(text=f"{n}"))
            run.network.filter = lambda sender, receiver, frame: True
            run.network.part(A, B)
            await trio.sleep(2)
            assert seat.starts_over == starts_over
            assert saw_all(seat, last)


async def test_who_waits_to_watch_is_no_reason_to_ask_anew(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("greenroom.supervisors.correspondence.catching_up.WAITING_MAX", 5)
    async with cluster() as run:
        seat = run.nodes[B].watch("talk:a", ANN)
        await trio.sleep(0.1)
        run.nodes[B].journal.down = True
        run.network.part(A, B)
        await run.nodes[A].ask("talk:a", Say(text="gap"))
        await trio.sleep(0.3)
        frames = counting(run)
        late = [run.nodes[B].watch("talk:a", Principal(user="u", client=f"{n}")) for n in range(20)]
        await trio.sleep(0.1)
        assert len(by_type(frames, Sent)) == 20
        run.nodes[B].journal.down = False
        await trio.sleep(3)
        assert saw_all(seat, 1)
        assert all(one.began_at == 1 for one in late)


@pytest.mark.bound("publications of an entity elsewhere that wait until a gap is filled")
async def test_what_waits_of_one_entity_is_bounded(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("greenroom.supervisors.correspondence.catching_up.WAITING_MAX", 5)
    async with cluster() as run:
        seat = run.nodes[B].watch("talk:a", ANN)
        await trio.sleep(0.1)
        run.nodes[B].journal.down = True
        run.network.part(A, B)
        await run.nodes[A].ask("talk:a", Say(text="gap"))
        await trio.sleep(0.3)
        for n in range(20):
            await run.nodes[A].ask("talk:a", Say(text=f"{n}"))
        await trio.sleep(1)
        (catch_up,) = run.nodes[B].correspondence.catching_up.catching.values()
        assert len(catch_up.items) <= 5
        run.nodes[B].journal.down = False
        await trio.sleep(3)
        assert saw_all(seat, 21)
        assert seat.starts_over == 0


@pytest.mark.bound("kicks by an entity elsewhere that wait until a gap is filled")
@pytest.mark.parametrize("how", ["parted", "lost"])
async def test_more_kicks_than_may_wait_are_done_at_once(
    how: str, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of those who are about to watch, on an answer of before."""
    monkeypatch.setattr("greenroom.supervisors.correspondence.catching_up.KICKS_MAX", 3)
    async with cluster() as run:
        seats = [run.nodes[B].watch("talk:a", named(f"u{n}")) for n in range(6)]
        await trio.sleep(0.1)
        run.nodes[B].journal.down = True
        if how == "parted":
            run.network.part(A, B)
            await run.nodes[A].ask("talk:a", Say(text="gap"))
        else:
            run.network.filter = all_but(Published)
            await run.nodes[A].ask("talk:a", Say(text="gap"))
            await trio.sleep(0.1)
            run.network.filter = lambda sender, receiver, frame: True
            await run.nodes[A].ask("talk:a", Say(text="by which it is found"))
        await trio.sleep(0.3)
        late = run.nodes[B].watch("talk:a", named("late"))
        await trio.sleep(0.1)
        for user in ("late", "u0", "u1"):
            await run.nodes[A].ask("talk:a", Put(user=user))
        await trio.sleep(0.1)
        assert not any(seat.kicks for seat in seats), "they come after what was said before"
        for user in ("u2", "u3", "u4"):
            await run.nodes[A].ask("talk:a", Put(user=user))
            await trio.sleep(0.1)
        (catch_up,) = run.nodes[B].correspondence.catching_up.catching.values()
        assert [seat.kicks for seat in seats] == [[2100]] * 3 + [[]] * 3
        assert sum(isinstance(one, Kicked) for one in catch_up.items) == catch_up.kicks == 2
        run.nodes[B].journal.down = False
        await trio.sleep(5)
        assert [seat.kicks for seat in seats] == [[2100]] * 5 + [[]]
        assert saw_all(seats[5], 7 if how == "parted" else 8)
        assert late.refusals[-1].name == "talk.out"
        assert len(run.nodes[B].hub.subscribers("talk:a")) == 1


async def test_a_journal_that_cannot_be_read_is_asked_again(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        seat = run.nodes[B].watch("talk:a", ANN)
        await trio.sleep(0.1)
        run.network.filter = all_but(Published)
        await run.nodes[A].ask("talk:a", Say(text="x"))
        run.network.filter = lambda sender, receiver, frame: True
        journal = run.nodes[B].journal
        read, fails = journal.read, 3

        async def failing(*args: Any, **how: Any) -> Any:
            nonlocal fails
            fails -= 1
            if fails >= 0:
                raise StoreUnavailable("away")
            return await read(*args, **how)

        journal.read = failing  # type: ignore[method-assign]
        run.network.part(A, B)
        await trio.sleep(5)
        assert saw_all(seat, 1)
        assert fails < 0
