"""The desk of one node, on a real Postgres."""

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
import trio
from msgspec import Raw
from msgspec.structs import replace

from greenroom.actors.model.entity import BadEntity
from greenroom.actors.model.errors import UnknownKind
from greenroom.actors.model.kinds import Kinds
from greenroom.store.errors import StoreUnavailable
from greenroom.store.journal.dead_letters import DeadLetter
from greenroom.store.journal.dead_letters_postgres import PostgresDeadLetters
from greenroom.store.journal.journal_postgres import PostgresJournal
from greenroom.store.journal.records import Append, Claimed, Outcome, StoredEvent
from greenroom.store.ownership.referee import Member, Newcomer
from greenroom.store.ownership.referee_postgres import PostgresReferee
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.pool import Pool
from greenroom.supervisors.admin import desk as desk_module
from greenroom.supervisors.admin.asked import Asked
from greenroom.supervisors.admin.desk import Desk
from greenroom.supervisors.admin.local import Local
from greenroom.supervisors.admin.told import AboutEntity, EntityTold, NodeTold
from tests.supervisors.admin.telling import told, told_of_entity
from tests.supervisors.kernel.small_kernel import Log
from tests.transports.admin.desk import StubDesk

ME, SHARDS = 7, 16
LETTER = DeadLetter(
    entity="log:a", message_type="log.note", payload=b'{"text":"secret"}', principal="ann",
    error="a secret", traceback="",
)  # fmt: skip


class Me(Local):
    """This node's memory, as the test has it."""

    def __init__(self) -> None:
        self.node = ME
        self.counted = 0
        self.is_awake = True

    async def of_node(self) -> NodeTold:
        self.counted += 10
        return told(ME, at_s=float(self.counted), counters={"commands": self.counted * 3})

    def of_entity(self, about: AboutEntity) -> EntityTold:
        if not self.is_awake:
            return told_of_entity(ME, awake=False)
        state = {"state": Raw(b'{"n":1}')} if about.state else {}
        return told_of_entity(ME, offset=3, **state)


class Rows:
    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.is_away = self.is_silent = False

    async def fetch(self, sql: str, *args: object) -> Sequence[Any]:
        if self.is_away:
            raise StoreUnavailable("not reached")
        if self.is_silent:
            await trio.sleep_forever()
        return await self.pool.fetch(sql, *args)


class Scene:
    def __init__(self, pool: Pool, referee: PostgresReferee) -> None:
        self.rows = Rows(pool)
        self.me = Me()
        self.referee = referee
        self.seen: list[Member] = []
        self.journal = PostgresJournal(pool, incarnation=ME, shards=SHARDS, now=lambda: 1_000.0)
        self.letters = PostgresDeadLetters(pool, shards=SHARDS)
        self.desk = Desk(
            fetch=self.rows.fetch,
            journal=self.journal,
            letters=self.letters,
            kinds=Kinds((Log,)),
            members=self,
            asked=Asked(self.me),
            views=StubDesk().views,
            jobs=StubDesk().jobs,
            shapes={},
            clock=lambda: 5.0,
        )

    def members(self) -> Sequence[Member]:
        return self.seen

    async def write(self, events: int, *, payload: bytes = b'{"type":"log.noted"}') -> Claimed:
        (claimed,) = await self.journal.claim({"log:a": 1}, window=100)
        assert isinstance(claimed, Claimed)
        stored = [StoredEvent(number, 5_000 + number, payload) for number in range(1, events + 1)]
        assert await self.journal.append([Append(claimed.head.id, claimed.head.fence, 0, stored)]) == [Outcome.LANDED]
        return claimed


@pytest.fixture
async def scene(database_url: str) -> AsyncIterator[Scene]:
    async with Bridge() as bridge, Pool(bridge, database_url, incarnation=ME, size=2) as pool:
        referee = PostgresReferee(pool.dedicated("members"), incarnation=ME)
        await referee.agree(SHARDS)
        await referee.join(Newcomer(url="http://me", version="1", host="h", process="p"), lease_s=60.0)
        await referee.take("start")
        yield Scene(pool, referee)


async def test_two_looks_at_the_cluster_give_rates(scene: Scene) -> None:
    first = json.loads(await scene.desk.cluster(full=True))
    assert (first["answered"], first["rates"], first["trouble"], first["at_ms"]) == (1, {}, "", 5_000)
    second = json.loads(await scene.desk.cluster(full=True))
    assert second["rates"] == {"commands": 3.0}
    assert [(one["node"], one["shards"]) for one in second["nodes"]] == [(f"{ME:016x}", SHARDS)]


@pytest.mark.parametrize("how", ["is_away", "is_silent"])
async def test_while_the_database_is_away_memory_is_shown(
    scene: Scene, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_module, "STORE_S", 0.2)
    scene.seen = await scene.referee.members()
    setattr(scene.rows, how, True)
    found = json.loads(await scene.desk.cluster(full=False))
    assert found["answered"] == 1 and found["trouble"]
    assert [one["url"] for one in found["nodes"]] == ["http://me"]
    with pytest.raises(StoreUnavailable):
        await scene.desk.entity("log:a", full=True)


