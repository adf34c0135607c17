"""Connections over socket pairs: what the kernel takes leaves, what it does not is bounded."""

import contextlib
import socket
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.transports.sockets.connection import Connection
from greenroom.transports.sockets.flusher import Flusher, TurnEnd
from greenroom.transports.sockets.poller import READABLE, WRITABLE

QUEUE_MAX = 200_000


class FakePoller:
    """Remembers what is watched; readiness comes from the test."""

    def __init__(self) -> None:
        self.watched: dict[int, tuple[bool, bool]] = {}

    def add(self, fd: int, owner: Any) -> None:
        self.watched[fd] = (True, False)

    def watch(self, fd: int, *, read: bool = True, write: bool = False) -> None:
        assert fd in self.watched
        self.watched[fd] = (read, write)

    def remove(self, fd: int) -> None:
        self.watched.pop(fd, None)


class Speaker:
    """The protocol of a connection, and its peer."""

    def __init__(self, *, buffer: int = 4096, queue_max: int = QUEUE_MAX, ring_max: int = 3) -> None:
        ours, self.peer = socket.socketpair()
        ours.setblocking(False)
        self.peer.setblocking(False)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
        self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.poller = FakePoller()
        self.flushes = 0
        self.flusher = Flusher(self.poller, TurnEnd(), self._before_flush, rest_share=0.0)  # type: ignore[arg-type]
        self.gone: list[Connection] = []
        self.connection = Connection(
            ours, self.flusher, self.gone.append, peer="test", queue_bytes_max=queue_max, ring_max=ring_max
        )
        self.heard: list[bytes] = []
        self.slow: list[str] = []
        self.ended = 0
        self.raises = False
        self.half_closes = 0
        self.answers_the_half_closed = False
        self.connection.start(self)

    def _before_flush(self) -> None:
        self.flushes += 1

    def received(self, data: bytes) -> None:
        if self.raises:
            raise ZeroDivisionError("a mistake of ours")
        self.heard.append(data)

    def half_closed(self) -> None:
        self.half_closes += 1
        if not self.answers_the_half_closed:
            self.connection.abort()

    def disconnected(self) -> None:
        self.ended += 1

    def too_slow(self, why: str) -> None:
        self.slow.append(why)

    def read(self) -> bytes:
        """All that the peer can read now."""
        found = b""
        while True:
            try:
                data = self.peer.recv(65_536)
            except BlockingIOError:
                return found
            if not data:
                return found
            found += data

    def drain(self) -> bytes:
        """Read and let the connection go on, until nothing more comes."""
        found = b""
        while True:
            data = self.read()
            found += data
            if self.connection.blocked:
                self.connection.on_ready(WRITABLE)
            elif not data:
                return found

    @property
    def finished(self) -> bool:
        """Has the peer seen the end?"""
        self.peer.setblocking(False)
        try:
            return self.peer.recv(1) == b""
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True


@pytest.fixture
async def speaker() -> Any:
    made = Speaker()
    yield made
    made.connection.abort()
    made.peer.close()


def block(speaker: Speaker, piece: bytes = b"#" * 1000) -> int:
    """Send until the socket takes no more; how much that was."""
    sent = 0
    while not speaker.connection.blocked:
        speaker.connection.send(piece)
        speaker.flusher.flush()
        sent += len(piece)
    return sent


async def test_what_one_turn_sends_leaves_together_in_order(speaker: Speaker) -> None:
    for piece in (b"a", b"b", b"c"):
        speaker.connection.send(piece)
    assert speaker.read() == b""
    speaker.flusher.flush()
    assert (speaker.read(), speaker.flushes) == (b"abc", 1)
    speaker.flusher.flush()
    assert speaker.read() == b""


