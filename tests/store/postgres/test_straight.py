"""The straight way: the same answers and errors as by asyncpg's own, without a task of asyncio's."""

import os
import select
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import trio

from greenroom.store.errors import DataRefused, OutcomeLost, StoreUnavailable
from greenroom.store.postgres.bridge import Bridge, BridgeCancelled
from greenroom.store.postgres.connection import Connection
from greenroom.store.postgres.silence import Lapse
from greenroom.store.postgres.straight import Straight, cut_off, holds_error
from greenroom.store.postgres.wire import Wire

ADD = "INSERT INTO noted (number, body) VALUES ($1, $2) RETURNING number"
COUNT = "SELECT count(*) FROM noted"
PID = "SELECT pg_backend_pid()"
END = "SELECT pg_terminate_backend($1)"


class FakeSession:
    """Of asyncpg's, what we use."""

    closed = False

    def add_log_listener(self, callback: object) -> None:
        pass

    async def fetch(self, query: str, *args: object) -> list[object]:
        return [query, *args]

    async def fetchval(self, query: str) -> object:
        raise NotImplementedError

    async def execute(self, query: str, *args: object) -> str:
        return query

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 as asyncpg's
        raise NotImplementedError

    def terminate(self) -> None:
        self.closed = True

    def is_closed(self) -> bool:
        return self.closed


class StraightSession(FakeSession):
    """With the straight way, over `sock`; also its own protocol and transport. It has prepared `SELECT`."""

    def __init__(self, sock: socket.socket, loop: Any = None) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._loop = loop
        self._transport = self._protocol = self
        self._stmt_cache = {("SELECT", None, False): "SELECT"}
        self.said = b""
        self.unsent = 0
        self.asked = 0
        self.waiter: Any = None

    def get_extra_info(self, name: str) -> object:
        return self._sock if name == "socket" else None

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def get_record_class(self) -> None:
        return None

    def data_received(self, said: bytes) -> None:
        self.said += said

    async def bind_execute(self, *_: object) -> object:
        self.asked += 1
        self.waiter = self._loop.create_future()
        self.waiter.add_done_callback(self._on_waiter_completed)
        return await self.waiter

    async def query(self, *_: object) -> object:
        return await self.bind_execute()

    def _on_waiter_completed(self, _: object) -> None:
        raise AssertionError("nobody calls it")


@contextmanager
def straight_way(bridge: Bridge) -> Iterator[tuple[Straight, StraightSession, socket.socket]]:
    """One, its session, and the peer."""
    left, right = socket.socketpair()
    with left, right:
        session = StraightSession(left, bridge._loop)
        yield Straight(bridge, Wire(session)), session, right


class CountingBridge(Bridge):
    """Counts what went asyncpg's own way."""

    def __init__(self) -> None:
        super().__init__()
        self.runs = 0
        self.turns = 0

    def _turn(self, *args: Any) -> None:
        self.turns += 1
        super()._turn(*args)

    async def run(self, *args: Any) -> Any:  # type: ignore[override]
        self.runs += 1
        return await super().run(*args)


@pytest.fixture
async def bridge() -> AsyncIterator[CountingBridge]:
    async with CountingBridge() as bridge:
        yield bridge


@pytest.fixture
async def connection(bridge: CountingBridge, database_url: str) -> AsyncIterator[Connection]:
    connection = Connection(bridge, database_url, application_name="straight")
    await connection.fetch("CREATE TABLE noted (number bigint PRIMARY KEY, body bytea)")
    yield connection
    await connection.aclose()


async def test_a_statement_that_is_prepared_needs_no_task_of_asyncios(
    connection: Connection, bridge: CountingBridge
) -> None:
    """Pins the private attributes of asyncpg's: were one gone, there would be no such way."""
    assert [tuple(row) for row in await connection.fetch(ADD, 1, b"a")] == [(1,)]
    before = bridge.runs, bridge.turns
    assert [tuple(row) for row in await connection.fetch(ADD, 2, b"b")] == [(2,)]
    async with connection.transaction() as transaction:
        await transaction.fetch(ADD, 3, None)
    assert (bridge.runs, bridge.turns) == before  # nor has it left something in the loop that had to be called
    assert (await connection.fetch(COUNT))[0][0] == 3