async def test_an_entity_is_told_by_rows_and_memory(scene: Scene) -> None:
    await scene.write(3)
    found = json.loads(await scene.desk.entity("log:a", full=True))
    assert (found["stored"]["offset"], found["told"]["offset"], found["place"]["node"]) == (3, 3, f"{ME:016x}")
    for name, error in (("nonsense", BadEntity), ("ghost:a", UnknownKind)):
        for ask in (scene.desk.state(name), scene.desk.entity(name, full=True)):
            with pytest.raises(error):
                await ask
    await scene.referee.bury(ME, is_proven=True, why="stopped")
    found = json.loads(await scene.desk.entity("log:a", full=True))
    assert found["told"] is None and found["told_why"] == "nobody owns it"


async def test_state_is_of_memory_or_of_the_snapshot(scene: Scene) -> None:
    claimed = await scene.write(2)
    assert json.loads(await scene.desk.state("log:a")) == {
        "of": "memory", "offset": 3, "state": {"n": 1}, "is_long": False
    }  # fmt: skip
    scene.me.is_awake = False
    nothing = {"of": "snapshot", "offset": None, "state": None, "is_long": False}
    assert json.loads(await scene.desk.state("log:a")) == nothing
    await scene.journal.save_snapshot(claimed.head.id, fence=claimed.head.fence, offset=2, body=b'{"n":2}')
    assert json.loads(await scene.desk.state("log:a"))["state"] == {"n": 2}
    long = b'"' + b"x" * (256 << 10) + b'"'
    await scene.journal.save_snapshot(claimed.head.id, fence=claimed.head.fence, offset=2, body=long)
    assert json.loads(await scene.desk.state("log:a")) == nothing | {"is_long": True}


async def test_the_journal_is_read_page_by_page_the_newest_first(scene: Scene) -> None:
    assert json.loads(await scene.desk.journal("log:a", before=None, limit=2)) == {"events": [], "next": None}
    await scene.write(5)
    offsets: list[int] = []
    before = None
    while True:
        page = json.loads(await scene.desk.journal("log:a", before=before, limit=2))
        offsets += [one["offset"] for one in page["events"]]
        before = page["next"]
        if before is None:
            break
    assert offsets == [5, 4, 3, 2, 1]
    assert page["events"][0] == {"offset": 1, "at_ms": 5_001, "payload": {"type": "log.noted"}, "is_cut": False}


async def test_of_a_long_event_so_much_is_shown(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk_module, "PAYLOAD_BYTES_MAX", 10)
    await scene.write(1)
    (event,) = json.loads(await scene.desk.journal("log:a", before=None, limit=2))["events"]
    assert (event["payload"], event["is_cut"]) == ('{"type":"l', True)


async def test_dead_letters_are_shown_retried_and_dropped(scene: Scene) -> None:
    for _ in range(3):
        await scene.letters.add(LETTER)
    page = json.loads(await scene.desk.letters(entity="", before=None, limit=2, full=True))
    assert len(page["letters"]) == 2 and page["next"] == page["letters"][-1]["id"]
    assert page["letters"][0]["payload"] == {"text": "secret"} and page["letters"][0]["user"] == "ann"
    viewed = await scene.desk.letters(entity="log:a", before=None, limit=9, full=False)
    assert b"secret" not in viewed and b"ann" not in viewed and json.loads(viewed)["next"] is None
    number = page["letters"][0]["id"]
    assert json.loads(await scene.desk.retry([number, 99_999])) == {"wished": [number]}
    assert [one.id for one in await scene.letters.wished(limit=9)] == [number]
    assert json.loads(await scene.desk.drop([number, 99_999])) == {"dropped": [number]}
    left = json.loads(await scene.desk.letters(entity="", before=None, limit=9, full=True))["letters"]
    assert len(left) == 2 and number not in [one["id"] for one in left]
    with pytest.raises(AssertionError, match="all"):
        await scene.desk.drop([])


async def test_who_watches_is_shown_what_they_may_see(scene: Scene) -> None:
    await scene.write(1)
    for what in ("", "log:a"):
        full, viewer = await scene.desk._looked(what, True, True)
        assert json.loads(full) and json.loads(viewer)
        assert await scene.desk._looked(what, False, False) == (b"", b"")
    full, viewer = await scene.desk._looked("views", True, True)
    assert json.loads(full) == {"asked": "views"} and viewer == full


async def test_arguments_of_jobs_in_letters_are_hidden(scene: Scene) -> None:
    payload = b'{"job":"job.unknown","arguments":{"pin":"1"}}'
    await scene.letters.add(replace(LETTER, entity="queue:a", message_type="queue.add", payload=payload))
    page = json.loads(await scene.desk.letters(entity="", before=None, limit=9, full=True))
    assert page["letters"][0]["payload"]["arguments"] == "[redacted]"