async def test_what_comes_is_heard_and_the_end_too(speaker: Speaker) -> None:
    speaker.peer.send(b"hello")
    speaker.connection.on_ready(READABLE)
    assert speaker.heard == [b"hello"]
    speaker.connection.on_ready(READABLE)
    assert speaker.heard == [b"hello"]
    speaker.peer.close()
    speaker.connection.on_ready(READABLE)
    assert (speaker.ended, speaker.gone, speaker.poller.watched) == (1, [speaker.connection], {})
    speaker.connection.on_ready(READABLE)
    speaker.connection.send(b"x")
    speaker.connection.close_with(b"x")
    speaker.flusher.flush()
    assert speaker.ended == 1


async def test_who_sends_nothing_more_may_still_be_answered(speaker: Speaker) -> None:
    speaker.answers_the_half_closed = True
    speaker.peer.shutdown(socket.SHUT_WR)
    speaker.connection.on_ready(READABLE)
    (watched,) = speaker.poller.watched.values()
    assert (speaker.half_closes, watched) == (1, (False, False)), "told once; the end of input would be ready for ever"
    pieces = [str(at).encode() * 100 for at in range(100)]
    for piece in pieces:
        speaker.connection.send(piece)
    speaker.connection.close_when_sent()
    speaker.flusher.flush()
    assert list(speaker.poller.watched.values()) == [(False, True)], "only to go on writing"
    read = b""
    while not speaker.connection.flushed:
        read += speaker.read()
        speaker.connection.on_ready(WRITABLE)
    assert read + speaker.read() == b"".join(pieces)
    speaker.connection.on_ready(READABLE)  # both sides have ended, as epoll tells
    assert (speaker.half_closes, speaker.ended, speaker.poller.watched) == (1, 1, {})


async def test_nothing_is_read_while_it_rests(speaker: Speaker) -> None:
    speaker.connection.pause()
    speaker.connection.pause()
    assert list(speaker.poller.watched.values()) == [(False, False)]
    speaker.connection.resume()
    speaker.connection.resume()
    assert list(speaker.poller.watched.values()) == [(True, False)]
    speaker.connection.abort()
    speaker.connection.pause()
    speaker.connection.resume()
    assert speaker.poller.watched == {}


async def test_a_mistake_of_ours_ends_the_connection_and_nothing_else(speaker: Speaker) -> None:
    speaker.raises = True
    speaker.peer.send(b"hello")
    speaker.connection.on_ready(READABLE)
    assert (speaker.ended, speaker.finished) == (1, True)


async def test_a_peer_that_does_not_read_blocks_and_goes_on_where_it_stopped(speaker: Speaker) -> None:
    pieces = [str(at).encode() * 100 for at in range(1000)]
    for piece in pieces:
        speaker.connection.send(piece)
    speaker.flusher.flush()
    assert speaker.connection.blocked
    assert list(speaker.poller.watched.values()) == [(True, True)]
    assert speaker.connection in speaker.flusher.blocked
    assert speaker.drain() == b"".join(pieces)
    assert (speaker.connection.blocked, speaker.flusher.queued_bytes, dict(speaker.flusher.blocked)) == (False, 0, {})
    assert list(speaker.poller.watched.values()) == [(True, False)]
    speaker.connection.send(b"on")
    speaker.flusher.flush()
    assert speaker.read() == b"on"


async def test_more_waiting_than_the_bound_is_too_slow_and_less_is_not(speaker: Speaker) -> None:
    block(speaker)
    while speaker.flusher.queued_bytes - 1000 <= QUEUE_MAX:  # behind the piece that is under way
        assert speaker.slow == []
        speaker.connection.send(b"#" * 1000)
    assert speaker.slow


async def test_what_one_turn_sends_is_bounded_too(speaker: Speaker) -> None:
    """Many answers to one frame: nobody knows yet that the peer does not read."""
    most = 0
    for _ in range(5000):
        speaker.connection.send(b"#" * 1000)
        most = max(most, speaker.connection._pieces_bytes)
        if speaker.slow:
            break
    assert speaker.slow
    assert most <= QUEUE_MAX + 2000, "and the piece that is too much, and the largest, which does not count"


