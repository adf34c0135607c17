"""Transactions over a connection: what lands of them, whatever ends them. Sessions are fakes; tests of views have real
ones."""

import pytest
import trio
from trio.testing import MockClock

from greenroom.store.errors import DataRefused, OutcomeLost, StoreUnavailable
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.connection import Connection
from greenroom.store.postgres.wire import Wire
from tests.store.postgres.test_connection import ANSWER, HANG_UP, REFUSE, SILENCE, FakeSession


class Session(FakeSession):
    """Notes what begins and ends transactions; `commit` is what becomes of COMMIT."""

    def __init__(self, commit: str) -> None:
        super().__init__()
        self.said: list[str] = []
        self.commit = commit

    async def execute(self, query: str, *args: object) -> str:
        self.said.append(query)
        if query != "COMMIT" or self.commit == "COMMIT":
            return query
        await self.fetch(self.commit)
        return "ROLLBACK"


class World:
    def __init__(self, bridge: Bridge, monkeypatch: pytest.MonkeyPatch, commit: str = "COMMIT") -> None:
        self.sessions: list[Session] = []

        async def open_wire(dsn: str, **settings: object) -> Wire:
            self.sessions.append(Session(commit))
            return Wire(self.sessions[-1])

        monkeypatch.setattr("greenroom.store.postgres.connection.open_wire", open_wire)
        self.connection = Connection(bridge, "", application_name="test", statement_s=10.0)


async def test_it_lands_at_the_end(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Bridge() as bridge:
        world = World(bridge, monkeypatch)
        async with world.connection.transaction() as transaction:
            await transaction.fetch(ANSWER)
        assert world.sessions[0].said == ["BEGIN", "COMMIT"]


async def test_an_error_rolls_it_back_and_the_session_goes_on(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Bridge() as bridge:
        world = World(bridge, monkeypatch)
        with pytest.raises(DataRefused):
            async with world.connection.transaction() as transaction:
                await transaction.fetch(REFUSE)
        with pytest.raises(RuntimeError):
            async with world.connection.transaction():
                raise RuntimeError
        await world.connection.fetch(ANSWER)
        assert world.sessions[0].said == ["BEGIN", "ROLLBACK"] * 2 and len(world.sessions) == 1


@pytest.mark.parametrize(
    ("commit", "error"), [("answer", StoreUnavailable), (HANG_UP, OutcomeLost), (SILENCE, OutcomeLost)]
)
async def test_an_end_that_nobody_heard_of_is_not_taken_for_one(
    commit: str, error: type[Exception], autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Bridge() as bridge:
        world = World(bridge, monkeypatch, commit)
        with pytest.raises(error):
            async with world.connection.transaction() as transaction:
                await transaction.fetch(ANSWER)


@pytest.mark.parametrize("statement", [HANG_UP, SILENCE])
async def test_a_session_that_is_lost_in_the_middle_has_landed_nothing(
    statement: str, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Bridge() as bridge:
        world = World(bridge, monkeypatch)
        with pytest.raises(StoreUnavailable):
            async with world.connection.transaction() as transaction:
                await transaction.fetch(statement)
        assert world.sessions[0].closed and world.sessions[0].said == ["BEGIN"]
        async with world.connection.transaction():
            pass
        assert world.sessions[1].said == ["BEGIN", "COMMIT"]


async def test_who_is_cancelled_leaves_nothing_open(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Bridge() as bridge:
        world = World(bridge, monkeypatch)
        with trio.move_on_after(1):
            async with world.connection.transaction():
                await trio.sleep_forever()
        with trio.move_on_after(1):
            async with world.connection.transaction() as transaction:
                await transaction.fetch(SILENCE)
        first = world.sessions[0]
        assert first.said == ["BEGIN", "ROLLBACK", "BEGIN"] and first.closed
