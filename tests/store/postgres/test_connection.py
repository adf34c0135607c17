"""What a connection makes of a wire that does not answer: whom it tells, and how it ends it. Sessions are fakes, on
virtual time; test_silence.py has real ones."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest
import trio
from trio.testing import MockClock

from greenroom.store.errors import DataRefused, NotAnswered, OutcomeLost, StoreUnavailable, TookTooLong
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.connection import SILENT_SHARE, Connection
from greenroom.store.postgres.silence import DOUBTED_S, Silence
from greenroom.store.postgres.wire import Wire

STATEMENT_S = 10.0
ANSWER, SILENCE, REFUSE, REFUSE_HERE, HANG_UP = "answer", "silence", "refuse", "refuse here", "hang up"


class FakeSession:
    """Of asyncpg's, what we use. Its statements say what becomes of them."""

    def __init__(self) -> None:
        self.closed = False
        self.turns: list[bool] = []  # of each `terminate`: was the loop running?

    async def fetch(self, query: str, *args: object) -> list[Any]:
        assert not self.closed
        await asyncio.sleep(0)
        match query:
            case "silence":
                await asyncio.sleep(1_000_000)
            case "refuse":
                raise asyncpg.PostgresError.new({"C": "22012", "V": "ERROR", "S": "ERROR", "M": "division by zero"})
            case "refuse here":
                raise asyncpg.DataError("invalid input for query argument $1")
            case "hang up":
                raise ConnectionResetError
        return []

    def terminate(self) -> None:
        self.closed = True
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self.turns.append(False)
        else:
            self.turns.append(True)

    async def fetchval(self, query: str) -> Any:
        raise NotImplementedError

    async def execute(self, query: str, *args: object) -> str:
        raise NotImplementedError

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 as asyncpg's
        self.closed = True

    def add_log_listener(self, callback: Callable[[Any, Any], None]) -> None:
        pass

    def is_closed(self) -> bool:
        return self.closed


class Wires:
    """Connections over fakes, that share what they know of one another's silence."""

    def __init__(self, bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
        self._bridge = bridge
        self._silence = Silence()
        self.sessions: list[FakeSession] = []

        async def open_wire(dsn: str, **settings: object) -> Wire:
            session = FakeSession()
            self.sessions.append(session)
            return Wire(session)

        monkeypatch.setattr("greenroom.store.postgres.connection.open_wire", open_wire)

    def connection(self) -> Connection:
        return Connection(self._bridge, "", application_name="test", statement_s=STATEMENT_S, silence=self._silence)


@pytest.fixture
async def wires(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Wires]:
    """Whoever asks for them asks for the clock as well: pytest-trio runs a test on one that is its own argument."""
    async with Bridge() as bridge:
        yield Wires(bridge, monkeypatch)


@pytest.mark.parametrize(("patience", "is_told"), [(SILENT_SHARE + 0.05, True), (SILENT_SHARE - 0.05, False)])
async def test_a_caller_whose_own_deadline_comes_first_has_found_a_silence_if_it_waited_nearly_as_long(
    patience: float, is_told: bool, wires: Wires, autojump_clock: MockClock
) -> None:
    """Such a deadline is as a rule the statement's own, minus what went before; shorter ones tell nothing."""
    silent, idle = wires.connection(), wires.connection()
    await idle.fetch(ANSWER)
    with trio.move_on_after(patience * STATEMENT_S) as scope:
        await silent.fetch(SILENCE)
    assert scope.cancelled_caught
    await idle.fetch(ANSWER)
    assert idle.connects == (2 if is_told else 1)


@pytest.mark.parametrize(("refusal", "is_doubted"), [(REFUSE_HERE, True), (REFUSE, False)])
async def test_what_asyncpg_refuses_itself_is_no_sign_of_the_server(
    refusal: str, is_doubted: bool, wires: Wires, autojump_clock: MockClock
) -> None:
    silent, other = wires.connection(), wires.connection()
    await other.fetch(ANSWER)

    async def find_out() -> None:
        with pytest.raises(StoreUnavailable):
            await silent.fetch(SILENCE)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(find_out)
        await trio.sleep(STATEMENT_S / 2)
        with pytest.raises(DataRefused):
            await other.fetch(refusal)
    await other.fetch(ANSWER)
    assert other.connects == (2 if is_doubted else 1)


async def test_a_statement_that_had_its_time_took_too_long_and_one_in_doubt_did_not(
    wires: Wires, autojump_clock: MockClock
) -> None:
    """Whoever asks for less at once the next time need not do so because another's wire was silent."""
    silent, doubted, writing = wires.connection(), wires.connection(), wires.connection()
    raised: dict[str, Exception] = {}

    async def ask(name: str, connection: Connection, *, write: bool = False) -> None:
        try:
            await connection.fetch(SILENCE, write=write)
        except Exception as error:
            raised[name] = error

    async with trio.open_nursery() as nursery:
        for one in (silent, doubted, writing):
            await one.fetch(ANSWER)
        nursery.start_soon(ask, "silent", silent)
        await trio.sleep(STATEMENT_S / 2)
        nursery.start_soon(ask, "doubted", doubted)
        nursery.start_soon(lambda: ask("writing", writing, write=True))
    assert {name: type(error) for name, error in raised.items()} == {
        "silent": NotAnswered,
        "doubted": StoreUnavailable,
        "writing": OutcomeLost,
    }
    _, waited, _ = str(raised["doubted"]).rsplit(maxsplit=2)  # "no answer from Postgres within 7.0 s"
    assert STATEMENT_S / 2 + DOUBTED_S <= float(waited) < STATEMENT_S


async def past_its_deadline(connection: Connection) -> None:
    with pytest.raises(TookTooLong):
        await connection.fetch(SILENCE)


async def cancelled(connection: Connection) -> None:
    with trio.move_on_after(1):
        await connection.fetch(SILENCE)


async def hung_up(connection: Connection) -> None:
    with pytest.raises(StoreUnavailable):
        await connection.fetch(HANG_UP)


@pytest.mark.parametrize("end", [past_its_deadline, cancelled, hung_up])
async def test_a_session_is_ended_inside_a_turn_of_the_bridge(
    end: Callable[[Connection], Awaitable[None]], wires: Wires, autojump_clock: MockClock
) -> None:
    """Outside of one its socket would stay open until somebody else's turn."""
    connection = wires.connection()
    await end(connection)
    assert [session.turns for session in wires.sessions] == [[True]]
    await connection.fetch(ANSWER)
    assert connection.connects == 2


async def test_one_in_doubt_too(wires: Wires, autojump_clock: MockClock) -> None:
    silent, idle = wires.connection(), wires.connection()
    await idle.fetch(ANSWER)
    await past_its_deadline(silent)
    await idle.fetch(ANSWER)
    assert [session.turns for session in wires.sessions] == [[True], [True], []]


async def test_a_statement_cancelled_before_it_is_sent_costs_nothing(wires: Wires, autojump_clock: MockClock) -> None:
    connection = wires.connection()
    await connection.fetch(ANSWER)
    with trio.CancelScope() as scope:
        scope.cancel()
        await connection.fetch(ANSWER)
    await connection.fetch(ANSWER)
    assert connection.connects == 1
