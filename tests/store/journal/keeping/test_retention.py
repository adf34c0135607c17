"""The retention sweep: which heads are due, what is left of their history, and the pace."""

# ruff: noqa: F811 - fixtures are imported, and then arguments

import math
from collections.abc import Sequence
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from greenroom.store.errors import StoreUnavailable, TookTooLong
from greenroom.store.journal.journal_memory import MemoryJournal
from greenroom.store.journal.journal_postgres import PostgresJournal
from greenroom.store.journal.keep import Counts, Keep, Looked, Rule, rule, to_go
from greenroom.store.journal.postgres.keeping import TRIM
from greenroom.store.journal.records import Append, Claimed, StoredEvent, Trimmed
from greenroom.store.journal.retention import CannotFold
from greenroom.store.postgres.connection import Connection
from tests.store.journal.keeping.swept_journal import NOW_S, clock, fill, journal, memory, postgres, swept  # noqa: F401 - fixtures


async def left(journal: MemoryJournal | PostgresJournal, entity: str) -> int:
    return len((await journal.read(entity, limit=1_000))[1])


async def test_a_sweep_trims_each_kind_by_its_own_limits(journal: MemoryJournal | PostgresJournal) -> None:
    await fill(journal, "room:long", 30)
    await fill(journal, "room:short", 5)
    await fill(journal, "room:fresh", 30, snapshot=False)
    await fill(journal, "feed:old", 10, age_s=7_200)
    await fill(journal, "feed:young", 10, age_s=60)
    await fill(journal, "kept:all", 30, age_s=7_200)
    keep = {"room": Keep(events=10), "feed": Keep(seconds=3_600)}
    retention = swept(journal, keep, page=2)
    await retention.sweep()
    assert await left(journal, "room:long") == 10
    assert await left(journal, "room:short") == 5
    assert await left(journal, "room:fresh") == 10, "it was given a snapshot"
    assert await left(journal, "feed:old") == 0
    assert await left(journal, "feed:young") == 10
    assert await left(journal, "kept:all") == 30


async def test_what_is_kept_for_ever_is_kept(journal: MemoryJournal | PostgresJournal) -> None:
    for seconds in (math.inf, 1e300):
        await fill(journal, f"room:{seconds}", 30)
        keep = {"room": Keep(events=10, seconds=seconds, command_ids_s=seconds)}
        await swept(journal, keep).sweep()
        assert await left(journal, f"room:{seconds}") == 10, "by number all the same"


async def test_command_ids_expire_also_when_no_event_is_left(journal: MemoryJournal | PostgresJournal) -> None:
    head_id = await fill(journal, "feed:a", 3, age_s=50)
    now_s = NOW_S
    keep = {"feed": Keep(seconds=40, command_ids_s=100)}
    retention = swept(journal, keep, now=lambda: now_s)
    assert (await retention.sweep()).trimmed == 1
    assert await left(journal, "feed:a") == 0
    assert set(await journal.replies(head_id, ["id-1", "id-3"])) == {"id-1", "id-3"}
    now_s += 60
    assert (await retention.sweep()).trimmed == 1
    assert await journal.replies(head_id, ["id-1", "id-3"]) == {}
    assert (await retention.sweep()).trimmed == 0