async def test_what_is_refused_leaves_the_session_as_it_was(connection: Connection) -> None:
    await connection.fetch(ADD, 1, b"")
    for number in range(2):
        with pytest.raises(DataRefused, match="UniqueViolation"):
            await connection.fetch(ADD, 1, b"", write=True)
        with pytest.raises(DataRefused, match="DataError"):
            await connection.fetch(ADD, "one", b"", write=True)
        await connection.fetch(ADD, 2 + number, b"", write=True)
    assert connection.connects == 1


async def test_who_is_gone_is_found_before_anything_is_sent(
    connection: Connection, bridge: CountingBridge, database_url: str
) -> None:
    other = Connection(bridge, database_url, application_name="other")
    for number in range(2):
        await connection.fetch(ADD, 2 * number, b"", write=True)
        await other.fetch(END, (await connection.fetch(PID))[0][0])
        while (await other.fetch("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'straight'"))[0][0]:
            await trio.lowlevel.checkpoint()
        await connection.fetch(ADD, 2 * number + 1, b"", write=True)
    assert connection.connects == 3
    assert (await connection.fetch(COUNT))[0][0] == 4
    await other.aclose()


@pytest.mark.parametrize(
    ("said", "is_last"),
    [
        (b"E\0\0\0\x05\0", True),
        (b"N\0\0\0\x08EEE\0" + b"S\0\0\0\x06E\0", False),
        (b"N\0\0\0\x08EEE\0" + b"E\0\0\0\x05\0", True),
        (b"N\0\0\0\xffEEE", False),  # cut short
        (b"N", False),
        (b"N\0\0\0\0\0\0\0\0", False),  # no length: it ends all the same
    ],
)
def test_an_error_is_found_among_what_is_said_unasked(said: bytes, is_last: bool) -> None:
    assert holds_error(said) is is_last


@pytest.mark.parametrize("cut", [b"", b"N", b"N\0\0\0", b"N\0\0\0\x08", b"N\0\0\0\x08EEE"])
def test_of_a_message_that_is_not_whole_what_has_come_is_kept(cut: bytes) -> None:
    assert cut_off(cut) == cut_off(b"S\0\0\0\x06E\0" + cut) == cut
    assert cut_off(b"N\0\0\0\x08EEE\0") == b""


async def test_whose_last_word_has_come_is_gone_though_the_socket_still_ends(bridge: CountingBridge) -> None:
    with straight_way(bridge) as (straight, session, peer):
        peer.send(b"N\0\0\0\x05\0")
        assert not straight.is_closed()
        assert session.said == b"N\0\0\0\x05\0"
        peer.send(b"E\0\0\0\x05\0")
        assert straight.is_closed()


async def test_what_comes_in_two_parts_is_one_message(bridge: CountingBridge, monkeypatch: pytest.MonkeyPatch) -> None:
    with straight_way(bridge) as (straight, session, peer):
        for part in (b"N\0\0\0", b"\x08", b"EE", b"E\0S\0\0\0\x06", b"E\0"):
            peer.send(part)
            assert not straight.is_closed()
        assert session.said == b"N\0\0\0\x08EEE\0S\0\0\0\x06E\0"
        peer.send(b"N\0\0\0\x08")
        assert not straight.is_closed()
        await straight.fetch(Lapse(trio.current_time() + 10), "its rest is read with the answer")
        peer.send(b"E\0\0\0\x05\0")
        with monkeypatch.context() as patched:
            patched.setattr("greenroom.store.postgres.straight.os.read", _nothing_yet)
            assert not straight.is_closed()
        assert straight.is_closed()


def _nothing_yet(fd: int, size: int) -> bytes:
    raise BlockingIOError


