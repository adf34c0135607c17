"""Who may not watch any more, and has not been told so."""

from collections.abc import Callable
from typing import Any

import trio
from trio.testing import MockClock

from greenroom.actors.identity import SignOut
from greenroom.actors.model.errors import ActorError
from greenroom.supervisors.correspondence.wire import Feed, Kicked, Seen
from greenroom.transports.http.own_session import OwnSession
from tests.supervisors.correspondence.seeing import all_but, by_type, counting
from tests.supervisors.correspondence.small_cluster import A, B, C, Node, Seat, cluster
from tests.supervisors.correspondence.small_entities import ANN, BOB, Put, Say, Shut


class Stream:
    """An event stream, as far as its session is concerned."""

    connection: Any = None

    def __init__(self, node: Node) -> None:
        self.principal = ANN
        self.closed = False
        self.is_in = False
        self.ended_at: float | None = None
        self._watching = node.services.watching
        self._own = OwnSession(self)
        self._watching.watch("session:ann", self._own, None)

    def signed_in(self) -> None:
        self.is_in = True

    def end(self) -> None:
        if not self.closed:
            self.closed = True
            self.ended_at = trio.current_time()
            self.leave()

    def refuse(self, error: ActorError) -> None:
        self.end()

    def kicked(self, code: int, reason: str) -> Callable[[], None]:
        return self.end

    def leave(self) -> None:
        if self._own.topic is not None:
            self._watching.leave(self._own.topic, self._own)


async def test_whoever_was_kicked_while_a_link_was_parted_is_found(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        ann, bob = run.nodes[B].watch("talk:a", ANN), run.nodes[B].watch("talk:a", BOB)
        await trio.sleep(0.1)
        run.network.filter = lambda sender, receiver, frame: sender != A
        await run.nodes[A].ask("talk:a", Put(user="ann"))
        await trio.sleep(0.1)
        run.network.filter = lambda sender, receiver, frame: True
        run.network.part(A, B)
        await trio.sleep(2)
        assert (ann.starts_over, bob.starts_over) == (1, 0)
        assert [error.name for error in ann.refusals] == ["talk.out"]
        assert bob.offsets == [1]


async def test_whoever_was_kicked_while_a_link_was_parted_and_is_about_to_watch_does_not(
    autojump_clock: MockClock,
) -> None:
    """It was let in before, and what it missed is still being read."""
    async with cluster() as run:
        for n in range(3):
            await run.nodes[A].ask("talk:a", Say(text=f"{n}"))
        bob = run.nodes[B].watch("talk:a", BOB)
        await trio.sleep(0.1)
        run.nodes[B].journal.delay_s = 5.0
        ann = Seat(run.nodes[B], "talk:a", ANN)
        ann.began_at, ann.epoch = 1, bob.epoch
        ann.watch()
        await trio.sleep(0.1)
        run.network.filter = all_but(Kicked)
        await run.nodes[A].ask("talk:a", Shut(user="ann"))
        await trio.sleep(0.1)
        run.network.filter = lambda sender, receiver, frame: True
        run.network.part(A, B)
        await trio.sleep(1)
        assert (ann.topic, ann.refusals) == (None, [])
        await trio.sleep(10)
        assert ann.topic is None
        assert [error.name for error in ann.refusals] == ["talk.out"]
        assert bob.starts_over == 0


async def test_nobody_waits_twice_to_be_asked_about(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        seats = [run.nodes[B].watch("talk:a", who) for who in (ANN, BOB)]
        await trio.sleep(0.1)
        rechecks = run.nodes[B].correspondence.rechecks
        for _ in range(5):
            rechecks.add("talk:a")
        assert len(rechecks) == 2
        await trio.sleep(1)
        assert len(rechecks) == 0
        assert [seat.starts_over for seat in seats] == [0, 0]


async def test_whoever_watches_by_a_token_is_asked_about_as_such(autojump_clock: MockClock) -> None:
    """Or all of them would be thrown off wherever an entity moves."""
    async with cluster() as run:
        ann, bob = run.nodes[B].watch("talk:a", ANN), run.nodes[B].watch("talk:a", BOB)
        await trio.sleep(0.1)
        ann.granted = True
        rechecks = run.nodes[B].correspondence.rechecks
        asked: dict[str, bool] = {}
        rechecks._submit = lambda entity, envelope: asked.update({envelope.principal.user: envelope.principal.granted})
        rechecks.add("talk:a")
        await trio.sleep(1)
        assert asked == {ANN.user: True, BOB.user: False} and bob.starts_over == 0


async def test_a_sign_out_ends_event_streams_on_every_node_at_once(autojump_clock: MockClock) -> None:
    """By what is said on the links, with no look at anything that has to come round first."""
    async with cluster(A, B, C) as run:
        streams = [Stream(run.nodes[node]) for node in (A, B, C)]
        await trio.sleep(0.1)
        assert all(stream.is_in for stream in streams)
        answer = run.nodes[A].audience("session:ann", ANN)
        await trio.sleep(30)
        assert answer.only.clients == 0, "nobody is shown that they are there"
        run.network.part(A, B)
        run.network.part(A, C)
        await trio.sleep(30)
        answer = run.nodes[A].audience("session:ann", ANN)
        await trio.sleep(1)
        assert answer.only.clients == 0, "nor by those who name their watchers anew"
        at = trio.current_time()
        await run.nodes[C].ask("session:ann", SignOut(), principal=ANN)
        await trio.sleep(1)
        assert all(stream.ended_at is not None and stream.ended_at - at < 0.05 for stream in streams)


async def test_a_sign_out_that_a_link_has_lost_ends_them_once_it_is_up_again(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        stream = Stream(run.nodes[B])
        await trio.sleep(0.1)
        run.network.filter = lambda sender, receiver, frame: sender != A
        await run.nodes[A].ask("session:ann", SignOut(), principal=ANN)
        await trio.sleep(5)
        assert not stream.closed
        run.network.filter = lambda sender, receiver, frame: True
        run.network.part(A, B)
        await trio.sleep(2)
        assert stream.closed


async def test_who_may_still_watch_is_asked_without_the_view(autojump_clock: MockClock) -> None:
    """A view may be long, and there may be many who watch it."""
    async with cluster() as run:
        await run.nodes[A].ask("talk:a", Say(text="x" * 1000))
        seats = [run.nodes[B].watch("talk:a", who) for who in (ANN, BOB)]
        await trio.sleep(0.1)
        frames = counting(run)
        run.network.part(A, B)
        await trio.sleep(2)
        assert len(by_type(frames, Feed)) == 1
        answers = by_type(frames, Seen)
        assert len(answers) == 3, "where it stands, and for each of them"
        assert all(answer.view == b"" and answer.offset == 1 for answer in answers)
        assert [seat.starts_over for seat in seats] == [0, 0]