@pytest.mark.parametrize(
    ("keep", "counts", "first_s", "uncovered_s", "expected"),
    [
        (Keep(), Counts(100, 0, 100), 0, None, (False, False)),
        (Keep(events=10), Counts(11, 0, 11), 0, None, (False, False)),  # within the slack
        (Keep(events=10), Counts(12, 0, 12), 0, None, (False, True)),
        (Keep(events=10), Counts(12, 0, 0), 0, 0, (True, False)),
        (Keep(events=10), Counts(12, 0, 2), 0, 0, (False, True)),  # what is above the snapshot stays
        (Keep(events=10), Counts(100, 50, 50), 0, 0, (True, False)),
        (Keep(events=10), Counts(100, 40, 50), 0, 0, (True, True)),
        (Keep(seconds=1), Counts(5, 0, 5), 0, None, (False, True)),
        (Keep(seconds=1), Counts(5, 0, 3), 0, 0, (True, True)),
        (Keep(seconds=1), Counts(5, 0, 3), 0, NOW_S, (False, True)),
        (Keep(seconds=1), Counts(5, 0, 0), 0, 0, (True, False)),
        (Keep(seconds=1), Counts(5, 0, 5), NOW_S, None, (False, False)),
        (Keep(seconds=1), Counts(5, 5, 5), None, None, (False, False)),
        (Keep(seconds=math.inf), Counts(5, 0, 0), 0, 0, (False, False)),
    ],
)
async def test_what_is_to_go(
    keep: Keep,
    counts: Counts,
    first_s: float | None,
    uncovered_s: float | None,
    expected: tuple[bool, bool],
    postgres: PostgresJournal,
) -> None:
    """As decided in Python, and by the statement."""
    first_ms, uncovered_ms = (None if at_s is None else int(at_s * 1_000) for at_s in (first_s, uncovered_s))
    assert to_go(counts, rule("a", keep, NOW_S), first_ms, uncovered_ms) == expected
    head_id = await fill(postgres, "a:b", 0, snapshot=False)
    async with postgres._pool.connection() as connection:
        await connection.fetch(
            'UPDATE heads SET "offset" = $2, trimmed = $3, snapshot_offset = $4 WHERE id = $1',
            head_id, counts.offset, counts.trimmed, counts.snapshot_offset,
        )  # fmt: skip
        for offset in range(counts.trimmed + 1, counts.offset + 1):
            at_ms = first_ms if offset <= counts.snapshot_offset or uncovered_ms is None else uncovered_ms
            await connection.fetch(
                'INSERT INTO journal (id, "offset", fence, at_ms, payload) VALUES ($1, $2, 1, $3, $4)',
                head_id, offset, at_ms, b"{}",
            )  # fmt: skip
    looked = await postgres.look([rule("a", keep, NOW_S)], after_id=0, limit=9, unused_before_ms=0)
    assert looked.last_id == head_id
    assert [(one.uncovered, one.covered) for one in looked.found] == [expected] * any(expected)


async def test_it_sweeps_again_and_again_and_outlives_a_store_that_is_away(autojump_clock: MockClock) -> None:
    sweeps_at: list[float] = []

    class Away(MemoryJournal):
        async def look(self, rules: Sequence[Rule], **how: Any) -> Looked:
            sweeps_at.append(trio.current_time())
            if len(sweeps_at) == 1:
                raise StoreUnavailable("gone")
            return await super().look(rules, **how)

    journal = Away(now=lambda: 0.0)
    for n in range(20):
        await fill(journal, f"room:{n}", 30)
    retention = swept(journal, {"room": Keep(events=10)}, sweep_s=100, trims_per_s=2)
    began = trio.current_time()
    with trio.move_on_after(350):
        await retention.run()
    # The second trims 20 heads at 2 a second before it asks for another page, so the third begins at 310.
    assert [at - began for at in sweeps_at] == pytest.approx([100, 200, 210, 310, 310])
    assert await left(journal, "room:7") == 10


class Refusing(MemoryJournal):
    """Some heads can't be trimmed."""

    def __init__(self, *refused: str, error: StoreUnavailable | None = None) -> None:
        super().__init__(now=lambda: 0.0)
        self.refused = set(refused)
        self.error = error or TookTooLong("the test says so")
        self.tried: list[str] = []

    async def trim(self, head_id: int, *, keep_count: int, keep_after_ms: int, ids_after_ms: int) -> Trimmed:
        entity = self.rows.by_id[head_id].head.entity
        self.tried.append(entity)
        if entity in self.refused:
            raise self.error
        return await super().trim(
            head_id, keep_count=keep_count, keep_after_ms=keep_after_ms, ids_after_ms=ids_after_ms
        )


async def test_behind_an_entity_that_always_fails_the_others_are_trimmed(autojump_clock: MockClock) -> None:
    journal = Refusing("room:1", "room:3")
    for n in range(5):
        await fill(journal, f"room:{n}", 30)
    retention = swept(journal, {"room": Keep(events=10)})
    with capture_logs() as logs:
        assert (await retention.sweep()).trimmed == 3
        await retention.sweep()
    assert [await left(journal, f"room:{n}") for n in range(5)] == [10, 30, 10, 30, 10]
    told = [line["entity"] for line in logs if line["event"] == "entity_not_trimmed"]
    assert told == ["room:1", "room:3"], "once each, not at every lap"
    journal.refused.clear()
    await retention.sweep()
    assert [await left(journal, f"room:{n}") for n in range(5)] == [10] * 5


