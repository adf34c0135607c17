"""Jobs as what is committed with events: rows that fenced appends add, take, put back and end, in memory as in the
database."""

# ruff: noqa: F811 - fixtures are imported, and then arguments

from typing import Any

import msgspec
import pytest

from greenroom.store.jobs.jobs import JobStore
from greenroom.store.jobs.jobs_memory import MemoryJobs
from greenroom.store.jobs.jobs_postgres import PostgresJobs
from greenroom.store.journal.consequences.consequences import Consequences
from greenroom.store.journal.consequences.jobs import (
    ERRORS_MAX,
    SEALED,
    BackRow,
    EndRow,
    JobRow,
    Jobs,
    JobTables,
    TakeRow,
    UntakenRow,
    WindowRow,
    keep_arguments,
)
from greenroom.store.journal.journal import Journal
from greenroom.store.journal.records import Append, Claimed, Outcome
from tests.store.journal.clusters import (  # noqa: F401 - fixtures
    Cluster,
    MemoryCluster,
    PostgresCluster,
    claim,
    cluster,
    event,
    memory,
    postgres,
)

A, B = f"{1:032x}", f"{0xAB << 64:032x}"


def job(id: str = A, **fields: Any) -> JobRow:
    return JobRow(
        **{"id": id, "queue": "q", "job": "job.x", "arguments": b'{"n":1}', "added_ms": 5, "due_ms": 7, **fields}
    )


async def write(node: Journal, claimed: Claimed, jobs: Jobs) -> Outcome:
    """With one event."""
    after = claimed.head.offset
    append = Append(claimed.head.id, claimed.head.fence, after, [event(after + 1)], Consequences(jobs=jobs))
    (outcome,) = await node.append([append])
    if outcome is Outcome.LANDED:
        claimed.head.offset = after + 1
    return outcome


def store_of(cluster: Cluster) -> JobStore:
    if isinstance(cluster, MemoryCluster):
        return MemoryJobs(lambda: cluster._rows.consequences, lambda: 0.0)
    assert isinstance(cluster, PostgresCluster)
    return PostgresJobs(cluster.pools[0])


async def unfinished(cluster: Cluster, queue: str = "q") -> tuple[list[JobRow], list[TakeRow]]:
    jobs = store_of(cluster)
    begun = await jobs.begin(queue, 0)
    rows = await jobs.page(queue, begun.seen, "", arguments=True)
    read = await jobs.arguments([row.id for row in rows])
    for row in rows:
        assert row.arguments in (None, read[row.id]), "long ones do not come along"
        row.arguments = read[row.id]
    return rows, begun.takes


async def done(cluster: Cluster) -> dict[str, tuple[Any, ...]]:
    """State, when, worker, since when, result and errors of each job that has ended, by id."""
    if isinstance(cluster, MemoryCluster):
        ended = cluster._rows.consequences.of(JobTables).done
        return {
            id: (row.state, row.ended_ms, row.worker, row.started_ms, row.result, row.error is not None)
            for id, (_, row) in ended.items()
        }
    assert isinstance(cluster, PostgresCluster)
    async with cluster.pools[0].connection() as connection:
        rows = await connection.fetch(
            "SELECT id, state, ended_ms, worker, started_ms, result, errors IS NOT NULL FROM jobs_done"
        )
    return {row[0].hex: tuple(row[1:]) for row in rows}


async def test_a_job_is_added_taken_and_ended_with_its_queues_appends(cluster: Cluster) -> None:
    node = cluster.node(1)
    queue = await claim(node, "queue:q")
    first, second = job(A, partition="p", priority=0, options=b'{"by":"ann"}'), job(B, queue="other", attempts_max=9)
    assert await write(node, queue, Jobs(added=[first, second])) is Outcome.LANDED
    assert await unfinished(cluster) == ([first], [])
    assert await unfinished(cluster, "other") == ([second], [])
    taken = TakeRow("q", 1 << 40, "w", 9, [A])
    assert await write(node, queue, Jobs(taken=[taken])) is Outcome.LANDED
    assert await unfinished(cluster) == ([first], [taken])
    ended = EndRow(A, "completed", 20, "w", 9, b'{"url":"x"}')
    untaken = [UntakenRow("q", 1 << 40)]
    assert await write(node, queue, Jobs(ended={A: ended}, untaken=untaken)) is Outcome.LANDED
    assert await unfinished(cluster) == ([], [])
    assert await done(cluster) == {A: ("completed", 20, "w", 9, b'{"url":"x"}', False)}