class Beside(trio.abc.Instrument):
    """Somebody else's turn, just before trio looks what can be read."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    def before_io_wait(self, timeout: float) -> None:
        self._bridge.finish_callbacks()


def hung_up(connection: Connection) -> None:
    """Return when its peer has. Nobody else does anything meanwhile, or somebody might take notice."""
    assert connection._straight is not None and connection._straight._fd is not None
    poll = select.poll()
    poll.register(connection._straight._fd, 0)
    assert poll.poll(10_000)


@pytest.mark.parametrize("asks", [True, False])
async def test_whose_peer_has_ended_amid_a_transaction_hears_so_at_once(
    connection: Connection, bridge: CountingBridge, database_url: str, asks: bool
) -> None:
    """As by its timeout, while we stood still. Nothing can be sent then, and somebody else's turn closes the socket."""
    other = Connection(bridge, database_url, application_name="other")
    await connection.fetch(ADD, 1, b"")
    pid = (await connection.fetch(PID))[0][0]
    beside = Beside(bridge)
    trio.lowlevel.add_instrument(beside)
    try:
        with trio.fail_after(5), pytest.raises(StoreUnavailable if asks else OutcomeLost):
            async with connection.transaction() as transaction:
                await transaction.fetch(ADD, 2, b"")
                await other.fetch(END, pid)
                hung_up(connection)
                if asks:
                    await transaction.fetch(ADD, 3, b"")
    finally:
        trio.lowlevel.remove_instrument(beside)
    assert (await connection.fetch(COUNT))[0][0] == 1
    await other.aclose()


async def test_who_finds_amid_sending_that_the_peer_is_gone_tells_whoever_waits(bridge: CountingBridge) -> None:
    """asyncio does, in anybody's turn, and closes the socket. What has its number from then on is not ours to read."""
    theirs, others = socket.socketpair()
    with straight_way(bridge) as (straight, session, _), theirs, others, trio.fail_after(5):
        session.unsent = 1
        others.send(b"theirs")

        async def lost() -> None:
            with pytest.raises(ConnectionResetError):
                await straight.fetch(Lapse(trio.current_time() + 60), "SELECT")

        def fails() -> None:
            session.waiter.set_exception(ConnectionResetError())
            os.dup2(theirs.fileno(), session._sock.fileno())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(lost)
            await trio.testing.wait_all_tasks_blocked()
            bridge.call(fails)
        assert session.closed and session.said == b"" and theirs.recv(100) == b"theirs"


async def test_nothing_is_sent_where_nobody_would_read_the_answer() -> None:
    async with Bridge() as bridge:
        pass
    with straight_way(bridge) as (straight, session, _):
        lapse = Lapse(trio.current_time() + 10)
        for ask in (straight.fetch(lapse, "SELECT"), straight.control(lapse, "BEGIN")):
            with pytest.raises(BridgeCancelled):
                await ask
        assert session.asked == 0


async def test_who_goes_amid_a_statement_leaves_it_unknown(
    connection: Connection, bridge: CountingBridge, database_url: str
) -> None:
    other = Connection(bridge, database_url, application_name="other")
    pid = (await connection.fetch(PID))[0][0]
    await connection.fetch("SELECT pg_sleep($1)", 0.0)

    async def lost() -> None:
        with pytest.raises(OutcomeLost, match="closed in the middle"):
            await connection.fetch("SELECT pg_sleep($1)", 60.0, write=True)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(lost)
        await trio.testing.wait_all_tasks_blocked()
        await other.fetch(END, pid)
    assert (await connection.fetch(COUNT))[0][0] == 0
    assert connection.connects == 2
    await other.aclose()


async def test_a_late_answer_is_nobodys(connection: Connection) -> None:
    """Who is cancelled ends his session, and says so to nobody's log."""
    late = "SELECT $1::int, pg_sleep($2)"
    await connection.fetch(late, 1, 0.0)
    with trio.move_on_after(0.01) as scope:
        await connection.fetch(late, 2, 0.2)
    assert scope.cancelled_caught
    assert (await connection.fetch(late, 3, 0.0))[0][0] == 3
    assert connection.connects == 2