async def test_a_sweep_that_a_store_that_is_away_has_ended_goes_on_where_it_was(autojump_clock: MockClock) -> None:
    """Not at the first head: behind entities that fail it would never come."""
    names = [f"room:{n}" for n in range(9)]
    journal = Refusing(*names[1:4], error=StoreUnavailable("away"))
    for name in names:
        await fill(journal, name, 30)
    retention = swept(journal, {"room": Keep(events=10)}, page=4)
    with pytest.raises(StoreUnavailable):
        await retention.sweep()
    assert journal.tried == names[:4], "three in a row are no accident"
    assert (await retention.sweep()).trimmed == 5
    assert journal.tried == names
    journal.refused.clear()
    await retention.sweep()
    assert [await left(journal, name) for name in names] == [10] * 9, "the next lap has those that were passed over"


async def test_a_page_is_of_heads_looked_at_not_of_heads_found(journal: MemoryJournal | PostgresJournal) -> None:
    """Else a statement would walk over all heads where there is little to trim."""
    for n in range(10):
        await fill(journal, f"room:{n}", 30 if n in (0, 9) else 3)
    pages: list[list[str]] = []
    after_id: int | None = 0
    rules = [rule("room", Keep(events=10), NOW_S)]
    while after_id is not None:
        looked = await journal.look(rules, after_id=after_id, limit=4, unused_before_ms=0)
        pages.append([found.entity for found in looked.found])
        after_id = looked.last_id
    assert pages == [["room:0"], [], ["room:9"], []]