async def test_arguments_that_are_to_go_go_with_the_end_unless_they_are_encrypted(cluster: Cluster) -> None:
    node = cluster.node(1)
    queue = await claim(node, "queue:q")
    sealed, removed, c = SEALED + b': "1.x.y"}', b'{"$sealed":""}', f"{3:032x}"
    rows = [job(A), job(B, arguments=sealed), job(c)]
    assert await write(node, queue, Jobs(added=rows)) is Outcome.LANDED
    ended = {id: EndRow(id, "cancelled", 20, arguments=removed, replaces="clear") for id in (A, B)}
    ended |= {c: EndRow(c, "cancelled", 20)}
    assert await write(node, queue, Jobs(ended=ended)) is Outcome.LANDED
    assert {id: state for id, (state, *_) in (await done(cluster)).items()} == dict.fromkeys([A, B, c], "cancelled")
    stored = {one.row.id: one.row.arguments for one in await store_of(cluster).ended([A, B, c])}
    assert stored == {A: removed, B: sealed, c: b'{"n":1}'}


async def test_what_can_only_be_removed_is_where_others_have_added_it(cluster: Cluster) -> None:
    """What its queue has added is in the clear if its class was not encrypted then."""
    node = cluster.node(1)
    queue, film = await claim(node, "queue:q"), await claim(node, "film:a")
    sealed, removed, c = SEALED + b': "1.x.y"}', b'{"$sealed":""}', f"{3:032x}"
    assert await write(node, queue, Jobs(added=[job(A)])) is Outcome.LANDED
    assert await write(node, film, Jobs(started=[job(B), job(c, arguments=sealed)])) is Outcome.LANDED
    ended = {id: EndRow(id, "cancelled", 20, arguments=removed, replaces="clear of others") for id in (A, B, c)}
    assert await write(node, queue, Jobs(ended=ended)) is Outcome.LANDED
    stored = {one.row.id: one.row.arguments for one in await store_of(cluster).ended([A, B, c])}
    assert stored == {A: b'{"n":1}', B: removed, c: sealed}


@pytest.mark.parametrize("stored", [b'{"n":1}', SEALED + b': "1.x.y"}'], ids=["in the clear", "encrypted"])
@pytest.mark.parametrize("is_new", [False, True])
async def test_what_is_changed_and_ends_at_once_has_ended_so(cluster: Cluster, stored: bytes, is_new: bool) -> None:
    """Whatever was to stand in place of what is in the clear: that is of what is not in memory, and older."""
    node = cluster.node(1)
    queue = await claim(node, "queue:q")
    changed, removed = SEALED + b': "1.x.z"}', b'{"$sealed":""}'
    writes = Jobs(added=[job(A, arguments=stored), job(B, arguments=stored)])
    if not is_new:
        assert await write(node, queue, writes) is Outcome.LANDED
        writes = Jobs()
    writes.merge(Jobs(back={A: BackRow(A, 7, 0, 0, arguments=changed)}))
    writes.merge(Jobs(ended={A: EndRow(A, "cancelled", 20, arguments=removed, replaces="clear")}))
    at_once = EndRow(B, "cancelled", 20, arguments=removed, replaces="clear")
    keep_arguments(at_once, BackRow(B, 7, 0, 0, arguments=changed))
    writes.merge(Jobs(ended={B: at_once}))
    assert not writes.back
    assert await write(node, queue, writes) is Outcome.LANDED
    ended = {one.row.id: one.row.arguments for one in await store_of(cluster).ended([A, B])}
    assert ended == {A: changed, B: changed}


