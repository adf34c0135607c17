"""The straight way: the same answers and errors as by asyncpg's own, without a task of asyncio's."""

import socket
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import pytest
import trio

from greenroom.store.errors import DataRefused, OutcomeLost, StoreUnavailable
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.connection import Connection
from greenroom.store.postgres.silence import Lapse
from greenroom.store.postgres.straight import Straight, holds_error
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


async def test_whose_last_word_has_come_is_gone_though_the_socket_still_ends(bridge: CountingBridge) -> None:
    left, right = socket.socketpair()
    left.setblocking(False)

    class Transport:
        def get_extra_info(self, name: str) -> object:
            return left if name == "socket" else None

        def pause_reading(self) -> None:
            pass

    class Session(FakeSession):
        _transport = Transport()
        _stmt_cache: ClassVar[dict[object, object]] = {}

        def __init__(self) -> None:
            self.said = b""
            self._protocol = self

        def get_record_class(self) -> None:
            return None

        def data_received(self, said: bytes) -> None:
            self.said += said

    with left, right:
        fake = Session()
        straight = Straight(bridge, Wire(fake))
        right.send(b"N\0\0\0\x05\0")
        assert not straight.is_closed()
        assert fake.said == b"N\0\0\0\x05\0"
        right.send(b"E\0\0\0\x05\0")
        assert straight.is_closed()


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