async def test_command_ids_expire_some_at_a_time(postgres: PostgresJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("greenroom.store.journal.journal_postgres.IDS_MAX", 4)
    head_id = await fill(postgres, "feed:a", 11, age_s=50)
    keep = {"feed": Keep(seconds=40, command_ids_s=100)}
    now_s = NOW_S
    retention = swept(postgres, keep, now=lambda: now_s)
    await retention.sweep()
    assert len(await postgres.replies(head_id, [f"id-{n}" for n in range(1, 12)])) == 11
    now_s += 60
    await retention.sweep()
    assert await postgres.replies(head_id, [f"id-{n}" for n in range(1, 12)]) == {}


async def test_events_that_take_too_long_to_delete_are_deleted_fewer_at_once(
    postgres: PostgresJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(postgres, "room:a", 30)
    asked: list[int] = []
    fetch = Connection.fetch

    async def slow(connection: Connection, sql: str, *args: Any, write: bool = False) -> Sequence[Any]:
        if sql is TRIM:
            asked.append(args[4])
            if args[4] > 10:
                raise TookTooLong("the test says so")
        return await fetch(connection, sql, *args, write=write)

    monkeypatch.setattr(Connection, "fetch", slow)
    await swept(postgres, {"room": Keep(events=10)}).sweep()
    assert asked == [500, 62, 7, 500, 62, 7, 500, 62, 7]
    assert await left(postgres, "room:a") == 10


# Entities that sleep without a snapshot


async def test_few_events_go_too_once_they_are_old(journal: MemoryJournal | PostgresJournal) -> None:
    """Their entity has never been worth a snapshot. The sweep has one made, and its fence stays as it is."""
    await fill(journal, "room:old", 5, age_s=7_200, snapshot=False)
    await fill(journal, "room:young", 5, age_s=60, snapshot=False)
    before = await journal.stored("room:old")
    result = await swept(journal, {"room": Keep(seconds=3_600)}).sweep()
    assert (result.trimmed, result.folded) == (1, 1)
    assert [await left(journal, name) for name in ("room:old", "room:young")] == [0, 5]
    stored = await journal.stored("room:old")
    assert before is not None and stored is not None
    assert (stored.snapshot, stored.snapshot_offset) == (b"folded", 5)
    assert stored.head.fence == before.head.fence
    (claimed,) = await journal.claim({"room:old": 1}, window=10)
    assert isinstance(claimed, Claimed)
    assert (claimed.snapshot, claimed.head.offset, claimed.events) == (b"folded", 5, [])


async def test_whoever_claims_meanwhile_keeps_its_snapshot(journal: MemoryJournal | PostgresJournal) -> None:
    head_id = await fill(journal, "room:a", 5, age_s=7_200, snapshot=False)
    stored = await journal.stored("room:a")
    assert stored is not None
    fence = stored.head.fence
    assert not await journal.save_folded(head_id, fence=fence, offset=6, body=b"of the future")
    assert await journal.save_folded(head_id, fence=fence, offset=3, body=b"at 3")
    assert not await journal.save_folded(head_id, fence=fence, offset=3, body=b"there already")
    await journal.claim({"room:a": 1}, window=0)
    assert not await journal.save_folded(head_id, fence=fence, offset=5, body=b"overtaken")
    after = await journal.stored("room:a")
    assert after is not None and (after.snapshot, after.snapshot_offset) == (b"at 3", 3)


async def test_an_entity_that_cannot_be_folded_keeps_its_events_and_holds_nobody_up(
    journal: MemoryJournal | PostgresJournal,
) -> None:
    names = [f"room:{n}" for n in range(5)]
    for name in names:
        await fill(journal, name, 5, age_s=7_200, snapshot=False)

    async def fold(entity: str) -> None:
        raise CannotFold("the test says so")

    retention = swept(journal, {"room": Keep(seconds=3_600)}, fold=fold)
    with capture_logs() as logs:
        assert (await retention.sweep()).trimmed == 0
        await retention.sweep()
    assert [line["entity"] for line in logs if line["event"] == "entity_not_trimmed"] == names, "once each"
    assert [await left(journal, name) for name in names] == [5] * 5


async def test_what_is_young_is_not_looked_at_again(postgres: PostgresJournal) -> None:
    """A head says since when it has events, and what a look finds is noted there: so the next reads heads alone."""
    await fill(postgres, "room:a", 5, age_s=60)

    async def since_ms() -> int:
        async with postgres._pool.connection() as connection:
            rows = await connection.fetch("SELECT since_ms FROM heads")
        return int(rows[0][0])

    assert await since_ms() == 0
    at_ms = int((NOW_S - 60) * 1_000)
    await swept(postgres, {"room": Keep(seconds=3_600)}).sweep()
    assert await since_ms() == at_ms
    stored = await postgres.stored("room:a")
    assert stored is not None
    head = stored.head
    late = StoredEvent(6, at_ms + 50_000, b"{}")
    await postgres.append([Append(head.id, head.fence, 5, [late])])
    await swept(postgres, {"room": Keep(seconds=20)}).sweep()
    assert await left(postgres, "room:a") == 1
    assert await since_ms() == late.at_ms


# The pace


class Stepping(MemoryJournal):
    """Trims that take several steps of a second each."""

    def __init__(self, steps: int) -> None:
        super().__init__(now=lambda: 0.0)
        self.steps = steps
        self.stepped_at: list[float] = []

    async def trim(self, head_id: int, *, keep_count: int, keep_after_ms: int, ids_after_ms: int) -> Trimmed:
        self.stepped_at.append(trio.current_time())
        await trio.sleep(1)
        return Trimmed(0, has_more=len(self.stepped_at) % self.steps > 0)

    async def look(self, rules: Sequence[Rule], **how: Any) -> Looked:
        await trio.sleep(0.01)
        return await super().look(rules, **how)


async def test_between_two_steps_appends_have_their_turn(autojump_clock: MockClock) -> None:
    journal = Stepping(3)
    await fill(journal, "room:a", 30)
    retention = swept(journal, {"room": Keep(events=10)}, monotonic=trio.current_time)
    await retention.sweep()
    first, second, third = journal.stepped_at
    assert [second - first, third - second] == pytest.approx([5, 5]), "a fifth of the time"


@pytest.mark.parametrize("heads", [10, 1_000])
@pytest.mark.bound("the sweep that looks for what is too old")
async def test_looking_takes_its_share_of_the_time_however_many_sleep(heads: int, autojump_clock: MockClock) -> None:
    journal = Stepping(1)
    for n in range(heads):
        await fill(journal, f"room:{n}", 1)
    began = trio.current_time()
    await swept(journal, {"room": Keep(events=10)}, monotonic=trio.current_time, page=10).sweep()
    pages = heads // 10
    assert trio.current_time() - began == pytest.approx(pages * 0.01 / 0.005, rel=0.02)