async def test_a_table_that_has_changed_since_is_read_as_it_is(
    connection: Connection, bridge: CountingBridge, database_url: str
) -> None:
    other = Connection(bridge, database_url, application_name="other")
    everything = "SELECT * FROM noted"
    await connection.fetch(ADD, 1, b"")
    assert [len(row) for row in await connection.fetch(everything)] == [2]
    await other.fetch("ALTER TABLE noted ADD more int")
    assert [len(row) for row in await connection.fetch(everything)] == [3]
    await other.fetch("ALTER TABLE noted ADD most int")
    with pytest.raises(StoreUnavailable):
        async with connection.transaction() as transaction:
            await transaction.fetch(everything)
    async with connection.transaction() as transaction:  # the next one's begins anew
        assert [len(row) for row in await transaction.fetch(everything)] == [4]
    await other.aclose()


async def test_a_session_that_has_lost_what_it_prepared_is_used_no_more(connection: Connection) -> None:
    """As by a pooler that gives another one, or a DISCARD ALL of it: each statement would fail, for ever."""
    await connection.fetch(ADD, 1, b"")
    await connection.fetch("DEALLOCATE ALL")
    with pytest.raises(StoreUnavailable) as refused:
        await connection.fetch(ADD, 2, b"", write=True)
    assert type(refused.value) is StoreUnavailable
    await connection.fetch(ADD, 2, b"", write=True)
    assert connection.connects == 2


async def test_who_is_gone_once_the_bridge_is_closed_is_closed() -> None:
    async with Bridge() as bridge:
        with straight_way(bridge) as (straight, _, peer):
            assert not straight.is_closed()
            bridge._closing = True
            peer.close()
            assert straight.is_closed()
    with straight_way(bridge) as (straight, _, peer):
        peer.close()
        assert straight.is_closed()


async def test_what_the_server_says_beside_its_answer_is_heard_first(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await connection.fetch("""CREATE FUNCTION warned() RETURNS int LANGUAGE plpgsql AS
        $$ BEGIN RAISE WARNING 'no standby'; RETURN 1; END $$""")
    await connection.fetch("SELECT warned()")
    monkeypatch.setattr("greenroom.store.postgres.wire.WAITS_FOR_STANDBY", "exec_stmt_raise")
    with pytest.raises(OutcomeLost, match="standby"):
        await connection.fetch("SELECT warned()", write=True)


async def test_what_the_socket_does_not_take_at_once_follows(connection: Connection) -> None:
    await connection.fetch(ADD, 1, b"")
    large = bytes(8 << 20)
    await connection.fetch(ADD, 2, large)
    read = "SELECT body FROM noted WHERE number = $1"
    for _ in range(2):
        assert (await connection.fetch(read, 2))[0][0] == large


async def test_the_end_of_the_bridge_is_heard(database_url: str) -> None:
    async def waits(connection: Connection) -> None:
        with pytest.raises(OutcomeLost, match="the bridge closed"):
            await connection.fetch("SELECT pg_sleep($1)", 60.0, write=True)

    async with trio.open_nursery() as nursery:
        async with Bridge() as bridge:
            connection = Connection(bridge, database_url, application_name="straight")
            await connection.fetch("SELECT pg_sleep($1)", 0.0)
            nursery.start_soon(waits, connection)
            await trio.testing.wait_all_tasks_blocked()


async def test_through_tls_it_goes_asyncpgs_way(bridge: CountingBridge) -> None:
    class Secured:
        def get_extra_info(self, name: str) -> object:
            return object() if name == "ssl_object" else None

    class Session(FakeSession):
        _transport = Secured()

    straight = Straight(bridge, Wire(Session()))
    lapse = Lapse(trio.current_time() + 10)
    assert await straight.fetch(lapse, "SELECT", 1) == ["SELECT", 1]
    assert await straight.control(lapse, "BEGIN") == "BEGIN"
    assert not straight.is_closed()