async def test_one_batch_beyond_the_bound_is_fine_for_a_peer_that_reads() -> None:
    speaker = Speaker(buffer=1 << 20, queue_max=1000)
    speaker.connection.send(b"#" * 100_000)
    speaker.flusher.flush()
    assert speaker.slow == []
    assert speaker.drain() == b"#" * 100_000
    speaker.connection.abort()


@pytest.mark.parametrize("blocked_before", [False, True])
async def test_one_answer_of_ours_is_not_the_peers_slowness_and_what_waits_beside_it_is(blocked_before: bool) -> None:
    """However the answer's length compares with the bound: else a peer would be cut off whenever it asked."""
    speaker = Speaker(buffer=4096, queue_max=3000)
    if blocked_before:
        block(speaker)
    speaker.connection.send(b"#" * 1_000_000)
    speaker.flusher.flush()
    speaker.connection.send(b"#" * 500)
    assert speaker.slow == [] and speaker.connection.blocked
    speaker.connection.send(b"#" * 5000)
    speaker.connection.send(b"#" * 5000)
    assert speaker.slow
    speaker.connection.abort()


async def test_who_reads_slowly_has_not_stalled_and_who_takes_nothing_has() -> None:
    """Also while the socket takes nothing more of ours: half of what the kernel holds has to be read before it does."""
    speaker = Speaker(buffer=1 << 20)
    speaker.connection.send(b"#" * 50_000_000)
    speaker.flusher.flush()
    now = trio.current_time()
    for _ in range(10):
        now += 8
        speaker.peer.recv(40_000)
        assert speaker.connection.waited_s(now) < 9
    assert speaker.connection.waited_s(now + 9) == speaker.connection.waited_s(now) + 9
    assert speaker.connection.waited_s(now + 11) > 10
    speaker.connection.abort()
    assert speaker.connection.waited_s(now + 12) == 0


@pytest.mark.bound("ephemeral publications queued for one client")
async def test_the_newest_of_each_kind_waits_and_the_oldest_kinds_go(speaker: Speaker) -> None:
    speaker.connection.send_ephemeral(b"first;", "a")
    speaker.flusher.flush()
    assert speaker.read() == b"first;", "while the peer keeps up nothing is left out"
    sent = block(speaker)
    for number in range(100):
        for key in "abcd":
            speaker.connection.send_ephemeral(f"{key}{number};".encode(), key)
    speaker.connection.send_ephemeral(b"b!;", "b")
    speaker.connection.send(b"durable;")
    found = speaker.drain()
    assert found[sent:] == b"durable;c99;d99;b!;"
    assert speaker.flusher.queued_bytes == 0


async def test_a_last_frame_comes_behind_what_had_begun_and_the_rest_of_the_queue_is_dropped(speaker: Speaker) -> None:
    speaker.connection.send(b"<" + b"a" * 100_000 + b">")
    speaker.connection.send(b"<never>")
    speaker.connection.send_ephemeral(b"<gone>", "k")
    speaker.flusher.flush()
    speaker.connection.send_ephemeral(b"<gone>", "k")
    speaker.connection.close_with(b"<bye>", drop_queued=True)
    speaker.connection.send(b"<late>")
    assert not speaker.connection.open
    assert speaker.drain() == b"<" + b"a" * 100_000 + b"><bye>"
    assert speaker.finished, "half closed: the peer is to close"
    assert (speaker.ended, speaker.flusher.queued_bytes) == (0, 0)
    speaker.peer.close()
    speaker.connection.on_ready(READABLE)
    assert speaker.ended == 1


async def test_a_last_answer_comes_behind_all_that_are_queued(speaker: Speaker) -> None:
    """Each is the answer to one request, and which it is only their order says."""
    first = b"<" + b"a" * 100_000 + b">"
    speaker.connection.send(first)
    speaker.connection.send(b"<second>")
    speaker.flusher.flush()
    assert speaker.connection.blocked
    speaker.connection.send(b"<third>")
    speaker.connection.close_with(b"<last>")
    assert speaker.drain() == first + b"<second><third><last>"
    assert speaker.finished
    assert (speaker.ended, speaker.flusher.queued_bytes) == (0, 0)