@pytest.mark.bound("errors of one job that are kept")
async def test_of_its_errors_a_job_keeps_the_newest(postgres: PostgresCluster) -> None:
    node = postgres.node(1)
    queue = await claim(node, "queue:q")
    await write(node, queue, Jobs(added=[job()]))
    for number in range(ERRORS_MAX + 2):
        back = BackRow(A, 7, 0, 0, b'{"error":"%d"}' % number)
        assert await write(node, queue, Jobs(back={A: back})) is Outcome.LANDED
    assert await write(node, queue, Jobs(back={A: BackRow(A, 8, 0, 0)})) is Outcome.LANDED
    ended = EndRow(A, "failed", 20, error=b'{"error":"last"}')
    assert await write(node, queue, Jobs(ended={A: ended})) is Outcome.LANDED
    found = await store_of(postgres).find(A)
    assert found is not None and found.errors is not None
    errors = [one["error"] for one in msgspec.json.decode(found.errors)]
    assert errors == [*(str(number) for number in range(3, ERRORS_MAX + 2)), "last"]


async def test_what_failed_is_put_back_with_its_error_and_keeps_it_when_it_has_ended(cluster: Cluster) -> None:
    node = cluster.node(1)
    queue = await claim(node, "queue:q")
    await write(node, queue, Jobs(added=[job()]))
    await write(node, queue, Jobs(back={A: BackRow(A, 80, 0, 0, let_go=7)}))
    await write(node, queue, Jobs(back={A: BackRow(A, 90, 1, 2, b'{"error":"first"}', let_go=5)}))
    ((row,), _) = await unfinished(cluster)
    assert (row.due_ms, row.attempts, row.lost, row.let_go) == (90, 1, 2, 7)
    await write(node, queue, Jobs(ended={A: EndRow(A, "failed", 99, error=b'{"error":"second"}')}))
    assert await done(cluster) == {A: ("failed", 99, "", None, None, True)}
    if isinstance(cluster, PostgresCluster):
        async with cluster.pools[0].connection() as connection:
            (errors,) = await connection.fetch("SELECT errors::text, attempts, lost FROM jobs_done")
        assert [one["error"] for one in msgspec.json.decode(errors[0])] == ["first", "second"]
        assert errors[1:] == (1, 2)


async def test_an_owner_that_was_overtaken_writes_nothing(cluster: Cluster) -> None:
    node, other = cluster.node(1), cluster.node(2)
    stale = await claim(node, "queue:q")
    await write(node, stale, Jobs(added=[job()]))
    fresh = await claim(other, "queue:q", term=2)
    everything = Jobs(
        added=[job(B)],
        started=[job(f"{3:032x}")],
        taken=[TakeRow("q", 1, "w", 1, [A])],
        ended={A: EndRow(A, "completed", 1)},
    )
    assert await write(node, stale, everything) is Outcome.FENCED
    assert await write(node, stale, Jobs(back={A: BackRow(A, 9, 9, 9)})) is Outcome.FENCED
    assert await unfinished(cluster) == ([job()], []) and await done(cluster) == {}
    assert await write(other, fresh, Jobs(ended={A: EndRow(A, "cancelled", 1)})) is Outcome.LANDED
    assert await unfinished(cluster) == ([], [])


async def test_a_job_ends_once(cluster: Cluster) -> None:
    node = cluster.node(1)
    queue = await claim(node, "queue:q")
    await write(node, queue, Jobs(added=[job()]))
    await write(node, queue, Jobs(ended={A: EndRow(A, "completed", 1, result=b"1")}))
    assert await write(node, queue, Jobs(ended={A: EndRow(A, "failed", 2)})) is Outcome.LANDED
    assert [row[:2] for row in (await done(cluster)).values()] == [("completed", 1)]


async def test_what_another_entity_starts_bears_the_number_of_its_transaction(postgres: PostgresCluster) -> None:
    node = postgres.node(1)
    room, queue = await claim(node), await claim(node, "queue:q")
    await write(node, room, Jobs(started=[job(A)]))
    await write(node, queue, Jobs(added=[job(B)]))
    async with postgres.pools[0].connection() as connection:
        rows = await connection.fetch("SELECT id, xid IS NOT NULL FROM jobs")
    assert {row[0].hex: row[1] for row in rows} == {A: True, B: False}


