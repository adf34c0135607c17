"""What a lone append writes with scalars is what a batch writes with arrays."""

# ruff: noqa: F811 - fixtures are imported, and then arguments

import asyncpg
import pytest

from greenroom.store.journal.consequences.consequences import KINDS, Consequences
from greenroom.store.journal.consequences.jobs import (
    BackRow,
    EndRow,
    JobRow,
    Jobs,
    StepRow,
    Stored,
    TakeRow,
    UntakenRow,
    WindowRow,
)
from greenroom.store.journal.consequences.letters import Letters
from greenroom.store.journal.consequences.marks import Marks
from greenroom.store.journal.consequences.outbox import Outbox, OutboxRow
from greenroom.store.journal.consequences.timers import TimerRow, Timers
from greenroom.store.journal.dead_letters import DeadLetter
from greenroom.store.journal.journal import Journal
from greenroom.store.journal.postgres import statement as statements
from greenroom.store.journal.postgres.lone import EVENTS_MAX, ROWS_MAX, lone
from greenroom.store.journal.records import Append, Outcome
from tests.store.journal.clusters import PostgresCluster, claim, event, postgres  # noqa: F401 - fixtures

A, B, C = (f"{number:032x}" for number in (1, 2, 3))
TABLES = ("heads", "journal", "outbox", "received", "timers", "dead_letters", "jobs", "job_takes", "jobs_done")
MORE_TABLES = ("job_steps", "job_windows")
DIFFER = ("at", "xid", "since_ms", "claimed_ms", "epoch")  # columns: when it was, and by whom


def job(id: str) -> JobRow:
    return JobRow(id, "q", "job.x", b'{"n":1}', 5, 7, partition="p", options=b"{}", unique_key="k")


def end(id: str, arguments: bytes | None = None, replaces: Stored = "any") -> EndRow:
    return EndRow(id, "failed", 9, "w", 8, b"1", b'{"error":"no"}', arguments, replaces)


LETTER = DeadLetter(
    entity="room:a", message_type="room.say", payload=b"{}", principal="ann", error="no", traceback="", trace=None
)
# One after the other: each takes the text of its own that it brings.
STEPS = (
    Consequences(outbox=Outbox([OutboxRow(1, b"{}")]), marks=Marks({4711: 7})),
    Consequences(marks=Marks({4711: 9})),
    Consequences(marks=Marks({4711: 8})),  # which was seen before
    Consequences(timers=Timers({"a": TimerRow("a", 5, b"{}")})),
    Consequences(timers=Timers({"a": None, "b": TimerRow("b", 6, b"{}")})),
    Consequences(letters=Letters([LETTER])),
    Consequences(jobs=Jobs(added=[job(A)], taken=[TakeRow("q", 7, "w", 6, [A])])),
    Consequences(jobs=Jobs(back={A: BackRow(A, 8, 1, 0, b'{"error":"yet"}')}, steps=[StepRow(A, "s", b"1")])),
    Consequences(jobs=Jobs(windows={"k": WindowRow("q", "k", A, 9)})),
    Consequences(jobs=Jobs(ended={A: end(A)}, untaken=[UntakenRow("q", 7)])),
    Consequences(jobs=Jobs(revived=[job(A)])),
    Consequences(jobs=Jobs(ended={A: end(A)}, unstepped=[A])),
    Consequences(jobs=Jobs(revived=[job(A)])),
    Consequences(jobs=Jobs(ended={A: end(A, b'{"n":2}')})),
    Consequences(jobs=Jobs(revived=[job(A)])),
    Consequences(jobs=Jobs(ended={A: end(A, b'{"n":3}', "clear")})),
    Consequences(jobs=Jobs(revived=[job(A)])),
    Consequences(jobs=Jobs(ended={A: end(A, b'{"n":4}', "clear of others")})),
    Consequences(jobs=Jobs(over=[(job(B), end(B))])),
    Consequences(jobs=Jobs(dropped=[A])),
    Consequences(jobs=Jobs(started=[job(C)])),
)


async def test_it_writes_what_a_batch_writes(postgres: PostgresCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    node = postgres.node(1)
    alone = await written(postgres, node)
    monkeypatch.setattr(statements, "lone", lambda item, incarnation, place: None)
    assert await written(postgres, node) == alone


async def written(postgres: PostgresCluster, node: Journal) -> list[dict[str, list[dict[str, object]]]]:
    """The tables as they are after each of STEPS, written to a database that is empty."""
    connection = await postgres.bridge.run(asyncpg.connect, postgres.url)
    await postgres.bridge.run(connection.execute, f"TRUNCATE {', '.join(TABLES + MORE_TABLES)} RESTART IDENTITY")
    head = (await claim(node)).head
    found: list[dict[str, list[dict[str, object]]]] = []
    for number, brought in enumerate(STEPS):
        events = [event(head.offset + one) for one in range(1, 2 + number % EVENTS_MAX)]
        (outcome,) = await node.append([Append(head.id, head.fence, head.offset, events, brought, head.shard)])
        assert outcome is Outcome.LANDED
        head.offset += len(events)
        tables = {}
        for name in TABLES + MORE_TABLES:
            rows = await postgres.bridge.run(connection.fetch, f"SELECT * FROM {name} ORDER BY {name}::text")
            tables[name] = [{key: value for key, value in row.items() if key not in DIFFER} for row in rows]
        assert not found or tables != found[-1]
        found.append(tables)
    await postgres.bridge.run(connection.close)
    return found


def test_each_part_is_among_them() -> None:
    found = {
        part.name
        for brought in STEPS
        for field, kind in brought.each()
        for part in KINDS[field].parts
        if list(part.rows(1, None, kind))
    }
    assert found == {part.name for kind in KINDS.values() for part in kind.parts}


@pytest.mark.parametrize(
    ("brought", "events", "is_alone"),
    [
        (None, [event(1)], True),
        (None, [event(1), event(2)], True),
        (None, [event(1), event(2), event(3)], False),
        (None, [], False),
        (None, [event(1, command_id="a", reply=b"1")], False),
        (Consequences(marks=Marks({1: 1})), [event(1)], True),
        (Consequences(marks=Marks({1: 1, 2: 1})), [event(1)], False),
        (Consequences(jobs=Jobs(dropped=[A] * (ROWS_MAX + 1))), [event(1)], False),
    ],
)
def test_what_is_longer_takes_arrays(brought: Consequences | None, events: list[object], is_alone: bool) -> None:
    found = lone(Append(1, 7, 0, events, brought), 1)  # type: ignore[arg-type]
    assert (found is not None) is is_alone
    if found is not None:
        sql, arguments = found
        assert f"${len(arguments)}:" in sql and f"${len(arguments) + 1}" not in sql