async def test_what_comes_behind_our_goodbye_is_not_heard(speaker: Speaker) -> None:
    speaker.connection.close_with(b"bye")
    speaker.flusher.flush()
    speaker.peer.send(b"still here")
    speaker.connection.on_ready(READABLE)
    assert (speaker.heard, speaker.ended, speaker.read()) == ([], 0, b"bye")


async def test_a_reset_is_an_end(speaker: Speaker) -> None:
    speaker.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    speaker.connection.send(b"#" * 1000)
    speaker.peer.close()
    speaker.flusher.flush()
    speaker.flusher.flush()
    speaker.connection.send(b"#")
    speaker.flusher.flush()
    assert speaker.ended == 1


async def test_a_socket_that_is_given_away_is_ours_no_more(speaker: Speaker) -> None:
    speaker.connection.send(b"x")
    sock = speaker.connection.detach()
    speaker.flusher.flush()
    assert speaker.poller.watched == {}
    speaker.connection.abort()
    assert (speaker.gone, sock.send(b"y"), speaker.read()) == ([], 1, b"y")
    sock.close()


@given(
    st.lists(
        st.tuples(st.sampled_from(["send", "ephemeral", "flush", "read", "write"]), st.integers(1, 30_000)),
        max_size=60,
    ),
    st.booleans(),
    st.booleans(),
)
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)
def test_durable_pieces_arrive_whole_in_order_and_the_books_balance(
    steps: list[tuple[str, int]], closes: bool, drops: bool
) -> None:
    async def run() -> None:
        speaker = Speaker(queue_max=10**9)
        sent: list[bytes] = []
        found = b""
        for number, (step, size) in enumerate(steps):
            mark = b"%06d" % number
            match step:
                case "send":
                    speaker.connection.send(b"D" + mark + b"%06d" % size + b"d" * size)
                    sent.append(mark)
                case "ephemeral":
                    speaker.connection.send_ephemeral(b"E" + mark + b"%06d" % size + b"e" * size, str(size % 5))
                case "flush":
                    speaker.flusher.flush()
                case "read":
                    with contextlib.suppress(BlockingIOError):
                        found += speaker.peer.recv(size)
                case "write" if speaker.connection.blocked:
                    speaker.connection.on_ready(WRITABLE)
            blocked = speaker.connection.blocked
            assert speaker.flusher.queued_bytes == (speaker.connection._pieces_bytes if blocked else 0)
        if closes:
            speaker.connection.close_with(b"C" + b"%06d" % len(steps) + b"000000", drop_queued=drops)
        speaker.flusher.flush()
        found += speaker.drain()
        assert speaker.flusher.queued_bytes == 0
        got: list[bytes] = []
        while found:
            kind, mark, size = found[:1], found[1:7], int(found[7:13])
            assert len(found) >= 13 + size, "a piece was cut"
            assert set(found[13 : 13 + size]) <= set(kind.lower())
            if kind == b"D":
                got.append(mark)
            found = found[13 + size :]
        assert got == sent[: len(got)]
        assert (closes and drops) or got == sent
        speaker.connection.abort()
        speaker.peer.close()

    trio.run(run)


async def test_the_flush_runs_once_behind_the_tasks_that_are_ready(autojump_clock: MockClock) -> None:
    speaker = Speaker()
    async with trio.open_nursery() as nursery:
        await nursery.start(speaker.flusher.run)
        await wait_all_tasks_blocked()
        flushes = speaker.flushes

        async def say(piece: bytes) -> None:
            speaker.connection.send(piece)

        for piece in (b"a", b"b", b"c"):
            nursery.start_soon(say, piece)
        await wait_all_tasks_blocked()
        assert speaker.flushes == flushes + 1
        assert sorted(speaker.read()) == sorted(b"abc")
        speaker.flusher.wake()
        await wait_all_tasks_blocked()
        assert speaker.flushes == flushes + 2
        nursery.cancel_scope.cancel()
    speaker.connection.abort()