@pytest.mark.parametrize("text", ["\0", "\\u0000", "é", "x" * 300_000])
async def test_any_result_and_any_argument_comes_back_as_it_was(text: str, cluster: Cluster) -> None:
    body = msgspec.json.encode({"text": text})
    node = cluster.node(1)
    queue = await claim(node, "queue:q")
    await write(node, queue, Jobs(added=[job(arguments=body)]))
    ((row,), _) = await unfinished(cluster)
    assert row.arguments == body
    await write(node, queue, Jobs(ended={A: EndRow(A, "completed", 1, result=body)}))
    assert (await done(cluster))[A][4] == body


def test_what_is_written_of_one_job_in_one_append_is_written_as_it_is_at_last() -> None:
    first = Jobs(added=[job(A)], back={B: BackRow(B, 1, 1, 0)}, taken=[TakeRow("q", 1, "w", 1, [B])])
    first.merge(Jobs(back={A: BackRow(A, 9, 1, 1), B: BackRow(B, 2, 2, 0)}, untaken=[UntakenRow("q", 1)]))
    assert [(row.due_ms, row.attempts, row.lost) for row in first.added] == [(9, 1, 1)], "a row that was not there yet"
    assert first.back == {B: BackRow(B, 2, 2, 0)}
    assert (first.taken, first.untaken) == ([], []), "neither need be written"
    first.merge(Jobs(ended={B: EndRow(B, "failed", 3)}, untaken=[UntakenRow("q", 0)]))
    assert first.back == {} and list(first.ended) == [B] and first.untaken == [UntakenRow("q", 0)]


def test_it_costs_its_rows_and_their_bytes() -> None:
    assert Jobs().cost() == (0, 0) and not Jobs()
    jobs = Jobs(added=[job(arguments=b"12345")], taken=[TakeRow("q", 1, "w", 1, [A, B])])
    jobs.merge(Jobs(ended={B: EndRow(B, "completed", 1, result=b"123")}, back={A: BackRow(A, 1, 1, 1, b"12")}))
    assert jobs.cost() == (1 + 1 + 2, 5 + 32 + 3)
    assert len(jobs) == 3


async def test_what_is_added_and_ended_by_one_append_has_ended(cluster: Cluster) -> None:
    """One statement can't remove what it adds."""
    node = cluster.node(1)
    queue = await claim(node, "queue:q")
    jobs = Jobs(added=[job(A, options=b'{"origin":"film:a"}'), job(B)])
    jobs.merge(Jobs(ended={A: EndRow(A, "cancelled", 20, error=b'{"error":"another"}')}))
    assert [row.id for row in jobs.added] == [B] and not jobs.ended and jobs.cost()[0] == 2
    assert await write(node, queue, jobs) is Outcome.LANDED
    rows, _ = await unfinished(cluster)
    assert [row.id for row in rows] == [B]
    assert await done(cluster) == {A: ("cancelled", 20, "", None, None, True)}


async def test_what_waits_is_changed_also_by_the_append_that_adds_it(cluster: Cluster) -> None:
    node = cluster.node(1)
    queue = await claim(node, "queue:q")
    jobs = Jobs(added=[job(A)])
    jobs.merge(Jobs(back={A: BackRow(A, 90, 0, 0, None, b"2")}))
    await write(node, queue, jobs)
    ((row,), _) = await unfinished(cluster)
    assert (row.arguments, row.due_ms) == (b"2", 90)
    twice = Jobs(back={A: BackRow(A, 91, 0, 0, b'{"error":"no"}', b"3")})
    twice.merge(Jobs(back={A: BackRow(A, 92, 1, 0)}))
    await write(node, queue, twice)
    ((row,), _) = await unfinished(cluster)
    assert (row.arguments, row.due_ms, row.attempts) == (b"3", 92, 1), "it keeps what it is not given anew"


async def test_a_window_is_kept_until_it_is_over_and_the_next_takes_its_place(cluster: Cluster) -> None:
    node = cluster.node(1)
    queue = await claim(node, "queue:q")
    for until, id in ((50, A), (90, B)):
        jobs = Jobs()
        jobs.merge(Jobs(windows={"k": WindowRow("q", "k", id, until)}))
        await write(node, queue, jobs)
    store = store_of(cluster)
    assert (await store.begin("q", 89)).windows == [WindowRow("q", "k", B, 90)]
    assert (await store.begin("q", 90)).windows == [] and (await store.begin("other", 5)).windows == []
