"""Heads are found where they were written last, and where they are not there any more, by their ids."""

# ruff: noqa: F811 - fixtures are imported, and then arguments

import asyncpg
import pytest

from greenroom.store.journal.postgres import statement as statements
from greenroom.store.journal.postgres.append import Appending
from greenroom.store.journal.postgres.lone import text
from greenroom.store.journal.postgres.places import Places, parse, places
from greenroom.store.journal.records import Outcome
from greenroom.store.postgres.wire import SESSION
from tests.store.journal.clusters import PostgresCluster, append_to, claim, event, postgres  # noqa: F401 - fixtures

TEXTS = (text((), 1), text((), 2), statements.text((), ids=False), statements.text((), ids=True))


@pytest.mark.bound("heads whose place in their table is known")
def test_those_written_longest_ago_are_forgotten_first() -> None:
    known = Places(2)
    for number in (1, 2, 1, 3):
        known.note(number, (number, 9))
    assert [known.get(number) for number in (1, 2, 3)] == [(1, 9), None, (3, 9)] and len(known) == 2
    known.forget([1, 2])
    assert known.get(1) is None and len(known) == 1


def test_as_text() -> None:
    assert places([(1, 2), None]) == '{"(1,2)",NULL}'
    assert parse("(17,3)") == (17, 3)


@pytest.mark.parametrize("sql", TEXTS)
async def test_no_text_goes_through_the_rows_of_before(sql: str, postgres: PostgresCluster) -> None:
    await claim(postgres.node(1))
    scans = [line for line in await planned(postgres, sql) if "Scan" in line and "heads" in line]
    assert [scan for scan in scans if scan.startswith("Tid Scan")]
    others = [scan for scan in scans if not scan.startswith("Tid Scan")]
    assert len(others) == 1, "where no place is known"


async def test_takes_are_looked_up_though_there_seem_to_be_none(postgres: PostgresCluster) -> None:
    lines = await planned(postgres, statements.text(("jobs_untaken",), ids=False), before="VACUUM ANALYZE job_takes")
    at = lines.index("Index Scan using job_takes_pkey on job_takes t")
    assert lines[at + 1].startswith("Index Cond") and "queue" in lines[at + 1] and "token" in lines[at + 1]


async def planned(postgres: PostgresCluster, sql: str, before: str = "SELECT") -> list[str]:
    """As it is for all arguments, in tables that are as good as empty."""
    run = postgres.bridge.run
    connection = await run(asyncpg.connect, postgres.url)
    await run(connection.execute, before)
    for name, value in SESSION.items():
        await run(connection.execute, f"SET {name} = '{value}'")
    await run(connection.execute, f"PREPARE this AS {sql}")
    arguments = ", ".join("NULL" for number in range(1, 30) if f"${number}:" in sql or f"${number} " in sql)
    rows = await run(connection.fetch, f"EXPLAIN (COSTS OFF) EXECUTE this ({arguments})")
    await run(connection.close)
    return [row[0].strip().removeprefix("->").strip() for row in rows]


@pytest.mark.parametrize("is_batch", [False, True])
async def test_a_head_that_somebody_has_moved_is_looked_for_once_more(
    is_batch: bool, postgres: PostgresCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_batch:
        monkeypatch.setattr(statements, "lone", lambda item, incarnation, place: None)
    node = postgres.node(1)
    claimed = await claim(node)
    head, known = claimed.head, Places()
    for number in range(1, 4):
        appending = Appending(node._lane(0), 1, known)
        await appending.run([append_to(claimed, event(number), after=number - 1)])
        assert appending.outcomes == {head.id: Outcome.LANDED}
        place = known.get(head.id)
        rows = await node._lane(0).fetch("UPDATE heads SET claimed_ms = claimed_ms + 1 RETURNING ctid")
        assert place is not None and rows[0][0] != place
